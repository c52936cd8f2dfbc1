"""The images of a data set of which nothing else is known: lists without labels."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.coco import coco_results, coco_section, distinct_ids, image_sizes_of, load_coco
from hardest_metrics.data.formats import is_hardest_export, parse_detections, read_annotations
from hardest_metrics.data.json_file import PathLike, is_integer


def read_image_list(path: PathLike, split: str | None = None) -> Annotations:
    """Read which images a data set has, and leave its labels alone.

    Args:
        path: a COCO JSON file, plain or gzipped, of which only ``images`` and, where it has them, ``categories`` are
            looked at; or a Pascal VOC folder.
        split: of a Pascal VOC data set, the split to read; by default all of it.

    Returns:
        The images, without labels.

    Raises:
        OSError: when a file cannot be read.
        ValueError: when the content is not as it should be, or ``split`` is given with a file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "images.json")
        >>> written = path.write_text('{"images": [{"id": 7, "file_name": "a.jpg", "height": 48, "width": 64}]}')
        >>> read_image_list(path).target
        [{'image_id': 7, 'image_size': (48, 64)}]
    """
    if Path(path).is_dir() or split is not None:
        return read_annotations(path, split).without_labels()
    document = load_coco(path)
    images = coco_section(document, "images", path)
    names = {}
    if "categories" in document:
        categories = coco_section(document, "categories", path)
        names = dict(zip(distinct_ids(categories), categories.strings("name"), strict=True))
    columns = distinct_ids(images), images.strings("file_name"), image_sizes_of(images)
    return Annotations(*columns, names, []).without_labels()


def image_list_of(document: Any, path: PathLike) -> Annotations:
    """The images that a file of detections names.

    - COCO results with integers for ``image_id``: those, in ascending order; ``file_names`` are the numbers.
    - COCO results with file names: those in alphabetical order. An image's id is a hash of its name, so that it has
      the same one in every file, whatever other images are in it.
    - What ``hardest`` exports: 0, 1, ... in the order of the file; ``file_names`` are the numbers.

    In COCO results, images without a detection do not appear: then a list of the images is the better source.

    Args:
        document: the content of the file.
        path: the file, for messages.

    Returns:
        The images, without labels and sizes; categories are the labels that occur, named by their number.

    Raises:
        ValueError: when the content is not as it should be.

    Example:
        >>> results = [{"image_id": name, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5} for name in ("b", "a")]
        >>> images = image_list_of(results, "results.json")
        >>> images.image_ids, images.file_names, images.categories
        ([7128065739670391, 2186366033069867], ['a', 'b'], {3: '3'})
    """
    categories = categories_of(document, path)
    if is_hardest_export(document):
        image_ids = list(range(len(document)))
        return _unlabelled(image_ids, list(map(str, image_ids)), categories)
    results = coco_results(document, path)
    keys = results.column("image_id")
    if keys and type(keys[0]) is str:
        names = sorted(set(results.checked("image_id", lambda key: type(key) is str, "a file name, as in results[0]")))
        return _unlabelled([_hashed(name) for name in names], names, categories)
    image_ids = sorted(set(results.checked("image_id", is_integer, "an integer of at most 64 bits, as in results[0]")))
    return _unlabelled(image_ids, list(map(str, image_ids)), categories)


def categories_of(document: Any, path: PathLike) -> dict[int, str]:
    """The labels that a file of detections holds, each named by its number."""
    if is_hardest_export(document):
        labels = {int(label) for image in parse_detections(document, path) for label in image["labels"]}
    else:
        labels = set(coco_results(document, path).integers("category_id").tolist())
    return {label: str(label) for label in sorted(labels)}


def _unlabelled(image_ids: list[int], file_names: list[str], categories: dict[int, str]) -> Annotations:
    return Annotations(image_ids, file_names, [None] * len(image_ids), categories, []).without_labels()


def _hashed(name: str) -> int:
    """An id that every program can hold, also those that have no integers but float64."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big") >> 11
