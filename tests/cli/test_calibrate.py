"""Calibrating scores on the command line."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from hardest_metrics.calibration import (
    fit_calibration,
    fit_witness_model,
    read_residuals,
    read_witness_model,
    write_calibration,
)
from hardest_metrics.cli import program
from hardest_metrics.data import read_annotations, read_detections
from hardest_metrics.functional import Query
from hardest_metrics.names import CALIBRATIONS
from tests.cli.commands import Run


def calibrate(folder: Path, *options: object) -> list[object]:
    files = ("--annotations", folder / "instances.json", "--detections", folder / "results.json")
    return ["calibrate", *files, "--out", folder / "calibration.json", *options]


@pytest.mark.parametrize("method", CALIBRATIONS)
def test_it_writes_the_fit_to_all_images_and_judges_it_on_others(
    shared_data: Path, tmp_path: Path, run: Run, method: str
) -> None:
    files = [shared_data / "voc100" / name for name in ("instances.json", "fastestdet_results.json")]
    out, plot = tmp_path / "calibration.json", tmp_path / "reliability.png"
    code, printed, err = run("calibrate", "--annotations", files[0], "--detections", files[1], "--method", method,
                             "--out", out, "--plot", plot, "--iou-threshold", 0.6, "--labels", "person")  # fmt: skip
    assert (code, err) == (0, "")
    annotations = read_annotations(files[0])
    query = Query(iou_threshold=0.6, labels=annotations.labels_named(["person"]))
    preds = read_detections(files[1], annotations)
    expected = fit_calibration(preds, annotations.target, method, query, "xywh")  # type: ignore[arg-type]
    write_calibration(expected, tmp_path / "expected.json", read_residuals(out))
    assert out.read_bytes() == (tmp_path / "expected.json").read_bytes()
    errors = re.search(r"error: (\S+) before; (\S+) after, .* \(5-fold cross-validation\)", printed)
    assert errors is not None
    before, after = map(float, errors.groups())
    assert 0 < after < before / 2
    assert printed.endswith(f"Wrote {out}\nWrote {plot}\n")
    with Image.open(plot) as picture:
        assert picture.size > (400, 300)


def test_rank_takes_what_it_writes(coco: Path, run: Run) -> None:
    assert run(*calibrate(coco, "--method", "temperature"))[0] == 0
    rank = ("rank", "--estimator", "expected_hardness", "--detections", coco / "results.json")
    _, with_it, _ = run(*rank, "--calibration", coco / "calibration.json")
    _, without, _ = run(*rank)
    assert "scores calibrated by calibration.json" in with_it
    assert with_it.splitlines()[-1] != without.splitlines()[-1]


@pytest.fixture(scope="module")
def voc100(shared_data: Path) -> list[Path]:
    names = ("instances.json", "fastestdet_results.json", "yolo_fastestv2_results.json")
    return [shared_data / "voc100" / name for name in names]


def test_witnesses_are_fitted_and_judged_on_others(voc100: list[Path], tmp_path: Path, run: Run) -> None:
    labels, own, other = voc100
    out = tmp_path / "witnesses.json"
    code, printed, err = run(
        "calibrate", "--annotations", labels, "--detections", own, "--witnesses", other, "--out", out
    )
    assert (code, err) == (0, "")
    annotations = read_annotations(labels)
    preds, witness = (read_detections(path, annotations) for path in (own, other))
    assert read_witness_model(out) == fit_witness_model(preds, [witness], annotations.target, box_format="xywh")
    residuals = read_residuals(out)
    assert residuals is not None
    assert repr(residuals) == "Residuals(witness, 9 definitions, 100 images)"
    found = re.search(r"Spearman with the labels (\S+), by scores alone 0.588", printed)
    assert found is not None
    assert float(found[1]) > 0.645
    held = re.search(r"of others they hold (\d+)%", printed)
    assert held is not None
    assert 76 <= int(held[1]) <= 84
    true, corrected = re.search(r"(\S+) by the labels, (\S+) estimated, by scores alone 7.64", printed).groups()  # type: ignore[union-attr]
    assert float(corrected) == pytest.approx(float(true), abs=0.3)


def test_rank_says_how_sure_it_is(voc100: list[Path], tmp_path: Path, run: Run) -> None:
    labels, own, other = voc100
    files = ("--annotations", labels, "--detections", own)
    model, ranking = tmp_path / "model.json", tmp_path / "ranking.json"
    assert run("calibrate", *files, "--witnesses", other, "--out", model)[0] == 0
    command = ("rank", "--estimator", "witness", *files, "--committee", other, "--witness-model", model)
    code, printed, err = run(*command, "--statistic", "interval", "--coverage", 0.9, "--out", ranking)
    assert (code, err) == (0, "")
    assert re.search(r"100 images, mean hardness 2\.\d+, with 90% probability from 2\.\d+ to 3\.\d+", printed)
    upper = json.loads(ranking.read_text())[0]["hardness"]
    assert re.search(rf"│ +1 │.*│ +{upper:.4g} │\n", printed)
    code, without, _ = run(*command, "--score-threshold", 0.3)
    assert (code, "probability from" in without) == (0, False)
    assert "Note: " in without
    assert "no intervals are given" in without
    code, _, err = run(*command, "--score-threshold", 0.3, "--coverage", 0.9)
    assert (code, "there are no intervals" in err) == (2, True)
    _, by_mean, _ = run(*command)
    assert "with 80% probability" in by_mean
    assert "heard by model.json" in by_mean


def test_choices_and_defaults_are_those_of_the_function() -> None:
    _, options = program.parse(["calibrate"])
    assert (options.method, options.iou_threshold) == ("platt", Query().iou_threshold)


BAD: dict[str, tuple[Sequence[object], str]] = {
    "unknown method": (("--method", "beta"), "'isotonic'"),
    "IoU of 0": (("--iou-threshold", 0), "--iou-threshold must"),
    "unknown label": (("--labels", "unicorn"), "'unicorn'. Choose from"),
    "no such detections": (("--detections", "{}/none.json"), "none.json: no such file"),
    "unknown suffix": (("--out", "{}/calibration.txt"), "calibration.txt: --out writes .json"),
    "no picture's suffix": (("--plot", "{}/plot.txt"), "plot.txt: --plot writes .png"),
    "output is an input": (("--out", "{}/results.json"), "results.json: would overwrite"),
    "no detections that count": (("--labels", "traffic light"), "results.json: holds no detection that counts"),
    "one image": (("--annotations", "{}/one.json", "--detections", "{}/empty.json"), "one.json: holds 1 image, but"),
    "nobody labelled": (("--annotations", "{}/bare.json"), "results.json: none of 7 detections finds an object of"),
    "right on one image": (("--labels", "person"), "results.json: all detections that are right, or that count, are"),
    "no such witness": (("--witnesses", "{}/none.json"), "none.json: no such file"),
    "witness and a picture": (("--witnesses", "{}/results.json", "--plot", "{}/a.png"), "--plot is of a calibration"),
    "score above 1": (("--score-threshold", 1.5), "--score-threshold must"),
}


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_in_one_line(coco: Path, run: Run, options: Sequence[object], message: str) -> None:
    document = json.loads((coco / "instances.json").read_text())
    (coco / "one.json").write_text(json.dumps({**document, "images": document["images"][:1], "annotations": []}))
    (coco / "bare.json").write_text(json.dumps({**document, "annotations": []}))
    (coco / "empty.json").write_text("[]")
    before = {path: path.read_bytes() for path in coco.rglob("*") if path.is_file()}
    arguments = [str(option).replace("{}", str(coco)) for option in options]
    code, out, err = run(*calibrate(coco), *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert {path: path.read_bytes() for path in coco.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["annotations", "detections", "out"])
def test_what_is_missing_is_named(coco: Path, run: Run, name: str) -> None:
    command = calibrate(coco)
    place = command.index(f"--{name}")
    code, _, err = run(*command[:place], *command[place + 2 :])
    assert code == 2
    assert f"--{name} is missing" in err


@pytest.mark.parametrize(("package", "extra"), [("sklearn", "calibration"), ("matplotlib", "plot")])
def test_packages_that_are_missing_are_named_before_long_work(
    coco: Path, run: Run, monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == package else name)
    code, _, err = run(*calibrate(coco, "--plot", coco / "plot.png"))
    assert code == 2
    assert f'pip install "hardest_metrics[{extra}]"' in err
