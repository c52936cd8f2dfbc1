"""All scores of queries, from the ranks of their positives.

Two identities make that enough. Hierarchical average precision is a weighted mean of plain ones: with relevances
r_1 < r_2 < ... and the nested sets S_v of the n_v items of relevance at least r_v, of average precision AP_v,

    H-AP = Σ_v (r_v - r_{v-1}) n_v AP_v / Σ_v (r_v - r_{v-1}) n_v.

Average set intersection, a mean over ranks k ≤ R of shares of k, is a sum over positives: the j-th item of level t is
in the intersection from its rank on, but not before its place in the ideal order, and adds 1/k for each k from there
to R.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hardest_metrics.functional.order import as_array, as_tensor, positions, repeated
from hardest_metrics.functional.retrieval.ranks import Positives


class QueryScores(NamedTuple):
    """Scores of Q queries whose labels have L levels; each in [0, 1], the higher the better, all of them float64.

    Level l is 0 for the finest. A score is NaN where its query has no positive. M items are ranked; k counts from 1.

    Attributes:
        average_precision: ``(Q, L)``, column l with the items that share level l for positives: the mean, over
            positives, of the share of positives among all items up to it.
        map_at_r: ``(Q, L)``: the same sum over positives of rank up to their number R only, divided by R (Musgrave et
            al., *A Metric Learning Reality Check*, ECCV 2020).
        precision_at: ``(Q, L)`` for each k: share of positives among the first min(k, M).
        recall_at: ``(Q, L)`` for each k: 1 where any positive is among the first k, else 0.
        level_ap: ``(Q, L)``, column t - 1 with the items that share exactly t levels for positives, closer ones being
            left out of the ranking (AP#t).
        ndcg: ``(Q,)`` normalised discounted cumulative gain, the gain of an item being 2^t - 1.
        ndcg_at: ``(Q,)`` for each k: the same of the first k, over what the first k of the ideal order of the whole
            gallery would give.
        asi: ``(Q,)`` average set intersection: the mean, over k up to the number of positives of the coarsest level,
            of the share that the first k have with those of the ideal order, level by level.
        asi_by_level: ``(Q, L)``, column l with positives as for `average_precision`, which all count alike.
        hierarchical_ap: ``(Q,)`` H-AP: the sum over k of hrank(k) / k, over the sum of relevances, where hrank(k) is
            the sum over j ≤ k of min(rel_j, rel_k).
    """

    average_precision: Tensor
    map_at_r: Tensor
    precision_at: Mapping[int, Tensor]
    recall_at: Mapping[int, Tensor]
    level_ap: Tensor
    ndcg: Tensor
    ndcg_at: Mapping[int, Tensor]
    asi: Tensor
    asi_by_level: Tensor
    hierarchical_ap: Tensor


class TopKScores(NamedTuple):
    """The scores of :class:`QueryScores` that the first items of a ranking tell.

    Attributes:
        precision_at: ``(Q, L)`` for each k.
        recall_at: ``(Q, L)`` for each k.
        ndcg_at: ``(Q,)`` for each k.
    """

    precision_at: Mapping[int, Tensor]
    recall_at: Mapping[int, Tensor]
    ndcg_at: Mapping[int, Tensor]


def checked_ks(k: Sequence[int]) -> tuple[int, ...]:
    """The numbers of first items that scores are asked for, in ascending order."""
    ks = list(k)
    if not all(type(number) is int and number >= 1 for number in ks):
        raise ValueError(f"`k` must be integers of at least 1, but is {k!r}.")
    return tuple(sorted(set(ks)))


class Tables(NamedTuple):
    """What a place in a ranking stands for: ``(M + 1,)`` float64 each, by place from 0 to M.

    Attributes:
        harmonic: 1/1 + ... + 1/k.
        discount: 1 / log2(1 + k); 0 of place 0.
        best: the sum of discounts up to k.
    """

    harmonic: Tensor
    discount: Tensor
    best: Tensor

    @classmethod
    def up_to(cls, last: int, device: torch.device) -> "Tables":
        """Tables for rankings of up to so many items."""
        place = torch.arange(1, last + 1, dtype=torch.float64)
        discount = 1 / (1 + place).log2()
        tables = (place.reciprocal().cumsum(0), discount, discount.cumsum(0))
        return cls(*(torch.nn.functional.pad(table, (1, 0)).to(device) for table in tables))


def score_positives(
    positives: Positives, counts: Tensor, relevance: Tensor, ks: Sequence[int], tables: Tables
) -> QueryScores:
    """Score queries all of whose positives' ranks are known.

    Args:
        positives: of Q queries.
        counts: ``(Q, L + 1)`` int64: how many items that are ranked share exactly t levels with each query.
        relevance: ``(Q, L + 1)`` float64, of the items that do.
        ks: of the scores at k, ascending.
        tables: up to the length of the ranking.
    """
    at_least = _at_least(counts)
    closer = at_least - counts
    number = at_least[:, 1]
    sums, at_r, asi, exact = [], [], [], []
    intersection = torch.zeros_like(number, dtype=torch.float64)
    for t, (items, precision) in enumerate(_nested(positives, counts.shape[1] - 1), start=1):
        n = items.number
        sums.append(_sum(precision, n))

        early = positions(items.rank <= n.index_select(0, items.row))
        row = items.row.index_select(0, early)
        early_number = row.bincount(minlength=len(n))
        at_r.append(_sum(precision.index_select(0, early), early_number))
        # 1 / rank + ... + 1 / n of each
        before = tables.harmonic.index_select(0, items.rank.index_select(0, early) - 1)
        asi.append(_sum(tables.harmonic.index_select(0, n).index_select(0, row) - before, early_number))

        here = positions(items.level == t)
        row, rank, place = (column.index_select(0, here) for column in (items.row, items.rank, items.place))
        here_number = counts[:, t]
        nth = _places(here_number, row)
        # without the closer items that are ranked before it
        exact.append(_sum(nth.double() / (rank - (place - nth)), here_number))
        ideal = nth + closer[:, t].index_select(0, row)
        last = number.index_select(0, row)
        since = rank.maximum(ideal).minimum(last + 1)  # from a place beyond the last on: never
        terms = tables.harmonic.index_select(0, last) - tables.harmonic.index_select(0, since - 1)
        intersection += _sum(terms, here_number)

    by_t = at_least[:, 1:].double()
    top = score_first(positives, counts, ks, tables)
    gains = _sum(
        _gains(positives.level, counts.shape[1]) * tables.discount.index_select(0, positives.rank), positives.number
    )
    return QueryScores(
        average_precision=_by_level(torch.stack(sums, 1) / by_t),
        map_at_r=_by_level(torch.stack(at_r, 1) / by_t),
        precision_at=top.precision_at,
        recall_at=top.recall_at,
        level_ap=torch.stack(exact, 1) / counts[:, 1:],
        ndcg=gains / _best_gains(at_least, tables, None),
        ndcg_at=top.ndcg_at,
        asi=intersection / number,
        asi_by_level=_by_level(torch.stack(asi, 1) / by_t),
        hierarchical_ap=_hierarchical(positives, counts, relevance, torch.stack(sums, 1)),
    )


def score_first(positives: Positives, counts: Tensor, ks: Sequence[int], tables: Tables) -> TopKScores:
    """The scores for which the positives up to the largest k are enough; arguments as above."""
    at_least = _at_least(counts)
    ranked = at_least[:, :1]
    first = positions(positives.rank <= max(ks, default=0))
    row = _rows(positives.number).index_select(0, first)
    rank, level = (column.index_select(0, first) for column in positives[:2])
    without = at_least[:, 1:] == 0
    precision_at, recall_at, ndcg_at = {}, {}, {}
    for k in ks:
        within = positions(rank <= k)
        row_k, rank_k, level_k = (column.index_select(0, within) for column in (row, rank, level))
        cell = row_k * counts.shape[1] + level_k
        hits = _at_least(cell.bincount(minlength=counts.numel()).view_as(counts))[:, 1:]
        precision_at[k] = _by_level((hits / ranked.clamp(max=k).double()).masked_fill_(without, torch.nan))
        recall_at[k] = _by_level((hits > 0).double().masked_fill_(without, torch.nan))
        gains = _sum(
            _gains(level_k, counts.shape[1]) * tables.discount.index_select(0, rank_k),
            row_k.bincount(minlength=len(counts)),
        )
        ndcg_at[k] = gains / _best_gains(at_least, tables, k)
    return TopKScores(precision_at, recall_at, ndcg_at)


class _Items(NamedTuple):
    """Some of the positives: of which query, at which rank, of which level, the how manieth of these; and how many."""

    row: Tensor
    rank: Tensor
    level: Tensor
    place: Tensor
    number: Tensor


def _nested(positives: Positives, num_levels: int) -> Iterator[tuple[_Items, Tensor]]:
    """Those of level at least 1, 2, ..., L, with the share that they are of all items up to each."""
    rank, level, number = positives
    row = _rows(number)
    for t in range(1, num_levels + 1):
        if t > 1:
            kept = positions(level >= t)
            row, rank, level = (column.index_select(0, kept) for column in (row, rank, level))
            number = row.bincount(minlength=len(number))
        place = _places(number, row)
        yield _Items(row, rank, level, place, number), place.double() / rank


def _hierarchical(positives: Positives, counts: Tensor, relevance: Tensor, sums: Tensor) -> Tensor:
    """H-AP, from the sums of precisions of the items of level at least t, and from others where these do not do."""
    numbers = _at_least(counts)[:, 1:]
    present = counts > 0
    present[:, 0] = True
    relevance = torch.where(present, relevance, 0)
    risen = relevance.cummax(1).values
    score = _weighted(risen, sums, numbers)
    # where a closer item counts less than one further away, the nested sets are others
    irregular = ((relevance < risen) & present).any(1).nonzero().flatten()
    if len(irregular):
        ascending, order = relevance[irregular].sort(dim=1, stable=True)
        step = order.argsort(dim=1)  # where a level stands among the relevances
        chosen = torch.full_like(positives.number, -1)
        chosen[irregular] = torch.arange(len(irregular), device=chosen.device)
        row = chosen.index_select(0, _rows(positives.number))
        at = positions(row >= 0)
        level = step[row.index_select(0, at), positives.level.index_select(0, at)]
        some = Positives(positives.rank.index_select(0, at), level, positives.number[irregular])
        nested = [
            (_sum(precision, items.number), items.number) for items, precision in _nested(some, counts.shape[1] - 1)
        ]
        score[irregular] = _weighted(ascending, *(torch.stack(parts, 1) for parts in zip(*nested, strict=True)))
    return score


def _weighted(relevance: Tensor, sums: Tensor, numbers: Tensor) -> Tensor:
    """The first identity above: relevances ``(Q, L + 1)``, sums of precisions and numbers of items ``(Q, L)``."""
    met, total = torch.zeros_like(sums[:, 0]), torch.zeros_like(sums[:, 0])
    for step, precision, number in zip(relevance.diff(dim=1).T, sums.T, numbers.T, strict=True):
        met += step * precision
        total += step * number
    return met / total


def _at_least(counts: Tensor) -> Tensor:
    """From numbers of items of exactly t levels to those of at least t."""
    return counts.flip(1).cumsum(1).flip(1)


def _by_level(by_t: Tensor) -> Tensor:
    """From columns t = 1 ... L to levels, the finest first."""
    return by_t.flip(1)


def _gains(level: Tensor, levels: int) -> Tensor:
    """2^t - 1 of each."""
    by_t = torch.tensor([2.0**t - 1 for t in range(levels)], dtype=torch.float64, device=level.device)
    return by_t.index_select(0, level)


def _best_gains(at_least: Tensor, tables: Tables, k: int | None) -> Tensor:
    """The gains of the ideal order, up to k."""
    numbers = at_least if k is None else at_least.clamp(max=k)
    best = torch.zeros_like(numbers[:, 0], dtype=torch.float64)
    for t in range(1, at_least.shape[1]):
        best += 2.0 ** (t - 1) * tables.best[numbers[:, t]]
    return best


def _rows(number: Tensor) -> Tensor:
    """The row of each of so many items a row."""
    return as_tensor(repeated(as_array(number), int(number.sum())))


def _places(number: Tensor, row: Tensor) -> Tensor:
    """1, 2, ... within each row."""
    before = number.cumsum(0) - number
    return torch.arange(1, len(row) + 1, device=row.device) - before.index_select(0, row)


def _sum(values: Tensor, number: Tensor) -> Tensor:
    """The sum of each row, added up in order, so that it is the same whatever other rows there are."""
    return torch.segment_reduce(values, "sum", lengths=number, unsafe=True)  # unchecked: of no rows that fails
