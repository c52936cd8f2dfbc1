"""The scores of retrieval, each a column of :class:`~hardest_metrics.functional.retrieval.QueryScores`."""

from typing import Any

from torch import Tensor

from hardest_metrics.functional.retrieval import QueryScores, Relevance, Similarity
from hardest_metrics.functional.retrieval.relevance import check_relevance
from hardest_metrics.retrieval.base import MeanT, RetrievalMetric
from hardest_metrics.retrieval.evaluation import Score


class HierarchicalAP(RetrievalMetric[MeanT]):
    """Ranks queries by 1 - H-AP: average precision in which an item counts by how much of the hierarchy it shares.

    After Ramzi et al., *Hierarchical Average Precision Training for Pertinent Image Retrieval*, ECCV 2022.

    Args:
        relevance: ``"pop"``, or a weight a level, coarsest first, see
            :func:`~hardest_metrics.functional.retrieval.relevances`.
        alpha: of ``"pop"``: the larger, the less coarse levels matter.
        reduction: see :class:`RetrievalMetric`.
        metric: likewise.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        ValueError: if no relevance follows from these.

    Example:
        >>> import torch
        >>> from hardest_metrics.retrieval import HierarchicalAP
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0], [0.7, 0.3]])
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1], [2, 1]])  # breed, species
        >>> metric = HierarchicalAP()
        >>> metric.update(embeddings, labels, torch.arange(5))
        >>> metric.compute()
        Ranking(5 images, hardest first: 4 (0.75), 3 (0.5), 2 (0.4167), ...)
        >>> mean = HierarchicalAP(reduction="mean")
        >>> mean(embeddings, labels)
        tensor(0.6000)
    """

    def __init__(
        self,
        relevance: Relevance = "pop",
        alpha: float = 1.0,
        *,
        reduction: MeanT = None,  # type: ignore[assignment]
        metric: Similarity = "cosine",
        **kwargs: Any,
    ) -> None:
        relevance = relevance if isinstance(relevance, str) else tuple(relevance)
        check_relevance(relevance, alpha, len(relevance))
        super().__init__(reduction=reduction, metric=metric, **kwargs)
        self.relevance = relevance
        self.alpha = alpha

    @property
    def asked(self) -> Score:
        """H-AP."""
        return Score(self.metric, relevance=self.relevance, alpha=self.alpha)

    def score(self, scores: QueryScores) -> Tensor:
        """H-AP of each query."""
        return scores.hierarchical_ap


class _OfLevel(RetrievalMetric[MeanT]):
    """A score with the items that share a level for positives.

    Args:
        level: 0 for the finest.
        reduction: see :class:`RetrievalMetric`.
        metric: likewise.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        ValueError: if `level` is none; when it is computed, if labels have fewer levels.
    """

    def __init__(
        self,
        level: int = 0,
        *,
        reduction: MeanT = None,  # type: ignore[assignment]
        metric: Similarity = "cosine",
        **kwargs: Any,
    ) -> None:
        _check_number("level", level, 0)
        super().__init__(reduction=reduction, metric=metric, **kwargs)
        self.level = level

    @property
    def asked(self) -> Score:
        """Whole rankings."""
        return Score(self.metric, levels=self.level + 1)


class _AtK(_OfLevel[MeanT]):
    """One that the first k items of a ranking tell.

    Args:
        k: how many items, at least 1; clipped to what is ranked, with a warning.
        level: 0 for the finest.
        reduction: see :class:`RetrievalMetric`.
        metric: likewise.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        ValueError: if `k` or `level` is none; when it is computed, if labels have fewer levels.
    """

    def __init__(
        self,
        k: int,
        level: int = 0,
        *,
        reduction: MeanT = None,  # type: ignore[assignment]
        metric: Similarity = "cosine",
        **kwargs: Any,
    ) -> None:
        _check_number("k", k, 1)
        super().__init__(level, reduction=reduction, metric=metric, **kwargs)
        self.k = k

    @property
    def asked(self) -> Score:
        """The first k items."""
        return Score(self.metric, (self.k,), first_only=True, levels=self.level + 1)


class AveragePrecision(_OfLevel[MeanT]):
    """Ranks queries by 1 - average precision, with the items that share a level for positives.

    Example:
        >>> import torch
        >>> from hardest_metrics.retrieval import AveragePrecision
        >>> metric = AveragePrecision(level=1, reduction="mean")
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0], [0.7, 0.3]])
        >>> metric(embeddings, torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1], [2, 1]]))
        tensor(0.6000)
    """

    def score(self, scores: QueryScores) -> Tensor:
        """AP of each query."""
        return scores.average_precision[:, self.level]


