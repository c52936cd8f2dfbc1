"""``hardest-metrics transfer``."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from examples.detector.model import Detector
from examples.detector.module import SMALL_RESNET
from hardest_metrics.transfer import SCORES
from tests.cli.commands import Run
from tests.detectors.small import MODEL, N_CLASSES, save_weights
from tests.transfer.small import N_IMAGES, save_set, save_small_weights

NAMES = ("a", "b", "c")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of a labelled set, three weights and what they reached."""
    save_set(tmp_path)
    for seed, name in enumerate(NAMES):
        save_small_weights(tmp_path / f"{name}.pt", seed)
    (tmp_path / "map.csv").write_text("weights,map,source map,images\na.pt,0.2,0.5,9\nb.pt,0.5,0.4,9\nc.pt,0.3,0.6,9\n")
    return tmp_path


def command(data: Path, *options: object) -> list[str]:
    weights = [data / f"{name}.pt" for name in NAMES]
    arguments = ["transfer", "--model", "tests.transfer.small:load", "--weights", *weights, "--images", data / "images",
                 "--annotations", data / "target.json", "--layers", "first", "second", "--size", 40, 48,
                 "--batch-size", 2, "--device", "cpu", "--out", data / "out", *options]  # fmt: skip
    return [str(argument) for argument in arguments]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_scores_and_how_well_they_choose_are_shown_and_written(data: Path, run: Run) -> None:
    options = "--performance", data / "map.csv", "--pooling", "local", "global"
    code, out, err = run(*command(data, *options))
    assert (code, err) == (0, "")
    rows = rows_of(data / "out" / "scores.csv")
    places = {(row["layer"], row["pooling"]) for row in rows}
    assert places == {(layer, pooling) for layer in ("first", "second") for pooling in ("local", "global")}
    assert len(rows) == len(places) * len(NAMES) * len(SCORES)
    judged = rows_of(data / "out" / "selection.csv")
    assert len(judged) == len(places) * len(SCORES) + 2
    for row in judged:
        values = {
            r["candidate"]: float(r["value"])
            for r in rows
            if all(r[k] == row[k] for k in ("layer", "pooling", "score"))
        }
        if values:
            assert row["chosen"] == max(values, key=values.__getitem__)
            low, value, high = (float(row[f"pearson{end}"]) for end in ("_low", "", "_high"))
            assert -1 <= low <= high <= 1
            assert -1 <= value <= 1
    assert {row["score"] for row in judged if row["layer"] == "–"} == {"source map", "images"}
    pictures = sorted(path.name for path in (data / "out" / "plots").iterdir())
    assert pictures == ["first_global.png", "first_local.png", "pearson.png", "second_global.png", "second_local.png"]
    for path in (data / "out" / "plots").iterdir():
        with Image.open(path) as picture:
            assert min(picture.size) > 300
    assert "should be the training split" in out
    assert "second, local (in brackets: if features told nothing)" in out
    assert re.search(r"│ source map +│ – +│ – +│ c ", out)
    assert all(title in out for title in ("Pearson", "Spearman", "Kendall", "weighted", "regret"))
    assert f"By 30 objects on {N_IMAGES} images of" in out


