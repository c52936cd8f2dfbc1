"""Reading a data set whatever its format, which is told from the content."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.coco import read_coco_annotations
from hardest_metrics.data.coco_results import parse_coco_results
from hardest_metrics.data.hardest_json import parse_hardest_detections
from hardest_metrics.data.json_file import Ignorable, PathLike, load_json
from hardest_metrics.data.voc import read_voc_annotations


def read_annotations(path: PathLike, split: str | None = None, ignore: Collection[Ignorable] = ()) -> Annotations:
    """Read annotations: a folder as Pascal VOC, a file as COCO JSON.

    Args:
        path: the folder or file, see :func:`read_voc_annotations` and :func:`read_coco_annotations`.
        split: of a Pascal VOC data set, the split to read; by default all of it.
        ignore: of a COCO file, boxes to leave out instead of refusing the file.

    Raises:
        OSError: when a file cannot be read.
        ValueError: when the content is not as it should be, or ``split`` is given with a file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "instances.json")
        >>> written = path.write_text(
        ...     '{"images": [{"id": 7, "file_name": "a.jpg"}], "categories": [], "annotations": []}'
        ... )
        >>> read_annotations(path)
        Annotations(1 images, 0 boxes, 0 categories)
    """
    if Path(path).is_dir():
        return read_voc_annotations(path, split)
    if split is not None:
        raise ValueError(
            f"`split` is {split!r}, but {path} is no folder: only Pascal VOC data sets have splits. "
            "Leave it out, or give the folder of a Pascal VOC data set."
        )
    return read_coco_annotations(path, ignore)


def read_detections(
    path: PathLike, annotations: Annotations | None = None, ignore: Collection[Ignorable] = ()
) -> list[dict[str, Any]]:
    """Read detections, in COCO results format or as ``hardest`` exports them.

    Args:
        path: the file, see :func:`read_coco_results` and :func:`read_hardest_detections`.
        annotations: the data set that was detected on.
        ignore: detections to leave out instead of refusing the file.

    Returns:
        One dict per image, boxes as float64 (x, y, width, height) whichever the format.

    Raises:
        OSError: when the file cannot be read.
        ValueError: when the content is not as it should be.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "detections.json")
        >>> written = path.write_text('[{"boxes": [[10, 20, 40, 60]], "labels": [3], "scores": [0.5]}]')
        >>> read_detections(path)[0]["boxes"]
        tensor([[10., 20., 30., 40.]], dtype=torch.float64)
    """
    return parse_detections(load_json(path), path, annotations, ignore)


def parse_detections(
    document: Any, path: PathLike, annotations: Annotations | None = None, ignore: Collection[Ignorable] = ()
) -> list[dict[str, Any]]:
    """What :func:`read_detections` does once the file is loaded."""
    if is_hardest_export(document):
        return parse_hardest_detections(document, path, annotations, ignore)
    return parse_coco_results(document, path, annotations, ignore)


def is_hardest_export(document: Any) -> bool:
    """Whether the content of a file of detections is in the format of ``hardest``, not COCO results."""
    return isinstance(document, list) and bool(document) and isinstance(document[0], dict) and "boxes" in document[0]
