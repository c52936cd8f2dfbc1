import csv
import inspect
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from hardest_metrics import detection, functional
from hardest_metrics.cli import main, program, ranked
from hardest_metrics.data import read_annotations, read_detections
from hardest_metrics.functional.detection.weighting import WEIGHTINGS
from tests.cli.commands import Run, rank, ranking_of

# What is ranked


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize(
    ("query", "reference"), [("false_positives", "fp"), ("false_negatives", "fn"), ("total_false", "total_false")]
)
def test_class_function_and_command_agree_with_the_references(
    shared_data: Path, tmp_path: Path, run: Run, query: str, reference: str, weighting: str
) -> None:
    folder = shared_data / "voc100"
    files = folder / "instances.json", folder / "fastestdet_torchvision.json.gz"
    out = tmp_path / "ranking.json"
    code, _, _ = run("rank", "--annotations", files[0], "--detections", files[1], "--query", query,
                     "--weighting", weighting, "--out", out)  # fmt: skip
    assert code == 0
    by_command = dict(ranking_of(out))

    annotations = read_annotations(files[0])
    preds: Any = read_detections(files[1], annotations)
    by_function = getattr(functional, query)(preds, annotations.target, weighting, "xywh")
    metric = getattr(detection, query.title().replace("_", ""))(weighting, box_format="xywh")
    metric.update(preds, annotations.target)
    ranking = metric.compute()
    by_class = dict(zip(ranking.image_ids.tolist(), ranking.hardness.tolist(), strict=True))

    references = json.loads((folder / "reference_fastestdet.json").read_text())
    expected = dict(zip(references["image_ids"], references["supervised"][f"{reference}/{weighting}"], strict=True))
    assert by_class == dict(zip(annotations.image_ids, by_function.tolist(), strict=True))
    assert list(by_command) == ranking.image_ids.tolist(), "hardest first"
    assert by_class == pytest.approx(expected, rel=1e-5)
    assert by_command == pytest.approx(by_class, rel=1e-7)


def test_the_table_counts_both_kinds_of_errors(coco: Path, run: Run) -> None:
    code, out, err = run(*rank(coco), "--query", "false_positives", "--top-k", 2)
    assert (code, err) == (0, "")
    rows = [line.strip("│").replace("│", " ").split() for line in out.splitlines() if line.startswith("│")]
    assert rows == [["1", str(2**60), "four.png", "3", "3", "0"], ["2", "2", "two.png", "1", "1", "1"]]


def test_the_summary_says_what_was_understood_and_found(coco: Path, run: Run) -> None:
    _, out, _ = run(*rank(coco), "--labels", "car", "--area-range", "0,5000", "--out", coco / "ranking.csv")
    lines = out.splitlines()[-3:]
    assert lines == [
        "Query: total_false, weighting none; score >= 0.5, IoU >= 0.5, labels car, areas 0,5000,"
        " at most 100 detections per image and label",
        "4 images, mean hardness 1, 2 (50.0%) with an error",
        f"Wrote {coco / 'ranking.csv'}",
    ]


