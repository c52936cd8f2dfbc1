"""Labels of a hierarchy: that they are a tree, and where each class of it stands in a gallery sorted by class."""

from typing import NamedTuple

import torch
from torch import Tensor

#: A level shares a key with a score, of which it is the last 8 bits.
MAX_LEVELS = 255

#: What to do about labels that are no tree.
TREE_REMEDY = "Give the finest level first, and a number of its own to each class, whatever it belongs to."


def check_labels(labels: Tensor, gallery_labels: Tensor | None = None) -> None:
    """Check that labels are those of a tree: rows that are equal at a level are equal at all coarser ones.

    Args:
        labels: ``(N, L)`` int64, finest level first.
        gallery_labels: ``(M, L)`` int64 of the same tree; None without a gallery.

    Raises:
        TypeError: if labels are no integers.
        ValueError: if they are of another shape, or no tree. The message names two rows.

    Example:
        >>> check_labels(torch.tensor([[0, 0], [1, 0], [2, 1]]))
        >>> check_labels(torch.tensor([[0, 0], [1, 0], [0, 1]]))
        Traceback (most recent call last):
        ...
        ValueError: `labels` are no tree: row 0 of `labels` is [0, 0] and row 2 of `labels` is [0, 1], ...
    """
    named = {"labels": labels} if gallery_labels is None else {"labels": labels, "gallery_labels": gallery_labels}
    for name, rows in named.items():
        _check_columns(name, rows)
    if gallery_labels is not None and gallery_labels.shape[1] != labels.shape[1]:
        raise ValueError(
            f"`labels` have {labels.shape[1]} levels, but `gallery_labels` {gallery_labels.shape[1]}:"
            " give all levels of one tree in both."
        )
    rows = torch.cat([rows.to(labels.device) for rows in named.values()])
    if (torn := torn_rows(rows)) is not None:
        row, other, level = torn
        raise ValueError(
            f"`labels` are no tree: {_row(named, row)} and {_row(named, other)}, which are equal at level {level}, but"
            f" not at the coarser level {level + 1}. {TREE_REMEDY}"
        )


def torn_rows(labels: Tensor) -> tuple[int, int, int] | None:
    """Two rows, in their order, that are equal at a level, and differ at the next; and that level. None of a tree.

    Example:
        >>> torn_rows(torch.tensor([[0, 0], [1, 0], [0, 1]]))
        (0, 2, 0)
    """
    for level in range(labels.shape[1] - 1):
        order = labels[:, level].argsort(stable=True)
        finer, coarser = labels[order, level], labels[order, level + 1]
        torn = ((finer[1:] == finer[:-1]) & (coarser[1:] != coarser[:-1])).nonzero()
        if len(torn):
            return int(order[torn[0]]), int(order[torn[0] + 1]), level
    return None


def shared_levels(labels: Tensor, others: Tensor) -> Tensor:
    """How many levels rows of two sets of labels share.

    Args:
        labels: ``(..., L)`` integers.
        others: ``(..., L)`` integers, of a shape that goes with it.

    Returns:
        ``(...)`` int64: 0 (not even the coarsest) to L.

    Example:
        >>> labels = torch.tensor([[0, 0], [1, 0], [2, 1]])
        >>> shared_levels(labels[:, None], labels)
        tensor([[2, 1, 0],
                [1, 2, 0],
                [0, 0, 2]])
    """
    return (labels == others).sum(-1)


class Spans(NamedTuple):
    """Where the classes of queries stand in a gallery sorted by class, at each level.

    Column ``t - 1`` is of the items that share at least t levels with the query: it lies within column ``t - 2``.

    Attributes:
        begin: ``(Q, L)`` int64, first place.
        end: ``(Q, L)`` int64, place after the last; equals `begin` where the gallery has none.
    """

    begin: Tensor
    end: Tensor


def class_order(labels: Tensor) -> Tensor:
    """An order in which the items of a class lie side by side, at every level.

    Args:
        labels: ``(M, L)`` int64 of a tree, finest level first.

    Returns:
        ``(M,)`` int64; items of one finest class in the order given.
    """
    order = torch.arange(len(labels), device=labels.device)
    for level in labels.unbind(1):
        order = order[level[order].argsort(stable=True)]
    return order


def class_spans(labels: Tensor, ordered: Tensor) -> Spans:
    """Look the classes of queries up.

    Args:
        labels: ``(Q, L)`` int64, the queries'.
        ordered: ``(M, L)`` int64, the gallery's in :func:`class_order`.
    """
    spans = []
    for wanted, column in zip(labels.unbind(1), ordered.unbind(1), strict=True):
        classes, count = column.unique_consecutive(return_counts=True)
        end = count.cumsum(0)
        by_number = classes.argsort()
        found = torch.searchsorted(classes[by_number], wanted.contiguous()).clamp(max=max(len(classes) - 1, 0))
        at = by_number[found]
        missing = classes[at] != wanted
        spans.append((torch.where(missing, 0, end[at] - count[at]), torch.where(missing, 0, end[at])))
    begin, end = (torch.stack(columns[::-1], dim=1) for columns in zip(*spans, strict=True))
    return Spans(begin, end)


def _check_columns(name: str, rows: Tensor) -> None:
    if rows.is_floating_point() or rows.is_complex() or rows.dtype == torch.bool:
        raise TypeError(f"`{name}` must be integers, but are {rows.dtype}: number the classes of each level.")
    if rows.ndim != 2 or not 1 <= rows.shape[1] <= MAX_LEVELS:
        raise ValueError(
            f"`{name}` must have shape (rows, levels) with 1 to {MAX_LEVELS} levels, but have {tuple(rows.shape)};"
            " of one level: `labels[:, None]`."
        )


def _row(named: dict[str, Tensor], number: int) -> str:
    """A row of the labels one after the other, in words."""
    for name, rows in named.items():
        if number < len(rows):
            return f"row {number} of `{name}` is {rows[number].tolist()}"
        number -= len(rows)
    raise IndexError(number)
