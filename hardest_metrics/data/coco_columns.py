"""COCO JSON of the ordinary kind as columns, in a third of the time and without an object for every number.

Whatever is out of the ordinary (text for ids, unknown keys, a key twice, damage, values that make no sense) is left to
the readers that look at entries one by one and tell what is wrong: here it is None.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from hardest_metrics.data.json_file import are_boxes, strict_json

_T = TypeVar("_T")

#: Entries decoded at once: what they are as Python's objects is gone with the next.
_AT_ONCE = 1 << 14

#: From here on readers take no integers, of which msgspec makes floats.
_TOO_LARGE = 2.0**63

_Box = tuple[float, float, float, float]


class _Result(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    image_id: int
    category_id: int
    bbox: _Box
    score: float


class _Annotation(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    image_id: int
    category_id: int
    bbox: _Box
    iscrowd: int | msgspec.UnsetType = msgspec.UNSET
    area: float | msgspec.UnsetType | None = msgspec.UNSET
    id: int | msgspec.UnsetType = msgspec.UNSET
    segmentation: msgspec.Raw = msgspec.Raw(b"")


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    images: msgspec.Raw
    annotations: list[msgspec.Raw]
    categories: msgspec.Raw
    info: msgspec.Raw = msgspec.Raw(b"")
    licenses: msgspec.Raw = msgspec.Raw(b"")


class Columns(NamedTuple):
    """Boxes of many images, in the order of the file, all of which make sense.

    Attributes:
        image_ids: ``(n,)`` int64.
        boxes: ``(n, 4)`` float64, (x, y, width, height).
        labels: ``(n,)`` int64.
        scores: ``(n,)`` float64 in [0, 1], of results.
        crowd: ``(n,)`` int64, of annotations.
        area: ``(n,)`` float64, of annotations of which some have one.
    """

    image_ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64] | None = None
    crowd: NDArray[np.int64] | None = None
    area: NDArray[np.float64] | None = None

    def rows(self, image_ids: Sequence[Any], labels: Sequence[int] | None) -> NDArray[np.int64] | None:
        """``(n,)``: where in a list of ids each box's image stands; None if one does not, or a label is unknown."""
        if set(map(type, image_ids)) - {int}:
            return None
        known = np.array(image_ids, dtype=np.int64)
        order = known.argsort(kind="stable")
        place = np.minimum(known.searchsorted(self.image_ids, sorter=order), max(len(known) - 1, 0))
        rows = order.take(place) if len(known) else place
        if len(rows) and (not len(known) or (known[rows] != self.image_ids).any()):
            return None
        return None if labels is not None and not np.isin(self.labels, list(labels)).all() else rows


def result_columns(content: bytes) -> Columns | None:
    """The columns of COCO results, or None."""
    try:
        content.decode()  # nobody looks into what is skipped
        entries = msgspec.json.decode(content, type=list[msgspec.Raw])
        parts = [
            (*_common(part), np.array([one.score for one in part], dtype=np.float64))
            for part in _decoded(entries, _Result)
        ]
        if not parts or content.count(b":") != 4 * len(entries):  # a key stands twice
            return None
    except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError):
        return None
    image_ids, boxes, labels, scores = map(np.concatenate, zip(*parts, strict=True))
    if not (_sound(boxes) and ((scores >= 0) & (scores <= 1)).all()):
        return None
    return Columns(image_ids, boxes, labels, scores)


def annotation_columns(content: bytes) -> tuple[dict[str, Any], Columns] | None:
    """Everything of COCO annotations but the boxes, as JSON has it, and these as columns, or None."""
    try:
        content.decode()
        document = msgspec.json.decode(content, type=_Document)
        others = {
            name: strict_json(bytes(raw))
            for name in ("images", "categories", "info", "licenses")
            if bytes(raw := getattr(document, name))
        }
        keys = 1 + len(others)  # as many as there are colons, unless text that is not looked at holds some, too
        keys += sum(bytes(getattr(document, name)).count(b":") for name in others)
        parts: list[Any] = []
        for part in _decoded(document.annotations, _Annotation):
            crowd = np.array([one.iscrowd or 0 for one in part], dtype=np.int64)
            area = np.array([one.area if isinstance(one.area, float) else np.nan for one in part], dtype=np.float64)
            parts.append((*_common(part), crowd, area))
            keys += sum(map(_keys, part))
        if not parts or keys != content.count(b":"):  # a key stands twice
            return None
    except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError, ValueError, RecursionError):
        return None
    image_ids, boxes, labels, crowd, area = map(np.concatenate, zip(*parts, strict=True))
    given = ~np.isnan(area)
    if not (_sound(boxes) and ((crowd == 0) | (crowd == 1)).all() and ((area >= 0) & (area < _TOO_LARGE))[given].all()):
        return None
    areas = np.where(given, area, boxes[:, 2] * boxes[:, 3]) if given.any() else None
    return others, Columns(image_ids, boxes, labels, crowd=crowd, area=areas)


def _decoded(entries: list[msgspec.Raw], kind: type[_T]) -> Iterator[list[_T]]:
    """Entries, so many at a time."""
    decoder, left = msgspec.json.Decoder(list[kind]), iter(entries)  # type: ignore[valid-type]
    while part := list(islice(left, _AT_ONCE)):
        yield decoder.decode(b"[" + b",".join(map(bytes, part)) + b"]")


def _common(part: Sequence[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Of entries of either kind: ids, boxes and labels."""
    return (
        np.array([one.image_id for one in part], dtype=np.int64),
        np.array([one.bbox for one in part], dtype=np.float64),
        np.array([one.category_id for one in part], dtype=np.int64),
    )


def _keys(one: _Annotation) -> int:
    """How many keys an annotation has; those of a segmentation are looked at if there are any."""
    segmentation = bytes(one.segmentation)
    inner = segmentation.count(b":")
    if inner:
        strict_json(segmentation)
    optional = (one.iscrowd, one.area, one.id)
    return 3 + bool(segmentation) + inner + sum(value is not msgspec.UNSET for value in optional)


def _sound(boxes: NDArray[np.float64]) -> bool:
    return bool(are_boxes(boxes).all() and (np.abs(boxes) < _TOO_LARGE).all())
