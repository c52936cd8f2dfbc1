import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image

from hardest_metrics import cli
from hardest_metrics.cli import compare as compare_command
from hardest_metrics.comparison import engine, figures
from hardest_metrics.functional.agreement import MEASURES
from tests.cli.commands import Run

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a child process, which takes fork")

#: Few rankings and plots, so that a run takes a moment.
FEW = ["--definitions", "total_false/none", "--estimators", "expected_hardness", "committee"]


@pytest.fixture
def two(coco: Path) -> Path:
    """The data set with results of a second detector, which sees all that the first does, less surely."""
    results = json.loads((coco / "results.json").read_text())
    other = [{**result, "score": round(result["score"] * 0.75, 3)} for result in results]
    other.append({"image_id": 3, "category_id": 2, "bbox": [0, 0, 20, 20], "score": 0.625})
    (coco / "other.json").write_text(json.dumps(other))
    return coco


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots as they would be drawn, but for the drawing, which takes a second each."""
    monkeypatch.setattr(figures, "_panels", lambda title, *_: title.encode())
    monkeypatch.setattr(figures, "_png", lambda figure: repr(figure.get_suptitle()).encode())


def compare(
    folder: Path, *more: object, out: str = "out", detections: tuple[str, ...] = ("results.json", "other.json")
) -> list[object]:
    files = [folder / name for name in detections]
    return ["compare", "--annotations", folder / "instances.json", "--detections", *files, "--out", folder / out, *more]


def content(folder: Path) -> dict[str, bytes]:
    """Of all files but those that are kept for the next run."""
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {str(name): path.read_bytes() for name, path in files.items() if name.parts[0] != ".store"}


# What it shows


def test_tables_files_and_an_answer(two: Path, run: Run) -> None:
    definitions = ["total_false/none", "false_negatives/pixel"]
    code, out, err = run(*compare(two, "--images", two / "images", "--definitions", *definitions))
    assert (code, err) == (0, "")
    plots = {f"plots/{detector}/{name}.png" for detector in ("results", "other")
             for name in ("regret", "correlation", "distribution", "reliability", "hardest")}  # fmt: skip
    assert set(content(two / "out")) == plots | {"agreement.csv", "agreement.md"}
    assert all(f"Wrote {two / 'out' / name}" in out for name in content(two / "out"))
    assert "Can the images be ranked without labels?" in out
    assert any(line.startswith("other: ") and "ranks most like the labels" in line for line in out.splitlines())
    assert any(line.startswith("Note: entropy, evidential") and "no logits" in line for line in out.splitlines())
    table = pd.read_csv(two / "out" / "agreement.csv")
    assert list(table.columns) == ["detector", "definition", "estimator", *MEASURES]
    estimators = 19 - 4  # four measures of uncertainty go by logits
    assert len(table) == 2 * len(definitions) * estimators
    assert max(map(len, out.split("Can the images")[0].splitlines())) <= 120, "where nobody says how wide, not endless"
    text = (two / "out" / "agreement.md").read_text()
    assert all(f"]({plot})" in text for plot in plots)


def test_pictures_can_be_looked_at(two: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert run(*compare(two, *FEW, "--images", two / "images", detections=("results.json",)))[0] == 0
    for name in ("regret", "correlation", "distribution", "hardest"):
        with Image.open(two / "out" / "plots" / "results" / f"{name}.png") as picture:
            picture.verify()


def test_only_what_is_asked_for_is_compared(two: Path, run: Run) -> None:
    code, out, _ = run(*compare(two, *FEW, "--labels", "car", "--score-threshold", 0.3, "--n-samples", 3))
    assert code == 0
    table = pd.read_csv(two / "out" / "agreement.csv")
    assert set(table["estimator"]) == {"expected_hardness", "committee"}
    assert set(table["definition"]) == {"total_false/none"}
    text = (two / "out" / "agreement.md").read_text().replace("\\", "")
    assert "- boxes that count: score >= 0.3, IoU >= 0.5, labels car" in text
    assert "binary_entropy" not in out


def test_one_detector_is_enough(two: Path, run: Run) -> None:
    code, out, err = run(*compare(two, *FEW, detections=("results.json",)))
    assert (code, err) == (0, "")
    assert "Note: committee: left out, as the committee that judges a detector is all others" in out


def test_a_committee_of_one_leaves_nothing_to_compare(two: Path, run: Run) -> None:
    code, out, err = run(*compare(two, "--estimators", "committee", detections=("results.json",)))
    assert (code, out) == (2, "")
    assert "--estimators leave nothing to compare: committee: left out, as the committee" in err
    assert not content(two / "out")


def test_all_is_what_is_compared_by_default(two: Path, run: Run) -> None:
    arguments = ("--definitions", "total_false/none", "--estimators")
    assert run(*compare(two, *arguments, "all", detections=("results.json",)))[0] == 0
    assert len(pd.read_csv(two / "out" / "agreement.csv")) == 10  # of 17, three ask a committee and four go by logits


def test_images_that_nobody_labelled_are_refused(two: Path, run: Run) -> None:
    document = json.loads((two / "instances.json").read_text())
    (two / "instances.json").write_text(json.dumps(document | {"annotations": []}))
    code, out, err = run(*compare(two, *FEW))
    assert (code, out) == (2, "")
    assert f"{two / 'instances.json'}: no image has an object that counts" in err


def test_sizes_come_from_the_files_where_annotations_have_none(two: Path, run: Run) -> None:
    pixel = ("--definitions", "total_false/pixel", "--estimators", "expected_hardness")
    run(*compare(two, *pixel, out="sized"))
    document = json.loads((two / "instances.json").read_text())
    document["images"] = [{"id": image["id"], "file_name": image["file_name"]} for image in document["images"]]
    (two / "instances.json").write_text(json.dumps(document))
    code, out, err = run(*compare(two, *pixel))
    assert (code, out) == (2, "")
    assert f"{two / 'instances.json'}: image 1 (one.png) has no width and height" in err
    assert "Give the folder --images, or choose other --definitions." in err
    assert run(*compare(two, *pixel, "--images", two / "images"))[0] == 0
    assert content(two / "out")["agreement.csv"] == content(two / "sized")["agreement.csv"]
    code, out, _ = run(*compare(two, *FEW[2:], out="without"))
    assert code == 0
    assert "Note: pixel weighting: left out, as 4 images have no width and height." in out


def test_its_own_input_is_not_overwritten(two: Path, run: Run) -> None:
    (two / "out").mkdir()
    table = two / "out" / "agreement.csv"
    table.write_bytes((two / "results.json").read_bytes())
    code, _, err = run(*compare(two, *FEW, detections=("out/agreement.csv", "other.json")))
    assert code == 2
    assert "agreement.csv: would overwrite a file of this very command. Give --out another name" in err
    assert table.read_bytes() == (two / "results.json").read_bytes()


def test_a_detector_without_detections_is_named(two: Path, run: Run) -> None:
    (two / "none.json").write_text("[]")
    estimators = ("--estimators", "expected_hardness", "expected_hardness+platt")
    _, out, _ = run(*compare(two, *FEW[:2], *estimators, detections=("none.json",)))
    assert "the scores of none cannot be calibrated: none holds no detection that counts" in out


def test_names_of_detectors_cannot_steer_the_terminal(two: Path, run: Run) -> None:
    name = "\x1b[2J.json"
    (two / name).write_bytes((two / "other.json").read_bytes())
    code, out, _ = run(*compare(two, *FEW, detections=("results.json", name)))
    assert code == 0
    assert "\n [2J: " in out
    assert "\x1b" not in out


def test_detectors_of_equal_name_are_told_apart(two: Path, run: Run) -> None:
    (two / "b").mkdir()
    (two / "b" / "results.json").write_bytes((two / "other.json").read_bytes())
    code, _, _ = run(*compare(two, *FEW, detections=("results.json", "b/results.json")))
    assert code == 0
    assert set(pd.read_csv(two / "out" / "agreement.csv")["detector"]) == {"results", "results-2"}


def test_pascal_voc_and_its_splits(tmp_path: Path, run: Run, shared_data: Path) -> None:
    names = (shared_data / "bccd" / "ImageSets" / "Main" / "val.txt").read_text().split()[:6]
    for name in names:
        (tmp_path / "Annotations").mkdir(exist_ok=True)
        xml = (shared_data / "bccd" / "Annotations" / f"{name}.xml").read_bytes()
        (tmp_path / "Annotations" / f"{name}.xml").write_bytes(xml)
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "some.txt").write_text("\n".join(names[:4]))
    results = [
        {"image_id": name, "category_id": 1, "bbox": [0, 0, 90, 90], "score": 0.2 * number + 0.1}
        for number, name in enumerate(names[:4])
    ]
    (tmp_path / "results.json").write_text(json.dumps(results))
    arguments = ["compare", "--annotations", tmp_path, "--detections", tmp_path / "results.json", *FEW]
    code, out, err = run(*arguments, "--out", tmp_path / "out", "--split", "some")
    assert (code, err) == (0, ""), out
    assert "- images: 4" in (tmp_path / "out" / "agreement.md").read_text()
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / "JPEGImages" / "more.jpg").write_bytes(b"")
    assert "Nothing has changed" in run(*arguments, "--out", tmp_path / "out", "--split", "some")[1], "no label changed"
    (tmp_path / "ImageSets" / "Main" / "some.txt").write_text("\n".join(names))
    assert run(*arguments, "--out", tmp_path / "out", "--split", "some")[0] == 0
    assert "- images: 6" in (tmp_path / "out" / "agreement.md").read_text()


def test_a_page_of_it_all(two: Path, run: Run) -> None:
    page = two / "page.html"
    arguments = compare(two, *FEW, "--images", two / "images", "--report", page)
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert f"Wrote {page}" in out
    written = page.read_bytes()
    assert b"total_false/none" in written
    code, out, _ = run(*arguments)
    assert "Nothing has changed" in out
    page.write_bytes(b"something else")
    code, out, _ = run(*arguments)
    assert page.read_bytes().startswith(b"<!DOCTYPE html>")


# What it does again


def test_nothing_is_done_twice(two: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(*compare(two, *FEW, "--images", two / "images"))
    before = content(two / "out")
    times = {path: path.stat().st_mtime_ns for path in (two / "out").rglob("*")}
    monkeypatch.setattr(compare_command, "_compare", _not_called)
    code, out, err = run(*compare(two, *FEW, "--images", two / "images"))
    assert (code, err) == (0, "")
    assert content(two / "out") == before
    files = [path for path in times if path.is_file() and path.name != "lock"]
    assert {path: path.stat().st_mtime_ns for path in files} == {path: times[path] for path in files}
    assert out.splitlines()[-1] == f"Nothing has changed: {two / 'out'} is as it was"
    shown = [line for line in out.splitlines() if not line.startswith("Nothing")]
    assert shown == [line for line in first[1].splitlines() if not line.startswith("Wrote")], "the same tables"


def test_what_has_not_changed_is_shown_without_torch_and_pictures_libraries(two: Path, run: Run) -> None:
    arguments = [str(argument) for argument in compare(two, *FEW)]
    assert run(*arguments)[0] == 0
    program = (
        "import sys; from hardest_metrics.cli import main; code = main(sys.argv[1:]);"
        "heavy = {'torch', 'torchmetrics', 'lightning', 'sklearn', 'matplotlib'} & set(sys.modules);"
        "print('imported', heavy) if heavy else None; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Nothing has changed" in done.stdout
    assert "imported" not in done.stdout


@pytest.mark.parametrize("change", ["detections", "labels", "option", "image", "output", "gone"])
def test_a_change_of_anything_is_noticed(two: Path, run: Run, change: str) -> None:
    arguments = compare(two, *FEW, "--images", two / "images")
    run(*arguments)
    before = content(two / "out")
    if change == "detections":
        results = json.loads((two / "results.json").read_text())
        (two / "results.json").write_text(json.dumps(results[1:]))
    elif change == "labels":
        labels = json.loads((two / "instances.json").read_text())
        labels["annotations"].pop()
        (two / "instances.json").write_text(json.dumps(labels))
    elif change == "option":
        arguments += ["--iou-threshold", 0.99]
    elif change == "image":
        Image.new("RGB", (100, 50), (0, 0, 0)).save(two / "images" / "one.png")
    elif change == "output":
        (two / "out" / "agreement.csv").write_text("something else")
    else:
        (two / "out" / "plots" / "other" / "regret.png").unlink()
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert "Wrote" in out
    assert (content(two / "out") == before) == (change in ("output", "gone"))
    fresh = [two / "fresh" if argument == two / "out" else argument for argument in arguments]
    run(*fresh)
    assert content(two / "fresh") == content(two / "out")
    assert "Nothing has changed" in run(*arguments)[1]


@pytest.mark.parametrize("name", ["instances.json", "results.json"])
def test_files_replaced_while_it_runs_leave_nothing_wrong(
    two: Path, run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    arguments = compare(two, *FEW, "--report", two / "page.html")
    old, new = (two / name).read_bytes(), (two / "other.json" if name == "results.json" else two / "new.json")
    if name == "instances.json":
        document = json.loads(old)
        document["annotations"] = document["annotations"][:-1]
        new.write_text(json.dumps(document))
    original = compare_command._Digests.of.__func__  # type: ignore[attr-defined]

    def replaced(class_: Any, *given: Any) -> Any:
        digests = original(class_, *given)
        (two / name).write_bytes(new.read_bytes())  # after it was digested, before it is read
        return digests

    with monkeypatch.context() as patched:
        patched.setattr(compare_command._Digests, "of", classmethod(replaced))
        assert run(*arguments)[0] == 0
    of_new = content(two / "out")
    assert hashlib.sha256(new.read_bytes()).hexdigest() in (two / "page.html").read_text()
    monkeypatch.setattr(compare_command, "_compare", _not_called)
    assert "Nothing has changed" in run(*arguments)[1], "it is that of the new file"
    monkeypatch.undo()

    (two / name).write_bytes(old)
    assert "Wrote" in run(*arguments)[1], "and that of the old one was never made"
    assert content(two / "out") != of_new


@pytest.mark.parametrize("change", ["changed", "added", "removed"])
def test_a_folder_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    xml = f"<annotation><object><name>cat</name>{box}</object></annotation>"
    for name in "ab":
        (tmp_path / f"{name}.xml").write_text(xml)
    results = [{"image_id": name, "category_id": 1, "bbox": [1, 1, 8, 8], "score": 0.3} for name in "ab"]
    (tmp_path / "results.json").write_text(json.dumps(results))
    arguments = ["compare", "--annotations", tmp_path, "--detections", tmp_path / "results.json", *FEW, "--out"]
    original = compare_command._Digests.of.__func__  # type: ignore[attr-defined]

    def meanwhile(class_: Any, *given: Any) -> Any:
        digests = original(class_, *given)
        if change == "removed":
            (tmp_path / "b.xml").unlink()
            (tmp_path / "results.json").write_text(json.dumps(results[:1]))
        else:
            (tmp_path / {"changed": "b.xml", "added": "c.xml"}[change]).write_text(xml.replace("cat", "dog"))
        return digests

    monkeypatch.setattr(compare_command._Digests, "of", classmethod(meanwhile))
    code, out, err = run(*arguments, tmp_path.parent / f"{tmp_path.name}-out")
    assert (code, out) == (2, "")
    assert "was changed while it was being read. Run this again" in err


def test_a_damaged_store_is_noticed_said_and_rebuilt(two: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(*compare(two, *FEW))
    before = content(two / "out")
    entries = [path for path in (two / "out" / ".store").iterdir() if path.name != "lock"]
    for number, path in enumerate(entries):
        damaged = bytearray(path.read_bytes())
        damaged[-1 - number] ^= 1
        path.write_bytes(bytes(damaged) if number % 3 else bytes(damaged[:-5]))
    code, _, err = run(*compare(two, *FEW))
    assert code == 0
    store = two / "out" / ".store"
    assert err == f"hardest-metrics: {len(entries)} entries of {store} were damaged and are computed again\n"
    assert content(two / "out") == before
    monkeypatch.setattr(compare_command, "_compare", _not_called)
    assert run(*compare(two, *FEW))[::2] == (0, "")


def test_the_store_may_be_deleted(two: Path, run: Run) -> None:
    run(*compare(two, *FEW))
    before = content(two / "out")
    for path in (two / "out" / ".store").iterdir():
        path.unlink()
    (two / "out" / ".store").rmdir()
    assert run(*compare(two, *FEW))[0] == 0
    assert content(two / "out") == before


def _child(act: Callable[[], object]) -> int:
    """Start it in a child process, whose id is given."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        torch.set_num_threads(1)
        try:
            act()
        finally:
            os._exit(0)
    return child


