"""`rank --tasks`: the hardest images for a labelling tool."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.commands import Run, rank


def test_the_hardest_images_with_the_boxes_that_were_asked_for(coco: Path, run: Run) -> None:
    files = [coco / "t.json", coco / "t.xml"]
    code, out, _ = run(*rank(coco), "--top-k", 2, "--tasks", *files)
    assert code == 0
    assert f"Wrote {coco / 't.json'}" in out
    tasks = json.loads((coco / "t.json").read_text())
    assert [(task["data"]["image_id"], task["data"]["rank"]) for task in tasks] == [(2**60, 1), (2, 2)]
    scores = [[box["score"] for box in task["predictions"][0]["result"]] for task in tasks]
    assert scores == [[0.9, 0.8, 0.7, 0.6], [0.9]], "detections that count"
    images = ElementTree.parse(coco / "t.xml").getroot().findall("image")
    assert [len(image.findall("box")) for image in images] == [4, 1]
    run(*rank(coco), "--top-k", 3, "--tasks", *files, "--tasks-boxes", "labels", "--labels", "car", "--tasks-url", "x/")
    (deep,) = (t for t in json.loads((coco / "t.json").read_text()) if t["data"]["image_id"] == 3)
    assert deep["data"]["image"] == "x/deep/folder/%5Bthree%5D.png"
    assert len(deep["predictions"][0]["result"]) == 2


def test_sizes_are_those_of_the_files_where_nothing_else_tells(coco: Path, run: Run) -> None:
    document = json.loads((coco / "instances.json").read_text())
    for image in document["images"]:
        image.pop("width"), image.pop("height")
    (coco / "instances.json").write_text(json.dumps(document))
    code, _, err = run(*rank(coco), "--tasks", coco / "t.json")
    assert (code, "is not known: give the folder of --images" in err) == (2, True)
    assert run(*rank(coco), "--tasks", coco / "t.json", "--images", coco / "images")[0] == 0
    assert json.loads((coco / "t.json").read_text())[0]["predictions"][0]["result"][0]["original_width"] == 100


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        (["--tasks-boxes", "labels"], "--tasks-boxes is of --tasks"),
        (["--tasks", "t.csv"], "--tasks writes .json, .xml"),
        (["--tasks", "{}/t.json", "--tasks-boxes", "labels", "--estimator", "score_sampling"], "there are none"),
        (["--tasks", "{}/t.json", "--by-label"], "--tasks is of one ranking"),
    ],
)
def test_what_makes_no_sense_is_one_line(coco: Path, run: Run, addition: list[str], message: str) -> None:
    code, out, err = run(*rank(coco), *(text.format(coco) for text in addition))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
