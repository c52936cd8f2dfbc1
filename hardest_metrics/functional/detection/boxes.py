"""Boxes of many images as flat tensors: the ragged batch that everything behind it works on.

Nothing here or behind it loops over images, or pads them to the fullest one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeVar

import torch
from torch import Tensor

from hardest_metrics.functional.ids import NO_ID
from hardest_metrics.functional.order import (
    Array,
    as_array,
    as_tensor,
    at_least,
    numpy_or_torch,
    places,
    positions,
    repeated,
    rows_at,
)

_AnyBoxes = TypeVar("_AnyBoxes", bound="Boxes")

#: What scores may be given in.
SCORE_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

#: Pairs of boxes looked at in one go, however many there are: what fits into the host's caches, and what keeps another
#: device busy, about 100 MB.
_PAIRS_AT_ONCE, _PAIRS_AT_ONCE_ON_DEVICE = 1 << 15, 1 << 20


@dataclass(frozen=True)
class Boxes:
    """`n` boxes of any number of images.

    Attributes:
        xywh: ``(n, 4)`` float64: left, top, width, height in pixels.
        labels: ``(n,)`` int64.
        image: ``(n,)`` int64, the position in the batch of the image that each box lies in.
    """

    xywh: Tensor
    labels: Tensor
    image: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self: _AnyBoxes, index: Tensor) -> _AnyBoxes:
        """The boxes at ``(k,)`` int64 positions, in their order."""
        columns = {name: value for name, value in vars(self).items() if value is not None}
        return replace(self, **{name: rows_at(value, index) for name, value in columns.items()})

    @property
    def xyxy(self) -> Tensor:
        """``(n, 4)`` float64: left, top, right, bottom in pixels."""
        return torch.cat((self.xywh[:, :2], self.xywh[:, :2] + self.xywh[:, 2:]), dim=1)

    @property
    def box_area(self) -> Tensor:
        """``(n,)`` float64, width times height in square pixels."""
        return self.xywh[:, 2] * self.xywh[:, 3]


@dataclass(frozen=True)
class Detections(Boxes):
    """Boxes that a detector proposes.

    Attributes:
        scores: ``(n,)`` floating point in [0, 1], in the dtype they were given in.
        group: ``(n,)`` int32 or int64, at least 0, equal for boxes of the same image and label, in both halves of a
            batch.
        given_as: ``(n,)`` int64, the place in :data:`SCORE_DTYPES` of the dtype in which each score was given, where
            a batch mixes several; else None.
    """

    scores: Tensor
    group: Tensor
    given_as: Tensor | None = None

    def scored(self, least: float) -> Tensor:
        """``(k,)`` int64 positions, ascending, of boxes of at least this score, compared in the dtype it was given in.

        How many they are must reach the host.
        """
        return at_least_as_given(self.scores, self.given_as, least)


@dataclass(frozen=True)
class GroundTruth(Boxes):
    """Boxes that really are there.

    Attributes:
        crowd: ``(n,)`` bool, whether the box stands for a group of objects (COCO's ``iscrowd``).
        area: ``(n,)`` float64, the object's area in square pixels as labelled; the box's where none was.
        group: ``(n,)`` int32 or int64, as for :class:`Detections`.
    """

    crowd: Tensor
    area: Tensor
    group: Tensor


@dataclass(frozen=True)
class Batch:
    """Detections and ground truth of `N` images.

    Attributes:
        detections: of all images, image by image.
        ground_truth: likewise.
        image_ids: ``(N,)`` int64, on the CPU unless they were given elsewhere;
            :data:`~hardest_metrics.functional.ids.NO_ID` where not given.
        image_sizes: ``(N, 2)`` float64, height and width in pixels; NaN where not given.
        label_range: no label is below the first or above the second.
        sized: whether every image's size was given.
    """

    detections: Detections
    ground_truth: GroundTruth
    image_ids: Tensor
    image_sizes: Tensor
    label_range: tuple[int, int]
    sized: bool

    def __len__(self) -> int:
        return len(self.image_ids)

    @classmethod
    def joined(cls, batches: "Sequence[Batch]") -> "Batch":
        """The images of several batches as one, in their order.

        Args:
            batches: at least one, with scores of one dtype, all on one device; either all or none mix dtypes.
        """
        if len(batches) == 1:
            return batches[0]
        lengths = [len(batch) for batch in batches]
        starts = torch.tensor([0, *accumulate(lengths[:-1])], device="cpu")
        lowest, highest = zip(*(batch.label_range for batch in batches), strict=True)
        label_range = min(lowest), max(highest)
        halves = [
            _joined([batch.detections for batch in batches], starts),
            _joined([batch.ground_truth for batch in batches], starts),
        ]
        labels, images = ([half[name] for half in halves] for name in ("labels", "image"))
        for half, group in zip(halves, group_numbers(labels, images, label_range, sum(lengths)), strict=True):
            half["group"] = group
        return cls(
            Detections(**halves[0]),
            GroundTruth(**halves[1]),
            torch.cat([batch.image_ids for batch in batches]),
            torch.cat([batch.image_sizes for batch in batches]),
            label_range,
            all(batch.sized for batch in batches),
        )

    @property
    def ids_or_places(self) -> Tensor:
        """``(N,)`` int64 on the boxes' device: ids, or places in the batch of images without."""
        places = torch.arange(len(self), device=self.image_ids.device)
        return torch.where(self.image_ids == NO_ID, places, self.image_ids).to(self.detections.labels.device)


def _joined(parts: Sequence[Boxes], starts: Tensor) -> dict[str, Tensor]:
    """The columns of several boxes as one, the images of each part counted from its start; groups are yet to number."""
    named = [name for name, column in vars(parts[0]).items() if name != "group" and column is not None]
    columns = {name: torch.cat([getattr(part, name) for part in parts]) for name in named}
    device, number = columns["image"].device, len(columns["image"])
    sizes = torch.tensor([len(part) for part in parts], device="cpu")
    columns["image"] += starts.index_select(0, as_tensor(repeated(as_array(sizes), number))).to(device)
    return columns


def at_least_as_given(scores: Tensor, given_as: Tensor | None, least: float) -> Tensor:
    """Where scores are at least so high, each compared in the dtype it was given in, see :class:`Detections`."""
    if given_as is None:
        return at_least(scores, least)
    limits = [torch.tensor(least, dtype=dtype, device="cpu").double() for dtype in SCORE_DTYPES]
    return positions(scores.double() >= torch.stack(limits).to(scores.device).index_select(0, given_as))


def group_numbers(
    labels: Sequence[Tensor], images: Sequence[Tensor], label_range: tuple[int, int], num_images: int
) -> tuple[Tensor, ...]:
    """Numbers that boxes have in common exactly if they are of the same image and label, ascending by image.

    Args:
        labels: of several sets of boxes, ``(n,)`` int64.
        images: likewise, in [0, num_images).
        label_range: no label is below the first or above the second.
        num_images: how many images there are.

    Returns:
        Of each set ``(n,)``, at least 0; int32, which is sorted and searched in half the time, if that is enough.
    """
    lowest, number = label_range[0], label_range[1] - label_range[0] + 1
    if number * num_images < 2**62:
        places = [part - lowest for part in labels]
    else:  # labels too far apart to multiply: number those that occur
        _, place = torch.cat(list(labels)).unique(return_inverse=True)
        places = list(place.split([len(part) for part in labels]))
        number = len(place)
    groups = (torch.add(place, image, alpha=number) for place, image in zip(places, images, strict=True))
    return tuple(group.int() if number * num_images < 2**31 else group for group in groups)


def shared_areas(a: Tensor, b: Tensor, first: Tensor, count: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
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