def _exit_code(child: int) -> int:
    """Of a child process once it has ended, negative if it was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _dies_with(place: int, name: str, owner: Any) -> None:
    """Kill this process in that call, counted from 0, of a function that every write comes by."""
    original, calls = getattr(owner, name), itertools.count()

    def call(*arguments: Any) -> Any:
        result = original(*arguments)
        if next(calls) == place:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, call)


@needs_fork
@pytest.mark.parametrize(("name", "owner"), [("fsync", os), ("replace", Path)], ids=["before", "after"])
def test_killed_anywhere_the_next_run_is_complete_and_right(two: Path, run: Run, name: str, owner: Any) -> None:
    run(*compare(two, *FEW, out="sound"))
    arguments = [str(argument) for argument in compare(two, *FEW)]

    def dies(place: int) -> None:
        _dies_with(place, name, owner)
        cli.main(arguments)

    kills = 0  # every run gets a little further than the one before, though it is killed at every other place only
    while _exit_code(_child(partial(dies, 2 * kills))) == -signal.SIGKILL:
        kills += 1
    assert kills > 3
    assert content(two / "out") == content(two / "sound")
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert "Nothing has changed" in out
    assert not list((two / "out" / ".store").glob("*.tmp"))


@needs_fork
def test_several_at_once_wait_for_each_other(two: Path, run: Run) -> None:
    run(*compare(two, *FEW, out="sound"))
    others = ["--iou-threshold", "0.9"]
    both = [[str(argument) for argument in compare(two, *FEW, *more)] for more in ([], others, [])]
    children = [_child(partial(cli.main, arguments)) for arguments in both]
    assert [_exit_code(child) for child in children] == [0, 0, 0]
    now = content(two / "out")
    run(*compare(two, *FEW, *others, out="other"))
    assert now in (content(two / "sound"), content(two / "other")), "all files of one of them"


# What it refuses


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--definitions", "total_false"], "--definitions has no 'total_false'. Choose from false_positives/none"),
        (["--estimators", "guess"], "--estimators has no 'guess'. Choose from score_sampling"),
        (["--n-samples", "0"], "--n-samples must be at least 1"),
        (["--n-samples", "many"], "--n-samples must be a whole number, but is 'many'"),
        (["--images", "nowhere"], "nowhere: no such folder, but --images names it"),
        (["--report", "page.txt"], "page.txt: --report writes .html"),
        (["--labels", "unicorn"], "No category is named 'unicorn'"),
        (["--score-threshold", "7"], "--score-threshold must be a number in [0, 1], but is 7.0"),
        (["--split", "val"], "--split is 'val'"),
        (["--area-range", "huge"], "--area-range must be small, medium, large or LOW,HIGH with 0 <= LOW <= HIGH, but"),
        (["--area-range", "5,3"], "but is '5,3'"),
        (["--area-range", "0,1"], "instances.json: no image has an object that counts"),
        (["--estimators", "all", "guess"], "--estimators has no 'guess'"),
        (["--definitions", "all", "total_false/none"], "--definitions names all and also total_false/none"),
    ],
)
def test_bad_options_are_one_line(two: Path, run: Run, arguments: list[str], message: str) -> None:
    code, out, err = run(*compare(two, *arguments))
    assert (code, out) == (2, "")
    assert err.startswith(f"hardest-metrics: error: {message}") or message in err
    assert len(err.splitlines()) == 1
    assert not [name for name in content(two / "out") if name]


@pytest.mark.parametrize("missing", ["--annotations", "--detections", "--out"])
def test_what_is_missing_is_named(two: Path, run: Run, missing: str) -> None:
    arguments = compare(two)
    start = arguments.index(missing)
    end = next((i for i in range(start + 1, len(arguments)) if str(arguments[i]).startswith("--")), len(arguments))
    code, _, err = run(*arguments[:start], *arguments[end:])
    assert (code, err) == (2, f"hardest-metrics: error: {missing} is missing, see hardest-metrics compare --help.\n")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("instances.json", "instances.json: is a file, but --out names a folder"),
        ("nowhere/out", "nowhere/out: the folder that it is in does not exist"),
    ],
)
def test_a_folder_that_cannot_be_written_to(two: Path, run: Run, path: str, message: str) -> None:
    code, _, err = run(*compare(two, out=path))
    assert code == 2
    assert message in err


@pytest.mark.parametrize("name", ["results.json", "instances.json"])
@pytest.mark.parametrize("text", ["", "[{", '{"a": 1}', '[{"image_id": 1}]'])
def test_bad_files_leave_what_was_written_before(two: Path, run: Run, name: str, text: str) -> None:
    (two / "out").mkdir()
    (two / "out" / "agreement.csv").write_text("from an earlier run")
    before = content(two / "out")
    (two / name).write_text(text)
    code, out, err = run(*compare(two, *FEW))
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert str(two / name) in err
    assert content(two / "out") == before


def test_an_image_that_is_missing_is_named(two: Path, run: Run) -> None:
    (two / "images" / "four.png").unlink()
    code, _, err = run(*compare(two, *FEW, "--images", two / "images"))
    assert code == 2
    assert "four.png: no such file, but image" in err
    assert not content(two / "out")


def test_without_matplotlib_there_are_tables(two: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, out, _ = run(*compare(two, *FEW))
    assert code == 0
    assert set(content(two / "out")) == {"agreement.csv", "agreement.md"}
    assert out.count('Note: Plots need matplotlib: pip install "hardest_metrics[plot]".') == 1


def test_interrupted_it_leaves_nothing_half_done(two: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    original = engine._Run._make
    calls = 0

    def interrupted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(engine._Run, "_make", interrupted)
    assert run(*compare(two, *FEW))[0] == 130
    assert not content(two / "out")
    assert run(*compare(two, *FEW))[0] == 0
    assert calls == 7, "what was done before is not done again"


def _not_called(*_: object) -> None:
    raise AssertionError("was done again")


def test_a_report_may_lie_in_the_folder_that_is_made(two: Path, run: Run) -> None:
    few = ("--definitions", "total_false/none", "--estimators", "expected_hardness")
    code, _, err = run(*compare(two, *few, "--report", two / "out" / "report.html"))
    assert (code, err) == (0, "")
    assert (two / "out" / "report.html").is_file()
    code, _, err = run(*compare(two, *few, "--report", two / "elsewhere" / "report.html"))
    assert code == 2
    assert "its folder does not exist" in err
