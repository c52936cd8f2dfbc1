"""Lowest and highest values by index."""

from typing import Literal

import torch
from torch import Tensor


def scatter_extreme_(lows_or_highs: Tensor, index: Tensor, values: Tensor, which: Literal["amin", "amax"]) -> Tensor:
    """Lower or raise ``lows_or_highs[index[i]]`` to ``values[i]``, in place.

    The result does not depend on the order of the values, so this works in deterministic mode too, in which torch
    refuses all such reductions on CUDA alike.

    Args:
        lows_or_highs: ``(n, ...)``.
        index: ``(m, ...)`` int64, into its first dimension.
        values: ``(m, ...)``, of its dtype.
        which: ``"amin"`` or ``"amax"``.

    Returns:
        `lows_or_highs`.

    Example:
        >>> scatter_extreme_(torch.tensor([5, 5]), torch.tensor([0, 0, 1]), torch.tensor([4, 3, 9]), "amin")
        tensor([3, 5])
    """
    mode = torch.get_deterministic_debug_mode()
    if not mode or not values.is_cuda:
        return lows_or_highs.scatter_reduce_(0, index, values, which)
    torch.set_deterministic_debug_mode("default")
    try:
        return lows_or_highs.scatter_reduce_(0, index, values, which)
    finally:
        torch.set_deterministic_debug_mode(mode)
