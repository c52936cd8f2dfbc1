"""Logits and labels are read as they were written, and joined by what both call an image."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import parquet
from torchvision.datasets import ImageFolder

from hardest_metrics.data.logits_file import LabelledImages, LogitsFile, in_order_of, read_labels, read_logits

LOGITS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
def test_arrays(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "logits.npy", LOGITS.astype(dtype))
    found = read_logits(tmp_path / "logits.npy")
    assert found.ids is None
    assert np.array_equal(found.logits.numpy(), LOGITS.astype(dtype))


@pytest.mark.parametrize("fixed", [False, True])
def test_parquet_with_a_column_of_lists(tmp_path: Path, fixed: bool) -> None:
    kind = pa.list_(pa.float32(), 3) if fixed else pa.list_(pa.float32())
    table = pa.table({"file_name": list("abcd"), "logits": pa.array(LOGITS.tolist(), kind)})
    parquet.write_table(table, tmp_path / "logits.parquet")
    found = read_logits(tmp_path / "logits.parquet")
    assert found.ids == list("abcd")
    assert np.array_equal(found.logits.numpy(), LOGITS)


def test_parquet_with_a_column_for_each_class(tmp_path: Path) -> None:
    columns: dict[str, Any] = {f"class_{k}": LOGITS[:, k] for k in range(3)}
    parquet.write_table(pa.table(columns | {"image_id": [3, 1, 4, 2]}), tmp_path / "logits.parquet")
    found = read_logits(tmp_path / "logits.parquet")
    assert found.ids == [3, 1, 4, 2]
    assert np.array_equal(found.logits.numpy(), LOGITS)


def test_a_folder_is_read_as_torchvision_does(tmp_path: Path) -> None:
    for name in ("dog/10.png", "dog/9.png", "cat/deep/a.png", "ant/x.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    expected, found = ImageFolder(str(tmp_path)), read_labels(tmp_path)
    assert found.labels == expected.targets
    assert found.classes == expected.classes
    assert found.file_names is not None
    assert [str(tmp_path / name) for name in found.file_names] == [path for path, _ in expected.samples]


@pytest.mark.parametrize(
    ("ids", "order"),
    [
        (None, [0, 1, 2]),
        (["b.png", "a.png", "c.png"], [1, 0, 2]),
        (["images/c", "images/b", "images/a"], [2, 1, 0]),
    ],
)
def test_rows_are_joined_by_name_else_by_position(ids: Any, order: list[int]) -> None:
    labelled = LabelledImages(None, ["a.png", "b.png", "c.png"], [0, 1, 2], None)
    logits = torch.arange(6.0).reshape(3, 2)
    assert torch.equal(in_order_of(labelled, LogitsFile(logits, ids), "labels", "logits"), logits[order])


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 2, 9], r"logits: 1 image\(s\), 9, not among the images of labels"),
        ([1, 2], r"logits: lacks 1 image\(s\), 3, of labels"),
        ([1, 2, 2, 3], "logits: image 2 comes twice"),
    ],
)
def test_other_images_are_refused(ids: list[int], message: str) -> None:
    labelled = LabelledImages([1, 2, 3], None, [0, 0, 0], None)
    with pytest.raises(ValueError, match=message):
        in_order_of(labelled, LogitsFile(torch.zeros(len(ids), 2), [*ids]), "labels", "logits")


def test_another_number_of_images_is_refused() -> None:
    labelled = LabelledImages(None, None, [0, 0, 0], None)
    with pytest.raises(ValueError, match="logits: has logits of 2 images, but labels has labels of 3"):
        in_order_of(labelled, LogitsFile(torch.zeros(2, 2), None), "labels", "logits")


@pytest.mark.parametrize("damage", ["text", "integers", "vector", "suffix", "strings", "ragged"])
def test_files_that_are_none_are_refused_by_name(tmp_path: Path, damage: str) -> None:
    path = tmp_path / {"suffix": "logits.txt", "strings": "l.parquet", "ragged": "l.parquet"}.get(damage, "l.npy")
    if damage in ("text", "suffix"):
        path.write_text("1 2 3")
    elif damage == "strings":
        parquet.write_table(pa.table({"a": ["x"], "b": ["y"]}), path)
    elif damage == "ragged":
        parquet.write_table(pa.table({"logits": [[1.0, 2.0], [1.0]]}), path)
    else:
        np.save(path, np.zeros(3) if damage == "vector" else np.zeros((2, 3), dtype=int))
    with pytest.raises(ValueError, match=path.name):
        read_logits(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file_name,class\na,1\n", "no column 'label'"),
        ("label\ncat\n", "line 2: 'label' is 'cat', but must be an integer"),
        ("", "is empty"),
    ],
)
def test_labels_that_are_none_are_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"labels.csv.*{message}"):
        read_labels(path)


def test_a_folder_without_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must hold a folder of images for each class"):
        read_labels(tmp_path)
