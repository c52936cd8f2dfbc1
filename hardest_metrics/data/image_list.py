"""The images of a data set of which nothing else is known: lists without labels."""

from pathlib import Path
from typing import Any

from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.coco import category_names, coco_section, listed_images, load_coco
from hardest_metrics.data.coco_results import coco_results, named_images
from hardest_metrics.data.formats import is_csv, is_hardest_export, parse_detections, read_annotations
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.numbering import Identifier, image_number, numbers_of


def read_image_list(path: PathLike, split: str | None = None) -> Annotations:
    """Read which images a data set has, and leave its labels alone.

    Args:
        path: a COCO JSON file, plain or gzipped, of which only ``images`` and, where it has them, ``categories`` are
            looked at; or any other format of :func:`~hardest_metrics.data.read_annotations`.
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
    if Path(path).is_dir() or split is not None or is_csv(path):
        return read_annotations(path, split).without_labels()
    document = load_coco(path)
    listed = listed_images(coco_section(document, "images", path))
    names = category_names(coco_section(document, "categories", path)) if "categories" in document else {}
    columns = numbers_of(listed.ids), listed.file_names, listed.sizes
    return Annotations(*columns, names, [], source_ids=listed.ids).without_labels()


def image_list_of(document: Any, path: PathLike) -> Annotations:
    """The images that a file of detections names.

    - COCO results: each ``image_id``, integers in ascending order, then text in alphabetical order. For text stands
      :func:`~hardest_metrics.data.image_number`, so that an image has the same id in every file. ``file_names`` are
      those of the entries where they have a ``file_name``, else the ids.
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
        ([7299139317422481125, 2238838817863543973], ['a', 'b'], {3: '3'})
    """
    categories = categories_of(document, path)
    if is_hardest_export(document):
        image_ids = list(range(len(document)))
        return _unlabelled(list(image_ids), list(map(str, image_ids)), categories)
    names = named_images(coco_results(document, path))
    return _unlabelled(list(names), [name or str(key) for key, name in names.items()], categories)


def categories_of(document: Any, path: PathLike) -> dict[int, str]:
    """The labels that a file of detections holds, each named by its number or, where that is text, by itself."""
    if is_hardest_export(document):
        labels = {int(label) for image in parse_detections(document, path) for label in image["labels"]}
        return {label: str(label) for label in sorted(labels)}
    found = set(coco_results(document, path).identifiers("category_id"))
    names = {image_number(key) if isinstance(key, str) else key: str(key) for key in found}
    return dict(sorted(names.items()))


def _unlabelled(ids: list[Identifier], file_names: list[str], categories: dict[int, str]) -> Annotations:
    sizes: list[tuple[int, int] | None] = [None] * len(ids)
    return Annotations(numbers_of(ids), file_names, sizes, categories, [], source_ids=ids).without_labels()
