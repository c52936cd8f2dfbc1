"""Tasks are what the readers of Label Studio and CVAT ask for."""

import json
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from hardest_metrics.data import LabellingTask, TaskBox, write_labelling_tasks

NAMES = ["a.jpg", "深い/ä ö#%20&<>\"'.jpg"]
BOXES = [TaskBox("car", (10.0, 20.0, 30.0, 40.0), 0.25), TaskBox("cat", (0.0, 0.0, 200.0, 100.0), 0.75)]
TASKS = [LabellingTask(f"<{name}>", name, (100, 200), 3.5 - rank, BOXES) for rank, name in enumerate(NAMES)]
LABELLED = [LabellingTask(2**60, "b.jpg", (100, 200), 0.0, [TaskBox("car", (1.0, 2.0, 3.0, 4.0))])]


def test_label_studio_finds_boxes_in_percent_with_scores_and_quoted_urls(tmp_path: Path) -> None:
    write_labelling_tasks(TASKS, tmp_path / "t.json", ["car", "cat"], "s3://b/")
    for rank, (task, name) in enumerate(zip(json.loads((tmp_path / "t.json").read_text()), NAMES, strict=True), 1):
        image, prediction = task["data"].pop("image"), task["predictions"][0]
        assert image.isascii()
        assert not set(image) & set(" #&<>\"'")
        assert unquote(image) == f"s3://b/{name}"
        assert task["data"] == {"image_id": f"<{name}>", "hardness": 4.5 - rank, "rank": rank}
        assert prediction["score"] == 0.5
        first, second = prediction["result"]
        assert first["value"] == {
            "x": 5.0, "y": 20.0, "width": 15.0, "height": 40.0, "rotation": 0, "rectanglelabels": ["car"],
        }  # fmt: skip
        # what its converter reads of a region
        assert (first["type"], first["from_name"], first["to_name"]) == ("rectanglelabels", "label", "image")
        assert (first["original_width"], first["original_height"], first["score"]) == (200, 100, 0.25)
        assert first["id"] != second["id"]
    write_labelling_tasks(LABELLED, tmp_path / "t.json", ["car"])
    (task,) = json.loads((tmp_path / "t.json").read_text())
    assert "score" not in task["predictions"][0]
    assert "score" not in task["predictions"][0]["result"][0]


def test_cvat_finds_declared_labels_and_hardness_as_a_tag(tmp_path: Path) -> None:
    write_labelling_tasks(TASKS, tmp_path / "t.xml", ["car", "cat"])
    root = ElementTree.parse(tmp_path / "t.xml").getroot()
    assert (root.tag, root.findtext("version")) == ("annotations", "1.1")
    declared = {
        label.findtext("name"): {attribute.findtext("name") for attribute in label.iter("attribute")}
        for label in root.iterfind("meta/task/labels/label")
    }
    assert declared == {"car": {"score"}, "cat": {"score"}, "hardness": {"hardness", "rank", "image_id"}}
    images = root.findall("image")
    assert [image.get("name") for image in images] == NAMES
    assert [image.get("id") for image in images] == ["0", "1"]
    for rank, image in enumerate(images, 1):
        box, tag = image.find("box"), image.find("tag")
        assert box is not None
        assert tag is not None
        assert [box.get(key) for key in ("label", "xtl", "ytl", "xbr", "ybr", "occluded")] == [
            "car", "10.00", "20.00", "40.00", "60.00", "0",
        ]  # fmt: skip
        assert {one.get("name"): one.text for one in box} == {"score": "0.25"}
        assert {one.get("name"): one.text for one in tag} == {
            "hardness": f"{4.5 - rank}", "rank": str(rank), "image_id": f"<{NAMES[rank - 1]}>",
        }  # fmt: skip


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"t\.csv: tasks are written as \.json, \.xml"):
        write_labelling_tasks(TASKS, tmp_path / "t.csv", ["car"])
    for name in ("a\x01.jpg", "\ud800.jpg"):
        bad = [TASKS[0]._replace(file_name=name)]
        with pytest.raises(ValueError, match="holds a letter that XML cannot hold"):
            write_labelling_tasks(bad, tmp_path / "t.xml", ["car"])
        write_labelling_tasks(bad, tmp_path / "t.json", ["car"])
    assert not (tmp_path / "t.xml").exists()
