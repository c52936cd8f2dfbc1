"""What is known of images, by id and named column: put together, and each image held once."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from hardest_metrics.functional.ids import NO_ID
from hardest_metrics.functional.order import ascending_order
from hardest_metrics.functional.reduction import scatter_extreme_


class Column(NamedTuple):
    """What is kept of every image under one name.

    Attributes:
        shape: of one image's value; None to take it from the first batch, which must give a vector then.
        dtype: of its numbers.
        rule: which value counts if several processes saw the image: the ``"larger"`` of each number, or the one
            of the process of ``"lowest_rank"``. Within one process two different values are an error.
    """

    shape: tuple[int, ...] | None = ()
    dtype: torch.dtype = torch.float32
    rule: Literal["larger", "lowest_rank"] = "larger"


class Rows(NamedTuple):
    """Images and what is known of them.

    Attributes:
        image_ids: ``(N,)`` int64, :data:`NO_ID` for images without.
        columns: by name, ``(N, ...)``.
    """

    image_ids: Tensor
    columns: Mapping[str, Tensor]

    def to(self, device: torch.device) -> "Rows":
        """The same on another device."""
        return Rows(self.image_ids.to(device), {name: values.to(device) for name, values in self.columns.items()})


class Reading:
    """A batch as metrics that read it alike see it; several of them may hold one, so it is never changed.

    Args:
        image_ids: ``(N,)`` int64, :data:`~hardest_metrics.functional.ids.NO_ID` for images without.
        measured: what was asked for, by name, ``(N, ...)`` each.
    """

    def __init__(self, image_ids: Tensor, measured: Mapping[Hashable, Tensor]) -> None:
        self.image_ids, self._measured = image_ids, measured

    @property
    def measured(self) -> Mapping[Hashable, Tensor]:
        """What was asked for, by name, ``(N, ...)`` each."""
        return self._measured


def joint(parts: Sequence[Rows]) -> Rows:
    """The images of several parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Rows(
        torch.cat([part.image_ids for part in parts]),
        {name: torch.cat([part.columns[name] for part in parts]) for name in parts[0].columns},
    )


def without_ids(image_ids: Tensor) -> bool:
    """Whether the images have no ids; an error if only some have."""
    without = image_ids == NO_ID
    if not without.any():
        return False
    if not without.all():
        raise ValueError(
            f"{int(without.sum())} of {len(without)} images came without 'image_id', others with one,"
            f" such as {int(image_ids[~without][0])}: give it to every image or to none, then `reset()`."
        )
    return True


def numbered_once(rows: Rows) -> Rows:
    """Images of one process, by ascending id, each once; those without ids are numbered by position."""
    if len(rows.image_ids) and without_ids(rows.image_ids):
        rows = Rows(torch.arange(len(rows.image_ids), device=rows.image_ids.device), rows.columns)
    return each_once(rows)


def each_once(rows: Rows, where: str = "") -> Rows:
    """Images of one process, by ascending id, each once; an error if an id came with different results."""
    ids = rows.image_ids
    follows = ids[1:] > ids[:-1]
    if bool(follows.all()):
        return rows
    order = ascending_order(ids)
    ids = ids.index_select(0, order)
    columns = {name: values.index_select(0, order) for name, values in rows.columns.items()}
    again = ids[1:] == ids[:-1]
    if not again.any():
        return Rows(ids, columns)
    for values in columns.values():
        differs = again & (values[1:] != values[:-1]).reshape(len(again), -1).any(1)
        if differs.any():
            raise ValueError(
                f"Image {int(ids[1:][differs][0])} came twice{where}, with different results: `reset()` the metric"
                " between epochs, and give different images different ids."
            )
    kept = torch.cat((torch.ones_like(again[:1]), ~again)).nonzero().squeeze(1)
    return Rows(ids[kept], {name: values.index_select(0, kept) for name, values in columns.items()})


def each_of_several(parts: Sequence[Rows], columns: Mapping[str, Column]) -> Rows:
    """The images of several processes, by ascending id, each once by the columns' rules; parts hold each once."""
    rows = joint(parts)
    unique, position = rows.image_ids.unique(return_inverse=True)
    first = torch.full_like(unique, len(position))
    first = scatter_extreme_(first, position, torch.arange(len(position), device=position.device), "amin")
    kept = {}
    for name, values in rows.columns.items():
        kept[name] = values.index_select(0, first)
        if columns[name].rule == "larger":
            index = position.reshape(-1, *[1] * (values.ndim - 1)).expand_as(values)
            kept[name] = scatter_extreme_(kept[name], index, values, "amax")
    return Rows(unique, kept)


def gathered(rows: Rows, gather: Callable[[Tensor], list[Tensor]], columns: Mapping[str, Column]) -> Rows:
    """The images of all processes, each once by the columns' rules; of one process alone as they are.

    Args:
        rows: of this process.
        gather: gives a tensor of each process.
        columns: of the rows.

    Raises:
        ValueError: on all processes, if one saw images without ids, or one id twice with different results.
    """
    all_ids = gather(rows.image_ids)
    parts_of = {name: gather(values.contiguous()) for name, values in rows.columns.items()}
    parts = [Rows(ids, {name: parts_of[name][number] for name in parts_of}) for number, ids in enumerate(all_ids)]
    if len(parts) == 1:
        return rows
    for number, part in enumerate(parts):
        if without_ids(part.image_ids):
            raise ValueError(
                f"Process {number} saw images without 'image_id', but {len(parts)} processes run: give every image its"
                " id, so that they can be ranked together."
            )
    seen = [each_once(part, f" in process {n}") for n, part in enumerate(parts) if len(part.image_ids)]
    return each_of_several(seen, columns) if seen else rows


def with_chunk(chunks: list[Tensor], new: Tensor) -> list[Tensor]:
    """A new list with `new` at its end, chunks joined so that their sizes at least halve from one to the next.

    A small tensor of its own for every batch would cost over 1,000 bytes; this way there are only about
    log2 of the number of images, at the cost of copying each row about as often.
    """
    if chunks and not len(new):
        return chunks  # without any, an empty one stands for itself: MetricCollection takes no chunks for equal to all
    chunks = list(chunks)
    while chunks and len(chunks[-1]) <= len(new):
        new = torch.cat((chunks.pop(), new))
    return [*chunks, new]
