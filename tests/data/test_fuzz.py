"""Damaged files of every kind are read rightly or refused by name: nothing else may come of them."""

import copy
import gzip
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardest_metrics.calibration import Isotonic, Platt, read_calibration, write_calibration
from hardest_metrics.data import read_annotations, read_coco_annotations, read_detections, read_image_list
from hardest_metrics.data.annotations import Annotations
from hardest_metrics.detectors.part_file import PartFile
from hardest_metrics.functional import pack

COCO = {
    "images": [
        {"id": 1, "file_name": "a.png", "width": 60, "height": 40},
        {"id": 2**60, "file_name": "sub/b.png"},
    ],
    "categories": [{"id": 1, "name": "cat"}, {"id": 7, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 7, "bbox": [1, 2.5, 30, 4], "area": 120, "iscrowd": 0},
        {"id": 2, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "iscrowd": 1},
    ],
}
RESULTS = [
    {"image_id": 1, "category_id": 7, "bbox": [1, 2, 30, 4], "score": 0.75},
    {"image_id": "b", "category_id": 1, "bbox": [0.5, 0, 3, 4], "score": 1},
]
EXPORTED = [
    {"boxes": [[0, 0, 3, 4], [1, 1, 2, 2]], "labels": [1, 7], "scores": [0.5, 0.25], "logits": [[0, 1], [2, -1]]},
    {"boxes": [], "labels": [], "scores": []},
]
VOC = (
    "<annotation><filename>a.png</filename><size><width>60</width><height>40</height></size><object><name>cat</name>"
    "<difficult>0</difficult><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>20</ymax></bndbox></object>"
    "</annotation>"
)

#: What may stand in a file where something else is expected.
VALUES = st.one_of(
    st.sampled_from(
        [None, True, [], {}, "", "1", 0, -1, 1.5, 2**63, -(2**63) - 1, 10**400, 1e308, -1e308, 1e200, 1e39]
    ),
    st.sampled_from(
        [float("nan"), float("inf"), "\ud800", "n" * 300, "a\0b", "../../x", [[]], {"a": {}}, [1, 2, 3, 4]]
    ),
    st.sampled_from([[1e200, 0, 1, 1], [0, 0, -1, 1], [-1e308, 0, 1e308, 1], [0, 0, 1e200, 1e200], 1e-320, 0.1]),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=3), st.lists, max_leaves=4),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the values of a document are, itself included."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in inner for place in places(child, (*path, key)))]


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:
    """The document with one to three values replaced, removed or doubled."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(places(document)[1:] or [(None,)]))
        if last is None:
            return copy.deepcopy(draw(VALUES))
        parent = document
        for key in path:
            parent = parent[key]
        act = draw(st.sampled_from(["replace", "replace", "remove", "double"]))
        if act == "remove":
            del parent[last]
        elif act == "double" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[last]))
        else:
            parent[last] = copy.deepcopy(draw(VALUES))
    return document


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with a few bytes flipped, cut, added or doubled."""
    damaged = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(len(damaged) - 1, 0)))
        act = draw(st.sampled_from(["flip", "flip", "cut", "insert", "remove", "double"]))
        if act == "flip" and damaged:
            damaged[place] ^= 1 << draw(st.integers(0, 7))
        elif act == "cut":
            del damaged[place:]
        elif act == "insert":
            damaged[place:place] = draw(st.binary(max_size=4))
        elif act == "remove":
            del damaged[place : place + draw(st.integers(1, 9))]
        else:
            damaged += damaged[place:]
    return bytes(damaged)


def annotations_of(folder: Path) -> Annotations:
    (folder / "sound.json").write_text(json.dumps(COCO))
    return read_coco_annotations(folder / "sound.json")


def read_labels(path: Path) -> None:
    labels = read_annotations(path)
    assert len(labels.image_ids) == len(labels.file_names) == len(labels.image_sizes) == len(labels.target)
    assert len(set(labels.image_ids)) == len(labels.image_ids)
    nothing = [{**image, "scores": image["labels"].double() * 0} for image in labels.target]
    assert len(pack(nothing, labels.target, "xywh")) == len(labels.target), "what is read is what metrics take"


def read_found(annotations: Annotations | None, path: Path) -> None:
    found = read_detections(path, annotations)
    pack(found, [{**image, "iscrowd": image["labels"] * 0} for image in found], "xywh")
    assert annotations is None or len(found) == len(annotations.image_ids)


def read_part(path: Path) -> None:
    with PartFile(path, {"model": "small"}) as part:
        kept = list(part.records())
    assert kept == [[0.125, 2], {"files": "ab"}, 3][: len(kept)], "records are those that were written, or refused"


def read_curve(path: Path) -> None:
    read_calibration(path)


def check(read: Callable[[Path], object], path: Path, content: bytes) -> None:
    """It is read, or refused in a message that names the file."""
    path.write_bytes(content)
    try:
        read(path)
    except (ValueError, OSError) as error:
        assert str(path.parent) in str(error), "names the file"  # noqa: PT017
        assert len(str(error)) < 1500 + len(str(path))  # noqa: PT017


def cases(folder: Path) -> dict[str, tuple[Callable[[Path], object], str, Any]]:
    """By name: what reads a file, what it is called, and a sound one, as a document or as bytes."""
    annotations = annotations_of(folder)
    write_calibration(Isotonic([0.1, 0.5], [0.0, 1.0]), folder / "isotonic.json")
    write_calibration(Platt(0.5, -1.0), folder / "platt.json")
    with PartFile(folder / "sound.part", {"model": "small"}) as part:
        for record in ([0.125, 2], {"files": "ab"}, 3):
            part.append(record)
    (folder / "voc").mkdir()
    return {
        "coco": (read_labels, "a.json", COCO),
        "list": (read_image_list, "a.json", COCO),
        "results": (partial(read_found, annotations), "a.json", RESULTS),
        "results alone": (partial(read_found, None), "a.json", RESULTS[:1]),
        "exported": (partial(read_found, annotations), "a.json", EXPORTED),
        "isotonic": (read_curve, "a.json", json.loads((folder / "isotonic.json").read_text())),
        "platt": (read_curve, "a.json", json.loads((folder / "platt.json").read_text())),
        "voc": (lambda path: read_labels(path.parent), "voc/a.xml", VOC.encode()),
        "part": (read_part, "a.part", (folder / "sound.part").read_bytes()),
    }


KINDS = ["coco", "list", "results", "results alone", "exported", "isotonic", "platt", "voc", "part"]


def attack(kind: str, folder: Path, examples: int) -> None:
    """Read so many damaged files of a kind, always the same."""
    read, name, sound = cases(folder)[kind]
    path = folder / name
    path.write_bytes(_bytes(sound))
    read(path)

    def once(content: bytes) -> None:
        check(read, path, content)

    how = settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    for strategy in _strategies(sound):
        how(given(strategy)(once))()


def _bytes(document: Any) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document).encode()


def _strategies(sound: Any) -> Sequence[st.SearchStrategy[bytes]]:
    if isinstance(sound, bytes):
        return [damaged(sound)]
    return [
        changed(sound).map(_bytes),
        damaged(_bytes(sound)),
        damaged(gzip.compress(_bytes(sound), mtime=0)),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_read_rightly_or_refused_by_name(tmp_path: Path, kind: str) -> None:
    attack(kind, tmp_path, 100)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_damaged_files_are_too(tmp_path: Path, kind: str) -> None:
    attack(kind, tmp_path, 1000)
