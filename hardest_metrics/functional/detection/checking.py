"""Boxes of many images, gathered from wherever they come from: checked once, and made a batch."""

import math
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hardest_metrics.functional.detection.boxes import (
    Batch,
    Detections,
    GroundTruth,
    at_least_as_given,
    group_numbers,
)
from hardest_metrics.functional.order import as_array, as_tensor, first_places, repeated, rows_at
from hardest_metrics.input_warning import InputWarning

BoxFormat = Literal["xyxy", "xywh", "cxcywh"]

#: Widths and heights are at most this, so that areas and their sums are finite in float64.
MOST_EXTENT = 1e100
_ABOVE_0, _FINITE = math.ulp(0.0), sys.float_info.max

_PARTS_OF_COMPLEX = {torch.float32, torch.float64}


def check_box_format(box_format: str) -> None:
    """Refuse an unknown format of boxes."""
    if box_format not in get_args(BoxFormat):
        raise ValueError(f"`box_format` must be one of {get_args(BoxFormat)}, but is {box_format!r}.")


class Side(ABC):
    """Where the detections, or the labels, of `N` images come from: how many there are, and what messages call them.

    Attributes:
        name: of the side.
    """

    name: str

    @property
    @abstractmethod
    def counts(self) -> "Sequence[int] | NDArray[np.int64]":
        """How many boxes each image has."""

    @abstractmethod
    def at(self, index: int, key: str | None = None) -> str:
        """How a message names an image, or what it has of a kind, such as ``"boxes"``."""

    @abstractmethod
    def given(self, index: int, key: str, place: int) -> Any:
        """What an image has of a kind for its box at this place, for a message."""

    @abstractmethod
    def size_given(self, index: int) -> Any:
        """The height and width of an image, for a message; None where this side does not give them."""

    def image_index(self, device: torch.device, number: int, kept: Tensor | None = None) -> Tensor:
        """``(n,)`` int64: the position of the image of each of `number` boxes; of those at the places `kept` only."""
        counts = torch.from_numpy(np.array(self.counts, dtype=np.int64)).to(device)
        if kept is not None:
            counts, number = first_places(kept, counts.cumsum(0)), len(kept)
            counts[1:] -= counts[:-1].clone()
        return as_tensor(repeated(as_array(counts), number))


class Detected(NamedTuple):
    """The detections of all images, image by image.

    Attributes:
        side: where they come from.
        boxes: ``(n, 4)`` float32 or float64.
        box_format: of these.
        labels: ``(n,)`` int64.
        scores: ``(n,)`` floating point.
        given_as: as in :class:`~hardest_metrics.functional.Detections`.
    """

    side: Side
    boxes: Tensor
    box_format: BoxFormat
    labels: Tensor
    scores: Tensor
    given_as: Tensor | None = None


class Labelled(NamedTuple):
    """The objects of all images, image by image.

    Attributes:
        side: where they come from.
        boxes: ``(n, 4)`` float32 or float64.
        box_format: of these.
        xywh: ``(n, 4)`` float64: the same boxes.
        labels: ``(n,)`` int64.
        crowd: ``(n,)`` bool, or numbers that are 0 or 1.
        area: ``(n,)`` float64.
    """

    side: Side
    boxes: Tensor
    box_format: BoxFormat
    xywh: Tensor
    labels: Tensor
    crowd: Tensor
    area: Tensor


class Images(NamedTuple):
    """What is known of the images themselves.

    Attributes:
        ids: ``(N,)`` int64.
        sizes: ``(N, 2)`` float64, height and width, NaN where not given.
        sized: whether every image's size was given.
    """

    ids: Tensor
    sizes: Tensor
    sized: bool


