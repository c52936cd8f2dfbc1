"""COCO JSON: results of a detector."""

from collections.abc import Collection
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.coco import labels_of, of_categories, per_image
from hardest_metrics.data.coco_columns import result_columns
from hardest_metrics.data.coco_shapes import shape_columns
from hardest_metrics.data.identity import KnownImages
from hardest_metrics.data.json_file import Entries, Ignorable, PathLike, json_content, parsed
from hardest_metrics.data.kinds import kind_of
from hardest_metrics.functional.detection.geometry import IouType
from hardest_metrics.numbering import Identifier, numbers_of


def read_coco_results(
    path: PathLike,
    annotations: Annotations | None = None,
    ignore: Collection[Ignorable] = (),
    iou_type: IouType = "bbox",
) -> list[dict[str, Any]]:
    """Read detections in COCO results format.

    Args:
        path: JSON file, a list of ``{"image_id", "category_id", "bbox", "score"}``, plain or gzipped.
            An ``image_id`` that is text means the image with that id or, where there is none, with that
            file name, with or without folder and extension. Where entries have a ``file_name`` as well, it
            decides: programs that number images by their names know nothing of the ids of a set.
        annotations: the data set that was detected on.
        ignore: detections to leave out, with a warning that says how many, instead of refusing the file:
            any of ``"unknown_categories"``, ``"unknown_images"`` (that ``annotations`` lack) and
            ``"bad_boxes"`` (without four finite numbers, or of negative extent).
        iou_type: what to read besides boxes: ``"segm"`` for ``masks``, the polygons and RLEs of ``segmentation``, each
            image's in a list; ``"keypoints"`` for ``keypoints (n, K, 3)``.
            Then entries need no ``bbox``; there are boxes where all have one.

    Returns:
        One dict per image of ``annotations``, in its order, also where there is no detection; without
        ``annotations``, one per image that the file names, by ascending id, those with text for an id last. Each
        dict has:

        - ``boxes``: ``(n, 4)`` float64, (x, y, width, height), exactly as in the file.
        - ``scores``: ``(n,)`` float64 in [0, 1].
        - ``labels``: ``(n,)`` int64.
        - ``image_id``: int, for text :func:`~hardest_metrics.data.image_number` of it.
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
    content = json_content(path)
    found = ordinary_results(content, annotations) if iou_type == "bbox" else None
    return parse_coco_results(parsed(content, path), path, annotations, ignore, iou_type) if found is None else found


def ordinary_results(content: bytes, annotations: Annotations | None) -> list[dict[str, Any]] | None:
    """What is read in a fraction of time and memory; None where entries need a closer look."""
    found = result_columns(content)
    if found is None or found.scores is None:
        return None
    if annotations is None:
        image_ids = np.unique(found.image_ids).tolist()
        shown, labels = image_ids, None
        sizes: list[tuple[int, int] | None] = [None] * len(image_ids)
    else:
        image_ids, shown, sizes = annotations.image_ids, annotations.shown_ids, annotations.image_sizes
        labels = list(annotations.categories)
    rows = found.rows(shown, labels)
    if rows is None:
        return None
    columns: dict[str, NDArray[Any]] = {"boxes": found.boxes, "scores": found.scores, "labels": found.labels}
    return per_image(columns, rows, image_ids, sizes)


def parse_coco_results(
    document: Any,
    path: PathLike,
    annotations: Annotations | None,
    ignore: Collection[Ignorable] = (),
    iou_type: IouType = "bbox",
) -> list[dict[str, Any]]:
    """What :func:`read_coco_results` does once the file is loaded."""
    results = coco_results(document, path)
    if annotations is None:
        ids = named_images(results)
        image_ids, split = numbers_of(ids), None
        known = KnownImages(list(ids), [])
        image_sizes: list[tuple[int, int] | None] = [None] * len(ids)
    else:
        known = KnownImages(annotations.shown_ids, annotations.file_names)
        image_ids, image_sizes, split = annotations.image_ids, annotations.image_sizes, annotations.split
    results, rows = _placed(results, known, by_name=annotations is not None, split=split, ignore=ignore)
    if annotations is not None:
        kept = of_categories(results, annotations.categories, ignore)
        results, rows = kept, rows[np.isin(results.positions, kept.positions)]
    columns: dict[str, NDArray[Any]] = {}
    if iou_type == "bbox" or all(entry.get("bbox") for entry in results.values):
        kept = results.with_boxes("bbox", ignore)
        results, rows = kept, rows[np.isin(results.positions, kept.positions)]
        columns["boxes"] = results.boxes("bbox")
    shapes = shape_columns(results, iou_type)
    shapes.arrays.pop("num_keypoints", None)  # says nothing of a detection
    columns |= {"scores": results.scores("score"), "labels": labels_of(results), **shapes.arrays}
    return per_image(columns, rows, image_ids, image_sizes, shapes.lists)


def coco_results(document: Any, path: PathLike) -> Entries:
    """The entries of a file of COCO results, not yet checked."""
    if (found := kind_of(document)) not in ("COCO results", None):
        raise ValueError(f"{path}: holds {found}, not results. Give the file of detections, or convert it.")
    return Entries(path, "results", document, id_key="image_id")


def named_images(results: Entries) -> dict[Identifier, str | None]:
    """The images that results name, by ascending id, those with text for one last; the file name of each, if given.

    Raises:
        ValueError: when entries of one id have different file names.
    """
    names: dict[Identifier, str | None] = {}
    ids = results.identifiers("image_id")
    for index, (image_id, entry) in enumerate(zip(ids, results.values, strict=True)):
        name = entry.get("file_name")
        if names.setdefault(image_id, name) != name:
            raise results.error(
                index,
                f"'file_name' is {name!r}, but an entry before it has {names[image_id]!r} for the same 'image_id'",
                "Give the folder of images or annotations, to go by file names.",
            )
    return {key: names[key] for key in sorted(names, key=lambda key: (isinstance(key, str), key))}


def _placed(
    results: Entries, known: KnownImages, by_name: bool, split: str | None, ignore: Collection[Ignorable]
) -> tuple[Entries, NDArray[np.int64]]:
    """The results on known images, and the place of the image of each."""
    ids = results.identifiers("image_id", "an id, or the file name of an image")
    place = cache(known.place)
    if by_name and any("file_name" in entry for entry in results.values):
        places = [place(key, _text(entry.get("file_name"))) for key, entry in zip(ids, results.values, strict=True)]
    else:
        places = list(map(place, ids))
    rows = np.array(places, dtype=np.int64)
    _refuse_contradictions(results, rows, known)
    return (
        results.admit(
            rows >= 0,
            "image_id",
            "the id of an image of the annotations, or the file name of just one",
            "unknown_images",
            ignore,
            "" if split is None else "Leave out `split`, or give detections of this split only.",
        ),
        rows[rows >= 0],
    )


def _refuse_contradictions(results: Entries, rows: NDArray[np.int64], known: KnownImages) -> None:
    for code, problem in {
        KnownImages.CONTRADICTORY: "'image_id' is that of {theirs!r} in the annotations, but 'file_name' is {ours!r}",
        KnownImages.AMBIGUOUS: "'file_name' {ours!r} is that of several images of the annotations, and 'image_id' says"
        " no more",
    }.items():
        wrong = np.flatnonzero(rows == code)
        if len(wrong):
            index = int(wrong[0])
            entry = results.values[index]
            theirs = known.file_names[known.place(entry["image_id"])]
            more = f" (and {len(wrong) - 1} more of {len(results)} like it)" if len(wrong) > 1 else ""
            remedy = (
                "Give detections of these images, or take 'file_name' out of the file to go by ids."
                if code == KnownImages.CONTRADICTORY
                else "Give file names with their folders, or take 'file_name' out of the file to go by ids."
            )
            raise results.error(index, problem.format(theirs=theirs, ours=entry["file_name"]) + more, remedy)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
