"""Annotations of Global Wheat, in both editions."""

from pathlib import Path

import pytest
import torch

from hardest_metrics.data import image_number, read_annotations, read_image_list

NEW, OLD = "image_name,BoxesString,domain\n", "image_id,width,height,bbox,source\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "train.csv"
    path.write_text(text)
    return path


def test_both_editions_say_the_same(tmp_path: Path) -> None:
    new = read_annotations(written(tmp_path, NEW + "a.png,1 2 4 6;0 0 5.5 5,x\nb.png,3 3 4 4,y\n"))
    rows = ('a,1024,1024,"[1, 2, 3, 4]",x', 'b,1024,1024,"[3.0, 3.0, 1.0, 1.0]",y', 'a,1024,1024,"[0, 0, 5.5, 5]",x')
    old = read_annotations(written(tmp_path, OLD + "\n".join(rows)))
    assert new.source_ids == old.source_ids == ["a", "b"]
    assert new.image_ids == old.image_ids == [image_number("a"), image_number("b")]
    for ours, theirs in zip(new.target, old.target, strict=True):
        torch.testing.assert_close(ours["boxes"], theirs["boxes"], rtol=0, atol=0)
        assert ours["labels"].equal(theirs["labels"])
    assert old.image_sizes == [(1024, 1024)] * 2
    assert new.categories == {1: "wheat"}


def test_an_image_without_heads_is_there(tmp_path: Path) -> None:
    path = written(tmp_path, NEW + "a.png,no_box,x\nb.png,1 1 2 2,x\n")
    annotations = read_annotations(path)
    assert [len(image["boxes"]) for image in annotations.target] == [0, 1]
    assert annotations.target[0]["boxes"].shape == (0, 4)
    assert "boxes" not in read_image_list(path).target[1]


def test_an_image_file_has_its_extension(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.jpg").touch()
    assert read_annotations(written(tmp_path, OLD + 'a,8,8,"[0, 0, 1, 1]",x\n')).file_names == ["a.jpg"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NEW + "a.png,1 2 3,x\n", r"train\.csv: line 2: box '1 2 3' is not xmin ymin xmax ymax"),
        (NEW + "a.png,1 2 x 4,x\n", r"line 2: box .*nan.* is not finite"),
        (NEW + "a.png,1 2 3 4,x\nb.png,5 2 3 4,x\n", r"line 3: box \[5\.0, 2\.0, -2\.0, 2\.0\] .* ends no earlier"),
        (NEW + "a.png,1 2 3 4,x\na.png,no_box,x\n", r"line 3: image 'a\.png' has a row already"),
        (NEW + "a.png,no_box,x\na.jpg,no_box,x\n", "two images differ by their extension only"),
        (OLD + "a,8,8,[1],x\n", r"line 2: 'bbox' is '\[1\]', but must be \[x, y, width, height\]"),
        (OLD + 'a,8,8,"[0, 0, 1, -1]",x\n', r"line 2: box .* is not finite, ends no earlier"),
        (OLD + 'a,0,8,"[0, 0, 1, 1]",x\n', "line 2: height and width are 8 and 0"),
        (OLD + 'a,8,8,"[0, 0, 1, 1]",x\na,9,8,"[0, 0, 1, 1]",x\n', r"line 3: image 'a' is \(8, 9\)|8 by 9 here"),
        ("image,box\na,1\n", "its columns are of no format that is known here"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_annotations(written(tmp_path, text))