def test_file_names_are_shown_in_full_and_as_they_are(coco: Path, run: Run) -> None:
    document = (coco / "instances.json").read_text().replace("two.png", f"[bold]{'x' * 300}:smile:")
    (coco / "instances.json").write_text(document)
    _, out, _ = run(*rank(coco))
    assert f"[bold]{'x' * 300}:smile:" in out
    assert "deep/folder/[three].png" in out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {1: 0, 2: 2, 3: 2, 2**60: 3}),
        (("--query", "false_negatives"), {1: 0, 2: 1, 3: 2, 2**60: 0}),
        (("--score-threshold", 0.3), {1: 1, 2: 2, 3: 2, 2**60: 3}),
        (("--score_threshold", 0.3), {1: 1, 2: 2, 3: 2, 2**60: 3}),
        (("--score_threshold=0.95",), {1: 1, 2: 1, 3: 2, 2**60: 1}),
        (("--iou-threshold", 1), {1: 0, 2: 2, 3: 2, 2**60: 3}),
        (("--labels", "person"), {1: 0, 2: 2, 3: 0, 2**60: 1}),
        (("--labels", "car", "person"), {1: 0, 2: 2, 3: 2, 2**60: 3}),
        (("--labels", "car, traffic light"), {1: 0, 2: 0, 3: 2, 2**60: 2}),
        (("--area-range", "small"), {1: 0, 2: 0, 3: 2, 2**60: 0}),
        (("--area-range", "400,400"), {1: 0, 2: 0, 3: 2, 2**60: 0}),
        (("--area-range", "401,1e10"), {1: 0, 2: 2, 3: 0, 2**60: 3}),
        (("--max-detections", 1), {1: 0, 2: 2, 3: 2, 2**60: 1}),
        (("--weighting", "pixel"), {1: 0, 2: 0.64, 3: 0.04, 2**60: (1560 + 1560 + 1600) / 5000}),
        (("--weighting", "overlap"), {1: 0, 2: 0, 3: 0, 2**60: 2}),
    ],
)
def test_every_option_of_the_query_counts(
    coco: Path, run: Run, options: Sequence[object], expected: dict[int, float]
) -> None:
    code, _, err = run(*rank(coco), *options, "--out", coco / "ranking.json")
    assert (code, err) == (0, "")
    assert dict(ranking_of(coco / "ranking.json")) == pytest.approx(expected)


