"""Where a mask is true, what stands at given places, how keys are ordered, and where each is among ordered ones.

On a GPU these are torch's. In the host's memory they are numpy's, which takes a fraction of the time: it looks for true
values many bytes at a time, its sorts are made for the processor or make use of what is in order already, and it never
wakes a second thread, as torch does for a few hundred numbers, which takes longer than the work.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

#: numpy's in the host's memory, torch's on another device. Both share memory with a tensor: to go from one to the other
#: copies nothing.
Array = Any

#: Values that do not occur are counted too; up to so many a value that does, that takes less time than to search.
_MOST_COUNTED = 16

#: For fewer keys or rows, to prepare the quicker way takes longer than to go it.
_FEW = 512

#: Dtypes of floats that numpy knows, and is quick with.
_NUMPY_FLOATS = {torch.float32, torch.float64}


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


def at_least(values: Tensor, least: float) -> Tensor:
    """Where numbers are at least so high.

    Args:
        values: ``(n,)`` floating point.
        least: compared in their dtype.

    Returns:
        ``(k,)`` int64, ascending. How many they are must reach the host.

    Example:
        >>> at_least(torch.tensor([0.5, 0.4, 0.9]), 0.5)
        tensor([0, 2])
    """
    if values.is_cpu and values.dtype in _NUMPY_FLOATS and not values.requires_grad:
        return torch.from_numpy((values.numpy() >= least).nonzero()[0])  # a fifth of the time for many
    return positions(values >= least)


def rows_at(rows: Tensor, chosen: Tensor) -> Tensor:
    """Rows in a given order.

    Args:
        rows: ``(n, ...)``.
        chosen: ``(k,)`` int64.

    Returns:
        ``(k, ...)``.

    Example:
        >>> rows_at(torch.tensor([[1, 2], [3, 4], [5, 6]]), torch.tensor([2, 0]))
        tensor([[5, 6],
                [1, 2]])
    """
    # of few rows, or single numbers, torch's is as quick, and gradients are known to torch alone
    many = len(chosen) >= _FEW and rows.ndim > 1
    if many and rows.is_cpu and rows.dtype in _NUMPY_FLOATS and not rows.requires_grad:
        return torch.from_numpy(rows.numpy().take(chosen.numpy(), axis=0))
    return rows.index_select(0, chosen)


def ascending_order(keys: Tensor, shuffled: bool = False) -> Tensor:
    """The order in which keys ascend, equal ones as given; the sooner found the longer the runs that do so already.

    Args:
        keys: ``(n,)`` integers.
        shuffled: whether few are next to one that they belong next to. Then a sort that does not look for runs takes
            half the time.

    Returns:
        ``(n,)`` int64.

    Example:
        >>> ascending_order(torch.tensor([7, 9, 3, 7]))
        tensor([2, 0, 3, 1])
    """
    if not keys.is_cpu:
        return keys.argsort(stable=True)
    numbers = keys.numpy()
    if shuffled and len(numbers) >= _FEW and numbers.dtype == np.int64:
        least, width = int(numbers.min()), (len(numbers) - 1).bit_length()
        if (int(numbers.max()) - least).bit_length() + width < 64:
            # A key and its place in one integer, of which no two are equal: so any sort will do, and the fastest does
            both = (numbers - least) << width
            both |= np.arange(len(numbers))
            both.sort()
            both &= (1 << width) - 1
            return torch.from_numpy(both)
    return torch.from_numpy(numbers.argsort(kind="stable"))


def descending_order(values: Tensor) -> Tensor:
    """The order in which the numbers of each row descend, equal ones as given, NaN first.

    Args:
        values: ``(m, n)`` floating point.

    Returns:
        ``(m, n)`` int64.

    Example:
        >>> descending_order(torch.tensor([[2.0, 5.0, 2.0]]))
        tensor([[1, 0, 2]])
    """
    numbers = values.detach().numpy() if values.is_cpu and values.dtype == torch.float32 else None
    if numbers is None or np.isnan(numbers).any():
        return values.argsort(dim=1, descending=True, stable=True)
    # as above: a number and its place in one integer
    bits = (numbers + np.float32(0)).view(np.int32)  # + 0 turns -0 into 0
    bits ^= (bits >> 31) & 0x7FFFFFFF  # below 0 the bits of numbers ascend as these descend
    keys = (~bits).astype(np.int64) << 32 | np.arange(numbers.shape[1])
    keys.sort(axis=1)
    return torch.from_numpy(keys & 0xFFFFFFFF)


def first_places(ascending: Tensor, wanted: Tensor) -> Tensor:
    """How many values are below each wanted one.

    Args:
        ascending: ``(n,)`` integers.
        wanted: ``(m,)`` integers of the same dtype.

    Returns:
        ``(m,)`` int64.

    Example:
        >>> first_places(torch.tensor([3, 3, 5]), torch.tensor([3, 4, 9]))
        tensor([0, 2, 3])
    """
    if wanted.is_cpu:
        return torch.from_numpy(ascending.numpy().searchsorted(wanted.numpy()))
    return torch.searchsorted(ascending, wanted)


def runs(ascending: Tensor, wanted: Tensor, below: int | None = None) -> tuple[Tensor, Tensor]:
    """Where among ascending values each wanted one starts, and how often it is there.

    Args:
        ascending: ``(n,)`` integers of at least 0.
        wanted: ``(m,)`` integers of at least 0, of the same dtype.
        below: what all of them are below, if that is known, so that nobody has to look. Where it is far above most of
            them, finding them takes longer.

    Returns:
        Two ``(m,)`` int64 tensors. Of values that are not there the second is 0, and the first has no meaning.

    Example:
        >>> runs(torch.tensor([3, 3, 5]), torch.tensor([5, 3, 4]))
        (tensor([2, 0, 2]), tensor([1, 2, 0]))
    """
    if wanted.is_cpu and len(ascending) and len(wanted):
        values, sought = ascending.numpy(), wanted.numpy()
        number = int(max(values[-1], sought.max())) + 1 if below is None else below
        if number <= _MOST_COUNTED * (len(values) + len(sought)):  # a tenth of the time of two searches
            counts = np.bincount(values, minlength=number)
            count = counts.take(sought)
            return torch.from_numpy(counts.cumsum().take(sought) - count), torch.from_numpy(count)
    first = first_places(ascending, wanted)
    return first, first_places(ascending, wanted + 1) - first


def repeated(counts: Array, total: int) -> Array:
    """Every place as often as its count says: ``counts[0]`` times 0, ``counts[1]`` times 1, ...

    Args:
        counts: ``(n,)`` int64 of at least 0.
        total: their sum.

    Returns:
        ``(total,)`` int64, ascending.

    Example:
        >>> repeated(np.array([2, 0, 3]), 5)
        array([0, 0, 2, 2, 2])
    """
    each = places(0, len(counts), counts)
    return each.repeat_interleave(counts, output_size=total) if isinstance(counts, Tensor) else each.repeat(counts)


def places(start: int, stop: int, like: Array) -> Array:
    """``start, ..., stop - 1`` as int64, where `like` is."""
    if isinstance(like, Tensor):
        return torch.arange(start, stop, device=like.device)
    return np.arange(start, stop, dtype=np.int64)


# What is written for arrays works on numpy's and on torch's alike, with what both call by the same name


def as_array(tensor: Tensor) -> Array:
    """The same memory as numpy sees it, if it is the host's; else the tensor."""
    return tensor.numpy() if tensor.is_cpu else tensor


def as_tensor(array: Array) -> Tensor:
    """The same memory as torch sees it."""
    return array if isinstance(array, Tensor) else torch.from_numpy(array)


def numpy_or_torch(array: Array) -> Any:
    """The library that an array is of."""
    return torch if isinstance(array, Tensor) else np
