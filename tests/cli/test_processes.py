"""Commands that meet others at work on the same files, and commands that are killed."""

import json
import random
import re
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from hardest_metrics import cli
from hardest_metrics.comparison import figures
from hardest_metrics.report import write
from hardest_metrics.results import RunStore
from tests.cli.commands import COMMANDS, save_embeddings
from tests.detectors.small import MODEL, N_CLASSES, save_weights
from tests.keyed import saved
from tests.processes import Child, content, leftovers, needs_fork, seconds
from tests.transfer.small import save_small_weights

pytestmark = [needs_fork, pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")]

N_IMAGES = 12


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set, detections on it and weights."""
    folder, choose = tmp_path_factory.mktemp("inputs"), random.Random(0)
    (folder / "images").mkdir()
    images, annotations, results = list[Any](), list[Any](), list[Any]()
    for image in range(1, N_IMAGES + 1):
        Image.new("RGB", (60, 40), (20 * image, 255 - 20 * image, 90)).save(folder / "images" / f"{image}.png")
        images.append({"id": image, "file_name": f"{image}.png", "width": 60, "height": 40})
        for _ in range(3):
            box, label = [choose.randint(0, 30), choose.randint(0, 20), 20, 15], choose.randint(1, 2)
            annotations.append({"id": len(annotations), "image_id": image, "category_id": label, "bbox": box})
            found = [box[0] + choose.choice([0, 1, 15]), *box[1:]]
            score = choose.randint(1, 99) / 100
            results.append({"image_id": image, "category_id": label, "bbox": found, "score": score})
    save_embeddings(folder, {image: f"{image}.png" for image in range(1, 5)})
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(document))
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "other.json").write_text(json.dumps(results[::2]))
    save_weights(folder / "weights.pt")
    for seed, name in enumerate("abc"):
        save_small_weights(folder / f"{name}.pt", seed)
    store = RunStore(folder / "runs.db")
    for losses in ([0.1, 2.0, 0.5], [0.2, 1.5, 0.4]):
        saved(store, losses, model_name="small")
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Plots without the drawing; pictures beside the page; one thread, as threads survive no fork."""
    monkeypatch.setattr(figures, "_panels", lambda title, *_: title.encode())
    monkeypatch.setattr(figures, "_png", lambda figure: repr(figure.get_suptitle()).encode())
    monkeypatch.setattr(write, "MOST_EMBEDDED", 0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def arguments(command: str, inputs: Path, out: Path, other: bool = False) -> list[str]:
    """A command that writes to a folder; with other settings if wished."""
    labels = ["--annotations", inputs / "instances.json"]
    one = [*labels, "--detections", inputs / "results.json"]
    threshold = ["--iou-threshold", 0.9 if other else 0.5]
    given: dict[str, list[Any]] = {
        "rank": [*one, *threshold, "--out", out / "r.csv", out / "r.json", "--subset", out / "s.json", "--images",
                 inputs / "images", "--grid", out / "grid.png", "--top-k", 3],
        "compare": [*one, inputs / "other.json", *threshold, "--out", out / "compared", "--images", inputs / "images",
                    "--definitions", "total_false/none", "--estimators", "expected_hardness"],
        "calibrate": [*one, *threshold, "--out", out / "calibration.json"],
        "retrieve": ["--embeddings", inputs / "embeddings.npy", "--labels", inputs / "labels.csv", "--score",
                     "ndcg" if other else "hierarchical_ap", "--out", out / "r.csv", out / "r.json", "--images",
                     inputs / "images", "--grid", out / "grid.png", "--neighbours", 2],
        "transfer": ["--model", "tests.transfer.small:load", "--weights", *(inputs / f"{name}.pt" for name in "abc"),
                     "--layers", "first" if other else "second", *labels, "--images", inputs / "images", "--device",
                     "cpu", "--batch-size", 1, "--out", out / "transferred"],
        "history": ["--store", inputs / "runs.db", "--export", out / "h.csv", "--plot", out / "h.png"],
        "regress": ["--store", inputs / "runs.db", "--out", out / "r.csv", out / "r.json"],
        "diff": [*one, inputs / "other.json", *threshold, "--out", out / "r.csv", out / "r.json", "--objects",
                 out / "o.csv", "--subset", out / "s.json", "--images", inputs / "images", "--grid", out / "grid.png",
                 "--top-k", 3],
        "report": [*one, *threshold, "--images", inputs / "images", "--out", out / "page.html"],
        "detect": ["--model", MODEL, "--weights", inputs / "weights.pt", "--num-classes", N_CLASSES, "--images",
                   inputs / "images", "--device", "cpu", "--batch-size", 1, "--logits", out / "logits.json",
                   "--out", out / "detected.json", "--score-threshold", 0.5 if other else 0.4],
    }  # fmt: skip
    return [command, *map(str, given[command])]


def sound(command: str, inputs: Path, folder: Path, other: bool = False) -> dict[str, bytes]:
    """What a run writes that nobody disturbs."""
    folder.mkdir()
    assert Child(partial(cli.main, arguments(command, inputs, folder, other)), folder / ".log").ended().code == 0
    return content(folder)


def together(command: str, inputs: Path, tmp_path: Path, delays: list[float]) -> None:
    """Two processes of like or other settings, started within so many seconds, end with one right result."""
    right = [sound(command, inputs, tmp_path / name, name == "other") for name in ("same", "other")]
    if command in ("compare", "report"):  # pages and tables hold the names of inputs, not of outputs
        assert right[0] != right[1]
    out = tmp_path / "both"
    for number, delay in enumerate(delays):
        out.mkdir()
        second_differs = number % 2 == 1
        first = Child(partial(cli.main, arguments(command, inputs, out)), tmp_path / "first")
        time.sleep(delay)
        second = Child(partial(cli.main, arguments(command, inputs, out, second_differs)), tmp_path / "second")
        ends = [first.ended(), second.ended()]
        codes = sorted(end.code for end in ends)
        assert codes in ([0, 0], [0, 2] if command == "detect" else [0, 0]), ends
        assert content(out) in (right if second_differs else right[:1])
        assert leftovers(out) == []
        for end in ends:
            if end.code == 2:
                assert re.fullmatch(r"hardest-metrics: error: \S+: another run is writing to it\. .*\n", end.err)
            else:
                said = r"(Wrote|Nothing has changed)"
                assert re.search(said, end.out)
                assert re.fullmatch(r"(hardest-metrics: Waiting for another run that writes to \S+\n)*", end.err)
        shutil.rmtree(out)


def killed(command: str, inputs: Path, tmp_path: Path, kills: int) -> None:
    """Killed at random moments it leaves what is whole, and a rerun ends with what there would have been."""
    right = sound(command, inputs, tmp_path / "sound")
    out, choose = tmp_path / "killed", random.Random(command)
    out.mkdir()
    run = partial(cli.main, arguments(command, inputs, out))
    lasts = seconds(lambda: Child(run, tmp_path / "log").ended())
    number, anew = 0, False
    for _ in range(kills):
        if anew or number % 3 == 0:  # some go on where others were
            shutil.rmtree(out)
            out.mkdir()
        child = Child(run, tmp_path / "log")
        time.sleep(choose.uniform(0, lasts))
        child.kill()
        anew = child.ended().code >= 0  # all is done: there is nothing to go on with
        number += not anew
        left = content(out)
        left.pop("detected.json.part", None)
        pictures = {name for name in left if name.startswith("page_files")}
        assert left.items() <= right.items() | {(name, left[name]) for name in pictures}
        if "page.html" in left:
            assert {name for name in right if name.startswith("page_files")} <= pictures
        if choose.random() < 0.3:
            end = Child(run, tmp_path / "log").ended()
            assert (end.code, content(out), leftovers(out)) == (0, right, []), end
    end = Child(run, tmp_path / "log").ended()
    assert (end.code, end.err, content(out), leftovers(out)) == (0, "", right, [])
    assert number >= kills // 4


@pytest.mark.parametrize("command", COMMANDS)
def test_two_at_once_end_with_one_right_result(inputs: Path, tmp_path: Path, command: str) -> None:
    together(command, inputs, tmp_path, [0.05])


@pytest.mark.parametrize("command", COMMANDS)
def test_killed_at_random_it_leaves_what_is_whole(inputs: Path, tmp_path: Path, command: str) -> None:
    killed(command, inputs, tmp_path, 2)


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_two_at_once_ten_times(inputs: Path, tmp_path: Path, command: str) -> None:
    together(command, inputs, tmp_path, [delay / 30 for delay in range(10)])


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_killed_fifty_times(inputs: Path, tmp_path: Path, command: str) -> None:
    killed(command, inputs, tmp_path, 50)
