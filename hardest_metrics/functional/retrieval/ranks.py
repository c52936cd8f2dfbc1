"""Where the positives of each query stand in its ranking, from distances. Nothing but their ranks is needed for scores.

Ties are pessimistic: of items equally far away that of the lower level comes first. In another order a network that
maps all images to one point would score perfectly on a gallery sorted by class.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from hardest_metrics.functional.order import positions
from hardest_metrics.functional.retrieval.labels import Spans

# A key: the bits of a distance, then those of a level. The last is that of what is not ranked.
_LEVEL_BITS = 8
_LEVEL = (1 << _LEVEL_BITS) - 1
_LAST = torch.iinfo(torch.int64).max


class Positives(NamedTuple):
    """The items that share a level with their query: each query's in ranked order, one query after the other.

    Attributes:
        rank: ``(n,)`` int64, from 1, among all that is ranked.
        level: ``(n,)`` int64: how many levels the item shares with the query, from 1.
        number: ``(Q,)`` int64, how many each query has.
    """

    rank: Tensor
    level: Tensor
    number: Tensor


def rank_positives(distances: Tensor, spans: Spans, itself: Tensor, depth: int | None = None) -> Positives:
    """Rank the gallery for each of some queries, and find the positives in the ranking.

    Args:
        distances: ``(Q, M)`` float32 from the gallery in class order; overwritten.
        spans: where the classes of the queries stand in it.
        itself: ``(Q,)`` int64, where the query itself stands in it, which is not ranked; -1 where it does not.
        depth: only those of ranks up to this, for less; None for all.
    """
    first, stop = spans.begin[:, :1], spans.end[:, :1]
    width = int((stop - first).max()) if len(first) else 0
    column = torch.arange(width, device=first.device)
    place = first + column
    exists = place < stop
    # rows that have fewer repeat their first: of rows without any nothing is used
    place = torch.where(exists, place, first)
    keys = ranking_keys(distances.gather(1, place), _levels(place, spans))
    keys.masked_fill_(~exists | (place == itself[:, None]), _LAST)
    keys = _smallest(keys, depth)
    negatives = _smallest(distances.scatter_(1, place, torch.inf), depth)

    number = exists.sum(1) - (itself >= 0).long()
    ahead = torch.searchsorted(negatives, _distances(keys), right=True)
    rank = ahead + column[: keys.shape[1]] + 1
    found = column[: keys.shape[1]] < number[:, None]
    if depth is not None:
        found &= rank <= depth
        number = found.sum(1)
    at = positions(found.flatten())
    rank, keys = (column.flatten().index_select(0, at) for column in (rank, keys))
    return Positives(rank, keys & _LEVEL, number)


def ranking_keys(distances: Tensor, level: Tensor) -> Tensor:
    """Integers that ascend as items are ranked: by distance, of equal ones by level, the lowest first.

    Args:
        distances: float32.
        level: int64, of the same shape.

    Returns:
        int64, of the same shape.
    """
    bits = (distances + 0.0).view(torch.int32)  # + 0 turns -0 into 0
    bits = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # below 0 the bits of numbers descend as these ascend
    return bits.long().bitwise_left_shift_(_LEVEL_BITS).bitwise_or_(level)


def _levels(place: Tensor, spans: Spans) -> Tensor:
    """How many levels the items at these places share with the query, at least 1."""
    level = torch.ones_like(place)
    for begin, end in zip(spans.begin[:, 1:].unbind(1), spans.end[:, 1:].unbind(1), strict=True):
        level += (place >= begin[:, None]) & (place < end[:, None])
    return level


def _distances(keys: Tensor) -> Tensor:
    """The distances that keys were made of."""
    bits = (keys >> _LEVEL_BITS).int()
    return (bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(torch.float32)


def _smallest(rows: Tensor, depth: int | None) -> Tensor:
    """The smallest numbers of each row, ascending; overwrites them.

    In the host's memory this is numpy's, which takes a tenth of the time that torch takes to sort with places.
    """
    depth = rows.shape[1] if depth is None else min(depth, rows.shape[1])
    if not rows.is_cpu:
        return rows.topk(depth, dim=1, largest=False).values if depth < rows.shape[1] else rows.sort(dim=1).values
    numbers = rows.numpy()
    if depth < rows.shape[1]:
        numbers.partition(depth - 1, axis=1)
        numbers = numbers[:, :depth].copy()
    numbers.sort(axis=1)
    return torch.from_numpy(numbers)
