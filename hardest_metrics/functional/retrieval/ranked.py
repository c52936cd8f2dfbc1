"""Scores of rankings that are there already."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hardest_metrics.functional.retrieval.ranks import Positives
from hardest_metrics.functional.retrieval.relevance import Relevance, check_relevance, relevances
from hardest_metrics.functional.retrieval.scores import QueryScores, Tables, checked_ks, score_positives


def score_ranked(
    levels: Tensor,
    num_levels: int,
    *,
    k: Sequence[int] = (1, 10),
    relevance: Relevance = "pop",
    alpha: float = 1.0,
    query_counted: bool = True,
) -> QueryScores:
    """Score rankings that are there already.

    Args:
        levels: ``(Q, M)`` integers: how many levels each item shares with the query, in ranked order; without the
            query itself.
        num_levels: L, how many levels there are.
        k: of the scores at k.
        relevance: see :func:`~hardest_metrics.functional.retrieval.relevances`.
        alpha: likewise.
        query_counted: whether the query, which is not ranked, counts as an item of its own level when relevances are
            made, as it does where it is taken from the gallery.

    Raises:
        TypeError: if levels are no integers.
        ValueError: if they are of another shape or not within 0 to L, or another argument makes no sense.

    Example:
        >>> scores = score_ranked(torch.tensor([[2, 0, 1, 2]]), num_levels=2, k=[2])
        >>> scores.average_precision
        tensor([[0.7500, 0.8056]], dtype=torch.float64)
        >>> scores.precision_at[2]
        tensor([[0.5000, 0.5000]], dtype=torch.float64)
        >>> scores.hierarchical_ap
        tensor([0.7381], dtype=torch.float64)
    """
    if levels.is_floating_point() or levels.dtype is torch.bool:
        raise TypeError(f"`levels` must be integers, but are {levels.dtype}.")
    if levels.ndim != 2 or not levels.shape[1]:
        raise ValueError(f"`levels` must have shape (queries, items), but have {tuple(levels.shape)}.")
    wrong = ((levels < 0) | (levels > num_levels)).any(1).nonzero().flatten()
    if len(wrong):
        raise ValueError(
            f"`levels` must be from 0 to `num_levels`, which is {num_levels}; in row {int(wrong[0])} some are not."
        )
    check_relevance(relevance, alpha, num_levels)
    ks = checked_ks(k)
    levels = levels.long()
    counts = torch.stack([(levels == t).sum(1) for t in range(num_levels + 1)], dim=1)
    row, column = (levels > 0).nonzero(as_tuple=True)
    positives = Positives(column + 1, levels[row, column], (levels > 0).sum(1))
    counted = counts.clone()
    counted[:, -1] += int(query_counted)
    tables = Tables.up_to(levels.shape[1], levels.device)
    return score_positives(positives, counts, relevances(counted, relevance, alpha), ks, tables)
