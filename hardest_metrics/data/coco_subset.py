"""The part of a COCO data set that goes back to labelling."""

import json
from collections.abc import Iterable
from operator import index
from typing import Any

from torch import Tensor

from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.atomic import atomic_write
from hardest_metrics.data.coco import coco_section, distinct_ids, load_coco
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.numbering import numbers_of


def write_coco_subset(annotations_path: PathLike, image_ids: Iterable[int] | Tensor, path: PathLike) -> None:
    """Write a COCO annotation file that holds only some of the images of another.

    ``images`` and, where the file has them, ``annotations`` hold only those images, in the order of
    ``image_ids``; every other section is kept as it is. The file is written as a whole or not at
    all, so that ``path`` may be ``annotations_path``.

    Args:
        annotations_path: the COCO annotation file to take the images from, plain or gzipped.
        image_ids: ids of the images to keep, each once, such as ``ranking.top(100).image_ids``.
        path: the JSON file to write.

    Raises:
        OSError: when a file cannot be read or written.
        TypeError: when an id is no integer.
        ValueError: when an id is not in the file or given twice, or the file is no COCO annotation
            file.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> folder = Path(tempfile.mkdtemp())
        >>> coco = {"images": [{"id": 1}, {"id": 2}], "annotations": [{"image_id": 2}]}
        >>> written = (folder / "all.json").write_text(json.dumps(coco))
        >>> write_coco_subset(folder / "all.json", [2], folder / "hardest.json")
        >>> (folder / "hardest.json").read_text()
        '{"images": [{"id": 2}], "annotations": [{"image_id": 2}]}'
    """
    kept = _distinct(image_ids)
    document = load_coco(annotations_path)
    images = coco_section(document, "images", annotations_path)
    image_by_id = dict(zip(numbers_of(distinct_ids(images)), images.values, strict=True))
    unknown = next((image_id for image_id in kept if image_id not in image_by_id), None)
    if unknown is not None:
        raise ValueError(
            f"{annotations_path}: has no image {unknown}, which `image_ids` ask for. "
            "Give the annotations of the data set that was ranked."
        )
    subset = document | {"images": [image_by_id[image_id] for image_id in kept]}
    if "annotations" in document:
        annotations = coco_section(document, "annotations", annotations_path)
        by_image: dict[int, list[Any]] = {image_id: [] for image_id in kept}
        owners = numbers_of(annotations.identifiers("image_id"))
        for image_id, annotation in zip(owners, annotations.values, strict=True):
            if image_id in by_image:
                by_image[image_id].append(annotation)
        subset["annotations"] = [annotation for found in by_image.values() for annotation in found]
    with atomic_write(path) as file:
        file.write(json.dumps(subset).encode())


def write_image_list(annotations: Annotations, image_ids: Iterable[int] | Tensor, path: PathLike) -> None:
    """Write some images of a set that has no COCO file as one without labels, to be labelled.

    ``images`` hold ids, file names and, where they are known, sizes, in the order of ``image_ids``; ``annotations`` are
    empty, and ``categories`` are those of the set. The file is written as a whole or not at all.

    Args:
        annotations: the set.
        image_ids: ids of the images, each once, such as ``ranking.top(100).image_ids``.
        path: the JSON file to write.

    Raises:
        OSError: when the file cannot be written.
        TypeError: when an id is no integer.
        ValueError: when an id is not in the set or given twice.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp(), "to_label.json")
        >>> images = Annotations([1, 2], ["a.jpg", "b.jpg"], [None, (48, 64)], {}, [])
        >>> write_image_list(images, [2], path)
        >>> path.read_text()
        '{"images": [{"id": 2, "file_name": "b.jpg", "height": 48, "width": 64}], "annotations": [], "categories": []}'
    """
    columns = annotations.shown_ids, annotations.file_names, annotations.image_sizes
    image_by_id = {
        number: {"id": shown, "file_name": name} | (dict(zip(("height", "width"), size, strict=True)) if size else {})
        for number, shown, name, size in zip(annotations.image_ids, *columns, strict=True)
    }
    kept = _distinct(image_ids)
    unknown = next((image_id for image_id in kept if image_id not in image_by_id), None)
    if unknown is not None:
        raise ValueError(f"`annotations` have no image {unknown}, which `image_ids` ask for. Give the set ranked.")
    document = {
        "images": [image_by_id[image_id] for image_id in kept],
        "annotations": [],
        "categories": [{"id": label, "name": name} for label, name in annotations.categories.items()],
    }
    with atomic_write(path) as file:
        file.write(json.dumps(document).encode())


def _distinct(image_ids: Iterable[int] | Tensor) -> list[int]:
    """The ids as Python's integers, each of which must be there once."""
    try:
        kept = [index(image_id) for image_id in image_ids]
    except TypeError as error:
        raise TypeError(f"`image_ids` must be integers: {error}. Give the ids of the ranking.") from error
    if len(set(kept)) < len(kept):
        twice = next(image_id for image_id in kept if kept.count(image_id) > 1)
        raise ValueError(f"`image_ids` have {twice} twice. Give each image once.")
    return kept
