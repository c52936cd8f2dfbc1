"""`rank` says why: kinds of errors, classes, and what is known of the images."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from hardest_metrics import HardnessCollection, TotalFalse
from hardest_metrics.cli import rank as command
from hardest_metrics.data import read_annotations, read_detections
from hardest_metrics.detection.errors_of_kind import KINDS
from tests.cli.commands import Run, rank, ranking_of


@pytest.fixture
def voc(shared_data: Path) -> list[Any]:
    folder = shared_data / "voc100"
    return ["rank", "--annotations", folder / "instances.json", "--detections", folder / "fastestdet_results.json"]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def narrow(monkeypatch: pytest.MonkeyPatch, width: int = 60) -> None:
    """Let results go to a terminal of so many columns."""
    monkeypatch.setattr(command, "results_console", lambda: Console(width=width, highlight=False, emoji=False))


# Kinds


def test_kinds_are_those_of_tidecv_in_file_and_table(
    voc: list[Any], shared_data: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "ranking.csv"
    code, shown, _ = run(*voc, "--kinds", "--out", out, "--top-k", 100)
    assert code == 0
    golden = json.loads((shared_data / "goldens" / "error_kinds.json").read_text())["by_image"]
    theirs = {"localisation": "BoxError", "classification": "ClassError", "duplicate": "DuplicateError",
              "background": "BackgroundError", "both": "OtherError", "missed": "MissedError"}  # fmt: skip
    found = rows(out)
    assert list(found[0]) == ["rank", "image_id", "hardness", "file_name", *KINDS]
    for row in found:
        of_image = golden.get(row["image_id"], {})
        assert {kind: int(row[kind]) for kind in KINDS} == {kind: of_image.get(theirs[kind], 0) for kind in KINDS}
        words = [f"{row[kind]} {kind}" for kind in sorted(KINDS, key=lambda kind: -int(row[kind])) if row[kind] != "0"]
        line = next(line for line in shown.splitlines() if f" {row['file_name']} " in line)
        assert line.strip("│ ").endswith(", ".join(words) or line.strip("│ ")[-1])


def test_kinds_go_above_pictures_and_a_plot_shows_them_by_class(
    voc: list[Any], shared_data: Path, tmp_path: Path, run: Run
) -> None:
    images, grid, plot = shared_data / "voc100" / "images", tmp_path / "grid.png", tmp_path / "kinds.png"
    code, out, err = run(*voc, "--kinds", "--grid", grid, "--images", images, "--top-k", 2, "--kinds-plot", plot)
    assert (code, err) == (0, "")
    assert f"Wrote {plot}" in out
    for path in (grid, plot):
        with Image.open(path) as picture:
            assert picture.format == "PNG"


@pytest.mark.parametrize("arguments", [[], ["--kinds"], ["--by-label"], ["--slices", "objects", "crowding"]])
def test_narrow_terminals_break_no_word(
    voc: list[Any], run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    narrow(monkeypatch)
    code, out, _ = run(*voc, *arguments, "--top-k", 3)
    assert code == 0
    table = [line for line in out.splitlines() if re.match("[│┃]", line)]
    assert table
    assert max(map(len, table)) <= 60
    words = {word for line in table for word in re.findall("[a-z]{3,}", line)}
    known = "rank image file name hardness false positives negatives errors category mean images in error hardest"
    known += " slice interval objects crowding correlation jpg"
    assert words <= {*known.split(), *KINDS, *read_annotations(voc[2]).categories.values()}


# Classes


def test_by_label_holds_the_hardest_images_of_every_class(voc: list[Any], tmp_path: Path, run: Run) -> None:
    out = tmp_path / "by_label.csv"
    code, shown, _ = run(*voc, "--by-label", "--out", out, "--top-k", 3)
    assert code == 0
    annotations = read_annotations(voc[2])
    preds = read_detections(voc[4], annotations)
    names = {label: str(label) for label in annotations.categories}
    metrics: Any = HardnessCollection.by_label(TotalFalse(box_format="xywh"), names)
    metrics.update(preds, annotations.target)
    expected: list[tuple[str, int, float]] = []
    for label, name in annotations.categories.items():
        top = metrics[str(label)].compute().top(3)
        pairs = zip(top.image_ids.tolist(), top.hardness.tolist(), strict=True)
        expected += [(name, image_id, value) for image_id, value in pairs if value > 0]
    found = [(row["category"], int(row["image_id"]), float(row["hardness"])) for row in rows(out)]
    assert sorted(found) == sorted(expected)
    assert all(f" {name} " in shown for name in annotations.categories.values())
    assert "100 images, 20 classes" in shown


def test_by_label_of_some_classes_writes_json_and_names_only_these(coco: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "by_label.json"
    code, shown, _ = run(*rank(coco), "--by-label", "--labels", "person", "--out", out)
    assert code == 0
    assert {row["category"] for row in json.loads(out.read_text())} == {"person"}
    assert "1 class," in shown


# What is known of images


def test_slices_of_objects_and_of_a_table_joined_by_name(coco: Path, tmp_path: Path, run: Run) -> None:
    table, plot = tmp_path / "attributes.csv", tmp_path / "slices.png"
    table.write_text("file_name,light,speed\none.png,dim,3\ntwo.png,sun,\n[three].png,sun,5\nelsewhere.png,fog,1\n")
    code, out, err = run(*rank(coco), "--slices", "objects", "brightness", table, "--images", coco / "images",
                         "--slices-plot", plot)  # fmt: skip
    assert (code, err) == (0, "")
    for text in ("objects (correlation", "brightness (correlation", "light (explains", "speed (correlation"):
        assert text in out
    assert re.search(r"│ +sun +│ +2 │", out)
    assert re.search(r"│ +not known +│ +2 │", out)  # the speed of two.png and of the image without a row
    assert "fog" not in out
    with Image.open(plot) as picture:
        assert picture.format == "PNG"


def test_slices_join_by_id_too(coco: Path, tmp_path: Path, run: Run) -> None:
    table = tmp_path / "attributes.csv"
    table.write_text("image_id,camera\n1,a\n2,b\n3,a\n1152921504606846976,b\n")
    code, out, _ = run(*rank(coco), "--slices", table)
    assert code == 0
    assert "not known" not in out


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("light\ndim\n", "has no column image_id or file_name"),
        ("image_id\n1\n", "has no column beside those that name images"),
        ("image_id,light\n77,dim\n", "none of its 1 rows is of an image of the set"),
        ("image_id,file_name,light\n1,one.png,dim\n2,one.png,sun\n", "line 3: is of the same image as line 2"),
        ("image_id,light\n1,dim\n1,sun\n", "line 3: 'image_id' is 1, as in line 2"),
        ("image_id,light\n1\n", "line 2: 1 values, but the header has 2 columns"),
        ("", "the file is empty"),
    ],
)
def test_tables_that_say_nothing_of_the_images_are_refused(
    coco: Path, tmp_path: Path, run: Run, content: str, problem: str
) -> None:
    table = tmp_path / "attributes.csv"
    table.write_text(content)
    code, out, err = run(*rank(coco), "--slices", table)
    assert (code, out) == (2, "")
    assert problem in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["--kinds", "--estimator", "expected_hardness"],
            "--kinds needs labels, which an --estimator",
        ),
        (["--by-label", "--estimator", "expected_hardness"], "--by-label needs labels"),
        (["--by-label", "--kinds"], "--kinds is of one ranking, but --by-label makes one a class"),
        (["--by-label", "--slices", "objects"], "--slices is of one ranking"),
        (["--slices-plot", "s.png"], "--slices-plot needs --slices"),
        (["--slices", "brightness"], "--slices by brightness needs the image files"),
        (["--slices", "objects", "objects"], "--slices names something twice"),
        (["--slices", "objects", "--estimator", "expected_hardness"], "--slices by objects needs labels"),
        (["--slices", "no.csv"], "no.csv: no such file"),
        (["--kinds-plot", "kinds.jpg"], "`kinds_plot` writes .png|--kinds-plot writes .png"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    coco: Path, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], problem: str
) -> None:
    monkeypatch.chdir(coco)
    before = set(coco.iterdir())
    code, out, err = run(*rank(coco), *arguments)
    assert (code, out) == (2, "")
    assert re.search(problem, err)
    assert set(coco.iterdir()) == before


def test_without_these_options_files_are_as_they_were(coco: Path, tmp_path: Path, run: Run) -> None:
    with_kinds, without = tmp_path / "with.json", tmp_path / "without.json"
    assert run(*rank(coco), "--kinds", "--out", with_kinds)[0] == 0
    assert run(*rank(coco), "--out", without)[0] == 0
    assert ranking_of(with_kinds) == ranking_of(without)
    assert set(json.loads(without.read_text())[0]) == {"rank", "image_id", "hardness", "file_name"}
