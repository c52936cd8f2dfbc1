"""Scenes of digits in text files."""

from pathlib import Path

import pytest
import torch

from hardest_metrics.data import read_annotations, read_digit_scenes


def test_every_file_is_an_image(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    for name, text in {"10": "3,0,0,5,5\n", "2": "", "9": "0,1.5,2,4,6\n\n9, 0, 0, 1, 1\n"}.items():
        (folder / f"{name}.txt").write_text(text)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "9.png").touch()
    annotations = read_annotations(tmp_path)
    assert annotations.image_ids == [2, 9, 10]
    assert annotations.file_names == ["2", "9.png", "10"]
    assert annotations.categories == {1: "0", 4: "3", 10: "9"}
    assert [image["labels"].tolist() for image in annotations.target] == [[], [1, 10], [4]]
    expected = torch.tensor([[1.5, 2, 2.5, 4], [0, 0, 1, 1]], dtype=torch.float64)
    torch.testing.assert_close(annotations.target[1]["boxes"], expected, rtol=0, atol=0)
    assert annotations.target[0]["boxes"].shape == (0, 4)


def test_a_label_means_the_same_whichever_files_there_are(tmp_path: Path) -> None:
    for part, text in {"train": "7,0,0,1,1\n0,0,0,1,1\n", "val": "7,0,0,1,1\n"}.items():
        (tmp_path / part).mkdir()
        (tmp_path / part / "scene.txt").write_text(text)
    train, val = (read_digit_scenes(tmp_path / part) for part in ("train", "val"))
    assert train.labels_named(["7"]) == val.labels_named(["7"]) == [8]
    assert train.source_ids == ["scene"]


def test_a_folder_of_xml_files_is_pascal_voc(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("car")
    (tmp_path / "a.xml").write_text("<annotation/>")
    assert read_annotations(tmp_path).file_names == ["a"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,2,3,4", r"0\.txt: line 2: is '1,2,3,4', but must be label,xmin,ymin,xmax,ymax"),
        ("1 2 3 4 5", "but must be label,xmin,ymin,xmax,ymax"),
        ("-1,0,0,1,1", "a whole label of at least 0"),
        ("x,0,0,1,1", "a whole label"),
        ("1,0,0,nan,1", "must be finite"),
        ("1,5,0,1,1", "not end before it begins"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "0.txt").write_text(f"0,0,0,1,1\n{line}\n")
    with pytest.raises(ValueError, match=message):
        read_digit_scenes(tmp_path)


def test_an_empty_folder_and_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no text files in it"):
        read_digit_scenes(tmp_path)
    with pytest.raises(NotADirectoryError, match="no such folder"):
        read_digit_scenes(tmp_path / "none")