def checked_batch(
    detected: Detected, labelled: Labelled, images: Images, box_format: BoxFormat, min_score: float
) -> Batch:
    """The batch of these images, all on one device, or an error that names the first value that makes no sense.

    Args:
        detected: their detections.
        labelled: their objects.
        images: themselves.
        box_format: that boxes were given in, for messages.
        min_score: detections of a lower score are checked like all others, then left out.

    Raises:
        ValueError: if a box, score, area or size makes no sense.
    """
    _, d_boxes, d_format, d_labels, scores, given_as = detected
    _, g_boxes, g_format, g_xywh, g_labels, crowd, area = labelled
    bounds = [
        (_extent(d_boxes, d_format), 0.0, MOST_EXTENT),
        (_extent(g_boxes, g_format), 0.0, MOST_EXTENT),
        (scores, 0.0, 1.0),
        (area, 0.0, _FINITE),
        (torch.where(images.sizes.isnan(), 1.0, images.sizes), _ABOVE_0, _FINITE),
    ]
    # corners are finite if what lies between them is
    bounds += [(b, -_FINITE, _FINITE) for b, form in ((d_boxes, d_format), (g_boxes, g_format)) if form != "xyxy"]
    if crowd.dtype != torch.bool:
        bounds.append((crowd.double(), 0.0, 1.0))
    kept = None
    if min_score > 0:  # most detections of a detector score low: all but the checks is spared them
        kept = at_least_as_given(scores, given_as, min_score)
        d_labels = d_labels.index_select(0, kept)
    limits, (lowest, highest) = _limits([values for values, _, _ in bounds], [d_labels, g_labels])
    # a NaN is within no bounds
    if not all(least <= low and high <= most for (low, high), (_, least, most) in zip(limits, bounds, strict=True)):
        _refuse(detected, labelled, images, box_format)
    (_, widest), (_, widest_labelled) = limits[:2]
    if len(d_boxes) and len(g_boxes) and min(widest, widest_labelled) <= 1 < max(widest, widest_labelled):
        _check_units((detected.side, d_boxes), (labelled.side, g_boxes))  # seldom: here all boxes are looked at

    device, number = d_boxes.device, len(d_boxes)
    if kept is not None:
        d_boxes, scores = rows_at(d_boxes, kept), scores.index_select(0, kept)
        given_as = None if given_as is None else given_as.index_select(0, kept)
    d_image = detected.side.image_index(device, number, kept)
    g_image = labelled.side.image_index(device, len(g_boxes))
    d_group, g_group = group_numbers((d_labels, g_labels), (d_image, g_image), (lowest, highest), len(images.ids))
    return Batch(
        Detections(to_xywh(d_boxes, d_format), d_labels, d_image, scores, d_group, given_as),
        GroundTruth(g_xywh, g_labels, g_image, crowd.bool(), area, g_group),
        images.ids,
        images.sizes,
        (lowest, highest),
        images.sized,
    )


def sized_by(labelled: Side, detected: Side, index: int) -> Side:
    """The side that gives the size of an image."""
    return detected if labelled.size_given(index) is None else labelled


def exact(boxes: Tensor) -> Tensor:
    """Boxes in a dtype in which their differences are as good as pycocotools': float32 and float64 as they are."""
    return boxes if boxes.dtype in _PARTS_OF_COMPLEX else boxes.double()


def to_xywh(boxes: Tensor, box_format: BoxFormat) -> Tensor:
    """``(n, 4)`` float64 xywh, converted in the boxes' own dtype first."""
    if box_format == "xyxy":
        boxes = boxes.clone(memory_format=torch.contiguous_format)
        first, second = _corners(boxes)
        second -= first  # writes widths and heights over it
    elif box_format == "cxcywh":
        from torchvision.ops import box_convert  # here: the other formats do not need torchvision

        boxes = box_convert(boxes, box_format, "xywh")
    return boxes.double()


def _extent(boxes: Tensor, box_format: BoxFormat) -> Tensor:
    """``(n, 2)`` widths and heights."""
    if box_format != "xyxy":
        return boxes[:, 2:]
    first, second = _corners(boxes)
    return _as_real(second - first)


def _corners(boxes: Tensor) -> tuple[Tensor, ...]:
    """The two corners of ``(n, 4)`` xyxy boxes, ``(n,)`` complex: with one number a corner they take half the time.

    Of half precision, of which there are no complex numbers to speak of, ``(n, 2)``.
    """
    corners = boxes.view(len(boxes), 2, 2)
    return (torch.view_as_complex(corners) if boxes.dtype in _PARTS_OF_COMPLEX else corners).unbind(1)


def _as_real(corners: Tensor) -> Tensor:
    return torch.view_as_real(corners) if corners.is_complex() else corners


