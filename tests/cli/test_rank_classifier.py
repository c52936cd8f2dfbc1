"""``rank --logits`` ranks the images of a classifier."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import parquet

from hardest_metrics import functional
from hardest_metrics.names import CLASSIFIED, CLASSIFIED_WITHOUT_LABELS
from tests.cli.commands import Run

LOGITS = np.random.default_rng(0).normal(size=(6, 7)).astype(np.float32)
LABELS = [0, 0, 1, 1, 2, 6]
NAMES = ["ant/1.png", "ant/2.png", "cat/1.png", "cat/2.png", "dog/1.png", "emu/0.png"]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    np.save(tmp_path / "logits.npy", LOGITS)
    lines = ["file_name,label", *(f"{name},{label}" for name, label in zip(NAMES, LABELS, strict=True))]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    for name in NAMES:
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (90, 90, 90)).save(tmp_path / "images" / name)
    return tmp_path


def expected(definition: str) -> list[float]:
    logits, labels = torch.from_numpy(LOGITS), torch.tensor(LABELS)
    if definition in CLASSIFIED_WITHOUT_LABELS:
        return list(getattr(functional, definition)(logits).float().tolist())
    if definition.startswith("top"):
        return list(functional.topk_miss(logits, labels, int(definition[3])).tolist())
    return list(getattr(functional, definition)(logits, labels).float().tolist())


@pytest.mark.parametrize("definition", [*CLASSIFIED, *CLASSIFIED_WITHOUT_LABELS])
def test_every_definition_is_that_of_the_package(files: Path, run: Run, definition: str) -> None:
    out = files / "ranking.json"
    code, _, err = run("rank", "--logits", files / "logits.npy", "--labels", files / "labels.csv",
                       "--definition", definition, "--out", out)  # fmt: skip
    assert (code, err) == (0, "")
    by_name = {row["file_name"]: row for row in json.loads(out.read_text())}
    assert [by_name[name]["hardness"] for name in NAMES] == pytest.approx(expected(definition), rel=1e-6)
    assert [by_name[name]["label"] for name in NAMES] == LABELS
    assert [by_name[name]["image_id"] for name in NAMES] == NAMES


def test_a_folder_of_classes_names_them_and_is_drawn(files: Path, run: Run) -> None:
    grid, out = files / "hardest.png", files / "ranking.csv"
    code, shown, err = run("rank", "--logits", files / "logits.npy", "--labels", files / "images",
                           "--top-k", 3, "--grid", grid, "--out", out)  # fmt: skip
    assert (code, err) == (0, "")
    assert "/1.png" in shown
    assert any(name in shown for name in ("ant", "cat", "dog", "emu"))
    assert "in error" in shown
    with Image.open(grid) as picture:
        assert picture.width > 300
    with out.open() as file:
        assert sorted(row["file_name"] for row in csv.DictReader(file)) == sorted(NAMES)


def test_parquet_is_joined_by_name(files: Path, run: Run) -> None:
    order = [3, 1, 0, 5, 4, 2]
    columns: dict[str, Any] = {"file_name": [NAMES[i] for i in order], "logits": [LOGITS[i].tolist() for i in order]}
    parquet.write_table(pa.table(columns), files / "logits.parquet")
    out = files / "ranking.json"
    code, _, _ = run("rank", "--logits", files / "logits.parquet", "--labels", files / "labels.csv", "--out", out)
    assert code == 0
    by_name = {row["file_name"]: row["hardness"] for row in json.loads(out.read_text())}
    assert [by_name[name] for name in NAMES] == pytest.approx(expected("cross_entropy"), rel=1e-6)


def test_without_labels_images_are_ranked_by_entropy(files: Path, run: Run) -> None:
    out = files / "ranking.json"
    code, shown, _ = run("rank", "--logits", files / "logits.npy", "--out", out)
    assert code == 0
    assert "Definition: entropy" in shown
    rows = {row["image_id"]: row["hardness"] for row in json.loads(out.read_text())}
    assert [rows[place] for place in range(6)] == pytest.approx(expected("entropy"), rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--logits", "none.npy"], "none.npy: no such file"),
        (["--logits", "logits.npy", "--labels", "short.csv"], "logits.npy: has logits of 6 images, but"),
        (["--logits", "logits.npy", "--labels", "high.csv"], "is 7, but must be in 0 to 6"),
        (["--logits", "nan.npy", "--labels", "labels.csv"], "holds nan"),
        (["--logits", "logits.npy", "--labels", "labels.csv", "short.csv"], "--labels of --logits is one CSV file"),
        (["--logits", "logits.npy", "--definition", "margin"], "--definition margin goes by labels"),
        (["--logits", "logits.npy", "--weighting", "pixel"], "--weighting is of detections"),
        (["--logits", "logits.npy", "--detections", "labels.csv"], "--detections is of detections"),
        (["--logits", "logits.npy", "--grid", "g.png"], "--grid needs --images"),
        (["--logits", "logits.npy", "--labels", "twice.csv"], "'a' comes twice"),
        (["--definition", "margin"], "--definition is of a classifier's --logits"),
    ],
)
def test_what_makes_no_sense_is_refused(
    files: Path, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    (files / "short.csv").write_text("label\n1\n2\n")
    (files / "high.csv").write_text("label\n" + "7\n" * 6)
    (files / "twice.csv").write_text("image_id,label\n" + "a,1\n" * 6)
    np.save(files / "nan.npy", np.full((6, 7), np.nan, dtype=np.float32))
    monkeypatch.chdir(files)
    code, _, err = run("rank", *arguments)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
