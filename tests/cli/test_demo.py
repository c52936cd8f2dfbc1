"""The demonstration: every chapter runs, and what it says to look at is there."""

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from hardest_metrics.comparison import figures
from hardest_metrics.demo import detection, transferability, trust
from hardest_metrics.demo.chapter import Chapter
from hardest_metrics.demo.chapters import CHAPTERS
from hardest_metrics.demo.made_up_detector import write_coco
from tests.cli.commands import Run


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer scenes, backbones that learn for a moment, and plots of a comparison without the drawing."""
    for chapter in (detection, transferability, trust):
        monkeypatch.setattr(chapter, "write_coco", partial(write_coco, n_scenes=16))
    monkeypatch.setattr(transferability, "EPOCHS", 1)
    monkeypatch.setattr(figures, "_panels", lambda title, *_: title.encode())
    monkeypatch.setattr(figures, "_png", lambda figure: b"drawn")


def test_each_chapter_is_shown_and_what_to_look_at_is_there(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: None
) -> None:
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    code, out, err = run("demo")
    assert (code, err) == (0, "")
    assert torch.get_num_threads() == threads
    before, _, listed = out.partition("Look at:")
    for number in range(1, len(CHAPTERS) + 1):
        assert f"\n{number}. " in before
    for command in ("rank", "diff", "report", "compare", "regress", "retrieve", "transfer"):
        assert f"\n$ hardest-metrics {command} " in before
    assert "became wrong, which is more than 0" in before
    assert "Highest by most scores: " in before
    paths = [Path(line.partition("  ")[0]) for line in listed.strip().splitlines()]
    assert len(paths) == len(set(paths)) >= 12
    for path in paths:
        assert path.parts[0] == "hardest-metrics-demo"
        assert path.stat().st_size > 0, path
        if path.suffix == ".png" and "compared" not in path.parts:
            with Image.open(path) as picture:
                assert picture.width > 300


def test_a_command_that_fails_ends_it_with_its_code(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path) -> Chapter:
        return Chapter("Does it end?", "none", [("rank", "--top-k", 0)], {})

    def never(folder: Path) -> Chapter:
        raise AssertionError("the chapter before has failed")

    monkeypatch.setattr("hardest_metrics.demo.chapters.CHAPTERS", {"broken": broken, "never": never})
    code, out, err = run("demo", "--out", tmp_path / "shown")
    assert code == 2
    assert "$ hardest-metrics rank --top-k 0" in out
    assert "Look at" not in out
    assert err.startswith("hardest-metrics: error: --annotations is missing")


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("", "--out is missing, see hardest-metrics demo --help."),
        ("file", "file: is a file, but --out names a folder to write to. Choose another one."),
        ("none/shown", "none/shown: the folder that it is in does not exist. Create it, or choose another one."),
    ],
)
def test_folders_that_cannot_be_are_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert run("demo", f"--out={out}") == (2, "", f"hardest-metrics: error: {message}\n")


@pytest.mark.parametrize(("package", "extra"), [("sklearn", "calibration"), ("matplotlib", "plot")])
def test_what_is_not_installed_is_named_at_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    def without(name: str, *rest: Any) -> Any:
        return None if name == package else find_spec(name, *rest)

    monkeypatch.setattr("importlib.util.find_spec", without)
    code, _, err = run("demo", "--out", tmp_path / "shown")
    assert code == 2
    assert err == (
        f"hardest-metrics: error: the demo needs {package}, which is not installed: pip install"
        f' "hardest_metrics[{extra}]".\n'
    )
    assert not (tmp_path / "shown").exists()
