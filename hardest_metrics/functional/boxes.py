"""Boxes of many images as flat tensors: the ragged batch that everything behind it works on.

Nothing here or behind it loops over images, or pads them to the fullest one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

#: Marks an image that was given without an `image_id`; no image may have it as its id.
NO_ID = torch.iinfo(torch.int64).min

_AnyBoxes = TypeVar("_AnyBoxes", bound="Boxes")

#: Pairs of boxes looked at in one go: about 100 MB of working memory, however many boxes there are.
_PAIRS_AT_ONCE = 1 << 20


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
        return replace(self, **{name: value.index_select(0, index) for name, value in vars(self).items()})

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
    """

    scores: Tensor
    group: Tensor


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
        image_ids: ``(N,)`` int64, on the CPU unless they were given elsewhere; :data:`NO_ID` where not given.
        image_sizes: ``(N, 2)`` float64, height and width in pixels; NaN where not given.
    """

    detections: Detections
    ground_truth: GroundTruth
    image_ids: Tensor
    image_sizes: Tensor

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def ids_or_places(self) -> Tensor:
        """``(N,)`` int64 on the boxes' device: ids, or places in the batch of images without."""
        places = torch.arange(len(self), device=self.image_ids.device)
        return torch.where(self.image_ids == NO_ID, places, self.image_ids).to(self.detections.labels.device)


def iou(a: Tensor, b: Tensor, b_is_crowd: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Intersection over union of the boxes ``a[i]`` and ``b[j]``; over the area of ``a[i]`` where ``b[j]`` is a crowd.

    The operations and their order are pycocotools', so that results equal its own to the last bit.

    Args:
        a: ``(n, 4)`` float64 xywh.
        b: ``(m, 4)`` float64 xywh.
        b_is_crowd: ``(m,)`` bool.
        i: ``(p,)`` int64, into `a`.
        j: ``(p,)`` int64, into `b`.

    Returns:
        ``(p,)`` float64 in [0, 1]; 0 where the boxes do not overlap.
    """
    both = intersection(a, b, i, j)
    a_area = (a[:, 2] * a[:, 3]).index_select(0, i)
    either = a_area + (b[:, 2] * b[:, 3]).index_select(0, j) - both
    either = torch.where(b_is_crowd.index_select(0, j), a_area, either)
    return (both / either).masked_fill_(both == 0, 0.0)


def intersection(a: Tensor, b: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Area that the boxes ``a[i]`` and ``b[j]`` share.

    Args:
        a: ``(n, 4)`` float64 xywh.
        b: ``(m, 4)`` float64 xywh.
        i: ``(p,)`` int64, into `a`.
        j: ``(p,)`` int64, into `b`.

    Returns:
        ``(p,)`` float64 in square pixels.
    """
    start = torch.maximum(a[:, :2].contiguous().index_select(0, i), b[:, :2].contiguous().index_select(0, j))
    a_end, b_end = a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:]
    extent = torch.minimum(a_end.index_select(0, i), b_end.index_select(0, j)).sub_(start).clamp_(min=0)
    return extent[:, 0] * extent[:, 1]


def ragged_pairs(first: Tensor, count: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Pair every row `i` with each of ``first[i], ..., first[i] + count[i] - 1``, in bounded chunks.

    Args:
        first: ``(n,)`` int64.
        count: ``(n,)`` int64.

    Yields:
        Two int64 tensors of equal length: rows, ascending, and what they are paired with, ascending in a row.
    """
    ends = count.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0  # how many pairs there are must reach the host
    row = 0
    while total:
        done = int(ends[row - 1]) if row else 0
        if total - done <= _PAIRS_AT_ONCE:
            stop, size = len(count), total - done
        else:
            stop = max(int(torch.searchsorted(ends, done + _PAIRS_AT_ONCE, right=True)), row + 1)
            size = int(ends[stop - 1]) - done
        if size:
            counts = count[row:stop]
            rows = torch.arange(row, stop, device=count.device).repeat_interleave(counts, output_size=size)
            # position of each pair within its row, moved to where the row's partners start
            shift = first[row:stop] - (ends[row:stop] - counts - done)
            partners = shift.index_select(0, rows - row if row else rows)
            yield rows, partners.add_(torch.arange(size, device=count.device))
        if stop == len(count):
            return
        row = stop
