"""What matching and weighing ask of shapes, whatever these are: boxes here, masks and keypoints beside.

A shape is asked for its own area, and pairs of shapes for the area that they share and for their similarity. So a new
kind of shape, such as boxes that are rotated, is one more class here, and no more.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from typing_extensions import Self

from hardest_metrics.functional.order import (
    Array,
    as_array,
    as_tensor,
    numpy_or_torch,
    places,
    positions,
    repeated,
    rows_at,
)

#: What is compared, by the names that torchmetrics and pycocotools have for it.
IouType = Literal["bbox", "segm", "keypoints"]

#: Pairs of boxes looked at in one go, however many there are: what fits into the host's caches, and what keeps another
#: device busy, about 100 MB.
_PAIRS_AT_ONCE, _PAIRS_AT_ONCE_ON_DEVICE = 1 << 15, 1 << 20


#: Two int64 tensors of equal length, rows and what they are paired with, and a float64 number of each pair.
Pairs = Iterator[tuple[Tensor, Tensor, Tensor]]


class Geometry(ABC):
    """`n` shapes of any number of images. Pairs are those of :func:`ragged_pairs`, in bounded chunks."""

    @abstractmethod
    def __len__(self) -> int:
        """How many."""

    @property
    @abstractmethod
    def area(self) -> Tensor:
        """``(n,)`` float64, in square pixels: what an error of each weighs at most."""

    @property
    def nbytes(self) -> int:
        """How much memory they take, in bytes."""
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, Tensor))

    @abstractmethod
    def take(self, index: Tensor) -> Self:
        """The shapes at ``(k,)`` int64 positions, in their order."""

    @classmethod
    @abstractmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Those of several, at least one, in their order."""

    @abstractmethod
    def shared_areas(self, other: Self, first: Tensor, count: Tensor) -> Pairs:
        """The area that two shapes share, at least of all pairs that share any.

        Args:
            other: `m` shapes.
            first: ``(n,)`` int64, into `other`.
            count: ``(n,)`` int64: how many of these, from the first on, to pair each with.

        Yields:
            Two int64 tensors of equal length, into these and into the others, and float64 square pixels.
        """

    def similarities(self, detected: Self, first: Tensor, count: Tensor, crowd: Tensor, least: float) -> Pairs:
        """Which detections are similar enough to these objects to be matched to them, and how much.

        Args:
            detected: `m` shapes.
            first: ``(n,)`` int64, into `detected`.
            count: ``(n,)`` int64: how many of these, from the first on, to compare each object with.
            crowd: ``(n,)`` bool, which objects are crowds.
            least: the similarity that is enough, above 0.

        Yields:
            Two int64 tensors of equal length, into these and into the detections, and float64 in [0, 1].
        """
        area, detected_area = self.area, detected.area
        for obj, det, shared in self.shared_areas(detected, first, count):
            of_pair = (detected_area.index_select(0, det), area.index_select(0, obj), crowd.index_select(0, obj))
            overlap = iou(shared, *of_pair)
            enough = positions(overlap >= least)
            yield obj.index_select(0, enough), det.index_select(0, enough), overlap.index_select(0, enough)


@dataclass(frozen=True)
class Rectangles(Geometry):
    """Boxes as shapes: similar as much as their intersection is of their union.

    Attributes:
        xywh: ``(n, 4)`` float64: left, top, width, height in pixels.
    """

    xywh: Tensor

    def __len__(self) -> int:
        return len(self.xywh)

    @property
    def area(self) -> Tensor:
        """``(n,)`` float64, width times height in square pixels."""
        return self.xywh[:, 2] * self.xywh[:, 3]

    def take(self, index: Tensor) -> "Rectangles":
        """The boxes at ``(k,)`` int64 positions, in their order."""
        return Rectangles(rows_at(self.xywh, index))

    @classmethod
    def joined(cls, parts: "Sequence[Rectangles]") -> "Rectangles":
        """Those of several, at least one, in their order."""
        return cls(torch.cat([part.xywh for part in parts]))

    def shared_areas(self, other: "Rectangles", first: Tensor, count: Tensor) -> Pairs:
        """As :func:`shared_areas`."""
        return shared_areas(self.xywh, other.xywh, first, count)


