import io
from pathlib import Path

import pytest
from PIL import Image

from hardest_metrics.data import Annotations
from hardest_metrics.report.pictures import SIDE, pictures


def annotations(names: list[str], size: tuple[int, int] | None = (50, 100)) -> Annotations:
    return Annotations(list(range(len(names))), names, [size] * len(names), {}, [{} for _ in names])


def test_large_images_are_brought_to_the_size_of_a_screen_and_small_ones_kept(tmp_path: Path) -> None:
    for name, size in (("large", (4000, 1000)), ("small", (40, 30))):
        Image.new("RGB", size, "red").save(tmp_path / f"{name}.png")
    large, small = pictures(annotations(["large.png", "sub/small.png"], None), tmp_path)
    assert (large.size, small.size) == ((1000, 4000), (30, 40)), "height and width that boxes refer to"
    assert Image.open(io.BytesIO(large.jpeg)).size == (SIDE, SIDE // 4)
    assert Image.open(io.BytesIO(small.jpeg)).size == (40, 30)


def test_order_is_kept_over_more_images_than_are_in_work_at_once(tmp_path: Path) -> None:
    widths = list(range(10, 210))
    for width in widths:
        Image.new("L", (width, 10)).save(tmp_path / f"{width}.png")
    made = pictures(annotations([f"{width}.png" for width in widths], None), tmp_path)
    assert [picture.size for picture in made] == [(10, width) for width in widths]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("absent.png", "no such file"),
        ("damaged.png", "file cannot be read"),
        ("other.png", "file has another size than its annotations"),
    ],
)
def test_an_image_that_cannot_be_shown_says_why(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Image.new("RGB", (30, 30)).save(tmp_path / "other.png")
    Image.new("RGB", (100, 50)).save(tmp_path / "sound.png")
    bad, sound = pictures(annotations([name, "sound.png"]), tmp_path)
    assert (bad.jpeg, bad.size, bad.problem) == (b"", (50, 100), problem)
    assert str(tmp_path / name) in bad.message
    assert sound.jpeg
    assert sound.problem == ""


def test_a_damaged_image_of_unknown_size_is_no_different(tmp_path: Path) -> None:
    (tmp_path / "damaged.png").write_bytes(b"nothing")
    (bad,) = pictures(annotations(["damaged.png"], None), tmp_path)
    assert (bad.jpeg, bad.size, bad.problem) == (b"", None, "file cannot be read")


def test_nothing_outside_the_folder_is_shown(tmp_path: Path) -> None:
    (tmp_path / "images" / "sub").mkdir(parents=True)
    Image.new("RGB", (100, 50), "red").save(tmp_path / "secret.png")
    (tmp_path / "images" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "images" / "outside").symlink_to(tmp_path)
    names = [str(tmp_path / "secret.png"), "../secret.png", "sub/../../secret.png", "link.png", "outside/secret.png"]
    for picture in pictures(annotations(names), tmp_path / "images"):
        assert (picture.jpeg, picture.problem) == (b"", "lies outside the folder")
        assert "Let `images` name the folder" in picture.message


def test_a_name_that_no_file_can_have_is_a_gap(tmp_path: Path) -> None:
    Image.new("RGB", (100, 50)).save(tmp_path / "sound.png")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "circle.png").symlink_to(tmp_path / "circle.png")
    (tmp_path / "folder.png").mkdir()
    names = ["n" * 300, "\ud800.png", "nul\0.png", "dangling.png", "circle.png", "folder.png", "", "sound.png"]
    *gaps, sound = pictures(annotations(names), tmp_path)
    assert [gap.problem for gap in gaps] == [
        "file name too long", "no file can have this name", "no file can have this name",
        "is a link that leads nowhere", "too many levels of symbolic links", "is no file", "is no file",
    ]  # fmt: skip
    assert all(len(gap.message) < 500 for gap in gaps)
    assert sound.jpeg
