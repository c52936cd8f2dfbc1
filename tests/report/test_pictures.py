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
        ("absent.png", "file is missing"),
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
