"""Masks and keypoints of COCO files are read in all forms, and what is none is refused with its place."""

import json
import warnings
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch

from hardest_metrics.data import read_annotations, read_coco_annotations, read_coco_results, read_detections
from hardest_metrics.functional import Query, match, pack
from tests.functional.detection.shape_scenes import golden_outcomes, query_of


@pytest.mark.parametrize("iou_type", ["segm", "keypoints"])
def test_files_give_the_outcomes_of_the_goldens(iou_type: Any, shared_data: Path, tmp_path: Path) -> None:
    for part in json.loads((shared_data / "goldens" / f"{iou_type}.json").read_text())["parts"]:
        sections = {name: part[name] for name in ("images", "annotations", "categories")}
        (tmp_path / "instances.json").write_text(json.dumps(sections))
        (tmp_path / "results.json").write_text(json.dumps(part["results"]))
        annotations = read_annotations(tmp_path / "instances.json", iou_type=iou_type)
        preds = read_detections(tmp_path / "results.json", annotations, iou_type=iou_type)
        batch = pack(preds, annotations.target, "xywh", iou_type=iou_type, sigmas=part.get("sigmas"))
        places, objects = (
            list(chain(*([k for k, entry in enumerate(part[name]) if entry["image_id"] == number]
                         for number in annotations.image_ids)))
            for name in ("results", "annotations")
        )  # fmt: skip
        for golden in part["queries"]:
            query = query_of(golden)
            matches = match(batch.detections, batch.ground_truth, query)
            found = golden_outcomes(matches, places, objects)
            assert found == {name: golden[name] for name in found}


BOX = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 3, 3], "score": 0.5}
TRIANGLE = [[0, 0, 3, 0, 3, 3]]


def write(folder: Path, *annotations: dict[str, Any]) -> tuple[Path, Path]:
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 4, "height": 5}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [{**BOX, **annotation} for annotation in annotations],
    }
    (folder / "a.json").write_text(json.dumps(document))
    (folder / "r.json").write_text(json.dumps(document["annotations"]))
    return folder / "a.json", folder / "r.json"


def test_boxes_alone_are_read_where_nothing_else_is_asked_for(tmp_path: Path) -> None:
    annotations, results = write(tmp_path, {"segmentation": TRIANGLE, "keypoints": [1, 2, 2]})
    for image in (*read_coco_annotations(annotations).target, *read_coco_results(results)):
        assert {"masks", "keypoints"}.isdisjoint(image)


def test_results_need_no_boxes(tmp_path: Path) -> None:
    annotations, results = write(tmp_path, {"segmentation": TRIANGLE})
    entries = json.loads(results.read_text())
    results.write_text(json.dumps([{key: value for key, value in entries[0].items() if key != "bbox"}]))
    known = read_coco_annotations(annotations, iou_type="segm")
    preds = read_coco_results(results, known, iou_type="segm")
    assert "boxes" not in preds[0]
    batch = pack(preds, known.target, iou_type="segm")
    assert match(batch.detections, batch.ground_truth, Query()).detections.tolist() == [0]


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "none": ("segm", {}, "has no 'segmentation'"),
    "empty": ("segm", {"segmentation": []}, "'segmentation' is .*, but must be polygons"),
    "a box": ("segm", {"segmentation": [[0, 0, 3, 3]]}, "must be polygons"),
    "a flat list": ("segm", {"segmentation": [0, 0, 3, 0, 3, 3]}, "must be polygons"),
    "nan": ("segm", {"segmentation": [[0, 0, 3, 0, 3, float("nan")]]}, "must be polygons"),
    "no counts": ("segm", {"segmentation": {"size": [5, 4]}}, "must be polygons"),
    "a size of text": ("segm", {"segmentation": {"size": "54", "counts": "0"}}, "must be polygons"),
    "no keypoints": ("keypoints", {"area": 1}, "has no 'keypoints'"),
    "no area": ("keypoints", {"keypoints": [1, 2, 2]}, "has no 'area', by which keypoints are compared"),
    "two numbers": ("keypoints", {"area": 1, "keypoints": [1, 2]}, "'keypoints' is"),
    "infinity": ("keypoints", {"area": 1, "keypoints": [1, 2, float("inf")]}, "'keypoints' is"),
    "too few labelled": (
        "keypoints",
        {"area": 1, "keypoints": [1, 2, 2], "num_keypoints": -1},
        "'num_keypoints' is -1",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    iou_type, annotation, message = REFUSED[name]
    annotations, _ = write(tmp_path, annotation)
    with pytest.raises(ValueError, match=rf"a\.json: annotations\[0\] \(image_id 1\): .*{message}|{message}"):
        read_coco_annotations(annotations, iou_type=iou_type)  # type: ignore[arg-type]


def test_annotations_that_differ_are_refused(tmp_path: Path) -> None:
    path, _ = write(tmp_path, {"keypoints": [1, 2, 2], "area": 1}, {"keypoints": [1, 2, 2] * 2, "area": 1})
    with pytest.raises(ValueError, match=r"annotations\[1\].*as many numbers as in the first entry, 3"):
        read_coco_annotations(path, iou_type="keypoints")
    path, _ = write(tmp_path, {"segmentation": TRIANGLE, "area": 4}, {"segmentation": TRIANGLE})
    with pytest.raises(ValueError, match=r"annotations\[1\].*has no 'area', which others"):
        read_coco_annotations(path, iou_type="segm")


def test_other_formats_have_boxes_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`iou_type` is 'segm', but .* is no COCO JSON"):
        read_annotations(tmp_path, iou_type="segm")
    (tmp_path / "d.json").write_text('[{"boxes": [], "labels": [], "scores": []}]')
    with pytest.raises(ValueError, match="holds boxes alone"):
        read_detections(tmp_path / "d.json", iou_type="keypoints")


def test_num_keypoints_are_counted_where_some_lack_them(tmp_path: Path) -> None:
    points = [1, 2, 2, 3, 4, 0]
    path, _ = write(tmp_path, {"keypoints": points, "area": 1, "num_keypoints": 0}, {"keypoints": points, "area": 1})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (image,) = read_coco_annotations(path, iou_type="keypoints").target
    assert image["num_keypoints"].tolist() == [0, 1]
    assert torch.equal(image["keypoints"][0], torch.tensor([[1.0, 2, 2], [3, 4, 0]], dtype=torch.float64))
