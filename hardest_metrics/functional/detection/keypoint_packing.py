"""From lists of dicts with keypoints to a checked batch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.checking import BoxFormat
from hardest_metrics.functional.detection.keypoints import COCO_SIGMAS, Keypoints
from hardest_metrics.functional.detection.packing import ImageDict, Things, join, pack_boxes
from hardest_metrics.functional.detection.shape_packing import Side, areas_of, of_lowest_score
from hardest_metrics.functional.order import rows_at

#: How exactly each keypoint can be placed: of objects of all labels, or by label.
Sigmas = Sequence[float] | Mapping[int, Sequence[float]]


def checked_sigmas(sigmas: Sigmas | None) -> tuple[float, ...] | dict[int, tuple[float, ...]]:
    """Sigmas as numbers; COCO's for None.

    Raises:
        ValueError: if they are no finite numbers above 0, or not as many for each label.
    """
    if sigmas is None:
        return COCO_SIGMAS
    if isinstance(sigmas, Mapping):
        by_label = {label: _checked(f"`sigmas` of label {label!r}", sigmas[label]) for label in sorted(sigmas)}
        if not by_label or any(not hasattr(label, "__index__") for label in by_label):
            raise ValueError(f"`sigmas` must be numbers for each keypoint, by label, but is {sigmas!r}.")
        if len(set(map(len, by_label.values()))) > 1:
            numbers = ", ".join(f"{len(values)} for label {label}" for label, values in by_label.items())
            raise ValueError(
                f"`sigmas` has {numbers}, but objects of all labels have as many keypoints: those that some lack have a"
                " visibility of 0, and any sigma."
            )
        return {int(label): values for label, values in by_label.items()}
    return _checked("`sigmas`", sigmas)


def _checked(name: str, sigmas: Any) -> tuple[float, ...]:
    try:
        numbers = tuple(map(float, sigmas))
    except (TypeError, ValueError):
        numbers = ()
    if not numbers or isinstance(sigmas, str) or not all(0 < number < math.inf for number in numbers):
        raise ValueError(f"{name} must be a finite number above 0 for each keypoint, but is {sigmas!r}.")
    return numbers


def pack_keypoints(
    preds: Sequence[ImageDict],
    target: Sequence[ImageDict],
    box_format: BoxFormat,
    min_score: float,
    sigmas: Sigmas | None,
) -> Batch:
    """As :func:`~hardest_metrics.functional.pack`, of images that give ``keypoints`` and need no ``boxes``.

    Objects without any labelled keypoint are ignored: they are those whose ``num_keypoints``, or number of keypoints of
    visibility above 0 where that is not given, is 0. All tensors of the batch lie in the host's memory.

    Raises:
        TypeError: if something is no tensor of numbers.
        ValueError: if there are not as many keypoints as sigmas, an object has no ``area``, or a value makes no sense.
            The message names the image.
    """
    sigmas = checked_sigmas(sigmas)
    width = len(next(iter(sigmas.values()))) if isinstance(sigmas, dict) else len(sigmas)
    detected, labelled = (Side(name, images, "keypoints") for name, images in (("preds", preds), ("target", target)))
    found, in_preds = _joined_points(detected, width)
    objects, in_target = _joined_points(labelled, width)
    for index, (image, number) in enumerate(zip(target, in_target, strict=True)):
        if number and "area" not in image:
            raise ValueError(
                f"{labelled.at(index)} lacks the key 'area': by the area of an object, in square pixels as labelled,"
                " keypoints are compared. Add it; the area of its box is another one, and changes every similarity."
            )
    boxed_preds = detected.with_boxes(_boxes(detected, found, in_preds, box_format))
    boxed_target = labelled.with_boxes(_boxes(labelled, objects, in_target, box_format))
    batch = pack_boxes(boxed_preds, boxed_target, box_format, things=Things("object", "objects"))
    detections, kept = of_lowest_score(batch, min_score)
    found = rows_at(found, kept) if len(kept) < len(found) else found
    visible = objects[..., 2] > 0
    shapes = Keypoints(
        objects[..., :2].contiguous(), visible, batch.ground_truth.area,
        _variances(labelled, batch, sigmas), batch.ground_truth.xywh,
    )  # fmt: skip
    alike = found.new_ones(()).expand(found.shape[:2])  # what nobody looks at
    of_detections = Keypoints(found[..., :2].contiguous(), alike.bool(), detections.box_area, alike, detections.xywh)
    return replace(
        batch,
        detections=replace(detections, shapes=of_detections, area=areas_of(detected, batch, kept, of_detections)),
        ground_truth=replace(batch.ground_truth, shapes=shapes, ignored=_labelled_number(labelled, visible) == 0),
    )


def _joined_points(side: Side, width: int) -> tuple[Tensor, list[int]]:
    """``(n, K, 3)`` float64 of all images: x, y, and visibility, 1 where it is not given; how many each image has."""
    values = [_value(side, index) for index in range(len(side.images))]
    kinds = {(value.dtype, value.device, value.shape[1:]) for value in values}
    filled = values
    if len(kinds) > 1 or any(kind[2] not in ((width, 2), (width, 3)) for kind in kinds):
        for index, value in enumerate(values):
            _check_shape(side, index, value, width)
        # what differs is widened first
        filled = [_with_visibility(value.cpu().double()) for value in values if len(value)]
    counts = [value.shape[0] for value in values]
    if not filled:
        return torch.empty(0, width, 3, dtype=torch.float64), counts
    points = _with_visibility(join(filled).as_subclass(Tensor).detach().cpu().double())
    if not np.isfinite(points.numpy()).all():
        finite = points.isfinite().flatten(1).all(1)
        index = int(torch.searchsorted(torch.tensor(counts).cumsum(0), int(finite.int().argmin()), right=True))
        raise ValueError(
            f"{side.at(index, 'keypoints')} holds a number that is not finite: a keypoint that is not known has"
            " visibility 0."
        )
    return points, counts


def _value(side: Side, index: int) -> Tensor:
    """What an image has, if it is a tensor."""
    value = side.value(index)
    if not isinstance(value, Tensor):
        at = side.at(index, "keypoints")
        raise TypeError(f"{at} must be a tensor, but is a {type(value).__name__}: convert it with torch.as_tensor.")
    return value


def _check_shape(side: Side, index: int, value: Tensor, width: int) -> None:
    """Refuse another shape than that of objects of so many keypoints; none may have any."""
    shape = tuple(value.shape)
    if shape[:1] == (0,):
        return
    if len(shape) != 3 or shape[2] not in (2, 3):
        raise ValueError(f"{side.at(index, 'keypoints')} must have shape (n, K, 2) or (n, K, 3), but has {shape}.")
    if shape[1] != width:
        raise ValueError(
            f"{side.at(index, 'keypoints')} holds {shape[1]} keypoints an object, but there are {width} `sigmas`:"
            " give one for each."
        )


def _with_visibility(points: Tensor) -> Tensor:
    return points if points.shape[2] == 3 else torch.cat((points, torch.ones_like(points[..., :1])), dim=2)


def _boxes(side: Side, points: Tensor, counts: Sequence[int], box_format: BoxFormat) -> list[Tensor]:
    """``(n, 4)`` of each image: boxes as given, else around all points of each object."""
    # point by point, across and down: along the first dimension the least are found in a tenth of the time
    by_point = points.numpy().transpose(1, 2, 0)[:, :2].copy()
    low, high = torch.from_numpy(by_point.min(0).T), torch.from_numpy(by_point.max(0).T)
    second = high if box_format == "xyxy" else high - low
    extents = torch.cat(((low + high) / 2 if box_format == "cxcywh" else low, second), dim=1).split(counts)
    if not any("boxes" in image for image in side.images):
        return list(extents)
    boxes = []
    for index, (image, extent) in enumerate(zip(side.images, extents, strict=True)):
        given = image.get("boxes")
        if not isinstance(given, Tensor):
            boxes.append(extent)
            continue
        if given.shape[:1] != extent.shape[:1]:
            raise ValueError(
                f"{side.at(index, 'keypoints')} are of {len(extent)} objects, but there are {len(given)} 'boxes'."
            )
        boxes.append(given.cpu())
    return boxes


def _variances(side: Side, batch: Batch, sigmas: tuple[float, ...] | dict[int, tuple[float, ...]]) -> Tensor:
    """``(n, K)`` float64 of the objects, by their labels where sigmas are."""
    labels = batch.ground_truth.labels
    if not isinstance(sigmas, dict):
        return torch.tensor(sigmas, dtype=torch.float64).mul(2).square().expand(len(labels), -1)
    known = torch.tensor(list(sigmas))
    place = torch.searchsorted(known, labels).clamp_(max=len(known) - 1)
    strange = known[place] != labels
    if bool(strange.any()):
        first = int(strange.nonzero()[0])
        raise ValueError(
            f"{side.at(int(batch.ground_truth.image[first]))} has an object of label {int(labels[first])}, of which"
            " `sigmas` has none: add them."
        )
    return torch.tensor(list(sigmas.values()), dtype=torch.float64).mul(2).square()[place]


def _labelled_number(side: Side, visible: Tensor) -> Tensor:
    """``(n,)``: how many keypoints of each object are labelled: as given, else counted."""
    counted = visible.sum(1)
    if not any("num_keypoints" in image for image in side.images):
        return counted
    parts = []
    sizes = [len(image["labels"]) for image in side.images]
    for index, (image, own) in enumerate(zip(side.images, counted.split(sizes), strict=True)):
        given = torch.as_tensor(image["num_keypoints"]).cpu() if "num_keypoints" in image else own
        if given.shape != own.shape or given.is_floating_point() or bool((given < 0).any()):
            raise ValueError(
                f"{side.at(index, 'num_keypoints')} must hold {len(own)} integers of at least 0, but is"
                f" {str(image['num_keypoints'])[:60]}."
            )
        parts.append(given.to(own.dtype))
    return torch.cat(parts)
