"""COCO JSON: annotations."""

import reprlib
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import torch
from numpy.typing import NDArray

from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.coco_columns import annotation_columns
from hardest_metrics.data.coco_shapes import lists_per_image, require_areas, shape_columns
from hardest_metrics.data.identity import KnownImages
from hardest_metrics.data.json_file import (
    Entries,
    Ignorable,
    PathLike,
    is_integer,
    is_number,
    json_content,
    kind,
    load_json,
    parsed,
)
from hardest_metrics.data.kinds import kind_of
from hardest_metrics.functional.detection.geometry import IouType
from hardest_metrics.numbering import Identifier, numbers_of

_Size = tuple[int, int] | None

_AN_ID = "the id of one of the images"


def read_coco_annotations(
    path: PathLike, ignore: Collection[Ignorable] = (), iou_type: IouType = "bbox"
) -> Annotations:
    """Read the ground-truth boxes of a COCO annotation file.

    Boxes keep the x, y, width, height of the file exactly. An annotation without ``iscrowd`` is no
    crowd; where some annotations have an ``area`` (square pixels), those without get width × height.
    Segmentations and keypoints are read where they are asked for.

    Ids may be integers, floats that are whole, or text, for which :func:`~hardest_metrics.data.image_number` gives the
    numbers that metrics keep. An image without ``file_name`` is called by the path of its ``coco_url``, as in LVIS, or
    by its id.

    Args:
        path: JSON file with ``images``, ``annotations`` and ``categories``, plain or gzipped.
        ignore: boxes to leave out, with a warning that says how many, instead of refusing the file: any of
            ``"unknown_categories"``, ``"unknown_images"`` (of categories or on images that the file does not list) and
            ``"bad_boxes"`` (without four finite numbers, or of negative extent).
        iou_type: what to read besides boxes: ``"segm"`` for ``masks``, the polygons and RLEs of ``segmentation``, each
            image's in a list; ``"keypoints"`` for ``keypoints (n, K, 3)`` and ``num_keypoints (n,)``, where every
            annotation needs an area.

    Returns:
        The annotations, images in the order of the file.

    Raises:
        OSError: when the file cannot be read.
        ValueError: when it is not such a file; the message names the entry and the remedy.

    Example:
        >>> import json, tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp(), "instances.json")
        >>> coco = {
        ...     "images": [{"id": 7, "file_name": "a.jpg", "width": 640, "height": 480}],
        ...     "categories": [{"id": 3, "name": "car"}],
        ...     "annotations": [{"image_id": 7, "category_id": 3, "bbox": [10, 20, 30, 40]}],
        ... }
        >>> written = path.write_text(json.dumps(coco))
        >>> annotations = read_coco_annotations(path)
        >>> annotations.image_sizes, annotations.categories
        ([(480, 640)], {3: 'car'})
        >>> annotations.target[0]["boxes"]
        tensor([[10., 20., 30., 40.]], dtype=torch.float64)
    """
    content = json_content(path)
    ordinary = _ordinary_annotations(content, path) if iou_type == "bbox" else None
    return ordinary or parse_coco_annotations(_coco_document(parsed(content, path), path), path, ignore, iou_type)


def _ordinary_annotations(content: bytes, path: PathLike) -> Annotations | None:
    """What is read in a fraction of time and memory; None where entries need a closer look."""
    found = annotation_columns(content)
    if found is None:
        return None
    others, boxes = found
    listed = listed_images(coco_section(others, "images", path))
    names = category_names(coco_section(others, "categories", path))
    rows = boxes.rows(listed.ids, list(names))
    if rows is None or boxes.crowd is None:
        return None
    columns = {"boxes": boxes.boxes, "labels": boxes.labels, "iscrowd": boxes.crowd}
    if boxes.area is not None:
        columns["area"] = boxes.area
    return _annotations(listed, names, columns, rows)


def parse_coco_annotations(
    document: dict[str, Any], path: PathLike, ignore: Collection[Ignorable] = (), iou_type: IouType = "bbox"
) -> Annotations:
    """What :func:`read_coco_annotations` does once the file is loaded."""
    images = coco_section(document, "images", path)
    categories = coco_section(document, "categories", path)
    annotations = coco_section(document, "annotations", path)

    listed = listed_images(images)
    names = category_names(categories)
    known = KnownImages(listed.ids, [])
    places = np.array([known.place(key) for key in annotations.identifiers("image_id", _AN_ID)], dtype=np.int64)
    kept = annotations.admit(places >= 0, "image_id", _AN_ID, "unknown_images", ignore)
    annotations = of_categories(kept, names, ignore).with_boxes("bbox", ignore)
    boxes = annotations.boxes("bbox")
    columns = {
        "boxes": boxes,
        "labels": labels_of(annotations),
        "iscrowd": _crowds(annotations),
    }
    require_areas(annotations, iou_type)
    areas = _areas(annotations, boxes)
    if areas is not None:
        columns["area"] = areas
    shapes = shape_columns(annotations, iou_type)
    columns |= shapes.arrays
    rows = np.array([known.place(key) for key in annotations.identifiers("image_id")], dtype=np.int64)
    return _annotations(listed, names, columns, rows, shapes.lists)


def _annotations(
    listed: "ListedImages",
    names: dict[int, str],
    columns: dict[str, NDArray[Any]],
    rows: NDArray[np.int64],
    lists: Mapping[str, list[Any]] = MappingProxyType({}),
) -> Annotations:
    image_ids = numbers_of(listed.ids)
    return Annotations(
        image_ids=image_ids,
        file_names=listed.file_names,
        image_sizes=listed.sizes,
        categories=names,
        target=per_image(columns, rows, image_ids, listed.sizes, lists),
        source_ids=listed.ids,
    )


