import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor
from torch import Tensor

from hardest_metrics.functional import Outcome, Query
from hardest_metrics.plot import (
    UNJUDGED,
    OutcomeBoxes,
    detection_boxes,
    draw_grid,
    draw_image,
    draw_side_by_side,
    encode_png,
    outcome_boxes,
    tile_size,
)
from hardest_metrics.plot.arrangement import MAX_TILES
from hardest_metrics.plot.grid import _STYLES, _free_place
from hardest_metrics.plot.lettering import font_of_size, shortened

RED = _STYLES[Outcome.FALSE_POSITIVE].color
GREEN = _STYLES[Outcome.TRUE_POSITIVE].color
BLUE = _STYLES[Outcome.FALSE_NEGATIVE].color
GREY = (128, 128, 128)


def grey(height: int, width: int) -> Tensor:
    return torch.full((3, height, width), 128, dtype=torch.uint8)


def boxes(*rows: tuple[Sequence[float], Outcome], label: int = 1) -> OutcomeBoxes:
    missed = [outcome == Outcome.FALSE_NEGATIVE for _, outcome in rows]
    return OutcomeBoxes(
        torch.tensor([xyxy for xyxy, _ in rows], dtype=torch.float64).reshape(-1, 4),
        torch.tensor([outcome for _, outcome in rows], dtype=torch.uint8),
        torch.full((len(rows),), label),
        torch.where(torch.tensor(missed, dtype=torch.bool), torch.nan, 0.75).double(),
    )


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture)


def share_of(color: tuple[int, int, int], area: np.ndarray) -> float:
    return float((area == color).all(-1).mean())


# What became of the boxes of each image


def test_crowds_other_labels_and_low_scores_are_not_shown() -> None:
    preds = [
        {"boxes": torch.empty(0, 4), "scores": torch.empty(0), "labels": torch.empty(0, dtype=torch.int64)},
        {
            "boxes": torch.tensor(
                [[0.0, 0, 10, 10], [50, 50, 60, 60], [20, 20, 30, 30], [70, 70, 80, 80], [1, 1, 2, 2]]
            ),
            "scores": torch.tensor([0.9, 0.8, 0.7, 0.6, 0.4]),
            "labels": torch.tensor([1, 1, 1, 2, 1]),
        },
    ]
    target = [
        {"boxes": torch.tensor([[5.0, 5, 25, 25]]), "labels": torch.tensor([1])},
        {
            "boxes": torch.tensor([[0.0, 0, 10, 10], [19, 19, 99, 99], [70, 0, 80, 10], [70, 70, 80, 80]]),
            "labels": torch.tensor([1, 1, 1, 2]),
            "iscrowd": torch.tensor([0, 1, 0, 0]),
        },
    ]
    first, second = outcome_boxes(preds, target, Query(labels=[1]))
    assert first.outcomes.tolist() == [Outcome.FALSE_NEGATIVE]
    assert first.xyxy.tolist() == [[5, 5, 25, 25]]
    assert first.scores.isnan().all()
    # (50, 50) and (20, 20) lie on the crowd, (1, 1) has a low score
    assert second.outcomes.tolist() == [Outcome.TRUE_POSITIVE, Outcome.FALSE_NEGATIVE]
    assert second.xyxy.tolist() == [[0, 0, 10, 10], [70, 0, 80, 10]]
    assert second.labels.tolist() == [1, 1]


def test_boxes_of_any_format_are_shown_at_their_corners() -> None:
    target = [{"boxes": torch.tensor([[10.0, 20, 30, 40]]), "labels": torch.tensor([1])}]
    preds = [{"boxes": torch.empty(0, 4), "scores": torch.empty(0), "labels": torch.empty(0, dtype=torch.int64)}]
    assert outcome_boxes(preds, target, Query(), "xywh")[0].xyxy.tolist() == [[10, 20, 40, 60]]


# One image


@pytest.mark.parametrize("scale", [0.25, 1, 5])
@pytest.mark.parametrize(
    ("outcome", "color"),
    [(Outcome.FALSE_POSITIVE, RED), (Outcome.TRUE_POSITIVE, GREEN), (Outcome.FALSE_NEGATIVE, BLUE)],
)
def test_the_colour_of_an_outcome_lies_on_the_edges_of_its_box(
    outcome: Outcome, color: tuple[int, int, int], scale: float
) -> None:
    image = grey(round(300 * scale), round(400 * scale))
    box = [100 * scale, 100 * scale, 300 * scale, 200 * scale]
    drawn = pixels(draw_image(image, boxes((box, outcome)), size=400))
    assert drawn.shape == (300, 400, 3)
    for edge in (drawn[200, 100:300], drawn[101, 240:300], drawn[110:200, 100], drawn[110:200, 300]):
        assert share_of(color, edge) > 0.4
    assert share_of(GREY, drawn[120:180, 120:280]) == 1
    assert share_of(GREY, drawn[210:]) == 1
    assert share_of(GREY, drawn[:, :90]) == 1


