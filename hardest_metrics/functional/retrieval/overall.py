"""One number for all levels, or for all sets of queries."""

from collections.abc import Iterable

import torch
from torch import Tensor


def overall_accuracy(scores: Tensor | Iterable[Tensor]) -> Tensor:
    """Mean over levels, or over sets of queries, of the mean score of the queries.

    Of one set with labels of several levels (DyML-Product) give its scores by level; of several sets, each with queries
    and a gallery of its own (DyML-Vehicle and DyML-Animal: fine, middle, coarse), those of each. After Sun et al.,
    *Dynamic Metric Learning: Towards a Scalable Metric Space to Accommodate Multiple Semantic Scales*, CVPR 2021.

    Args:
        scores: ``(Q, L)``, a column a level; or of each set ``(Q_i,)``. Queries without positives, which are NaN, are
            left out of the mean of their level or set.

    Returns:
        A scalar.

    Raises:
        ValueError: if a level or set has no query with a positive, or there is none at all.

    Example:
        >>> overall_accuracy(torch.tensor([[0.5, 1.0], [float("nan"), 0.6]]))
        tensor(0.6500)
        >>> overall_accuracy([torch.tensor([0.5, 0.7]), torch.tensor([1.0])])
        tensor(0.8000)
    """
    parts = list(scores.unbind(1) if isinstance(scores, Tensor) else scores)
    if not parts:
        raise ValueError("`scores` are of no level or set: give at least one.")
    means = torch.stack([part.nanmean() for part in parts])
    empty = means.isnan().nonzero().flatten().tolist()
    if empty:
        raise ValueError(
            f"`scores`: no query has a positive in part {empty[0]} of {len(parts)}: leave that level or set out."
        )
    return means.mean()
