"""Where a mask is true, and in which order keys stand.

In the host's memory numpy does both in a fraction of the time that torch takes: it looks for true values many bytes at
a time, and its stable sort makes use of what is in order already.
"""

import torch
from torch import Tensor


def positions(mask: Tensor) -> Tensor:
    """Where a mask is true.

    Args:
        mask: ``(n,)`` bool.

    Returns:
        ``(k,)`` int64, ascending. How many they are must reach the host.

    Example:
        >>> positions(torch.tensor([True, False, True]))
        tensor([0, 2])
    """
    if mask.is_cpu:
        return torch.from_numpy(mask.numpy().nonzero()[0])
    return mask.nonzero().squeeze(1)


def ascending_order(keys: Tensor) -> Tensor:
    """The order in which keys ascend, equal ones as given; the sooner found the longer the runs that do so already.

    Args:
        keys: ``(n,)`` integers.

    Returns:
        ``(n,)`` int64.

    Example:
        >>> ascending_order(torch.tensor([7, 9, 3, 7]))
        tensor([2, 0, 3, 1])
    """
    if keys.is_cpu:
        return torch.from_numpy(keys.numpy().argsort(kind="stable"))
    return keys.argsort(stable=True)
