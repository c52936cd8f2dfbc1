"""COCO JSON: the masks and keypoints of annotations and of results."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hardest_metrics.data.json_file import Entries, is_integer, is_number
from hardest_metrics.functional.detection.geometry import IouType

_A_SEGMENTATION = (
    "polygons ([[x, y, x, y, x, y, ...], ...], three corners or more each) or an RLE ({'size': [height, width],"
    " 'counts': ...})"
)


class ShapeColumns(NamedTuple):
    """What entries say of shapes.

    Attributes:
        arrays: by key of :func:`~hardest_metrics.functional.pack`, ``(n, ...)``.
        lists: likewise, `n` things that are no numbers.
    """

    arrays: dict[str, NDArray[Any]]
    lists: dict[str, list[Any]]


def shape_columns(entries: Entries, iou_type: IouType) -> ShapeColumns:
    """The masks or keypoints of entries; nothing of boxes.

    Raises:
        ValueError: where an entry has none, or something else; the message names the entry.
    """
    if iou_type == "segm":
        return ShapeColumns({}, {"masks": entries.checked("segmentation", _is_segmentation, _A_SEGMENTATION)})
    if iou_type == "keypoints":
        return ShapeColumns(_keypoints(entries), {})
    return ShapeColumns({}, {})


def require_areas(annotations: Entries, iou_type: IouType) -> None:
    """Refuse annotations without the areas that a comparison needs.

    Raises:
        ValueError: where one of keypoints has none, or where only some of masks have one: those of the others are
            numbers of pixels where no annotation has an area.
    """
    known = [annotation.get("area") is not None for annotation in annotations.values]
    if iou_type == "bbox" or all(known) or (iou_type == "segm" and not any(known)):
        return
    why = (
        "by which keypoints are compared: that of a box changes every similarity"
        if iou_type == "keypoints"
        else "which others of the file have"
    )
    raise annotations.error(known.index(False), f"has no 'area', {why}", "Add it, in square pixels.")


def _keypoints(entries: Entries) -> dict[str, NDArray[Any]]:
    expected = "a list of x, y, v, x, y, v, ..., finite numbers"
    values = entries.checked("keypoints", _are_keypoints, expected)
    number = len(values[0]) if values else 0
    entries.require(
        [len(value) == number for value in values], "keypoints", f"of as many numbers as in the first entry, {number}"
    )
    columns: dict[str, NDArray[Any]] = {"keypoints": np.array(values, dtype=np.float64).reshape(len(values), -1, 3)}
    counted = [entry.get("num_keypoints") for entry in entries.values]
    if any(count is not None for count in counted):
        valid = [count is None or (is_integer(count) and count >= 0) for count in counted]
        entries.require(valid, "num_keypoints", "an integer of at least 0")
        labelled = (columns["keypoints"][..., 2] > 0).sum(1)
        given = [own if count is None else count for count, own in zip(counted, labelled.tolist(), strict=True)]
        columns["num_keypoints"] = np.array(given, dtype=np.int64)
    return columns


def _are_numbers(value: Any, least: int, each: int) -> bool:
    """Whether it is a list of finite numbers, so many at least, that belong together by so many each."""
    return (
        type(value) is list
        and len(value) >= least
        and len(value) % each == 0
        and all(is_number(number) and math.isfinite(number) for number in value)
    )


def _are_keypoints(value: Any) -> bool:
    return _are_numbers(value, 3, 3)


def _is_segmentation(value: Any) -> bool:
    if type(value) is dict:
        size, counts = value.get("size"), value.get("counts")
        sized = type(size) is list and len(size) == 2 and all(is_integer(extent) and extent > 0 for extent in size)
        return sized and (type(counts) is str or (type(counts) is list and all(map(is_integer, counts))))
    return type(value) is list and bool(value) and all(map(_is_polygon, value))


def _is_polygon(part: Any) -> bool:
    return _are_numbers(part, 6, 2)


def lists_per_image(values: Sequence[Any], rows: NDArray[np.int64], images: int) -> list[list[Any]]:
    """What belongs to each image, in the order it came in."""
    found: list[list[Any]] = [[] for _ in range(images)]
    for row, value in zip(rows.tolist(), values, strict=True):
        found[row].append(value)
    return found


def rles_of(masks: Tensor) -> list[dict[str, Any]]:
    """Masks as they stand under ``segmentation`` in COCO's files: RLEs with ``size`` and ``counts``, a string.

    Args:
        masks: ``(n, H, W)`` bool.

    Example:
        >>> rles_of(torch.tensor([[[False, True], [False, True]]]))
        [{'size': [2, 2], 'counts': '22'}]
    """
    from pycocotools import mask as coco

    found = coco.encode(np.asfortranarray(masks.permute(1, 2, 0).to(torch.uint8).cpu().numpy()))
    return [{"size": list(map(int, rle["size"])), "counts": rle["counts"].decode("ascii")} for rle in found]