def test_many_batches_are_one_ranking(coco: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(*rank(coco), "--out", coco / "whole.json")
    monkeypatch.setattr(ranked, "_BATCH_SIZE", 1)
    run(*rank(coco), "--out", coco / "parts.json")
    assert (coco / "whole.json").read_text() == (coco / "parts.json").read_text()


def test_a_pascal_voc_folder_is_ranked_by_split(shared_data: Path, tmp_path: Path, run: Run) -> None:
    bccd = shared_data / "bccd"
    listed = (bccd / "ImageSets" / "Main" / "val.txt").read_text().split()
    detections = [{"image_id": listed[0], "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.9}]
    (tmp_path / "results.json").write_text(json.dumps(detections))
    code, _, err = run(
        "rank", "--annotations", bccd, "--split", "val", "--detections", tmp_path / "results.json", "--labels", "WBC",
        "--images", bccd / "JPEGImages", "--grid", tmp_path / "grid.png", "--out", tmp_path / "ranking.csv",
    )  # fmt: skip
    assert (code, err) == (0, "")
    with (tmp_path / "ranking.csv").open() as file:
        ranked = [row["file_name"] for row in csv.DictReader(file)]
    assert sorted(ranked) == sorted(f"{name}.jpg" for name in listed)
    assert (tmp_path / "grid.png").stat().st_size > 100_000


# What is written


def test_all_files_are_written_on_request(coco: Path, run: Run) -> None:
    pytest.importorskip("pyarrow")
    outputs = [coco / name for name in ("a.csv", "b.json", "c.parquet", "hardest.json", "grid.png")]
    code, out, err = run(
        *rank(coco), "--out", outputs[0], outputs[1], "--out", outputs[2], "--subset", outputs[3],
        "--images", coco / "images", "--grid", outputs[4], "--top-k", 2,
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert out.splitlines()[-5:] == [f"Wrote {path}" for path in outputs]
    assert ranking_of(outputs[1]) == [(2**60, 3), (2, 2), (3, 2), (1, 0)]
    assert outputs[0].read_text().splitlines()[1] == f"1,{2**60},3.0,four.png"
    subset = json.loads(outputs[3].read_text())
    assert [image["id"] for image in subset["images"]] == [2**60, 2]
    assert {annotation["image_id"] for annotation in subset["annotations"]} == {2**60, 2}
    with Image.open(outputs[4]) as grid:
        pixels = torch.frombuffer(bytearray(grid.tobytes()), dtype=torch.uint8).reshape(-1, 3)
    for color in ((225, 30, 45), (40, 200, 90), (40, 110, 255)):
        assert (pixels == torch.tensor(color)).all(1).sum() > 500


def test_names_in_csv_can_be_made_harmless(coco: Path, run: Run) -> None:
    document = json.loads((coco / "instances.json").read_text())
    document["images"][0]["file_name"] = "=1+1"
    (coco / "instances.json").write_text(json.dumps(document))
    for more, name in ([], ",=1+1\n"), (["--for-spreadsheets"], ",'=1+1\n"):
        assert run(*rank(coco), "--out", coco / "ranking.csv", *more)[0] == 0
        assert name in (coco / "ranking.csv").read_text()


def test_nothing_is_written_unless_asked(coco: Path, run: Run) -> None:
    before = sorted(coco.rglob("*"))
    assert run(*rank(coco))[0] == 0
    assert sorted(coco.rglob("*")) == before


# Help


def test_help_names_units_and_defaults_of_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["rank", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    # An option is followed by its choices or by a placeholder in capitals
    _, *found = re.split(r" --([a-z-]+) (?=\{|[A-Z])", text.split("data:")[1])
    entries = dict(zip(found[::2], found[1::2], strict=True))
    expected = {
        "annotations": ["COCO JSON", "Pascal VOC", "required"],
        "detections": ["COCO results", "required"],
        "split": ["default: all"],
        "query": ["false_positives", "default: total_false"],
        "weighting": ["overlap", "share of the image", "default: none"],
        "iou-type": ["{bbox,segm,keypoints}", "default: bbox"],
        "sigmas": ["a number for each", "default: COCO's 17"],
        "score-threshold": ["in [0, 1]", "default: 0.5"],
        "iou-threshold": ["in (0, 1]", "default: 0.5"],
        "labels": ["by name", "default: all"],
        "kinds-plot": ["kinds of errors by class"],
        "slices": ["crowding", "brightness", "image_id or file_name"],
        "slices-plot": ["needs --slices"],
        "logits": [".npy", "Parquet"],
        "definition": ["cross_entropy", "entropy"],
        "area-range": ["square pixels", "LOW,HIGH", "default: all"],
        "max-detections": ["per image and category", "default: 100"],
        "top-k": ["number of hardest images", "default: 10"],
        "out": [".csv", ".json", ".parquet"],
        "subset": ["COCO"],
        "tasks": ["Label Studio", "CVAT"],
        "tasks-boxes": ["default: detections"],
        "tasks-url": ["default: /data/local-files/?d="],
        "rows": ["shards/*.parquet", "image_id, boxes (x, y, width, height)", "goes on"],
        "workers": ["default: 1"],
        "engine": ["ray"],
        "address": ["default: that of the environment"],
        "grid": ["green", "red", "blue"],
        "images": ["where the image files are"],
        "estimator": ["score_sampling", "from detections alone", "logits"],
        "coverage": ["least share of images", "default: 0.8"],
        "witness-model": ["calibrate --witnesses", "default: the mean"],
        "n-samples": ["default: 10"],
        "seed": ["default: 0"],
        "statistic": ["standard deviation", "default: mean"],
        "c": ["of the bound", "default: 1"],
        "calibration": ["probabilities", "default: scores"],
        "members": ["FILE"],
        "committee": ["other detectors"],  # another name of the same
        "member-weights": ["default: all alike"],
        "member-calibrations": ["default: none"],
    }
    assert entries.keys() == expected.keys()
    for option, words in expected.items():
        for word in words:
            assert word in entries[option]


def test_choices_and_defaults_are_those_of_the_classes() -> None:
    _, options = program.parse(["rank"])
    signature = inspect.signature(detection.TotalFalse).parameters
    for name in (
        "weighting",
        "score_threshold",
        "iou_threshold",
        "labels",
        "area_range",
        "max_detections",
        "iou_type",
        "sigmas",
    ):
        assert options[name] == signature[name].default
    for query in detection.naming.DEFINITIONS:
        for weighting in WEIGHTINGS:
            _, chosen = program.parse(["rank", "--query", query, "--weighting", weighting])
            assert (chosen.query, chosen.weighting) == (query, weighting)


# Bad input

BAD_OPTIONS = {
    "no command": ((), "rank"),
    "unknown command": (("frobnicate",), "frobnicate"),
    "no annotations": (("rank", "--detections", "{}/results.json"), "--annotations is missing"),
    "no detections": (("rank", "--annotations", "{}/instances.json"), "--detections is missing"),
}
BAD_ADDITIONS = {
    "unknown option": (("--bogus", 1), "--bogus"),
    "stray argument": (("stray",), "stray"),
    "option without value": (("--top-k",), "--top-k"),
    "unknown query": (("--query", "fp"), "'false_positives'"),
    "unknown weighting": (("--weighting", "area"), "'pixel'"),
    "score above 1": (("--score-threshold", 2), "--score-threshold must"),
    "score below 0": (("--score-threshold", -1), "--score-threshold must"),
    "score not a number": (("--score-threshold", "high"), "--score-threshold must be a number, but is 'high'"),
    "score NaN": (("--score-threshold", "nan"), "--score-threshold"),
    "IoU of 0": (("--iou-threshold", 0), "--iou-threshold must"),
    "unknown label": (("--labels", "person,unicorn"), "'unicorn'. Choose from: 'person', 'car', 'traffic light'"),
    "unknown area": (("--area-range", "tiny"), "'tiny'"),
    "areas reversed": (("--area-range", "9,1"), "--area-range"),
    "one area": (("--area-range", "9,"), "'9,'"),
    "no detections": (("--max-detections", 0), "--max-detections must"),
    "no images": (("--top-k", 0), "--top-k must be at least 1, but is 0"),
    "half an image": (("--top-k", 1.5), "--top-k must be a whole number, but is '1.5'"),
    "unknown suffix": (("--out", "{}/ranking.txt"), "ranking.txt: --out writes .csv, .json, .parquet"),
    "no picture's suffix": (("--images", "{}/images", "--grid", "{}/grid.jpg"), "grid.jpg: --grid writes .png"),
    "output folder missing": (("--out", "{}/nowhere/ranking.csv"), "nowhere/ranking.csv: its folder does not exist"),
    "output is a folder": (("--out", "{}/folder.csv"), "folder.csv: is a folder"),
    "two outputs in one file": (("--out", "{}/a.json", "--subset", "{}/a.json"), "a.json: would overwrite"),
    "output is an input": (("--subset", "{}/instances.json"), "instances.json: would overwrite"),
    "grid without images": (("--grid", "{}/grid.png"), "--grid needs --images"),
    "images without grid": (("--images", "{}/images"), "--images is of use to --grid, --tasks and pixel weighting"),
    "no such image folder": (("--images", "{}/img", "--grid", "{}/grid.png"), "img: no such folder"),
    "split of a file": (("--split", "val"), "--split is 'val'"),
    "no such detections": (("--detections", "{}/none.json"), "none.json: no such file"),
    "annotations for detections": (("--detections", "{}/instances.json"), "instances.json: holds COCO annotations"),
    "detections for annotations": (("--annotations", "{}/results.json"), "results.json: is a list"),
    "malformed detections": (("--detections", "{}/malformed.json"), "malformed.json: JSON"),
    "unknown image": (("--detections", "{}/other.json"), "'image_id' is 99"),
    "no labelled images": (("--annotations", "{}/empty.json"), "empty.json: holds no images"),
    "no sizes": (("--annotations", "{}/sizeless.json", "--weighting", "pixel"), "image 1 (one.png) has no width"),
}


@pytest.mark.parametrize(
    ("options", "message", "base"),
    [(*case, False) for case in BAD_OPTIONS.values()] + [(*case, True) for case in BAD_ADDITIONS.values()],
    ids=[*BAD_OPTIONS, *BAD_ADDITIONS],
)
def test_bad_input_is_refused_in_one_line(
    coco: Path, run: Run, options: Sequence[object], message: str, base: bool
) -> None:
    document = json.loads((coco / "instances.json").read_text())
    (coco / "folder.csv").mkdir()
    (coco / "malformed.json").write_text('[{"image_id": 1,')
    (coco / "other.json").write_text('[{"image_id": 99, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}]')
    (coco / "empty.json").write_text(json.dumps({**document, "images": [], "annotations": []}))
    sizeless = [{"id": image["id"], "file_name": image["file_name"]} for image in document["images"]]
    (coco / "sizeless.json").write_text(json.dumps({**document, "images": sizeless}))
    before = {path: path.read_bytes() for path in coco.rglob("*") if path.is_file()}

    arguments = [str(option).replace("{}", str(coco)) for option in options]
    code, out, err = run(*(rank(coco) if base else []), *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("hardest-metrics: error: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert message in err
    assert {path: path.read_bytes() for path in coco.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "two.png: no such file, but image 2 has this name"),
        (lambda path: path.write_bytes(b"no picture"), "two.png: not a picture that can be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:60]), "two.png: not a picture that can be read"),
        (lambda path: Image.new("RGB", (50, 100)).save(path), "two.png: is 50 x 100 pixels"),
    ],
    ids=["missing", "no picture", "truncated", "of another size"],
)
def test_a_bad_image_is_refused_by_name_before_anything_is_written(
    coco: Path, run: Run, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(coco / "images" / "two.png")
    outputs = coco / "ranking.csv", coco / "grid.png"
    code, out, err = run(*rank(coco), "--images", coco / "images", "--out", outputs[0], "--grid", outputs[1])
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not any(path.exists() for path in outputs)


def test_a_subset_of_pascal_voc_is_refused(coco: Path, run: Run) -> None:
    code, _, err = run("rank", "--annotations", coco / "images", "--detections", coco / "results.json",
                       "--subset", coco / "subset.json")  # fmt: skip
    assert code == 2
    assert "--subset writes COCO annotations" in err


def test_a_grid_of_too_many_images_is_refused(coco: Path, run: Run) -> None:
    document = json.loads((coco / "instances.json").read_text())
    document["images"] += [{"id": 1000 + number, "file_name": "one.png"} for number in range(400)]
    (coco / "instances.json").write_text(json.dumps(document))
    options = ("--images", coco / "images", "--grid", coco / "grid.png", "--top-k", 401)
    code, _, err = run(*rank(coco), *options)
    assert code == 2
    assert "--grid draws at most 400 images, but --top-k is 401" in err


def test_a_folder_that_cannot_be_written_to_is_refused(coco: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # permissions do not stop root
    code, _, err = run(*rank(coco), "--out", coco / "ranking.csv")
    assert code == 2
    assert "ranking.csv: its folder cannot be written to" in err


def test_parquet_without_pyarrow_is_refused_before_long_work(
    coco: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    code, _, err = run(*rank(coco), "--out", coco / "ranking.parquet")
    assert code == 2
    assert 'pip install "hardest_metrics[parquet]"' in err


def test_images_that_nobody_labelled_are_noted(coco: Path, run: Run) -> None:
    note = "Note: {}: no image has an object that counts, so that every detection is an error. Is it labelled?"
    assert "Note" not in run(*rank(coco))[1]
    document = json.loads((coco / "instances.json").read_text())
    one = document | {"images": document["images"][:1], "annotations": []}
    (coco / "bare.json").write_text(json.dumps(one))
    (coco / "none.json").write_text("[]")
    code, out, _ = run("rank", "--annotations", coco / "bare.json", "--detections", coco / "none.json")
    assert code == 0
    assert note.format(coco / "bare.json") in out
    assert "\n1 image, mean hardness 0, 0 (0.0%)" in out
