"""Reading a data set whatever its format, which is told from the content."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from hardest_metrics.data import global_wheat, open_images
from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.coco import read_coco_annotations
from hardest_metrics.data.coco_results import ordinary_results, parse_coco_results
from hardest_metrics.data.digit_scenes import read_digit_scenes, scene_files
from hardest_metrics.data.folder import visible_files
from hardest_metrics.data.hardest_json import parse_hardest_detections
from hardest_metrics.data.json_file import Ignorable, PathLike, json_content, parsed
from hardest_metrics.data.table import Table
from hardest_metrics.data.voc import read_voc_annotations
from hardest_metrics.functional.detection.geometry import IouType


def read_annotations(
    path: PathLike,
    split: str | None = None,
    ignore: Collection[Ignorable] = (),
    iou_type: IouType = "bbox",
) -> Annotations:
    """Read annotations: a folder as Pascal VOC or digit scenes, a file as CSV, or else as COCO JSON.

    A folder is one of digit scenes if it has text files and neither XML files nor ``Annotations/``; a CSV file is
    known by its columns.

    Args:
        path: the folder or file, see :func:`read_voc_annotations`, :func:`read_digit_scenes`,
            :func:`read_global_wheat_annotations`, :func:`read_open_images_annotations` and
            :func:`read_coco_annotations`.
        split: of a Pascal VOC data set, the split to read; by default all of it.
        ignore: of a COCO file, boxes to leave out instead of refusing the file.
        iou_type: of a COCO file, what to read besides boxes: ``"segm"`` for masks, ``"keypoints"`` for these.

    Raises:
        OSError: when a file cannot be read.
        ValueError: when the content is not as it should be, or ``split`` is given with something else than a Pascal
            VOC data set.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "instances.json")
        >>> written = path.write_text(
        ...     '{"images": [{"id": 7, "file_name": "a.jpg"}], "categories": [], "annotations": []}'
        ... )
        >>> read_annotations(path)
        Annotations(1 images, 0 boxes, 0 categories)
    """
    is_folder = Path(path).is_dir()
    if iou_type != "bbox" and (is_folder or is_csv(path)):
        raise ValueError(
            f"`iou_type` is {iou_type!r}, but {path} is no COCO JSON, and of other formats boxes alone are read:"
            " convert it, or leave `iou_type` out."
        )
    if is_folder and not (split is None and _is_digit_scenes(Path(path))):
        return read_voc_annotations(path, split)
    if split is not None:
        raise ValueError(
            f"`split` is {split!r}, but {path} is no folder: only Pascal VOC data sets have splits. "
            "Leave it out, or give the folder of a Pascal VOC data set."
        )
    if is_folder:
        return read_digit_scenes(path)
    return _read_csv(path) if is_csv(path) else read_coco_annotations(path, ignore, iou_type)


def is_csv(path: PathLike) -> bool:
    """Whether a file is one of those that are told apart by their columns."""
    return Path(path).suffix.lower() == ".csv"


def _read_csv(path: PathLike) -> Annotations:
    header = set(Table(path).header)
    if header >= set(open_images.COLUMNS):
        return open_images.read_open_images_annotations(path)
    if any(header >= set(columns) for columns in (global_wheat.COLUMNS_2021, global_wheat.COLUMNS_2020)):
        return global_wheat.read_global_wheat_annotations(path)
    known = {
        "Open Images": open_images.COLUMNS,
        "Global Wheat": global_wheat.COLUMNS_2021,
        "its first edition": global_wheat.COLUMNS_2020,
    }
    columns = "; ".join(f"{name}: {', '.join(names)}" for name, names in known.items())
    raise ValueError(f"{path}: its columns are of no format that is known here ({columns}). Convert it to COCO JSON.")


def _is_digit_scenes(folder: Path) -> bool:
    if (folder / "Annotations").is_dir() or any(path.suffix.lower() == ".xml" for path in visible_files(folder)):
        return False
    return bool(scene_files(folder))


def read_detections(
    path: PathLike,
    annotations: Annotations | None = None,
    ignore: Collection[Ignorable] = (),
    iou_type: IouType = "bbox",
) -> list[dict[str, Any]]:
    """Read detections, in COCO results format or as ``hardest`` exports them.

    Args:
        path: the file, see :func:`read_coco_results` and :func:`read_hardest_detections`.
        annotations: the data set that was detected on.
        ignore: detections to leave out instead of refusing the file.
        iou_type: of COCO results, what to read besides boxes: ``"segm"`` for masks, ``"keypoints"`` for these.

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
    content = json_content(path)
    found = ordinary_results(content, annotations) if iou_type == "bbox" else None
    return parse_detections(parsed(content, path), path, annotations, ignore, iou_type) if found is None else found


def parse_detections(
    document: Any,
    path: PathLike,
    annotations: Annotations | None = None,
    ignore: Collection[Ignorable] = (),
    iou_type: IouType = "bbox",
) -> list[dict[str, Any]]:
    """What :func:`read_detections` does once the file is loaded."""
    if is_hardest_export(document):
        if iou_type != "bbox":
            raise ValueError(
                f"{path}: is in the format of `hardest`, which holds boxes alone, but `iou_type` is {iou_type!r}. Give"
                " COCO results."
            )
        return parse_hardest_detections(document, path, annotations, ignore)
    return parse_coco_results(document, path, annotations, ignore, iou_type)


def is_hardest_export(document: Any) -> bool:
    """Whether the content of a file of detections is in the format of ``hardest``, not COCO results."""
    return isinstance(document, list) and bool(document) and isinstance(document[0], dict) and "boxes" in document[0]
