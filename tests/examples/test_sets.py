"""The sets that the experiment transfers between."""

from pathlib import Path

import pytest
from PIL import Image

from examples.transferability.families import FAMILIES
from examples.transferability.sets import Sizes, drawn_sets, family_sets, set_on_disk
from tests.transfer.small import save_set


def test_families_make_sets_of_the_sizes_asked_for() -> None:
    sets = list(family_sets(Sizes(train=6, target=4, val=3), seed=1))
    assert [one.name for one in sets] == list(FAMILIES)
    for one in sets:
        assert (len(one.train), len(one.target), len(one.val)) == (6, 4, 3)
        assert one.target[3][0].equal(one.train[3][0])
        assert one.train[0][0].shape == (3, 96, 96)
        assert len(one.class_names) == 10


def test_a_set_on_disk_is_divided_and_no_image_is_in_both_parts(tmp_path: Path) -> None:
    path = save_set(tmp_path, 20)
    one = set_on_disk("mine", path, tmp_path / "images", Sizes(train=12, target=8, val=9, image=(32, 48)), seed=0)
    assert (len(one.train), len(one.target), len(one.val)) == (12, 8, 4)
    ids = [[part[place][1]["image_id"] for place in range(len(part))] for part in (one.train, one.val)]
    assert len({*ids[0], *ids[1]}) == 16
    assert one.class_names == ("cat", "dog", "owl")
    assert one.val[0][0].shape == (3, 32, 48)
    other = set_on_disk("mine", path, tmp_path / "images", Sizes(), seed=1)
    assert [other.val[place][1]["image_id"] for place in range(4)] != ids[1]


def test_a_set_without_enough_images_is_refused(tmp_path: Path) -> None:
    path = save_set(tmp_path, 1)
    with pytest.raises(ValueError, match="mine: has 1 images with objects"):
        set_on_disk("mine", path, tmp_path / "images", Sizes(), seed=0)


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """As Open Images: fruit on some images, vehicles on others, a tree on all."""
    (tmp_path / "images").mkdir()
    lines = ["ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf"]
    for number in range(40):
        Image.new("RGB", (40, 30), (6 * number, 90, 90)).save(tmp_path / "images" / f"i{number}.jpg")
        classes = ("apple", "pear", "plum") if number % 2 else ("car", "bus", "van")
        lines += [
            f"i{number},/m/{name},0.1,0.6,0.1,{0.5 + place / 10},0" for place, name in enumerate((*classes, "tree"))
        ]
    (tmp_path / "boxes.csv").write_text("\n".join(lines))
    return tmp_path


def test_drawn_sets_hold_classes_that_occur_together(collection: Path) -> None:
    sizes = Sizes(train=10, target=10, val=3, image=(32, 32))
    sets = list(drawn_sets(collection / "boxes.csv", collection / "images", 6, 2, sizes, seed=0))
    assert [one.name for one in sets] == [f"set0{number}" for number in range(1, 7)]
    assert len({one.class_names for one in sets}) > 1
    for one in sets:
        assert len(one.class_names) == 2
        assert (len(one.train), len(one.val)) == (10, 3)
        for place in range(10):
            labels = one.train[place][1]["labels"]
            assert set(labels.tolist()) <= {0, 1}
            assert len(labels)
    again = list(drawn_sets(collection / "boxes.csv", collection / "images", 6, 2, sizes, seed=0))
    assert [one.class_names for one in again] == [one.class_names for one in sets]
    with pytest.raises(ValueError, match="has 7 classes, which make no sets of 8"):
        next(drawn_sets(collection / "boxes.csv", collection / "images", 1, 8, sizes, seed=0))