def test_outcomes_are_told_apart_without_colour() -> None:
    rows = [([20, 100, 380, 200], outcome) for outcome in Outcome if outcome != Outcome.IGNORED]
    edges = [pixels(draw_image(grey(300, 400), boxes(row), size=400))[110:195, 15:30] != 128 for row in rows]
    true, false, missed = (edge.any(-1).sum(1) for edge in edges)
    assert set(true) == {2}
    assert set(false) == {3}
    assert set(missed) == {0, 3}, "dashed"


def test_errors_lie_on_top_of_true_positives() -> None:
    box = [100, 100, 300, 200]
    rows = [(box, Outcome.FALSE_POSITIVE), (box, Outcome.TRUE_POSITIVE)]
    assert share_of(RED, pixels(draw_image(grey(300, 400), boxes(*rows), size=400))[150:180, 100]) == 1


def test_boxes_outside_the_image_and_without_area_are_drawn_along_its_border() -> None:
    rows: list[tuple[Sequence[float], Outcome]] = [
        ([-50, -50, 1e9, 1e9], Outcome.FALSE_POSITIVE),
        ([40, 40, 40, 40], Outcome.FALSE_NEGATIVE),
        ([500, 10, 600, 20], Outcome.TRUE_POSITIVE),
    ]
    drawn = pixels(draw_image(grey(300, 400), boxes(*rows), size=400))
    for border in (drawn[100:, 0], drawn[100:, -1], drawn[-1]):
        assert share_of(RED, border) == 1
    assert share_of(BLUE, drawn[40:41, 40:41]) == 1


def test_an_image_without_boxes_is_drawn_as_it_is() -> None:
    image = torch.randint(0, 256, (3, 60, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert (pixels(draw_image(image, boxes(), size=80)) == image.permute(1, 2, 0).numpy()).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 1000), (1000, 3), (375, 500)])
def test_an_image_of_any_shape_fits_its_tile(height: int, width: int) -> None:
    row = ([0, 0, width, height], Outcome.FALSE_POSITIVE)
    drawn = draw_image(grey(height, width), boxes(row), size=320)
    assert drawn.width == 320
    assert 1 <= drawn.height <= 320


def test_labels_name_class_and_score() -> None:
    row = ([100, 100, 300, 200], Outcome.FALSE_POSITIVE)
    drawn = [
        draw_image(grey(300, 400), boxes(row), class_names=names, size=400) for names in ({1: "car"}, {1: "dog"}, None)
    ]
    contents = {encode_png(picture) for picture in drawn}
    assert len(contents) == 3
    for picture in drawn:
        assert (pixels(picture)[86:100, 100:130].min(-1) > 150).mean() > 0.05, "white on red"


def test_labels_never_hide_each_other_and_stay_inside() -> None:
    corners = torch.rand(300, 4, generator=torch.Generator().manual_seed(0)) * 300
    taken: list[tuple[int, int, int, int]] = []
    for a, b, c, d in corners.tolist():
        place = _free_place((min(a, c), min(b, d), max(a, c), max(b, d)), 60, 14, (300, 300), taken)
        if place is not None:
            taken.append(place)
    marks = np.zeros((300, 300), dtype=int)
    for left, top, right, bottom in taken:
        assert left >= 0
        assert top >= 0
        marks[top : bottom + 1, left : right + 1] += 1
    assert len(taken) > 20
    assert marks.max() == 1
    assert marks.sum() == len(taken) * 61 * 15, "nothing lies outside"


def test_a_caption_stands_above_the_image_whatever_its_length() -> None:
    plain = draw_image(grey(30, 40), boxes(), size=320)
    for caption in ("1. id 7, hardness 2", "a/" * 500, "first\nsecond", "\ud800 \x00 漢"):
        drawn = draw_image(grey(30, 40), boxes(), caption, size=320)
        lines = len(caption.splitlines())
        band = pixels(drawn)[: drawn.height - plain.height]
        assert drawn.width == 320
        assert len(band) >= 15 * lines
        assert (band.min(axis=(1, 2)) < 128).sum() > 5 * lines, "there is ink"
        assert pixels(drawn)[len(band) :].tolist() == pixels(plain).tolist()


