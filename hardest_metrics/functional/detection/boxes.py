"""Boxes of many images as flat tensors: the ragged batch that everything behind it works on.

Nothing here or behind it loops over images, or pads them to the fullest one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, TypeVar

import torch
from torch import Tensor

from hardest_metrics.functional.detection.geometry import Geometry, Rectangles
from hardest_metrics.functional.ids import NO_ID
from hardest_metrics.functional.order import as_array, as_tensor, at_least, positions, repeated, rows_at

_AnyBoxes = TypeVar("_AnyBoxes", bound="Boxes")

#: What scores may be given in.
SCORE_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class Boxes:
    """`n` boxes of any number of images.

    Attributes:
        xywh: ``(n, 4)`` float64: left, top, width, height in pixels.
        labels: ``(n,)`` int64.
        image: ``(n,)`` int64, the position in the batch of the image that each box lies in.
        shapes: what is compared and weighed where that is not the box, but what it encloses; else None.
    """

    xywh: Tensor
    labels: Tensor
    image: Tensor
    shapes: Geometry | None = field(default=None, kw_only=True)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self: _AnyBoxes, index: Tensor) -> _AnyBoxes:
        """The boxes at ``(k,)`` int64 positions, in their order."""
        columns: dict[str, Any] = {name: value for name, value in vars(self).items() if value is not None}
        for name, value in columns.items():
            columns[name] = rows_at(value, index) if isinstance(value, Tensor) else value.take(index)
        return replace(self, **columns)

    @property
    def geometry(self) -> Geometry:
        """What is compared and weighed: the boxes, or what they enclose."""
        return Rectangles(self.xywh) if self.shapes is None else self.shapes

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
        area: ``(n,)`` float64, in square pixels, where areas other than those of the geometry were given; else None.
    """

    scores: Tensor
    group: Tensor
    given_as: Tensor | None = None
    area: Tensor | None = field(default=None, kw_only=True)

    @property
    def counted_area(self) -> Tensor:
        """``(n,)`` float64, in square pixels: what a query's range of areas is asked about."""
        return self.geometry.area if self.area is None else self.area

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
        ignored: ``(n,)`` bool, which objects count neither as found nor as missed whatever the query, crowds besides;
            None for no others than crowds.
    """

    crowd: Tensor
    area: Tensor
    group: Tensor
    ignored: Tensor | None = field(default=None, kw_only=True)


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


def _joined(parts: Sequence[Boxes], starts: Tensor) -> dict[str, Any]:
    """The columns of several boxes as one, the images of each part counted from its start; groups are yet to number."""
    named = [name for name, column in vars(parts[0]).items() if name != "group" and column is not None]
    columns: dict[str, Any] = {}
    for name in named:
        values = [getattr(part, name) for part in parts]
        columns[name] = type(values[0]).joined(values) if isinstance(values[0], Geometry) else torch.cat(values)
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