class MAPAtR(_OfLevel[MeanT]):
    """Ranks queries by 1 - mAP@R: average precision up to rank R, the number of positives.

    After Musgrave et al., *A Metric Learning Reality Check*, ECCV 2020.

    Example:
        >>> import torch
        >>> from hardest_metrics.retrieval import MAPAtR
        >>> metric = MAPAtR(level=1, reduction="mean")
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0], [0.7, 0.3]])
        >>> metric(embeddings, torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1], [2, 1]]))
        tensor(0.2500)
    """

    def score(self, scores: QueryScores) -> Tensor:
        """mAP@R of each query."""
        return scores.map_at_r[:, self.level]


class PrecisionAt(_AtK[MeanT]):
    """Ranks queries by 1 - the share of positives among the first k items.

    Example:
        >>> import torch
        >>> from hardest_metrics.retrieval import PrecisionAt
        >>> metric = PrecisionAt(k=2, level=1, reduction="mean")
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0], [0.7, 0.3]])
        >>> metric(embeddings, torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1], [2, 1]]))
        tensor(0.4000)
    """

    def score(self, scores: QueryScores) -> Tensor:
        """P@k of each query."""
        return scores.precision_at[self.k][:, self.level]


class RecallAt(_AtK[MeanT]):
    """Ranks queries by whether none of the first k items is a positive: 1 where none is, else 0.

    Example:
        >>> import torch
        >>> from hardest_metrics.retrieval import RecallAt
        >>> metric = RecallAt(k=2, level=1, reduction="mean")
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0], [0.7, 0.3]])
        >>> metric(embeddings, torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1], [2, 1]]))
        tensor(0.8000)
    """

    def score(self, scores: QueryScores) -> Tensor:
        """R@k of each query."""
        return scores.recall_at[self.k][:, self.level]


class NDCG(RetrievalMetric[MeanT]):
    """Ranks queries by 1 - nDCG of the whole ranking; the gain of an item that shares t levels is 2^t - 1.

    Example:
        >>> import torch
        >>> from hardest_metrics.retrieval import NDCG
        >>> metric = NDCG(reduction="mean")
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0], [0.7, 0.3]])
        >>> metric(embeddings, torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1], [2, 1]]))
        tensor(0.7366)
    """

    def score(self, scores: QueryScores) -> Tensor:
        """The nDCG of each query."""
        return scores.ndcg


class ASI(RetrievalMetric[MeanT]):
    """Ranks queries by 1 - ASI: the mean share that the first k items have with those of the ideal order.

    The mean is over k up to the number of positives of the coarsest level; items are alike that share
    as many levels.

    Example:
        >>> import torch
        >>> from hardest_metrics.retrieval import ASI
        >>> metric = ASI(reduction="mean")
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0], [0.7, 0.3]])
        >>> metric(embeddings, torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1], [2, 1]]))
        tensor(0.3500)
    """

    def score(self, scores: QueryScores) -> Tensor:
        """ASI of each query."""
        return scores.asi


class LevelAP(RetrievalMetric[MeanT]):
    """Ranks queries by 1 - AP#t: average precision of items that share exactly t levels, closer ones being left out.

    Args:
        t: how many levels, the coarsest first: at least 1.
        reduction: see :class:`RetrievalMetric`.
        metric: likewise.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        ValueError: if `t` is none; when it is computed, if labels have fewer levels.

    Example:
        >>> import torch
        >>> from hardest_metrics.retrieval import LevelAP
        >>> metric = LevelAP(t=1)
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0]])
        >>> metric.update(embeddings, torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]]), torch.arange(4))
        >>> metric.compute()
        Ranking(3 images, hardest first: 0 (0), 1 (0), 2 (0))
        >>> metric.without_positives
        1
    """

    def __init__(
        self,
        t: int,
        *,
        reduction: MeanT = None,  # type: ignore[assignment]
        metric: Similarity = "cosine",
        **kwargs: Any,
    ) -> None:
        _check_number("t", t, 1)
        super().__init__(reduction=reduction, metric=metric, **kwargs)
        self.t = t

    @property
    def asked(self) -> Score:
        """Whole rankings."""
        return Score(self.metric, levels=self.t)

    def score(self, scores: QueryScores) -> Tensor:
        """AP#t of each query."""
        return scores.level_ap[:, self.t - 1]


def _check_number(name: str, number: int, least: int) -> None:
    if type(number) is not int or number < least:
        raise ValueError(f"`{name}` must be an integer of at least {least}, but is {number!r}.")
