"""Embeddings and tables of labels: one row an image, one number a class in all tables."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hardest_metrics.data.embeddings import read_embeddings, read_label_tables


def table(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_embeddings_are_float32_whatever_was_saved(tmp_path: Path, dtype: type) -> None:
    saved: np.ndarray[Any, Any] = np.random.default_rng(0).normal(size=(5, 4)).astype(dtype)
    np.save(tmp_path / "e.npy", np.asfortranarray(saved))
    read = read_embeddings(tmp_path / "e.npy")
    assert read.dtype == torch.float32
    assert torch.equal(read, torch.from_numpy(saved.copy()).float())


def test_no_embeddings_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", np.zeros((0, 4)))
    with pytest.raises(ValueError, match=r"e\.npy: holds no embeddings, but \(0, 4\)"):
        read_embeddings(tmp_path / "e.npy")


def test_a_class_has_one_number_in_all_tables(tmp_path: Path) -> None:
    first = table(tmp_path, "queries.csv", "species,kind\ncat,animal\nsaw,tool\n")
    second = table(tmp_path, "gallery.csv", "species,kind\nsaw,tool\nant,animal\n")
    queries, gallery = read_label_tables([first, second])
    assert queries.class_names == gallery.class_names == [{0: "ant", 1: "cat", 2: "saw"}, {0: "animal", 1: "tool"}]
    assert queries.labels.tolist() == [[1, 0], [2, 1]]
    assert gallery.labels.tolist() == [[2, 1], [0, 0]]


def test_labels_that_are_integers_stay_what_they_are(tmp_path: Path) -> None:
    (read,) = read_label_tables([table(tmp_path, "labels.csv", "image_id,product,kind\n7,12,-3\n9,5,-3\n")])
    assert read.labels.tolist() == [[12, -3], [5, -3]]
    assert read.ids == [7, 9]


def test_columns_that_are_named_are_the_levels_in_that_order(tmp_path: Path) -> None:
    path = table(tmp_path, "labels.csv", "file,kind,note,species\na.jpg,1,x,10\nb.jpg,2,y,20\n")
    (read,) = read_label_tables([path], ["species", "kind"])
    assert read.labels.tolist() == [[10, 1], [20, 2]]
    assert read.file_names == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("species,kind\n1,2\n", "has the levels species, kind, but must have .* as .*first.csv has: kind, species"),
        ("image_id,file\n1,a.jpg\n", "has the levels none"),
        ("image_id,kind,species\n1,2,3\n1,2,3\n", r"labels\.csv: .*line 3.*1"),
        ("kind,species\n1,99999999999999999999\n", "line 2: 'species' is 99999999999999999999, beyond int64"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(tmp_path: Path, text: str, message: str) -> None:
    first = table(tmp_path, "first.csv", "kind,species\n1,2\n")
    with pytest.raises(ValueError, match=message):
        read_label_tables([first, table(tmp_path, "labels.csv", text)])
