"""What of a labelled set is scored by."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hardest_metrics.transfer import read_target_set
from tests.transfer.small import N_IMAGES, save_set


def changed(path: Path, **entries: Any) -> Path:
    document = json.loads(path.read_text())
    document.update(entries)
    path.write_text(json.dumps(document))
    return path


def test_all_objects_are_there_with_the_sizes_of_files(tmp_path: Path) -> None:
    target = read_target_set(save_set(tmp_path), tmp_path / "images")
    assert len(target.files) == N_IMAGES
    assert (target.number, target.notes) == (5 * N_IMAGES, [])
    assert target.sizes[:3] == [(40, 60), (50, 45), (60, 60)]
    document = json.loads((tmp_path / "target.json").read_text())
    x, y, width, height = document["annotations"][0]["bbox"]
    torch.testing.assert_close(target.targets[0]["boxes"][0], torch.tensor([x, y, x + width, y + height]).double())


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    path = save_set(tmp_path)
    annotations = json.loads(path.read_text())["annotations"]
    annotations[0]["iscrowd"] = 1
    annotations[1]["bbox"][2] = 0
    kept = [entry for entry in annotations if entry["image_id"] != 4]
    target = read_target_set(changed(path, annotations=kept), tmp_path / "images")
    assert target.notes == ["1 crowd left out", "1 box without area left out", "1 image without objects left out"]
    assert (target.number, len(target.files)) == (5 * (N_IMAGES - 1) - 2, N_IMAGES - 1)


def test_one_class_is_told_and_none_refused(tmp_path: Path) -> None:
    path = save_set(tmp_path)
    annotations = json.loads(path.read_text())["annotations"]
    one = [{**entry, "category_id": 1} for entry in annotations]
    (note,) = read_target_set(changed(path, annotations=one), tmp_path / "images").notes
    assert "one class" in note
    with pytest.raises(ValueError, match=r"target\.json: holds no objects"):
        read_target_set(changed(path, annotations=[]), tmp_path / "images")


def test_a_set_is_known_by_pictures_and_objects(tmp_path: Path) -> None:
    path = save_set(tmp_path)

    def digest() -> str:
        target = read_target_set(path, tmp_path / "images")
        return target.digest(target.contents())

    first = digest()
    assert digest() == first
    picture = tmp_path / "images" / "00.png"
    content = picture.read_bytes()
    picture.write_bytes(content + b"more")
    assert digest() != first
    picture.write_bytes(content)
    assert digest() == first
    annotations = json.loads(path.read_text())["annotations"]
    annotations[0]["category_id"] = 3 if annotations[0]["category_id"] != 3 else 2
    changed(path, annotations=annotations)
    assert digest() != first
