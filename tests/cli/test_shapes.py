"""`rank` and `diff` of masks and keypoints."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hardest_metrics.data import read_annotations, read_detections
from hardest_metrics.functional import total_false
from tests.cli.commands import Run, ranking_of
from tests.cli.test_report import data_of
from tests.functional.detection.shape_scenes import keypoint_scenes, mask_scenes, rle_of


@pytest.fixture(params=["segm", "keypoints"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, list[Any]]:
    """Eight images with files, and what of them is compared."""
    iou_type: str = request.param
    preds, target = mask_scenes(8, seed=4) if iou_type == "segm" else keypoint_scenes(8, seed=2)
    images: list[Any] = []
    annotations: list[Any] = []
    results: list[Any] = []
    for pred, image in zip(preds, target, strict=True):
        number = image["image_id"]
        height, width = pred["masks"].shape[1:] if iou_type == "segm" else (300, 320)
        images.append({"id": number, "file_name": f"{number}.png", "width": width, "height": height})
        Image.new("RGB", (width, height)).save(tmp_path / f"{number}.png")
        for one, entries in ((image, annotations), (pred, results)):
            for place, label in enumerate(one["labels"].tolist()):
                entry = {"image_id": number, "category_id": label}
                if iou_type == "segm":
                    entry["segmentation"] = rle_of(one["masks"][place])
                else:
                    points = one["keypoints"][place]
                    points = points if points.shape[1] == 3 else torch.cat((points, torch.ones(17, 1)), dim=1)
                    entry["keypoints"] = points.reshape(-1).tolist()
                if one is pred:
                    entry["score"] = float(one["scores"][place])
                else:
                    entry |= {"bbox": [0, 0, 9, 9], "area": float(one["area"][place])}
                    entry["iscrowd"] = int(one["iscrowd"][place])
                entries.append(entry)
    categories = [{"id": label, "name": f"class {label}"} for label in (1, 2, 3)]
    (tmp_path / "a.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    (tmp_path / "r.json").write_text(json.dumps(results))
    (tmp_path / "old.json").write_text(json.dumps(results[::2]))
    return iou_type, ["--annotations", tmp_path / "a.json", "--iou-type", iou_type]


def test_rank_ranks_draws_and_tells_kinds_apart(files: tuple[str, list[Any]], tmp_path: Path, run: Run) -> None:
    iou_type, given = files
    more = ["--detections", tmp_path / "r.json", "--images", tmp_path, "--kinds", "--weighting", "overlap"]
    outputs = ["--out", tmp_path / "o.json", "--grid", tmp_path / "g.png", "--kinds-plot", tmp_path / "k.png"]
    code, shown, _ = run("rank", *given, *more, *outputs)
    assert code == 0
    assert ("OKS >= 0.5" if iou_type == "keypoints" else "IoU of masks >= 0.5") in shown
    settings: dict[str, Any] = {"iou_type": iou_type}
    annotations = read_annotations(tmp_path / "a.json", **settings)
    preds = read_detections(tmp_path / "r.json", annotations, **settings)
    expected = total_false(preds, annotations.target, "overlap", "xywh", **settings)
    found = dict(ranking_of(tmp_path / "o.json"))
    assert [found[image] for image in annotations.image_ids] == pytest.approx(expected.tolist())
    with Image.open(tmp_path / "g.png") as grid:
        assert grid.size[0] > 300


def test_diff_compares_two_detectors(files: tuple[str, list[Any]], tmp_path: Path, run: Run) -> None:
    _, given = files
    outputs = ["--objects", tmp_path / "o.csv", "--grid", tmp_path / "g.png", "--images", tmp_path]
    given += ["--score-threshold", 0.0]
    code, shown, _ = run("diff", *given, "--detections", tmp_path / "old.json", tmp_path / "r.json", *outputs)
    assert code == 0
    assert "Objects: 0 found before and missed now" in shown
    assert len((tmp_path / "o.csv").read_text().splitlines()) > 1


def test_by_label_ranks_every_class(files: tuple[str, list[Any]], tmp_path: Path, run: Run) -> None:
    _, given = files
    code, shown, _ = run("rank", *given, "--detections", tmp_path / "r.json", "--by-label")
    assert code == 0
    assert "class 1" in shown


@pytest.mark.parametrize("files", ["keypoints"], indirect=True)
def test_sigmas_are_given_by_category_in_a_file(tmp_path: Path, run: Run, files: tuple[str, list[Any]]) -> None:
    _, given = files
    rank = ["rank", *given, "--detections", tmp_path / "r.json", "--out", tmp_path / "o.json", "--sigmas"]
    sigmas = {1: [0.2] * 17, 2: [0.01] * 17, 3: [0.05] * 17}
    names = {"class 1": sigmas[1], "2": sigmas[2], "class 3": sigmas[3]}
    (tmp_path / "s.json").write_text(json.dumps(names))
    settings: dict[str, Any] = {"iou_type": "keypoints"}
    annotations = read_annotations(tmp_path / "a.json", **settings)
    preds = read_detections(tmp_path / "r.json", annotations, **settings)
    expected = total_false(preds, annotations.target, "none", "xywh", sigmas=sigmas, max_detections=20, **settings)
    assert run(*rank, tmp_path / "s.json")[0] == 0
    found = dict(ranking_of(tmp_path / "o.json"))
    assert [found[image] for image in annotations.image_ids] == pytest.approx(expected.tolist())
    both = ["--detections", tmp_path / "old.json", tmp_path / "r.json", "--sigmas", tmp_path / "s.json"]
    assert run("diff", *given, *both, "--report", tmp_path / "d.html")[0] == 0
    assert run("report", *given, *both, "--out", tmp_path / "r.html")[0] == 0
    hardness = np.frombuffer(base64.b64decode(data_of(tmp_path / "r.html")["rankings"][1]["hardness"]), "<f4")
    assert hardness.tolist() == expected.tolist()

    for content, message in (
        ({"zebra": [0.1] * 17}, "has 'zebra', but none of the categories"),
        ({"class 1": [0.1] * 17}, "of which --sigmas has none"),
        ({"class 1": "x"}, "must be a finite number above 0 for each keypoint"),
        ([0.1] * 17, "holds no list of numbers by category"),
    ):
        (tmp_path / "bad.json").write_text(json.dumps(content))
        code, _, error = run(*rank, tmp_path / "bad.json")
        assert (code, error.count("\n")) == (2, 1)
        assert message in error
    assert "among 2" in run(*rank, "0.1", "x.json")[2]
    assert run(*rank, tmp_path / "none.json")[0] == 2


def test_what_does_not_go_together_is_refused_in_a_line(files: tuple[str, list[Any]], tmp_path: Path, run: Run) -> None:
    iou_type, given = files
    rank = ["rank", *given, "--detections", tmp_path / "r.json"]
    diff = ["diff", *given, "--detections", tmp_path / "old.json", tmp_path / "r.json"]
    other = {"segm": "keypoints", "keypoints": "segm"}[iou_type]
    for command, message in (
        ([*rank, "--estimator", "score_sampling"], "--estimator goes by boxes"),
        ([*rank[:-3], other, *rank[-2:]], f"has no '{'keypoints' if iou_type == 'segm' else 'segmentation'}'"),
        ([*rank, "--sigmas", 1, 2], "2 --sigmas" if iou_type == "keypoints" else "--sigmas are of keypoints"),
        (
            ["report", *diff[1:], "--out", tmp_path / "d.html", "--estimators", "score_sampling"],
            "--estimators go by boxes",
        ),
    ):
        code, _, error = run(*command)
        assert code == 2
        assert message in error
        assert error.count("\n") == 1


def test_pages_rank_and_draw_what_is_compared(files: tuple[str, list[Any]], tmp_path: Path, run: Run) -> None:
    iou_type, given = files
    both = ["--detections", tmp_path / "old.json", tmp_path / "r.json"]
    code, _, _ = run("rank", *given, "--detections", tmp_path / "r.json", "--out", tmp_path / "o.json")
    assert code == 0
    code, _, _ = run("report", *given, *both, "--out", tmp_path / "r.html", "--weighting", "none", "overlap")
    assert code == 0
    data = data_of(tmp_path / "r.html")
    hardness = np.frombuffer(base64.b64decode(data["rankings"][2]["hardness"]), "<f4")
    assert dict(zip(map(int, data["ids"]), hardness.tolist(), strict=True)) == dict(ranking_of(tmp_path / "o.json"))
    assert (data["shapes"], len(data["limbs"])) == (iou_type, 19 if iou_type == "keypoints" else 0)
    assert dict(data["query"])["Most detections"].startswith("20 " if iou_type == "keypoints" else "100 ")
    for detector in data["detectors"]:
        counts = np.frombuffer(base64.b64decode(detector["lines"]["counts"]), "<u2")
        assert len(counts) == np.frombuffer(base64.b64decode(detector["counts"]), "<u4").sum()

    code, _, _ = run("diff", *given, *both, "--report", tmp_path / "d.html")
    assert code == 0
    assert [one["estimator"] for one in data_of(tmp_path / "d.html")["rankings"]] == ["rise from old", *["labels"] * 2]
