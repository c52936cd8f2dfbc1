"""Annotations of Open Images."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from hardest_metrics.data import read_annotations, read_open_images_annotations

HEADER = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsGroupOf\n"


def written(folder: Path, *rows: str, header: str = HEADER) -> Path:
    (folder / "images").mkdir()
    Image.new("RGB", (200, 100)).save(folder / "images" / "a1.jpg")
    Image.new("RGB", (50, 80)).save(folder / "images" / "b2.jpg")
    path = folder / "boxes.csv"
    path.write_text(header + "\n".join(rows) + "\n")
    return path


def test_boxes_are_pixels_of_their_own_image(tmp_path: Path) -> None:
    rows = ("b2,x,/m/b,1,0,0.5,0.25,1,0,0", "a1,x,/m/a,1,0.5,1,0,0.1,0,1", "b2,x,/m/a,1,0,1,0,1,0,-1")
    annotations = read_annotations(written(tmp_path, *rows))
    assert annotations.source_ids == ["b2", "a1"]
    assert annotations.file_names == ["b2.jpg", "a1.jpg"]
    assert annotations.image_sizes == [(80, 50), (100, 200)]
    expected = torch.tensor([[0.0, 20, 25, 60], [0, 0, 50, 80]], dtype=torch.float64)
    torch.testing.assert_close(annotations.target[0]["boxes"], expected)
    assert annotations.target[0]["labels"].tolist() == [2, 1]
    assert [image["iscrowd"].tolist() for image in annotations.target] == [[0, 0], [1]]


def test_classes_are_named_by_the_descriptions_beside(tmp_path: Path) -> None:
    path = written(tmp_path, "a1,x,/m/a,1,0,1,0,1,0,0", "a1,x,/m/b,1,0,1,0,1,0,0")
    assert read_annotations(path).categories == {1: "/m/a", 2: "/m/b"}
    (tmp_path / "class-descriptions-boxable.csv").write_text('/m/a,"Cat, tame"\n/m/z,Dog\n')
    assert read_annotations(path).categories == {1: "Cat, tame", 2: "/m/b"}


def test_without_groups_no_box_is_a_crowd(tmp_path: Path) -> None:
    path = written(tmp_path, "a1,/m/a,0,1,0,1", header="ImageID,LabelName,XMin,XMax,YMin,YMax\n")
    assert read_annotations(path).target[0]["iscrowd"].tolist() == [0]


def test_the_folder_of_images_can_be_named(tmp_path: Path) -> None:
    path = written(tmp_path, "a1,x,/m/a,1,0,1,0,1,0,0")
    (tmp_path / "images").rename(tmp_path / "validation")
    with pytest.raises(ValueError, match=r"boxes\.csv: image 'a1' is not in .*images"):
        read_annotations(path)
    assert read_open_images_annotations(path, tmp_path / "validation").image_sizes == [(100, 200)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a1,x,/m/a,1,0,1.5,0,1,0,0", r"boxes\.csv: line 2: box 0, 0, 1\.5, 1 .* is not between 0 and 1"),
        ("a1,x,/m/a,1,0.5,0.2,0,1,0,0", "line 2: box .* each Min at most its Max"),
        ("a1,x,/m/a,1,nan,1,0,1,0,0", "line 2: 'XMin' is 'nan', but must be a finite number"),
        ("a1,x,/m/a,1,0,1,0,1,0,7", "line 2: 'IsGroupOf' is 7, but must be 0, 1 or -1"),
        ("a1,x,,1,0,1,0,1,0,0", "line 2: 'LabelName' is empty"),
        ("c3,x,/m/a,1,0,1,0,1,0,0", "image 'c3' is not in"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_annotations(written(tmp_path, row))


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "a1,x,/m/a,1,0,1,0,1,0,0")
    (tmp_path / "images" / "a1.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"a1\.jpg: cannot be read as an image"):
        read_annotations(path)
