"""Ids of the images of a batch, as users give them and as metrics keep them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hardest_metrics.functional.ids import NO_ID
from hardest_metrics.numbering import Identifier, named_numbers

#: Numbers, or text, of which :func:`~hardest_metrics.data.image_number` makes numbers; None without.
ImageIds = Tensor | Sequence[Identifier] | None


def numbered(image_ids: ImageIds) -> tuple[Tensor | None, dict[int, str]]:
    """Numbers for ids, and by its number what each that is text is called.

    Args:
        image_ids: of a batch; a tensor stays as it is.

    Raises:
        TypeError: if an id is neither an integer nor text.
        ValueError: if two texts have the same number.
    """
    if image_ids is None or isinstance(image_ids, Tensor):
        return image_ids, {}
    for identifier in image_ids:
        if isinstance(identifier, bool) or not isinstance(identifier, int | str):
            raise TypeError(f"`image_ids` must be integers or text, but one is {identifier!r}.")
    numbers, names = named_numbers(image_ids)
    return torch.tensor(numbers, dtype=torch.int64), names


def checked_ids(image_ids: ImageIds, number: int) -> Tensor:
    """``(N,)`` int64 of its own memory, :data:`~hardest_metrics.functional.ids.NO_ID` without ids.

    Args:
        image_ids: of a batch.
        number: N, how many images it has.

    Raises:
        TypeError: if they are neither integers nor text.
        ValueError: if they are not one an image.
    """
    given, _ = numbered(image_ids)
    if given is None:
        return torch.full((number,), NO_ID, dtype=torch.int64)
    if given.is_floating_point() or given.is_complex() or given.dtype == torch.bool:
        raise TypeError(f"`image_ids` must be integers, but are {given.dtype}.")
    if given.shape != (number,):
        raise ValueError(f"`image_ids` must have shape ({number},), one an image, but has {tuple(given.shape)}.")
    ids = given.detach().to(torch.int64, copy=True)
    if (ids == NO_ID).any():
        raise ValueError(f"`image_ids` holds {NO_ID}, which stands for an image without id: give other numbers.")
    return ids