def shared_areas(a: Tensor, b: Tensor, first: Tensor, count: Tensor) -> Pairs:
    """Those pairs of :func:`ragged_pairs` that are not apart sideways, and the area that the two boxes of each share.

    Args:
        a: ``(n, 4)`` float64 xywh.
        b: ``(m, 4)`` float64 xywh.
        first: ``(n,)`` int64, into `b`.
        count: ``(n,)`` int64: how many boxes of `b`, from the first on, to pair each of `a` with.

    Yields:
        Two int64 tensors of equal length, into `a` and into `b`, and float64 square pixels.
    """
    (left, right, top, bottom), (b_left, b_right, b_top, b_bottom) = _edges(a), _edges(b)
    for i, j in ragged_pairs(as_array(first), as_array(count)):
        width = _shared_extent(left, right, b_left, b_right, i, j)
        beside = numpy_or_torch(width).where(width > 0)[0]  # most pairs are apart, and looked at no further
        i, j = i.take(beside), j.take(beside)
        area = width.take(beside) * _shared_extent(top, bottom, b_top, b_bottom, i, j).clip(0)
        yield as_tensor(i), as_tensor(j), as_tensor(area)


def _edges(xywh: Tensor) -> tuple[Array, Array, Array, Array]:
    """Left, right, top and bottom, ``(n,)`` each: to pick a number takes a sixth of the time of a row of two."""
    columns = as_array(xywh).T
    left, top, width, height = columns.contiguous() if isinstance(columns, Tensor) else columns.copy()
    return left, left + width, top, top + height


def _shared_extent(a_start: Array, a_end: Array, b_start: Array, b_end: Array, i: Array, j: Array) -> Array:
    """From the later start to the earlier end of each pair; below 0 if they are apart."""
    xp = numpy_or_torch(i)
    return xp.minimum(a_end.take(i), b_end.take(j)) - xp.maximum(a_start.take(i), b_start.take(j))


def iou(shared: Tensor, a_area: Tensor, b_area: Tensor, b_is_crowd: Tensor) -> Tensor:
    """Intersection over union of pairs of boxes; over the area of the first where the second is a crowd.

    The operations and their order are pycocotools', so that results equal its own to the last bit.

    Args:
        shared: ``(p,)`` float64, the area that the boxes of each pair share.
        a_area: ``(p,)`` float64, of the first box of each pair.
        b_area: ``(p,)`` float64, of the second.
        b_is_crowd: ``(p,)`` bool.

    Returns:
        ``(p,)`` float64 in [0, 1]; 0 where the boxes do not overlap.
    """
    either = torch.where(b_is_crowd, a_area, a_area + b_area - shared)
    return (shared / either).masked_fill_(shared == 0, 0.0)


def ragged_pairs(first: Array, count: Array) -> Iterator[tuple[Array, Array]]:
    """Pair every row `i` with each of ``first[i], ..., first[i] + count[i] - 1``, in bounded chunks.

    Args:
        first: ``(n,)`` int64.
        count: ``(n,)`` int64.

    Yields:
        Two int64 arrays of equal length: rows, ascending, and what they are paired with, ascending in a row.
    """
    most = _PAIRS_AT_ONCE_ON_DEVICE if isinstance(count, Tensor) else _PAIRS_AT_ONCE
    ends = count.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0  # how many pairs there are must reach the host
    shift = first - (ends - count)  # from the number of a pair to the position of its partner
    row = done = 0
    while done < total:
        if total - done <= most:
            stop, upto = len(count), total
        else:
            stop = max(int(numpy_or_torch(ends).searchsorted(ends, done + most, side="right")), row + 1)
            upto = int(ends[stop - 1])
        if upto > done:
            rows = repeated(count[row:stop], upto - done) + row
            yield rows, shift.take(rows) + places(done, upto, count)
        row, done = stop, upto