def _limits(floats: Sequence[Tensor], integers: Sequence[Tensor]) -> tuple[list[tuple[float, float]], tuple[int, int]]:
    """The lowest and highest of each column of floats, and of all int64 together, in one transfer to the host.

    1 and 1 of an empty column; a NaN among values makes both NaN.
    """
    float_limits, integer_limits = (
        [limit for column in columns for limit in (column.aminmax() if column.numel() else [column.new_ones(())] * 2)]
        for columns in (floats, integers)
    )
    bits = torch.stack(float_limits).double().view(torch.int64)
    host = torch.cat((bits, torch.stack(integer_limits))).cpu()
    limits, found = host[: len(bits)].view(torch.float64).tolist(), host[len(bits) :].tolist()
    return list(zip(limits[::2], limits[1::2], strict=True)), (min(found), max(found))


def _check_units(*sides: tuple[Side, Tensor]) -> None:
    """Say so where the boxes of one side look like shares of the image, and those of the other like pixels."""
    shares = [_look_normalised(boxes) for _, boxes in sides]
    if any(shares) and not all(shares):
        _warn_of_units(sides[shares.index(True)][0].name)


def _look_normalised(boxes: Tensor) -> bool:
    """Whether all lie in [0, 1], and not only in the corners of it, where boxes that are none are put."""
    within = bool(len(boxes)) and bool(((boxes >= 0) & (boxes <= 1)).all())
    return within and bool((boxes != boxes.round()).any())


@cache
def _warn_of_units(side: str) -> None:
    other = "target" if side == "preds" else "preds"
    warnings.warn(
        f"The boxes of `{side}` all lie in [0, 1], those of `{other}` do not: these look normalised. Give both in"
        " pixels: multiply the boxes by the width and height of the image.",
        InputWarning,
        stacklevel=2,
    )


def _refuse(detected: Detected, labelled: Labelled, images: Images, box_format: BoxFormat) -> None:
    """Name the first value that makes no sense, its image and the remedy."""

    def sound_boxes(boxes: Tensor, box_format: BoxFormat) -> Tensor:
        extent = _extent(boxes, box_format)
        return boxes.isfinite().all(1) & ((extent >= 0) & (extent.double() <= MOST_EXTENT)).all(1)

    def box(boxes: Tensor) -> str:
        order = "x1 <= x2 and y1 <= y2" if box_format == "xyxy" else "a width and height of at least 0"
        most = min(MOST_EXTENT, torch.finfo(boxes.dtype).max)
        return f"a box in {box_format} format has finite numbers, {order}, and is at most {most:g} wide and high"

    score = "a score lies in [0, 1]; pass logits through a sigmoid or softmax first"
    scores, crowd, area = detected.scores, labelled.crowd, labelled.area
    checks: list[tuple[Detected | Labelled, str, Tensor, str]] = [
        (detected, "boxes", sound_boxes(detected.boxes, detected.box_format), box(detected.boxes)),
        (labelled, "boxes", sound_boxes(labelled.boxes, labelled.box_format), box(labelled.boxes)),
        (detected, "scores", (scores >= 0) & (scores <= 1), score),
        (labelled, "iscrowd", (crowd == 0) | (crowd == 1), "an object is a crowd (1) or not (0)"),
        (labelled, "area", (area >= 0) & area.isfinite(), "an area is finite and at least 0, in square pixels"),
    ]
    for half, key, sound, remedy in checks:
        if not sound.all():
            side, position = half.side, int((~sound).nonzero()[0])
            index = int(side.image_index(torch.device("cpu"), len(sound))[position])
            value = side.given(index, key, position - sum(side.counts[:index]))
            if key == "boxes" and _look_normalised(half.boxes):
                remedy += (
                    ". All of them lie in [0, 1]: if they are normalised, check their format, and multiply them by"
                )
                remedy += " the width and height of the image"
            raise ValueError(f"{side.at(index, key)} holds {value}: {remedy}.")
    index = int(((images.sizes <= 0) | images.sizes.isinf()).any(1).nonzero()[0])
    side = sized_by(labelled.side, detected.side, index)
    raise ValueError(
        f"{side.at(index, 'image_size')} must be (height, width) in pixels, both above 0, but is"
        f" {side.size_given(index)}."
    )
