"""The JSON of detections that the package ``hardest`` exports."""

import reprlib
import warnings
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor

from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.json_file import (
    Ignorable,
    PathLike,
    is_box,
    is_integer,
    is_number,
    is_score,
    kind,
    load_json,
)
from hardest_metrics.data.kinds import kind_of
from hardest_metrics.input_warning import InputWarning


def read_hardest_detections(
    path: PathLike, annotations: Annotations | None = None, ignore: Collection[Ignorable] = ()
) -> list[dict[str, Any]]:
    """Read the detections that ``hardest`` exports.

    The file is a list with one object per image, in the order of the data set: ``boxes`` as
    (xmin, ymin, xmax, ymax), ``labels``, ``scores`` and, where exported, ``logits``. Other keys are
    not read.

    Args:
        path: JSON file, plain or gzipped.
        annotations: the data set that was detected on.
        ignore: with ``"unknown_categories"``, detections of categories that ``annotations`` lack are left out, with a
            warning that says how many.

    Returns:
        One dict per image, with

        - ``boxes``: ``(n, 4)`` float64, (x, y, width, height), computed from the corners in float32
          as ``hardest`` does.
        - ``scores``: ``(n,)`` float32 in [0, 1].
        - ``labels``: ``(n,)`` int64.
        - ``logits``: ``(n, K)`` float32, where exported.
        - ``image_id``: int; without ``annotations`` 0, 1, ... in the order of the file.
        - ``image_size``: (height, width), only where it is known.

    Raises:
        OSError: when the file cannot be read.
        ValueError: when it is not such a file, or does not belong to ``annotations``; the message
            names the image and the remedy.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp(), "detections.json")
        >>> written = path.write_text('[{"boxes": [[10, 20, 40, 60]], "labels": [3], "scores": [0.5]}]')
        >>> read_hardest_detections(path)[0]["boxes"]
        tensor([[10., 20., 30., 40.]], dtype=torch.float64)
    """
    return parse_hardest_detections(load_json(path), path, annotations, ignore)


def parse_hardest_detections(
    document: Any, path: PathLike, annotations: Annotations | None, ignore: Collection[Ignorable] = ()
) -> list[dict[str, Any]]:
    """What :func:`read_hardest_detections` does once the file is loaded."""
    if (found := kind_of(document)) not in ("what `hardest` exports", None):
        raise ValueError(f"{path}: is {found}, not what `hardest` exports. Give the file of detections.")
    if not isinstance(document, list):
        raise ValueError(f"{path}: must be a list with one object per image, but is {kind(document)}. Export it again.")
    if annotations is None:
        image_ids = list(range(len(document)))
        image_sizes: list[tuple[int, int] | None] = [None] * len(document)
        categories = None
    elif len(document) == len(annotations.image_ids):
        image_ids, image_sizes = annotations.image_ids, annotations.image_sizes
        categories = annotations.categories
    else:
        whole = "Leave out `split`, or give detections of this split only, in its order."
        remedy = "Use both of the same data set, in the same order." if annotations.split is None else whole
        raise ValueError(
            f"{path}: holds detections of {len(document)} images, but the annotations have "
            f"{len(annotations.image_ids)}. {remedy}"
        )

    preds: list[dict[str, Any]] = []
    for index, image in enumerate(document):
        where = f"{path}: image {index} (image_id {image_ids[index]})"
        pred = _parse_image(image, where) | {"image_id": image_ids[index]}
        size = image_sizes[index]
        preds.append(pred if size is None else pred | {"image_size": size})
    _complete_logits(preds, path)
    return preds if categories is None else _of_categories(preds, categories, path, ignore)


def _of_categories(
    preds: list[dict[str, Any]], categories: dict[int, str], path: PathLike, ignore: Collection[Ignorable]
) -> list[dict[str, Any]]:
    """The detections of known categories; others are left out with a warning, or refused."""
    counts = [len(pred["labels"]) for pred in preds]
    labels = torch.cat([pred["labels"] for pred in preds]) if preds else torch.empty(0, dtype=torch.int64)
    known = torch.isin(labels, torch.tensor(list(categories), dtype=torch.int64))
    if known.all():
        return preds
    masks, unknown = known.split(counts), int((~known).sum())
    index = next(index for index, mask in enumerate(masks) if not mask.all())
    position = masks[index].tolist().index(False)
    what = "no category of the annotations, " + reprlib.repr(sorted(categories))
    if "unknown_categories" not in ignore:
        more = f" (and {unknown - 1} more of {len(labels)} like it)" if unknown > 1 else ""
        raise ValueError(
            f"{path}: image {index} (image_id {preds[index]['image_id']}): labels[{position}] is"
            f" {int(preds[index]['labels'][position])}, which is {what}{more}. Map the detector's labels to theirs. To"
            " leave out all like it: `ignore=['unknown_categories']`."
        )
    warnings.warn(
        f"{path}: left out {unknown} of {len(labels)} detections, whose label is {what}.", InputWarning, stacklevel=2
    )
    columns = ("boxes", "scores", "labels", "logits")
    return [
        pred | {key: pred[key][mask] for key in columns if key in pred} for pred, mask in zip(preds, masks, strict=True)
    ]