def test_run_again_it_computes_nothing_again(data: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(*command(data))
    before = (data / "out" / "scores.csv").read_bytes()
    monkeypatch.setattr("hardest_metrics.transfer.run.Scoring", None)
    code, out, err = run(*command(data))
    assert (code, err) == (0, "")
    again = [line for line in out.splitlines() if "went on after" not in line]
    assert again == first[1].splitlines()
    assert len(out.splitlines()) == len(again) + len(NAMES)
    assert (data / "out" / "scores.csv").read_bytes() == before


@pytest.mark.parametrize("change", ["weights", "picture", "objects", "layers"])
def test_what_changed_is_computed_again(data: Path, run: Run, change: str) -> None:
    run(*command(data))
    before = rows_of(data / "out" / "scores.csv")
    options = []
    if change == "weights":
        save_small_weights(data / "b.pt", seed=9)
    elif change == "picture":
        Image.new("RGB", (60, 40), "red").save(data / "images" / "00.png")
    elif change == "objects":
        document = json.loads((data / "target.json").read_text())
        document["annotations"][0]["bbox"][2] += 3
        (data / "target.json").write_text(json.dumps(document))
    else:
        options = ["--layers", "first"]
    code, _, _ = run(*command(data, *options))
    assert code == 0
    after = rows_of(data / "out" / "scores.csv")
    same = {row["candidate"] for row in after if row in before}
    assert same == {"weights": {"a", "c"}, "layers": set(NAMES)}.get(change, set())


def test_killed_in_the_middle_of_a_candidate_it_goes_on(data: Path, run: Run) -> None:
    code, _, _ = run(*command(data))
    whole = (data / "out" / "scores.csv").read_bytes()
    program = (
        "import sys, time, torch; torch.set_num_threads(int(sys.argv.pop(1)))\n"
        "from hardest_metrics.cli import main\n"
        "from hardest_metrics.transfer import run\n"
        "run.EVERY = 0\n"
        "put = run.Store.put\n"
        "def slow(*given): put(*given); print('kept', flush=True); time.sleep(0.1)\n"
        "run.Store.put = slow\n"
        "main()\n"
    )
    arguments = [sys.executable, "-c", program, str(torch.get_num_threads()), *command(data, "--out", data / "killed")]
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert process.stdout is not None
    for _ in range(6):  # three batches of the first candidate and its scores, two batches of the second
        process.stdout.readline()
    process.kill()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    assert not (data / "killed" / "scores.csv").exists()
    code, out, err = run(*command(data, "--out", data / "killed"))
    assert (code, err) == (0, "")
    assert "a: went on after 6 images done before" in out
    assert "b: went on after 4 images done before" in out
    assert "c: went on" not in out
    assert (data / "killed" / "scores.csv").read_bytes() == whole
    assert len(list((data / "killed" / ".store").iterdir())) == len(NAMES), "what was known in between is gone"


@pytest.fixture(scope="module")
def detectors(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three weights of the example detector."""
    folder = tmp_path_factory.mktemp("detectors")
    files = []
    for seed, name in enumerate(("one", "two", "three")):
        torch.manual_seed(seed)
        files.append(folder / f"{name}.pt")
        torch.save(Detector(10, "resnet10t", SMALL_RESNET).state_dict(), files[-1])
    return files


def test_weights_of_the_example_detector_are_ranked_for_blood_cells(
    shared_data: Path, detectors: list[Path], tmp_path: Path, run: Run
) -> None:
    cells, out = shared_data / "bccd", tmp_path / "out"
    arguments = ["transfer", "--model", "examples.transferability.scores:load", "--weights", *detectors, "--images",
                 cells / "JPEGImages", "--annotations", cells, "--split", "test", "--layers", "neck", "--size", 96, 128,
                 "--device", "cpu", "--batch-size", 8, "--out", out]  # fmt: skip
    code, said, err = run(*arguments)
    assert (code, err) == (0, "")
    assert "split test, which should be the training split" in said
    rows = rows_of(out / "scores.csv")
    assert {row["candidate"] for row in rows} == {"one", "two", "three"}
    of_label_scores = [row for row in rows if row["score"] in ("logme", "h_score", "regularized_h_score")]
    assert all(float(row["value"]) > float(row["shuffled"]) for row in of_label_scores), "features tell cells apart"
    assert re.search("Highest by most scores: (one|two|three), by [3-8] of 8", said)


def test_files_that_are_called_alike_go_by_their_folders(data: Path, run: Run) -> None:
    files = []
    for name in NAMES[:2]:
        (data / f"run.{name}").mkdir()
        files.append((data / f"{name}.pt").rename(data / f"run.{name}" / "best.pt"))
    (data / "map.csv").write_text(f"weights,map\nrun.a,0.2\n{files[1]},0.5\n")
    code, _, err = run(*command(data, "--weights", *files, "--performance", data / "map.csv"))
    assert (code, err) == (0, "")
    assert {row["candidate"] for row in rows_of(data / "out" / "scores.csv")} == {"run.a", "run.b"}


def test_what_was_kept_and_is_damaged_is_computed_again(data: Path, run: Run) -> None:
    run(*command(data))
    before = (data / "out" / "scores.csv").read_bytes()
    for file in (data / "out" / ".store").iterdir():
        file.write_bytes(file.read_bytes()[:-9])
    code, out, err = run(*command(data))
    assert (code, err) == (0, "")
    assert "was damaged in part, and is computed again" in out
    assert "went on" not in out
    assert (data / "out" / "scores.csv").read_bytes() == before


def test_detectors_of_torchvision_go_by_their_names(data: Path, run: Run) -> None:
    weights = [save_weights(data / f"ssd{seed}.pt", seed) for seed in (0, 1)]
    given = command(data, "--num-classes", N_CLASSES, "--layers", "backbone.0", "--projection", 8)
    place = given.index("--weights")
    arguments = [*given[:place], "--weights", *weights, *given[place + 4 :], "--model", MODEL]
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert "backbone.0, local" in out


BAD = {
    "nothing given": (["transfer"], "--model is missing, see hardest-metrics transfer --help"),
    "unknown model": (["--model", "yolo"], "'yolo', which is no detector of torchvision"),
    "no function": (["--model", "tests.transfer.small:x"], "'tests.transfer.small:x', which cannot be imported"),
    "unknown layer": (["--layers", "third"], "--layers holds 'third', but the model has no such module"),
    "no map": (["--layers", "first", "--pooling", "mean"], "--pooling"),
    "no weights": (["--weights", "{}/none.pt"], "none.pt: no such file"),
    "other weights": (["--weights", "{}/other.pt"], "other.pt: --model tests.transfer.small:load does not load it"),
    "no images": (["--images", "{}/none"], "none: no such folder, but --images"),
    "no annotations": (["--annotations", "{}/none.json"], "none.json: no such file"),
    "no batch": (["--batch-size", "0"], "--batch-size must be at least 1"),
    "no size": (["--size", "0", "4"], "--size must be at least 1"),
    "half a size": (["--size", "4"], "--size"),
    "no projection": (["--projection", "-1"], "--projection must be at least 1"),
    "unknown device": (["--device", "gpu"], "--device is 'gpu'"),
    "classes of a function": (["--num-classes", "3"], "--num-classes is of torchvision's detectors"),
    "performance of others": (["--performance", "{}/others.csv"], "others.csv: has no line for 'a'"),
    "a file to write to": (["--out", "{}/map.csv"], "map.csv: is a file, but --out names a folder"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_in_one_line(data: Path, run: Run, options: list[str], message: str) -> None:
    (data / "others.csv").write_text("weights,map\nx,0.5\n")
    save_weights(data / "other.pt")
    options = [option.replace("{}", str(data)) for option in options]
    code, out, err = run(*(options if options[0] == "transfer" else command(data, *options)))
    assert (code, out) == (2, "")
    assert re.fullmatch(r"hardest-metrics: error: .*\n", err)
    assert message in err


def test_images_of_several_sizes_are_refused_with_the_option_that_helps(data: Path, run: Run) -> None:
    given = command(data)
    place = given.index("--size")
    code, _, err = run(*given[:place], *given[place + 3 :])
    assert code == 2
    assert "must be of one size for a Small" in err
    assert "--size" in err


def test_a_damaged_picture_is_named_and_what_was_done_is_kept(data: Path, run: Run) -> None:
    (data / "images" / "05.png").write_bytes(b"no picture")
    document = json.loads((data / "target.json").read_text())
    document["images"][5] |= {"width": 45, "height": 60}
    (data / "target.json").write_text(json.dumps(document))
    code, _, err = run(*command(data))
    assert code == 2
    assert "05.png: not a picture that can be read" in err


def test_classes_of_which_there_is_one_are_told(data: Path, run: Run) -> None:
    document = json.loads((data / "target.json").read_text())
    for entry in document["annotations"]:
        entry["category_id"] = 1
    (data / "target.json").write_text(json.dumps(document))
    code, out, _ = run(*command(data, "--performance", data / "map.csv"))
    assert code == 0
    assert "Note: all objects are of one class" in out
    assert re.search(r"│ logme +│ +–  \(–\)", out)


def test_too_many_features_are_told(data: Path, run: Run) -> None:
    document = json.loads((data / "target.json").read_text())
    document["annotations"] = document["annotations"][:6]
    (data / "target.json").write_text(json.dumps(document))
    code, out, _ = run(*command(data))
    assert code == 0
    assert "Note: first, local: 6 features of 6 objects say little" in out
    assert "--projection" in out