def test_letters_of_many_languages_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    names = "üéßłñøç×…"

    def unknown(font: Any) -> list[str]:
        box = bytes(font.getmask("\U0010fffd"))
        return [letter for letter in shortened(names, font, 999) if bytes(font.getmask(letter)) == box]

    assert unknown(font_of_size(15)) == []
    monkeypatch.setattr("hardest_metrics.plot.lettering._dejavu", lambda: None)
    font_of_size.cache_clear()
    try:
        assert unknown(font_of_size(15)) == []
        assert shortened(names, font_of_size(15), 999) == "ue??n?c?..."
    finally:
        font_of_size.cache_clear()


def test_a_line_too_long_keeps_its_ends() -> None:
    font = font_of_size(15)
    name = "folder/" * 30 + "image_0042.jpg"
    short = shortened(name, font, 300)
    assert 250 < font.getlength(short) <= 300
    assert short.startswith("folder/")
    assert short.endswith("image_0042.jpg")
    assert "…" in short
    assert shortened("image_0042.jpg", font, 300) == "image_0042.jpg"
    assert shortened("", font, 300) == ""


# Grids


@pytest.mark.parametrize("number", [1, 2, 3, 10, 25])
def test_a_grid_shows_every_tile_once(number: int) -> None:
    tiles = [Image.new("RGB", (40 + index, 30 + index % 7), (index, 0, 77)) for index in range(number)]
    grid = pixels(draw_grid(tiles, "title"))
    for index, tile in enumerate(tiles):
        assert (grid == (index, 0, 77)).all(-1).sum() == tile.width * tile.height


@pytest.mark.parametrize("width", [100, 320, 1600])
def test_a_grid_explains_its_colours_whatever_its_width(width: int) -> None:
    grid = pixels(draw_grid([Image.new("RGB", (width, 100))], "what was counted " * 20))
    for color in (RED, GREEN, BLUE):
        assert (grid == color).all(-1).sum() > 50


@pytest.mark.parametrize("number", [0, MAX_TILES + 1])
def test_a_grid_of_no_or_too_many_images_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match=f"1 to {MAX_TILES} images, but {number} "):
        draw_grid([Image.new("RGB", (1, 1))] * number)


def test_rankings_stand_side_by_side_hardest_on_top() -> None:
    colors = {"labels": ["red", "green", "blue"], "entropy": ["cyan", "magenta"]}
    columns = {name: [Image.new("RGB", (80, 60), color) for color in names] for name, names in colors.items()}
    grid = np.asarray(draw_side_by_side(columns, "the hardest"))
    places = {}
    for name in [*colors["labels"], *colors["entropy"]]:
        rows, lefts = (grid == ImageColor.getrgb(name)).all(2).nonzero()
        assert len(rows) == 80 * 60
        places[name] = rows.min(), lefts.min()
    tops, lefts = ({name: place[side] for name, place in places.items()} for side in (0, 1))
    assert lefts["red"] == lefts["green"] == lefts["blue"] < lefts["cyan"] == lefts["magenta"]
    assert tops["red"] == tops["cyan"] < tops["green"] == tops["magenta"] < tops["blue"]
    above = grid[tops["red"] - 36 : tops["red"]]
    for left in (lefts["red"], lefts["cyan"]):  # the names of the columns
        assert above[:, left : left + 80].min() < 100
    for name in colors["labels"]:  # the ranks of the rows
        assert grid[tops[name] : tops[name] + 20, : lefts["red"]].min() < 100


@pytest.mark.parametrize("columns", [{}, {"a": []}, {"a": [1] * 200, "b": [1] * 201}])
def test_no_or_too_many_images_cannot_stand_side_by_side(columns: Any) -> None:
    with pytest.raises(ValueError, match="A grid holds 1 to 400 images"):
        draw_side_by_side(columns)


def test_tiles_are_smaller_in_larger_grids() -> None:
    sizes = [tile_size(number) for number in range(1, MAX_TILES + 1)]
    assert sizes == sorted(sizes, reverse=True)
    assert min(sizes) >= 320


def test_png_is_exact() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    assert (pixels(Image.open(io.BytesIO(encode_png(Image.fromarray(noise))))) == noise).all()


