"""COCO JSON: annotations, and results of a detector."""

import reprlib
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.json_file import Entries, PathLike, is_integer, is_number, kind, load_json

_Size = tuple[int, int] | None


def read_coco_annotations(path: PathLike) -> Annotations:
    """Read the ground-truth boxes of a COCO annotation file.

    Boxes keep the x, y, width, height of the file exactly. An annotation without ``iscrowd`` is no
    crowd; where some annotations have an ``area`` (square pixels), those without get width × height.
    Segmentations are not read.

    Args:
        path: JSON file with ``images``, ``annotations`` and ``categories``, plain or gzipped.

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
    document = load_coco(path)
    images = coco_section(document, "images", path)
    categories = coco_section(document, "categories", path)
    annotations = coco_section(document, "annotations", path)

    image_ids = distinct_ids(images)
    image_sizes = image_sizes_of(images)
    names = dict(zip(distinct_ids(categories), categories.strings("name"), strict=True))
    rows = _rows(annotations, _numbered(image_ids), "the id of one of the images")
    boxes = annotations.boxes("bbox")
    columns = {
        "boxes": boxes,
        "labels": _labels(annotations, names),
        "iscrowd": _crowds(annotations),
    }
    areas = _areas(annotations, boxes)
    if areas is not None:
        columns["area"] = areas
    return Annotations(
        image_ids=image_ids,
        file_names=images.strings("file_name"),
        image_sizes=image_sizes,
        categories=names,
        target=_per_image(columns, rows, image_ids, image_sizes),
    )


def read_coco_results(path: PathLike, annotations: Annotations | None = None) -> list[dict[str, Any]]:
    """Read detections in COCO results format.

    Args:
        path: JSON file, a list of ``{"image_id", "category_id", "bbox", "score"}``, plain or gzipped.
            An ``image_id`` that is a string means the image with that file name, with or without
            folder and extension.
        annotations: the data set that was detected on.

    Returns:
        One dict per image of ``annotations``, in its order, also where there is no detection; without
        ``annotations``, one per image that the file names, by ascending id. Each dict has:

        - ``boxes``: ``(n, 4)`` float64, (x, y, width, height), exactly as in the file.
        - ``scores``: ``(n,)`` float64 in [0, 1].
        - ``labels``: ``(n,)`` int64.
        - ``image_id``: int.
        - ``image_size``: (height, width), only where it is known.

        Detections of an image are in the order of the file.

    Raises:
        OSError: when the file cannot be read.
        ValueError: when it is not such a file, or has images or categories that ``annotations`` lacks;
            the message names the entry and the remedy.

    Example:
        >>> import json, tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp(), "results.json")
        >>> result = {"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5}
        >>> written = path.write_text(json.dumps([result]))
        >>> read_coco_results(path)[0]["boxes"]
        tensor([[1., 2., 3., 4.]], dtype=torch.float64)
    """
    return parse_coco_results(load_json(path), path, annotations)


def parse_coco_results(document: Any, path: PathLike, annotations: Annotations | None) -> list[dict[str, Any]]:
    """What :func:`read_coco_results` does once the file is loaded."""
    results = coco_results(document, path)
    if annotations is None:
        expected = "an integer of at most 64 bits (file names are understood where annotations are given)"
        image_ids = sorted(set(results.checked("image_id", is_integer, expected)))
        rows = _rows(results, _numbered(image_ids), expected)
        labels = results.integers("category_id")
        image_sizes: list[_Size] = [None] * len(image_ids)
    else:
        image_ids, image_sizes = annotations.image_ids, annotations.image_sizes
        expected = "the id (an integer) of an image of the annotations, or the file name of just one"
        numbered = _numbered(image_ids) | _numbered_names(annotations.file_names)
        whole = "Leave out `split`, or give detections of this split only."
        rows = _rows(results, numbered, expected, "Correct or remove it." if annotations.split is None else whole)
        labels = _labels(results, annotations.categories)
    columns = {"boxes": results.boxes("bbox"), "scores": results.scores("score"), "labels": labels}
    return _per_image(columns, rows, image_ids, image_sizes)


def coco_results(document: Any, path: PathLike) -> Entries:
    """The entries of a file of COCO results, not yet checked."""
    if isinstance(document, dict) and "images" in document:
        raise ValueError(f"{path}: holds COCO annotations, not results. Give the file of detections.")
    return Entries(path, "results", document, id_key="image_id")


def load_coco(path: PathLike) -> dict[str, Any]:
    """The content of a COCO annotation file, its sections not yet checked."""
    document = load_json(path)
    if not isinstance(document, dict):
        raise ValueError(
            f"{path}: is {kind(document)}, but COCO annotations are an object with 'images', "
            "'annotations' and 'categories'. Give the annotation file, not the detections."
        )
    return document


def coco_section(document: dict[str, Any], name: str, path: PathLike) -> Entries:
    """One list of a COCO annotation file."""
    if name not in document:
        raise ValueError(f"{path}: has no {name!r}. Give a complete COCO annotation file.")
    return Entries(path, name, document[name], "image_id" if name == "annotations" else "id")


def distinct_ids(entries: Entries) -> list[int]:
    """The ``id`` of every entry, each of which must be its own."""
    ids = entries.integers("id")
    first = np.zeros(len(ids), dtype=bool)
    first[np.unique(ids, return_index=True)[1]] = True
    entries.require(first, "id", "an id that no entry before it has")
    numbers: list[int] = ids.tolist()
    return numbers


def image_sizes_of(images: Entries) -> list[_Size]:
    """Height and width of each image, None where the file gives neither."""
    sizes: list[_Size] = []
    for index, image in enumerate(images.values):
        height, width = image.get("height"), image.get("width")
        if height is None and width is None:
            sizes.append(None)
        elif is_integer(height) and is_integer(width) and height > 0 and width > 0:
            sizes.append((height, width))
        else:
            problem = f"'height' and 'width' are {height!r} and {width!r}"
            raise images.error(index, problem, "Give both as integers above 0 (pixels), or neither.")
    return sizes


def _numbered(keys: Sequence[int | str]) -> dict[int | str, int]:
    return {key: row for row, key in enumerate(keys)}


def _numbered_names(file_names: Sequence[str]) -> dict[int | str, int]:
    """The row of each image by file name, also without folder or extension, where only one has it."""
    paths = [PurePath(name) for name in file_names]
    rows: dict[int | str, int] = {}
    for names in ([path.stem for path in paths], [path.name for path in paths], file_names):
        times = Counter(names)
        rows |= {name: row for row, name in enumerate(names) if times[name] == 1}
    return rows


def _rows(
    entries: Entries, rows: dict[int | str, int], expected: str, remedy: str = "Correct or remove it."
) -> NDArray[np.int64]:
    """The row of the image that each entry belongs to."""
    keys = entries.checked("image_id", lambda key: is_integer(key) or type(key) is str, expected)
    found = np.array([rows.get(key, -1) for key in keys], dtype=np.int64)
    entries.require(found >= 0, "image_id", expected, remedy)
    return found


def _labels(entries: Entries, categories: dict[int, str]) -> NDArray[np.int64]:
    labels = entries.integers("category_id")
    known = sorted(categories)
    expected = f"a category of the annotations, {reprlib.repr(known)}"
    entries.require(np.isin(labels, np.array(known, dtype=np.int64)), "category_id", expected)
    return labels


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


def _per_image(
    columns: dict[str, NDArray[Any]],
    rows: NDArray[np.int64],
    image_ids: list[int],
    image_sizes: list[_Size],
) -> list[dict[str, Any]]:
    """Columns over all boxes as one dict of tensors per image, boxes in the order they came in."""
    by_image = np.argsort(rows, kind="stable")
    counts = np.bincount(rows, minlength=len(image_ids)).tolist()
    pieces = {key: torch.from_numpy(column[by_image]).split(counts) for key, column in columns.items()}
    images: list[dict[str, Any]] = []
    for row, (image_id, image_size) in enumerate(zip(image_ids, image_sizes, strict=True)):
        # a clone: pickled for a worker, a view would take the boxes of all images along
        image: dict[str, Any] = {key: piece[row].clone() for key, piece in pieces.items()}
        image["image_id"] = image_id
        if image_size is not None:
            image["image_size"] = image_size
        images.append(image)
    return images
