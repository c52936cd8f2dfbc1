"""From lists of dicts with masks, in any of the field's forms, to a checked batch of runs of pixels."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.masks import Masks
from hardest_metrics.functional.detection.packing import ImageDict, Things, pack_boxes
from hardest_metrics.functional.detection.pixel_runs import (
    Integers,
    Runs,
    lengths_of_strings,
    row_by_row,
    runs_of_counts,
    runs_of_dense,
    united,
)
from hardest_metrics.functional.detection.shape_packing import Side, areas_of, of_lowest_score, own_places

#: Pixels of dense masks that are turned into runs in one go, at most: 8 MB of them.
_PIXELS_AT_ONCE = 1 << 23

#: Corners of polygons are nearer to the image than this: each pixel of their outline takes memory.
_FARTHEST = 1e6


def pack_masks(preds: Sequence[ImageDict], target: Sequence[ImageDict], min_score: float) -> Batch:
    """As :func:`~hardest_metrics.functional.pack`, of images that give ``masks`` and need no ``boxes``.

    Masks of detections of lower score are not looked at. All tensors of the batch lie in the host's memory.

    Raises:
        TypeError: if something is no mask.
        ValueError: if masks of an image are not of one size, or make no sense. The message names the image.
    """
    detected, labelled = (Side(name, images, "masks") for name, images in (("preds", preds), ("target", target)))
    given = [[_GivenMasks(side, index) for index in range(len(side.images))] for side in (detected, labelled)]
    boxed_preds, boxed_target = (
        side.with_boxes([torch.zeros(masks.number, 4) for masks in of_side])
        for side, of_side in zip((detected, labelled), given, strict=True)
    )
    batch = pack_boxes(boxed_preds, boxed_target, "xywh", things=Things("mask", "masks"))
    detections, kept = of_lowest_score(batch, min_score)
    sizes = [
        _size_of_both(of_preds, of_target, size)
        for of_preds, of_target, size in zip(*given, batch.image_sizes.tolist(), strict=True)
    ]
    encoded = [
        masks.encoded(size, chosen)
        for masks, size, chosen in zip(given[0], sizes, own_places(batch, kept), strict=True)
    ]
    extents = [(0, 0) if math.isnan(height) else (int(height), int(width)) for height, width in sizes]
    of_detections = Masks.of_runs(encoded, extents)
    objects = Masks.of_runs([masks.encoded(size) for masks, size in zip(given[1], sizes, strict=True)], extents)
    known = torch.tensor(["area" in image for image in target], dtype=torch.bool)
    area = torch.where(known[batch.ground_truth.image], batch.ground_truth.area, objects.area)
    image_sizes = torch.tensor(sizes, dtype=torch.float64).reshape(-1, 2)
    return replace(
        batch,
        detections=replace(
            detections,
            xywh=of_detections.xywh,
            shapes=of_detections,
            area=areas_of(detected, batch, kept, of_detections),
        ),
        ground_truth=replace(batch.ground_truth, xywh=objects.xywh, shapes=objects, area=area),
        image_sizes=image_sizes,
        sized=True,  # only of images without any mask it may be unknown
    )


class EncodedMasks(NamedTuple):
    """The masks of one image as runs, which :func:`pack_masks` takes in place of dense ones: far fewer bytes.

    Attributes:
        masks: `n` of them.
        size: height and width in pixels; None of none.
    """

    masks: Masks
    size: tuple[int, int] | None

    @classmethod
    def of(cls, images: Sequence[ImageDict], index: int, name: str) -> "EncodedMasks":
        """The masks of an image in a list of them, dense ones or others.

        Args:
            images: one dict an image.
            index: of the image.
            name: of the list, for messages.
        """
        given = _GivenMasks(Side(name, images, "masks"), index)
        size = given.size or (0, 0)
        return cls(Masks.of_runs([given.encoded(size)], [size]), given.size)


class _GivenMasks:
    """The masks of one image as they were given.

    Args:
        side: that gives them.
        index: of the image.

    Attributes:
        number: how many.
        size: height and width in pixels, where they tell.
    """

    def __init__(self, side: Side, index: int) -> None:
        self.side, self.index = side, index
        value = side.value(index)
        self.size: tuple[int, int] | None = None
        if isinstance(value, EncodedMasks):
            self.number, self.size = len(value.masks), value.size
        elif isinstance(value, Tensor):
            value = self._dense(value.detach().as_subclass(Tensor))
        elif isinstance(value, list | tuple):
            self.number = len(value)
            for place, mask in enumerate(value):
                if isinstance(mask, Mapping):
                    self._has_size(self._rle_size(place, mask))
                elif not isinstance(mask, list | tuple):
                    raise TypeError(
                        f"{self.at} holds a {type(mask).__name__} at {place}, but a list of masks holds RLEs"
                        " ({'size': ..., 'counts': ...}) or polygons ([[x, y, x, y, ...], ...])."
                    )
        else:
            raise TypeError(
                f"{self.at} must be a tensor, or a list of RLEs or polygons, but is a {type(value).__name__}: convert"
                " arrays with torch.as_tensor."
            )
        self._value: Any = value

    @property
    def at(self) -> str:
        """How a message names them."""
        return self.side.at(self.index, "masks")

    def _dense(self, masks: Tensor) -> Tensor:
        """``(n, H, W)``."""
        if masks.shape[:1] == (0,):
            masks = masks.reshape(0, 1, 1)
        if masks.ndim == 4 and masks.shape[1] == 1:
            masks = masks.squeeze(1)
        if masks.ndim != 3 or 0 in masks.shape[1:]:
            remedy = ""
            if masks.ndim == 2:
                remedy = ": of a map of ids make one mask an id, `map == ids[:, None, None]`; of none, (0, H, W)"
            shape = tuple(masks.shape)
            raise ValueError(f"{self.at} must have shape (n, H, W) or (n, 1, H, W), but has {shape}{remedy}.")
        if masks.dtype.is_complex:
            raise TypeError(f"{self.at} are {masks.dtype}, but must be bool, integers, or numbers in [0, 1].")
        self.number = len(masks)
        if self.number:
            self.size = masks.shape[1], masks.shape[2]
        return masks

    def _rle_size(self, place: int, mask: Mapping[str, Any]) -> tuple[int, int]:
        try:
            height, width = map(int, mask["size"])
        except (KeyError, TypeError, ValueError):
            height = width = 0
        if height < 1 or width < 1 or not isinstance(mask.get("counts"), list | tuple | str | bytes):
            raise ValueError(
                f"{self.at} holds at {place} no RLE, which has a 'size', [height, width] in pixels, and 'counts', a"
                f" string or a list, but {str(mask)[:60]}."
            )
        return height, width

    def _has_size(self, size: tuple[int, int]) -> None:
        if self.size not in (None, size):
            raise ValueError(_unequal(self.at, self.size, self.at, size))
        self.size = size

    def encoded(self, size: tuple[float, float], chosen: Tensor | None = None) -> Runs:
        """Their pixels row by row, of all or some of them.

        Args:
            size: height and width; NaN if there are none.
            chosen: ``(k,)`` int64, which.
        """
        number = self.number if chosen is None else len(chosen)
        if not number:
            return Runs(np.empty((0, 2), np.int64), np.empty(0, np.int64))
        if isinstance(self._value, EncodedMasks):
            masks = self._value.masks
            return (masks if chosen is None else masks.take(chosen)).runs
        height, width = map(int, size)
        if isinstance(self._value, Tensor):
            step = max(1, _PIXELS_AT_ONCE // (height * width))
            parts = list(map(self._dense_runs, self._dense_parts(chosen, step)))
            return parts[0] if len(parts) == 1 else Runs(*map(np.concatenate, zip(*parts, strict=True)))
        places = range(number) if chosen is None else chosen.tolist()
        return row_by_row(self._listed(places, height, width), height, width)

    def _dense_parts(self, chosen: Tensor | None, step: int) -> Iterator[Tensor]:
        """All masks, or some of them, so many at a time; nothing is copied of those that follow on each other."""
        first, last = (0, self.number - 1) if chosen is None else (int(chosen[0]), int(chosen[-1]))
        if chosen is None or last - first + 1 == len(chosen):
            yield from self._value[first : last + 1].split(step)
        else:
            for part in chosen.to(self._value.device).split(step):
                yield self._value[part]

    def _dense_runs(self, masks: Tensor) -> Runs:
        if masks.is_floating_point():
            low, high = (float(limit) for limit in masks.aminmax()) if masks.numel() else (0.0, 1.0)
            if not (low >= 0 and high <= 1):  # of a NaN neither
                raise ValueError(
                    f"{self.at} hold numbers from {low:g} to {high:g}, but a mask is true or false, or how likely each"
                    " pixel belongs to it, in [0, 1]; pass logits through a sigmoid first."
                )
            masks = masks > 0.5
        elif masks.dtype not in (torch.bool, torch.uint8):
            masks = masks != 0
        return runs_of_dense(masks.cpu().numpy().reshape(len(masks), -1))

    def _listed(self, numbers: Sequence[int], height: int, width: int) -> Runs:
        """Runs column by column, of RLEs and polygons."""
        # a string, or counts, of each RLE; of each part of a polygon nothing, until all are drawn at once
        pieces: list[bytes | Integers | None] = []
        owner: list[int] = []
        polygons: list[list[float]] = []
        for place, mask in enumerate(self._value[number] for number in numbers):
            if isinstance(mask, Mapping):
                pieces.append(self._rle_counts(numbers[place], mask["counts"]))
                owner.append(place)
            else:
                outline = self._polygon(numbers[place], mask)
                polygons += outline
                pieces += [None] * len(outline)
                owner += [place] * len(outline)
        if polygons:
            from pycocotools import mask as coco

            drawn = iter(coco.frPyObjects(polygons, height, width))
            pieces = [next(drawn)["counts"] if piece is None else piece for piece in pieces]
        strings = [piece for piece in pieces if isinstance(piece, bytes)]
        lengths, counts = lengths_of_strings(strings)
        if len(strings) < len(pieces):
            of_strings = iter(np.split(lengths, counts.cumsum()[:-1]) if strings else ())
            parts = [piece if isinstance(piece, np.ndarray) else next(of_strings) for piece in pieces]
            lengths, counts = np.concatenate(parts), np.fromiter(map(len, parts), np.int64, len(parts))
        piece = np.repeat(np.arange(len(pieces)), counts)
        total = np.bincount(piece, weights=lengths, minlength=len(pieces))
        unsound = (total != height * width) | (np.bincount(piece, weights=lengths < 0, minlength=len(pieces)) > 0)
        if unsound.any():
            place = numbers[owner[int(unsound.argmax())]]
            raise ValueError(
                f"{self.at} holds at {place} an RLE whose counts do not add up to its size, {height} x {width} pixels."
            )
        runs = runs_of_counts(lengths, counts)
        return runs if len(owner) == len(numbers) else united(runs, np.array(owner), len(numbers))

    def _rle_counts(self, place: int, counts: "str | bytes | Sequence[Any]") -> bytes | Integers:
        """A compressed RLE's string, or an uncompressed one's numbers."""
        if isinstance(counts, str | bytes):
            return counts.encode() if isinstance(counts, str) else counts
        try:
            numbers = np.array(counts)
        except ValueError:
            numbers = np.empty((0, 0))
        if numbers.ndim != 1 or (len(numbers) and numbers.dtype.kind not in "iu"):
            raise ValueError(f"{self.at} holds at {place} an RLE whose counts are no integers, but {str(counts)[:60]}.")
        return numbers.astype(np.int64)

    def _polygon(self, place: int, parts: Sequence[Any]) -> list[list[float]]:
        """The parts of a polygon, checked: pycocotools takes some others for boxes, and loops on what is not finite."""
        if not len(parts):
            raise ValueError(f"{self.at} holds at {place} a polygon without parts: leave the object out.")
        checked = []
        for part in parts:
            try:
                corners = np.array(part, dtype=np.float64)
            except (TypeError, ValueError):
                corners = np.empty(0)
            if corners.ndim != 1 or len(corners) < 6 or len(corners) % 2:
                raise ValueError(
                    f"{self.at} holds at {place} a polygon whose parts are not all [x, y, x, y, x, y, ...], of three"
                    f" corners or more, but {str(part)[:60]}."
                )
            if not (np.abs(corners) < _FARTHEST).all():
                raise ValueError(
                    f"{self.at} holds at {place} a polygon with a corner that is not finite, or beyond {_FARTHEST:g}"
                    " pixels."
                )
            checked.append(corners.tolist())
        return checked


def _size_of_both(detected: _GivenMasks, labelled: _GivenMasks, given: Sequence[float]) -> tuple[float, float]:
    """The size of an image's masks; of polygons alone the image's. NaN if nothing tells, and there are none."""
    sizes = []
    for masks in (labelled, detected):
        if masks.size is not None:
            sizes.append((masks.at, masks.size))
        elif masks.number:
            if given[0] != given[0]:
                raise ValueError(
                    f"{masks.at} holds polygons, but the image's size is not known: add 'image_size', (height, width)"
                    " in pixels."
                )
            sizes.append((masks.at, (int(given[0]), int(given[1]))))
    if len(sizes) == 2 and sizes[0][1] != sizes[1][1]:
        raise ValueError(_unequal(*sizes[0], *sizes[1]))
    return sizes[0][1] if sizes else (given[0], given[1])


def _unequal(one: str, of_one: Any, other: str, of_other: Any) -> str:
    return (
        f"{one} are {of_one[0]} x {of_one[1]} pixels, but {other} {of_other[0]} x {of_other[1]}: masks of an image are"
        " of one height and width. Resize them to the ground truth's, before they are thresholded."
    )