# Picture files


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "I;16", "F"])
def test_pictures_of_any_mode_are_drawn(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "picture.tif"
    ramp = np.tile(np.linspace(0, 60_000, 80), (60, 1))
    many_bits: dict[str, np.ndarray] = {
        "I": ramp.astype(np.int32),
        "I;16": ramp.astype(np.uint16),
        "F": ramp.astype(np.float32) / 60_000,
    }
    picture = Image.fromarray(many_bits.get(mode, (ramp / 235).astype(np.uint8)))
    (picture if mode in many_bits else picture.convert(mode)).save(path)
    with Image.open(path) as stored:
        assert stored.mode == mode
    drawn = draw_image(path, boxes(), size=80)
    assert (drawn.mode, drawn.size) == ("RGB", (80, 60))
    assert pixels(drawn)[:, :10].mean() < 60
    assert pixels(drawn)[:, -10:].mean() > 190


def test_a_picture_of_many_bits_and_one_value_is_drawn(tmp_path: Path) -> None:
    Image.fromarray(np.full((6, 8), 4000, dtype=np.uint16)).save(tmp_path / "flat.png")
    assert draw_image(tmp_path / "flat.png", boxes(), size=80).size == (80, 60)


def test_a_picture_on_its_side_is_drawn_as_its_boxes_refer_to_it(tmp_path: Path) -> None:
    # Stored 40 wide and 20 high with a red left half, to be turned by 90 degrees: then red is above
    stored = Image.new("RGB", (40, 20), (0, 0, 200))
    stored.paste((200, 0, 0), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.save(tmp_path / "turned.png", exif=exif)

    for image_size in (None, (20, 40)):
        drawn = pixels(draw_image(tmp_path / "turned.png", boxes(), size=400, image_size=image_size))
        assert drawn.shape == (200, 400, 3)
        assert share_of((200, 0, 0), drawn[:, :170]) == 1
    upright = pixels(draw_image(tmp_path / "turned.png", boxes(), size=400, image_size=(40, 20)))
    assert upright.shape == (400, 400, 3)
    assert share_of((200, 0, 0), upright[:170, :200]) == 1
    assert share_of((0, 0, 200), upright[230:, :200]) == 1


def test_a_large_jpeg_has_its_boxes_in_the_right_places(tmp_path: Path) -> None:
    picture = Image.new("RGB", (3203, 1601), GREY)
    picture.paste((0, 0, 0), (1600, 0, 3203, 1601))
    picture.save(tmp_path / "large.jpg")
    row = ([1600, 400, 3203, 1601], Outcome.FALSE_POSITIVE)
    drawn = pixels(draw_image(tmp_path / "large.jpg", boxes(row), size=320))
    assert share_of(RED, drawn[60:, 160]) == 1
    assert drawn[60:, :158].min() > 110
    assert drawn[60:-4, 165:-4].max() < 20


def test_a_picture_of_another_size_than_annotated_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (40, 20)).save(tmp_path / "small.png")
    with pytest.raises(ValueError, match=r"small\.png: is 40 x 20 pixels .* for 640 x 480"):
        draw_image(tmp_path / "small.png", boxes(), image_size=(480, 640))


def _truncated(format_: str) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, format=format_)
    return buffer.getvalue()[: len(buffer.getvalue()) // 2]


@pytest.mark.parametrize("content", [b"", b"no picture", _truncated("JPEG"), _truncated("PNG"), _truncated("TIFF")])
def test_an_unreadable_picture_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.jpg").write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.jpg: not a picture that can be read"):
        draw_image(tmp_path / "broken.jpg", boxes())


def test_a_missing_picture_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"missing\.jpg"):
        draw_image(tmp_path / "missing.jpg", boxes())


def test_tensors_of_other_kinds_are_refused() -> None:
    with pytest.raises(TypeError, match=r"must be uint8.*float32"):
        draw_image(torch.zeros(3, 4, 4), boxes())
    for shape in ((4, 4), (4, 4, 3), (3, 0, 4)):
        with pytest.raises(ValueError, match="must have shape"):
            draw_image(torch.zeros(shape, dtype=torch.uint8), boxes())


def test_greyscale_tensors_are_drawn() -> None:
    assert share_of(GREY, pixels(draw_image(grey(30, 40)[:1], boxes(), size=40))) == 1


# Images without labels


def test_detections_that_nobody_judged_are_of_one_colour() -> None:
    corners = torch.tensor([[10.0, 10, 60, 60], [70, 70, 90, 90], [20, 60, 60, 90], [5, 5, 9, 9]])
    preds = [{"boxes": corners, "scores": torch.tensor([0.9, 0.8, 0.7, 0.1]), "labels": torch.tensor([1, 2, 3, 1])}]
    (shown,) = detection_boxes(preds, Query(labels=[1, 2]))
    assert shown.xyxy.tolist() == corners[:2].tolist()
    assert shown.outcomes.tolist() == [UNJUDGED] * 2
    tile = draw_image(grey(100, 100), shown, size=400)
    assert share_of(_STYLES[UNJUDGED].color, pixels(tile)) > 0.01
    for color in (RED, GREEN, BLUE):
        assert share_of(color, pixels(draw_grid([tile], judged=False))) == 0
        assert share_of(color, pixels(draw_grid([tile]))) > 0  # in the legend
