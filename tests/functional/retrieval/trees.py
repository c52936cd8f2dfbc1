"""Hierarchies to test with, and scores as their definitions state them: item by item, one query at a time."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


class Case(NamedTuple):
    """A small gallery, and queries from it or of their own."""

    embeddings: Tensor
    labels: Tensor
    gallery: Tensor | None
    gallery_labels: Tensor | None

    @property
    def arguments(self) -> dict[str, Any]:
        return self._asdict()


def golden_labels(rng: np.random.Generator, n: int, fan: Sequence[int]) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Labels of golden values, whose file says in words how they are made."""
    columns = [rng.integers(0, fan[0], n)]
    for part in fan[1:]:
        columns.append(columns[-1] * part + rng.integers(0, part, n))
    return np.stack(columns[::-1], 1)


def golden_inputs(seed: int, n: int, fan: Sequence[int], dim: int, spread: float) -> tuple[Tensor, Tensor]:
    """Embeddings of unit length and labels, likewise."""
    rng = np.random.default_rng(seed)
    labels = golden_labels(rng, n, fan)
    return _around_centres(rng, labels, dim, spread), torch.from_numpy(labels)


def golden_divided(
    seed: int, n: int, per_fine: int, divide: Sequence[int], dim: int, spread: float
) -> tuple[Tensor, Tensor]:
    """Those of the golden means."""
    columns = [np.repeat(np.arange(n // per_fine), per_fine)]
    for part in divide:
        columns.append(columns[-1] // part)
    labels = np.stack(columns, 1)
    return _around_centres(np.random.default_rng(seed), labels, dim, spread), torch.from_numpy(labels)


def _around_centres(
    rng: np.random.Generator, labels: "np.ndarray[Any, np.dtype[np.int64]]", dim: int, spread: float
) -> Tensor:
    x = rng.normal(size=(len(labels), dim))
    for column in labels.T:
        x = x + spread * rng.normal(size=(int(column.max()) + 1, dim))[column]
    return torch.from_numpy((x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32))


def random_labels(n: int, levels: int, rng: torch.Generator) -> Tensor:
    """``(n, levels)`` of a random tree, numbered without order."""
    column = torch.zeros(n, dtype=torch.int64)
    columns = []
    for _ in range(levels):
        fan = int(torch.randint(1, 5, (), generator=rng))
        column = column * fan + torch.randint(0, fan, (n,), generator=rng)
        columns.append(torch.randperm(int(column.max()) + 1, generator=rng)[column] * 7 - 20)
    return torch.stack(columns[::-1], dim=1)


def random_case(seed: int) -> Case:
    """With or without ties, with or without a gallery of its own."""
    rng = torch.Generator().manual_seed(seed)
    n = int(torch.randint(2, 20, (), generator=rng))
    labels = random_labels(n, int(torch.randint(1, 5, (), generator=rng)), rng)
    dim = int(torch.randint(1, 6, (), generator=rng))
    coarse = torch.randint(-2, 3, (n, dim), generator=rng).float()  # sums of these are exact: equal or far apart
    fine = torch.randn(n, dim, generator=rng)
    embeddings = coarse if seed % 2 else fine
    queries = int(torch.randint(1, n, (), generator=rng))
    if seed % 3:
        return Case(embeddings, labels, None, None)
    return Case(embeddings[:queries], labels[:queries], embeddings[queries:], labels[queries:])


def ranked_levels(case: Case, query: int) -> list[int]:
    """How many levels each item shares with a query, in order of its inner product; of equal ones the lowest first."""
    gallery = case.embeddings if case.gallery is None else case.gallery
    labels = case.labels if case.gallery_labels is None else case.gallery_labels
    items = []
    for item in range(len(gallery)):
        if case.gallery is None and item == query:
            continue
        level = sum(a == b for a, b in zip(case.labels[query].tolist(), labels[item].tolist(), strict=True))
        items.append((-float(case.embeddings[query] @ gallery[item]), level))
    return [level for _, level in sorted(items)]


def direct_relevance(counts: Sequence[int], relevance: str | Sequence[float], alpha: float) -> list[float]:
    """By level, of a query with so many items of each, itself counted where it is in the gallery."""
    number = len(counts) - 1
    found = [0.0]
    for t in range(1, number + 1):
        if isinstance(relevance, str):
            found.append((t / number) ** alpha / counts[t] if counts[t] else 0.0)
        else:
            found.append(sum(relevance[y - 1] / max(sum(counts[y:]), 1) for y in range(1, t + 1)))
    return found


def direct_scores(
    levels: Sequence[int], number: int, relevance: Sequence[float], ks: Sequence[int]
) -> dict[str, float | list[float]]:
    """All scores of one ranking, by their definitions; lists by column."""
    m = len(levels)

    def average_precision(hits: Sequence[bool], last: int | None = None) -> float:
        total = sum(hits)
        terms = [sum(hits[:k]) / k for k in range(1, m + 1) if k <= len(hits) and hits[k - 1] and k <= (last or m)]
        return sum(terms) / total if total else math.nan

    def intersection(grades: Sequence[int]) -> float:
        total = sum(grade > 0 for grade in grades)
        ideal = sorted(grades, reverse=True)
        terms = [
            sum(min(grades[:k].count(grade), ideal[:k].count(grade)) for grade in set(grades) - {0}) / k
            for k in range(1, total + 1)
        ]
        return sum(terms) / total if total else math.nan

    def gains(order: Sequence[int]) -> float:
        return math.fsum((2**t - 1) / math.log2(1 + k) for k, t in enumerate(order, start=1))

    ideal = sorted(levels, reverse=True)
    found: dict[str, float | list[float]] = {}
    by_level = [[t >= number - level for t in levels] for level in range(number)]
    found["average_precision"] = [average_precision(hits) for hits in by_level]
    found["map_at_r"] = [average_precision(hits, sum(hits)) for hits in by_level]
    found["asi_by_level"] = [intersection([int(hit) for hit in hits]) for hits in by_level]
    for k in ks:
        some = [any(hits) for hits in by_level]
        found[f"precision_at {k}"] = [
            sum(hits[:k]) / min(k, m) if one else math.nan for hits, one in zip(by_level, some, strict=True)
        ]
        found[f"recall_at {k}"] = [
            float(any(hits[:k])) if one else math.nan for hits, one in zip(by_level, some, strict=True)
        ]
        found[f"ndcg_at {k}"] = gains(levels[:k]) / gains(ideal[:k]) if any(levels) else math.nan
    found["level_ap"] = [
        average_precision([t == wanted for t in levels if t <= wanted]) for wanted in range(1, number + 1)
    ]
    found["ndcg"] = gains(levels) / gains(ideal) if any(levels) else math.nan
    found["asi"] = intersection(levels)
    rel = [relevance[t] for t in levels]
    hranks = [sum(min(other, own) for other in rel[: k + 1]) / (k + 1) for k, own in enumerate(rel)]
    found["hierarchical_ap"] = sum(hranks) / sum(rel) if sum(rel) else math.nan
    return found
