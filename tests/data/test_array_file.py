"""Arrays of numbers, and what is refused in their place."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hardest_metrics.data.array_file import read_array


def test_numbers_come_as_they_were_saved(tmp_path: Path) -> None:
    saved = np.arange(6, dtype=np.float16).reshape(2, 3)
    np.save(tmp_path / "logits.npy", saved)
    read = read_array(tmp_path / "logits.npy", "logits")
    assert read.dtype == np.float16
    assert (read == saved).all()


@pytest.mark.parametrize(
    "array", [np.eye(3, dtype=int), np.zeros(3), np.zeros((2, 2, 2)), np.zeros((2, 2), dtype="c8")]
)
def test_other_arrays_are_refused_with_what_was_found(tmp_path: Path, array: np.ndarray[Any, Any]) -> None:
    np.save(tmp_path / "logits.npy", array)
    with pytest.raises(ValueError, match=rf"logits\.npy: must hold floating-point logits.*{array.dtype} of"):
        read_array(tmp_path / "logits.npy", "logits")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"image_id,hardness\n1,2\n"])
def test_other_files_are_refused_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "logits.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"is no array of numbers .*numpy\.save\(path, logits\)"):
        read_array(tmp_path / "logits.npy", "logits")


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "logits.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="is no array of numbers"):
        read_array(tmp_path / "logits.npy", "logits")
