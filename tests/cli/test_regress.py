import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from hardest_metrics.evaluators import COCOEvaluator, ImageNetEvaluator
from hardest_metrics.results import RunStore
from tests.cli.commands import Run
from tests.keyed import Golden, saved


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs.db")


def test_the_goldens_flips_are_all_named_and_exit_with_3(
    store: RunStore, run: Run, shared_data: Path, tmp_path: Path
) -> None:
    golden = Golden(shared_data)
    golden.save_both(store.path)
    out_file = tmp_path / "worse.csv"
    code, out, err = run("regress", "--store", store.path, "--out", out_file)
    assert (code, err) == (3, "")
    lines = out.splitlines()
    assert "19 images became wrong, 13 right; McNemar's exact p = 0.3771" in lines
    known = golden.known["flips"]
    assert f"Became wrong: {', '.join(known['became_wrong'])}" in lines
    assert f"Became right: {', '.join(known['became_right'])}" in lines
    assert "Worse: Top 1 Accuracy is 0.575, 0.05 worse than 0.625, which is more than 0" in lines
    rows = list(csv.DictReader(out_file.read_text().splitlines()))
    assert len(rows) == 120
    assert sorted(row["image_id"] for row in rows if row["became"] == "wrong") == known["became_wrong"]
    assert rows[0].keys() == {
        "rank", "image_id", "hardness", "before", "now", "became", "label", "said_before", "said_now",
    }  # fmt: skip
    allowed = ["--tolerance", "Top 1 Accuracy=0.05", "--max-worse", "19"]
    assert run("regress", "--store", store.path, *allowed)[0] == 0
    assert run("regress", "--store", store.path, *allowed[:2], "--max-worse", "18")[0] == 3


def test_nothing_changed_exits_with_0(store: RunStore, run: Run) -> None:
    for _ in range(2):
        saved(store, [0.5, 2.0])
    code, out, err = run("regress", "--store", store.path, "--max-worse", "0")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "Not worse than allowed"
    assert "Became wrong: none" in out


def test_other_labels_and_a_single_run_exit_with_2(store: RunStore, run: Run) -> None:
    saved(store, [0.5])
    code, out, err = run("regress", "--store", store.path)
    assert (code, out) == (2, "")
    assert "is the first run, so there is nothing to compare it with" in err
    evaluator = ImageNetEvaluator({"a": 1}, store=store)
    evaluator.add({"a": [0.0, 1.0]})
    evaluator.save()
    code, out, err = run("regress", "--store", store.path)
    assert (code, out) == (2, "")
    assert "is over other images or labels" in err


def test_a_paper_is_compared_with(store: RunStore, run: Run, tmp_path: Path) -> None:
    saved(store, [0.5, 2.0], paper_results={"accuracy": 0.6})
    code, out, _ = run("regress", "--store", store.path, "--against", "paper")
    assert code == 3
    assert "accuracy is 0.5, 0.1 worse than 0.6" in out
    assert run("regress", "--store", store.path, "--against", "paper", "--tolerance", "accuracy=0.2")[0] == 0
    code, _, err = run("regress", "--store", store.path, "--against", "paper", "--out", tmp_path / "worse.csv")
    assert code == 2
    assert "a paper says nothing of images" in err


def test_images_are_drawn_and_written_to_be_labelled(store: RunStore, run: Run, coco: Path) -> None:
    annotations, results = (json.loads((coco / name).read_text()) for name in ("instances.json", "results.json"))
    for given in (results, results[1:]):
        evaluator = COCOEvaluator(annotations, store=store)
        evaluator.add(given)
        evaluator.save()
    files = ["--annotations", coco / "instances.json", "--images", coco / "images"]
    outputs = ["--grid", coco / "worse.png", "--subset", coco / "worse.json"]
    code, out, err = run("regress", "--store", store.path, "--top-k", "2", *files, *outputs)
    assert (code, err) == (3, "")
    assert f"Wrote {coco / 'worse.png'}" in out
    assert [image["id"] for image in json.loads((coco / "worse.json").read_text())["images"]] == [1, 2]
    with Image.open(coco / "worse.png") as picture:
        assert picture.width > 600


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tolerance", "accuracy"], "--tolerance must be NAME=NUMBER"),
        (["--tolerance", "accuracy=much"], "--tolerance must be NAME=NUMBER"),
        (["--tolerance", "=0.1"], "--tolerance must be NAME=NUMBER"),
        (["--tolerance", "F1=0.1"], "names 'F1', but results of both are: accuracy."),
        (["--tolerance", "accuracy=nan"], "must be at least 0 and finite"),
        (["--max-worse", "-1"], "--max-worse is a number of images, at least 0"),
        (["--run", "nothing"], "no run has the id"),
        (["--subset", "worse.json"], "--subset needs --annotations"),
        (["--grid", "worse.png"], "--grid and --images belong together"),
        (["--top-k", "0"], "--top-k must be at least 1"),
        (["--by", "margin"], "has no hardness 'margin'. Choose from: loss."),
    ],
)
def test_what_makes_no_sense_is_one_line(store: RunStore, run: Run, arguments: list[str], message: str) -> None:
    for _ in range(2):
        saved(store, [0.5])
    code, out, err = run("regress", "--store", store.path, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
