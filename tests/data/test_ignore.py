"""Boxes that are left out on request, where a file would be refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hardest_metrics.data import read_annotations, read_detections
from hardest_metrics.data.json_file import Ignorable
from hardest_metrics.input_warning import InputWarning

GOOD = {"image_id": 7, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.5}
BAD: dict[Ignorable, dict[str, Any]] = {
    "unknown_categories": {"category_id": 90},
    "unknown_images": {"image_id": 8},
    "bad_boxes": {"bbox": [0, 0, -9, 9]},
}
Read = Callable[..., list[int]]


@pytest.fixture(params=["annotations", "results"])
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Read:
    """Reads a file of such boxes; gives the count of boxes of every image."""

    def read_(boxes: list[dict[str, Any]], **options: Any) -> list[int]:
        document = {"images": [{"id": 7}, {"id": 9}], "annotations": [], "categories": [{"id": 1, "name": "car"}]}
        path = tmp_path / "instances.json"
        if request.param == "annotations":
            path.write_text(json.dumps(document | {"annotations": boxes}))
            return [len(image["labels"]) for image in read_annotations(path, **options).target]
        path.write_text(json.dumps(document))
        (tmp_path / "results.json").write_text(json.dumps(boxes))
        found = read_detections(tmp_path / "results.json", read_annotations(path), **options)
        return [len(image["labels"]) for image in found]

    return read_


@pytest.mark.parametrize("ignorable", BAD)
def test_thousands_of_bad_entries_have_one_remedy(read: Read, ignorable: Ignorable) -> None:
    boxes = [GOOD, *[GOOD | BAD[ignorable]] * 2000, GOOD | {"image_id": 9}]
    with pytest.raises(ValueError, match=r"\[1\] .*\(and 1999 more of 2002 like it\)") as refused:
        read(boxes)
    assert str(refused.value).endswith(f"To leave out all like it: `ignore=[{ignorable!r}]`.")
    with pytest.warns(InputWarning, match="left out 2000 of 2002"):
        assert read(boxes, ignore=[ignorable]) == [1, 1]


def test_everything_can_be_left_out_at_once_and_the_rest_keeps_its_place(read: Read) -> None:
    spoilt = [GOOD | {"image_id": 9, "score": 2, "iscrowd": 2}]
    with (
        pytest.warns(InputWarning),
        pytest.raises(ValueError, match=r"\[3\] \(image_id 9\)"),
    ):
        read([GOOD | bad for bad in BAD.values()] + spoilt, ignore=list(BAD))
    with pytest.warns(InputWarning):
        assert read([GOOD | bad for bad in BAD.values()] + [GOOD | {"bbox": []}], ignore=list(BAD)) == [0, 0]


def test_nothing_is_said_where_nothing_is_left_out(read: Read) -> None:
    assert read([GOOD], ignore=list(BAD)) == [1, 0]


def test_what_hardest_exports_has_categories_too(tmp_path: Path) -> None:
    document = {"images": [{"id": 7}, {"id": 9}], "annotations": [], "categories": [{"id": 1, "name": "car"}]}
    (tmp_path / "instances.json").write_text(json.dumps(document))
    annotations = read_annotations(tmp_path / "instances.json")
    images = [{"boxes": [[0, 0, 9, 9]] * 3, "labels": [1, 90, 1], "scores": [0.1, 0.2, 0.3], "logits": [[0], [1], [2]]}]
    (tmp_path / "d.json").write_text(json.dumps([*images, {"boxes": [], "labels": [], "scores": []}]))
    with pytest.raises(ValueError, match=r"labels\[1\] is 90, which is no category .*\[1\]\. .*ignore=\['unknown_cat"):
        read_detections(tmp_path / "d.json", annotations)
    with pytest.warns(InputWarning, match="left out 1 of 3 detections"):
        found, empty = read_detections(tmp_path / "d.json", annotations, ["unknown_categories"])
    assert found["logits"].tolist() == [[0], [2]]
    assert found["scores"].tolist() == pytest.approx([0.1, 0.3])
    assert len(empty["labels"]) == 0