def _parse_image(image: Any, where: str) -> dict[str, Any]:
    if not isinstance(image, dict):
        raise ValueError(f"{where}: must be an object, but is {kind(image)}. Export it again.")

    corners = _column(image, "boxes", _is_corners, "four numbers between -1e38 and 1e38 with x2 >= x1, y2 >= y1", where)
    scores = _column(image, "scores", is_score, "a number in [0, 1]", where)
    labels = [int(label) for label in _column(image, "labels", _is_label, "an integer", where)]
    if not len(corners) == len(labels) == len(scores):
        lengths = f"{len(corners)} boxes, {len(labels)} labels and {len(scores)} scores"
        raise ValueError(f"{where}: has {lengths}. Export it again with one of each per detection.")
    boxes = torch.tensor(corners, dtype=torch.float32).reshape(-1, 4)
    boxes[:, 2:] -= boxes[:, :2]
    pred = {
        "boxes": boxes.double(),
        "scores": torch.tensor(scores, dtype=torch.float32),
        "labels": torch.tensor(labels, dtype=torch.int64),
    }
    if "logits" in image:
        pred["logits"] = _parse_logits(image, len(scores), where)
    return pred


def _parse_logits(image: dict[str, Any], n_detections: int, where: str) -> Tensor:
    rows = _column(image, "logits", _is_logits, "a list of numbers other than NaN", where)
    lengths = sorted(set(map(len, rows)))
    if len(rows) != n_detections or len(lengths) > 1:
        shape = f"{len(rows)} rows of length {' and '.join(map(str, lengths)) or 0}"
        raise ValueError(
            f"{where}: has {n_detections} scores, but logits of {shape}. "
            "Export it again with one row of equal length per detection."
        )
    return torch.tensor(rows, dtype=torch.float32).reshape(n_detections, *lengths or (0,))


def _complete_logits(preds: list[dict[str, Any]], path: PathLike) -> None:
    """Check that all images have logits of one number of classes, and give it to the empty images."""
    n_classes = {
        index: pred["logits"].shape[1] if "logits" in pred else 0
        for index, pred in enumerate(preds)
        if len(pred["scores"])
    }
    if not any(n_classes.values()):
        return
    first, expected = next(iter(n_classes.items()))
    for index, found in n_classes.items():
        if found != expected:
            image_id = preds[index]["image_id"]
            raise ValueError(
                f"{path}: image {index} (image_id {image_id}) has logits of {found} classes, but image "
                f"{first} of {expected}. Export all images with the same detector."
            )
    for pred in preds:
        if not len(pred["scores"]):
            pred["logits"] = torch.empty(0, expected, dtype=torch.float32)


def _column(image: dict[str, Any], key: str, valid: Callable[[Any], bool], expected: str, where: str) -> list[Any]:
    if key not in image:
        raise ValueError(f"{where}: has no {key!r}. Export it again.")
    values = image[key]
    if not isinstance(values, list):
        raise ValueError(f"{where}: {key!r} must be a list, but is {kind(values)}. Export it again.")
    for position, value in enumerate(values):
        if not valid(value):
            shown = reprlib.repr(value)
            raise ValueError(
                f"{where}: {key}[{position}] is {shown}, but must be {expected}. Correct it or remove the detection."
            )
    return values


def _is_corners(value: Any) -> bool:
    # the limit: beyond it a width is no finite float32
    return (
        is_box(value) and all(abs(corner) < 1e38 for corner in value) and value[0] <= value[2] and value[1] <= value[3]
    )


def _is_label(value: Any) -> bool:
    # hardest loads labels as float32, so that what it exports again has 3.0 for 3
    return is_integer(value) or (type(value) is float and value.is_integer() and abs(value) < 2**63)


def _is_logits(value: Any) -> bool:
    return isinstance(value, list) and all(is_number(logit) and logit == logit for logit in value)