def load_coco(path: PathLike) -> dict[str, Any]:
    """The content of a COCO annotation file, its sections not yet checked."""
    return _coco_document(load_json(path), path)


def _coco_document(document: Any, path: PathLike) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ValueError(
            f"{path}: is {kind(document)}{_named(document)}, but COCO annotations are an object with 'images', "
            "'annotations' and 'categories'. Give the annotation file, not the detections."
        )
    if (found := kind_of(document)) not in ("COCO annotations", None):
        raise ValueError(f"{path}: is {found}, not COCO annotations. Give the annotation file, or convert it.")
    return document


def coco_section(document: dict[str, Any], name: str, path: PathLike) -> Entries:
    """One list of a COCO annotation file."""
    if name not in document:
        raise ValueError(f"{path}: has no {name!r}. Give a complete COCO annotation file.")
    return Entries(path, name, document[name], "image_id" if name == "annotations" else "id")


def _named(document: Any) -> str:
    found = kind_of(document)
    return f" ({found})" if found else ""


class ListedImages(NamedTuple):
    """The images that a COCO file lists.

    Attributes:
        ids: as they stand in the file.
        file_names: the last resort is the id.
        sizes: (height, width) in pixels, None where the file gives neither.
    """

    ids: list[Identifier]
    file_names: list[str]
    sizes: list[_Size]


def listed_images(images: Entries) -> ListedImages:
    """What the section ``images`` says."""
    ids = distinct_ids(images)
    given = [image.get("file_name") for image in images.values]
    images.require([name is None or type(name) is str for name in given], "file_name", "text")
    names = [
        name or _name_in_url(image) or str(key) for name, image, key in zip(given, images.values, ids, strict=True)
    ]
    return ListedImages(ids, names, _sizes(images))


def _name_in_url(image: dict[str, Any]) -> str:
    url = image.get("coco_url")
    return urlsplit(url).path.lstrip("/") if isinstance(url, str) else ""


def distinct_ids(entries: Entries) -> list[Identifier]:
    """The ``id`` of every entry, each of which must be its own."""
    ids = entries.identifiers("id")
    first = np.zeros(len(ids), dtype=bool)
    first[np.unique(np.array(numbers_of(ids), dtype=np.int64), return_index=True)[1]] = True
    entries.require(first, "id", "an id that no entry before it has")
    return ids


def category_names(categories: Entries) -> dict[int, str]:
    """The name of each label; where ids are text, labels are the numbers that stand for them."""
    return dict(zip(numbers_of(distinct_ids(categories)), categories.strings("name"), strict=True))


def of_categories(entries: Entries, names: dict[int, str], ignore: Collection[str]) -> Entries:
    """The entries of known categories; see :meth:`Entries.admit`."""
    known = reprlib.repr(sorted(names))
    valid = np.isin(labels_of(entries), np.array(sorted(names), dtype=np.int64))
    return entries.admit(valid, "category_id", f"a category of the annotations, {known}", "unknown_categories", ignore)


def labels_of(entries: Entries) -> NDArray[np.int64]:
    """``(n,)`` the label of each entry."""
    return np.array(numbers_of(entries.identifiers("category_id")), dtype=np.int64)


def _sizes(images: Entries) -> list[_Size]:
    """Height and width of each image, None where the file gives neither."""
    sizes: list[_Size] = []
    for index, image in enumerate(images.values):
        height, width = image.get("height"), image.get("width")
        if height is None and width is None:
            sizes.append(None)
        elif is_integer(height) and is_integer(width) and height > 0 and width > 0:
            sizes.append((int(height), int(width)))
        else:
            problem = f"'height' and 'width' are {height!r} and {width!r}"
            raise images.error(index, problem, "Give both as integers above 0 (pixels), or neither.")
    return sizes


def _crowds(annotations: Entries) -> NDArray[np.int64]:
    crowds = [annotation.get("iscrowd", 0) for annotation in annotations.values]
    annotations.require([crowd in (0, 1) for crowd in crowds], "iscrowd", "0 or 1")
    return np.array(crowds, dtype=np.int64)


def _areas(annotations: Entries, boxes: NDArray[np.float64]) -> NDArray[np.float64] | None:
    areas = [annotation.get("area") for annotation in annotations.values]
    given = np.array([area is not None for area in areas], dtype=bool)
    if not given.any():
        return None
    valid = [area is None or (is_number(area) and 0 <= area < np.inf) for area in areas]
    annotations.require(valid, "area", "a finite number of square pixels, at least 0")
    return np.where(given, np.array(areas, dtype=np.float64), boxes[:, 2] * boxes[:, 3])


def per_image(
    columns: dict[str, NDArray[Any]],
    rows: NDArray[np.int64],
    image_ids: list[int],
    image_sizes: list[_Size],
    lists: Mapping[str, list[Any]] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Columns over all boxes as one dict of tensors, or of `lists`, per image, boxes in the order they came in."""
    by_image = np.argsort(rows, kind="stable")
    counts = np.bincount(rows, minlength=len(image_ids)).tolist()
    pieces = {key: torch.from_numpy(column[by_image]).split(counts) for key, column in columns.items()}
    listed = {key: lists_per_image(values, rows, len(image_ids)) for key, values in lists.items()}
    images: list[dict[str, Any]] = []
    for row, (image_id, image_size) in enumerate(zip(image_ids, image_sizes, strict=True)):
        # a clone: pickled for a worker, a view would take the boxes of all images along
        image: dict[str, Any] = {key: piece[row].clone() for key, piece in pieces.items()}
        image |= {key: of_images[row] for key, of_images in listed.items()}
        image["image_id"] = image_id
        if image_size is not None:
            image["image_size"] = image_size
        images.append(image)
    return images
