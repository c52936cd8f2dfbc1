"""Pictures put together in rows and columns, under a title and a legend."""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, zip_longest
from typing import NamedTuple

from PIL import Image, ImageDraw

from hardest_metrics.plot.lettering import font_of_size, shortened

#: A picture of more images than this is too large to look at.
MAX_TILES = 400

CAPTION_SIZE, TITLE_SIZE = 15, 18  # font sizes in pixels
PAPER, INK = (255, 255, 255), (30, 30, 30)

_GAP = 12  # pixels between tiles
_LINE = 24  # height in pixels

#: Left, top, right, bottom in pixels.
Box = tuple[float, float, float, float]


class LegendEntry(NamedTuple):
    """Something that a picture shows, and what it means.

    Attributes:
        name: what it means.
        sample: draws it into a box.
    """

    name: str
    sample: Callable[[ImageDraw.ImageDraw, Box], None]


def arrange(tiles: Sequence[Image.Image], title: str = "", legend: Sequence[LegendEntry] = ()) -> Image.Image:
    """Arrange pictures in a grid, row by row, under a title and a legend.

    Args:
        tiles: 1 to :data:`MAX_TILES` pictures, best of width :func:`tile_size`.
        title: text of any number of lines, the first the largest; lines that are too long are shortened.
        legend: what the pictures show.

    Raises:
        ValueError: if there are no tiles, or too many.

    Example:
        >>> arrange([Image.new("RGB", (320, 240))] * 5, "the hardest five").size
        (1008, 552)
    """
    check_number(len(tiles))
    columns = _columns(len(tiles))
    return arranged([tiles[start : start + columns] for start in range(0, len(tiles), columns)], title, legend)


def arranged(
    rows: Sequence[Sequence[Image.Image | None]],
    title: str = "",
    legend: Sequence[LegendEntry] = (),
    gap: int = _GAP,
) -> Image.Image:
    """Pictures in rows and columns of the size that they need, under title and legend.

    Args:
        rows: of pictures, None for an empty place; rows may differ in length.
        title: text of any number of lines, the first the largest; lines that are too long are shortened.
        legend: what the pictures show, on as many lines as the width asks for.
        gap: pixels between pictures.
    """

    def sizes(lines: Iterable[Sequence[Image.Image | None]], side: int) -> list[int]:
        return [max(tile.size[side] for tile in line if tile is not None) + gap for line in lines]

    widths, heights = sizes(zip_longest(*rows), 0), sizes(rows, 1)
    width = sum(widths) + gap
    header = _header(title, width - 2 * gap, legend)
    picture = Image.new("RGB", (width, header.height + 2 * gap + sum(heights)), PAPER)
    picture.paste(header, (gap, gap))
    lefts = list(accumulate(widths, initial=gap))
    tops = accumulate(heights, initial=header.height + 2 * gap)
    for top, row in zip(tops, rows, strict=False):
        for left, tile in zip(lefts, row, strict=False):
            if tile is not None:
                picture.paste(tile, (left, top))
    return picture


def tile_size(number: int) -> int:
    """The width in pixels at which so many images make a grid that a screen shows well."""
    return min(max(1600 // _columns(number), 320), 800)


def check_number(tiles: int) -> None:
    """Refuse a number of images that no picture shows.

    Raises:
        ValueError: if there are none, or more than :data:`MAX_TILES`.
    """
    if not 1 <= tiles <= MAX_TILES:
        raise ValueError(f"A grid holds 1 to {MAX_TILES} images, but {tiles} were given.")


def line_of_text(line: str, width: int) -> Image.Image:
    """A picture of one line, as wide as it needs, up to `width` pixels."""
    font = font_of_size(TITLE_SIZE)
    line = shortened(line, font, width)
    picture = Image.new("RGB", (max(math.ceil(font.getlength(line)), 1), round(1.3 * TITLE_SIZE)), PAPER)
    ImageDraw.Draw(picture).text((0, 0), line, INK, font)
    return picture


def _header(title: str, width: int, legend: Sequence[LegendEntry]) -> Image.Image:
    lines, fonts = title.splitlines(), [font_of_size(TITLE_SIZE), font_of_size(CAPTION_SIZE)]
    swatch, gap = 28, 24
    font, top = fonts[1], len(lines) * _LINE
    placed, left = [], 0.0
    for entry in legend:
        entry_width = swatch + 8 + font.getlength(entry.name)
        if left and left + entry_width > width:
            left, top = 0, top + _LINE
        placed.append((entry, left, top))
        left += entry_width + gap

    header = Image.new("RGB", (width, max(top + (_LINE if legend else 0), 1)), PAPER)
    draw = ImageDraw.Draw(header)
    for number, line in enumerate(lines):
        line_font = fonts[min(number, 1)]
        draw.text((0, number * _LINE), shortened(line, line_font, width), INK, line_font)
    for entry, x, y in placed:
        entry.sample(draw, (x, y + 2, x + swatch, y + 18))
        draw.text((x + swatch + 8, y + 1), entry.name, INK, font)
    return header


def _columns(number: int) -> int:
    return math.ceil(math.sqrt(number))
