"""A small set to retrieve from, and metrics to try on it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from hardest_metrics.functional.retrieval import QueryScores, score_queries
from hardest_metrics.retrieval import (
    ASI,
    NDCG,
    AveragePrecision,
    HierarchicalAP,
    LevelAP,
    MAPAtR,
    PrecisionAt,
    RecallAt,
    RetrievalMetric,
)
from tests.functional.retrieval.trees import random_labels

#: All metrics by name, and the column of scores that each ranks by.
METRICS: Mapping[str, tuple[Callable[..., RetrievalMetric[Any]], Callable[[QueryScores], Tensor]]] = {
    "HierarchicalAP": (HierarchicalAP, lambda scores: scores.hierarchical_ap),
    "AveragePrecision": (lambda **kwargs: AveragePrecision(1, **kwargs), lambda scores: scores.average_precision[:, 1]),
    "MAPAtR": (lambda **kwargs: MAPAtR(2, **kwargs), lambda scores: scores.map_at_r[:, 2]),
    "PrecisionAt": (lambda **kwargs: PrecisionAt(5, 1, **kwargs), lambda scores: scores.precision_at[5][:, 1]),
    "RecallAt": (lambda **kwargs: RecallAt(2, **kwargs), lambda scores: scores.recall_at[2][:, 0]),
    "NDCG": (NDCG, lambda scores: scores.ndcg),
    "ASI": (ASI, lambda scores: scores.asi),
    "LevelAP": (lambda **kwargs: LevelAP(2, **kwargs), lambda scores: scores.level_ap[:, 1]),
}


@dataclass(frozen=True)
class Examples:
    """Images, as a data set would give them; unpacked, what `update` takes."""

    embeddings: Tensor
    labels: Tensor
    image_ids: Tensor

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.embeddings, self.labels, self.image_ids))

    def __getitem__(self, rows: Any) -> "Examples":
        return Examples(*(column[rows] for column in self))

    def but(self, **changed: Tensor) -> "Examples":
        return replace(self, **changed)

    def batches(self, size: int = 7) -> "list[Examples]":
        return [self[rows] for rows in torch.arange(len(self.labels)).split(size)]


def examples(number: int = 61, levels: int = 3, seed: int = 0) -> Examples:
    """Some with relatives, some without; ids in no order."""
    rng = torch.Generator().manual_seed(seed)
    labels = random_labels(number, levels, rng)
    labels[3] = labels.amax() + 1  # alone at all levels
    return Examples(torch.randn(number, 6, generator=rng), labels, torch.randperm(number, generator=rng) * 5 + 2**40)


def expected_scores(given: Examples, **settings: Any) -> tuple[Tensor, QueryScores]:
    """Ids, ascending, and all scores of queries that are the gallery, too."""
    given = given[given.image_ids.argsort()]
    return given.image_ids, score_queries(given.embeddings, given.labels, k=(2, 5), **settings)
