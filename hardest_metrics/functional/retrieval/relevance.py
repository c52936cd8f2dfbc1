"""How relevant an item is to a query, by how many levels of the hierarchy they share."""

import math
from collections.abc import Sequence
from itertools import accumulate
from numbers import Real
from typing import Literal

import torch
from torch import Tensor

#: How relevances follow from the hierarchy: ``"pop"``, or a weight a level, coarsest first, for ``map``.
Relevance = Literal["pop"] | Sequence[float]


def relevances(counts: Tensor, relevance: Relevance = "pop", alpha: float = 1.0) -> Tensor:
    """Relevance of an item of each level, for queries that have so many of them.

    With c_t items that share exactly t of L levels with the query:

    - ``"pop"``: rel_t = (t / L)^α / c_t, so that the items of a level weigh (t / L)^α together, however many they are.
    - weights w_1 ... w_L, coarsest level first: rel_t = Σ_{y ≤ t} w_y / (c_y + ... + c_L). With these, hierarchical
      average precision of nested relevances is the mean of the levels' average precisions under these weights (``map``
      in HAPPIER).

    After Ramzi et al., *Hierarchical Average Precision Training for Pertinent Image Retrieval*, ECCV 2022, the query
    counts as an item of its own level where it is in the gallery.

    Args:
        counts: ``(Q, L + 1)``: how many items share exactly t = 0, ..., L levels with each query.
        relevance: ``"pop"`` or L weights of at least 0, coarsest level first.
        alpha: of ``"pop"``, at least 0: the larger, the less coarse levels matter.

    Returns:
        ``(Q, L + 1)`` float64 by t, that of t = 0 being 0; that of a level without items means nothing.

    Raises:
        ValueError: if there are not as many weights as levels, or something is negative or not finite.

    Example:
        >>> relevances(torch.tensor([[5, 4, 2]]))
        tensor([[0.0000, 0.1250, 0.5000]], dtype=torch.float64)
        >>> relevances(torch.tensor([[5, 4, 2]]), relevance=(0.4, 0.6))
        tensor([[0.0000, 0.0667, 0.3667]], dtype=torch.float64)
    """
    levels = counts.shape[1] - 1
    check_relevance(relevance, alpha, levels)
    if isinstance(relevance, str):
        share = (torch.arange(levels + 1, dtype=torch.float64, device=counts.device) / levels) ** alpha
        share[0] = 0  # 0 ** 0 is 1
        return share / counts.clamp(min=1)
    weights = torch.tensor([float(weight) for weight in relevance], dtype=torch.float64, device=counts.device)
    at_least = counts.flip(1).cumsum(1).flip(1)[:, 1:]
    shares = weights / at_least.clamp(min=1)
    # not `cumsum`, which torch refuses on a GPU in deterministic mode
    return torch.stack([torch.zeros_like(shares[:, 0]), *accumulate(shares.unbind(1))], dim=1)


def check_relevance(relevance: Relevance, alpha: float, levels: int) -> None:
    """Refuse what no relevances follow from."""
    if not isinstance(alpha, Real) or not (math.isfinite(alpha) and alpha >= 0):
        raise ValueError(f"`alpha` must be a finite number of at least 0, but is {alpha!r}.")
    if isinstance(relevance, str):
        if relevance != "pop":
            raise ValueError(f"`relevance` must be 'pop' or a weight a level, coarsest first, but is {relevance!r}.")
        return
    weights = list(relevance)
    if len(weights) != levels:
        raise ValueError(
            f"`relevance` has {len(weights)} weights, but there are {levels} levels: give one each, coarsest first."
        )
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
        raise ValueError(f"`relevance` must be finite weights of at least 0, but is {relevance!r}.")
