"""A picture of hard queries: each with its nearest neighbours, framed by how many levels of a hierarchy they share."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

from hardest_metrics.plot.grid import MAX_TILES, ImageSource, scaled
from hardest_metrics.plot.lettering import font_of_size, shortened

_Color = tuple[int, int, int]

# From no level to all of them; of different lightness, and told apart by those with colour blindness.
_ANCHORS: tuple[_Color, ...] = ((170, 30, 30), (245, 185, 60), (0, 140, 110))
_PAPER, _INK = (255, 255, 255), (30, 30, 30)
_FRAME, _GAP = 6, 10  # pixels
_CAPTION_SIZE, _TITLE_SIZE = 13, 18  # font sizes in pixels
_LINE, _TITLE_LINE = 18, 24  # heights in pixels


class Retrieved(NamedTuple):
    """A query, and what it retrieved.

    Attributes:
        query: its image: ``(3, H, W)`` or ``(1, H, W)`` uint8, or the path of a picture.
        caption: what stands above it, such as its id and hardness.
        neighbours: the images of its neighbours, nearest first.
        levels: how many levels each shares with the query.
        captions: what stands above each; none for nothing.
    """

    query: ImageSource
    caption: str
    neighbours: Sequence[ImageSource]
    levels: Sequence[int]
    captions: Sequence[str] = ()


def draw_neighbours(queries: Sequence[Retrieved], num_levels: int, title: str = "", size: int = 160) -> Image.Image:
    """Draw queries, one a row, each in front of its nearest neighbours.

    A neighbour's frame goes from red (it shares no level) to green (it shares all of them), and says so in figures:
    ``1/3`` for the coarsest level of three. A legend stands under the title.

    Args:
        queries: what to draw, the hardest first; of at most :data:`MAX_TILES` images in all.
        num_levels: L, how many levels there are.
        title: text of any number of lines, the first the largest; lines that are too long are shortened.
        size: width and height in pixels that images are brought to fit.

    Raises:
        TypeError: if a tensor is not uint8.
        ValueError: if there are no queries or too many images; if levels are not as many as neighbours, or not from 0
            to `num_levels`; or if an image cannot be drawn. The message names the query or file.

    Example:
        >>> import torch
        >>> image = torch.zeros(3, 60, 80, dtype=torch.uint8)
        >>> hard = Retrieved(image, "1. id 7, hardness 0.93", [image] * 4, levels=[0, 0, 1, 2])
        >>> draw_neighbours([hard], num_levels=2, title="hardest queries", size=80).size
        (530, 186)
    """
    _check(queries, num_levels)
    tile, colors = size + 2 * _FRAME, level_colors(num_levels)
    widest = max(len(retrieved.neighbours) for retrieved in queries)
    width = _GAP + (1 + widest) * (tile + _GAP) + _GAP  # the query stands apart by one gap more
    header = _header(title, width - 2 * _GAP, colors)
    height = _LINE + tile + _GAP
    picture = Image.new("RGB", (width, header.height + 2 * _GAP + len(queries) * height), _PAPER)
    picture.paste(header, (_GAP, _GAP))
    for row, retrieved in enumerate(queries):
        top = header.height + 2 * _GAP + row * height
        images = [retrieved.query, *retrieved.neighbours]
        captions = [retrieved.caption, *(retrieved.captions or [""] * len(retrieved.neighbours))]
        frames = [(_INK, ""), *((colors[level], f"{level}/{num_levels}") for level in retrieved.levels)]
        for column, (image, caption, (color, badge)) in enumerate(zip(images, captions, frames, strict=True)):
            left = _GAP + column * (tile + _GAP) + (_GAP if column else 0)
            picture.paste(_tile(image, caption, color, badge, size), (left, top))
    return picture


def level_colors(num_levels: int) -> list[_Color]:
    """The colours of frames, by how many levels are shared: 0 to `num_levels`."""
    colors = []
    for level in range(num_levels + 1):
        place = level / num_levels * (len(_ANCHORS) - 1)
        start = min(int(place), len(_ANCHORS) - 2)
        share = place - start
        low, high = _ANCHORS[start], _ANCHORS[start + 1]
        red, green, blue = (round(a + share * (b - a)) for a, b in zip(low, high, strict=True))
        colors.append((red, green, blue))
    return colors


def _check(queries: Sequence[Retrieved], num_levels: int) -> None:
    if num_levels < 1:
        raise ValueError(f"`num_levels` must be at least 1, but is {num_levels}.")
    number = sum(1 + len(retrieved.neighbours) for retrieved in queries)
    if not 1 <= number <= MAX_TILES:
        raise ValueError(f"A picture holds 1 to {MAX_TILES} images, but {number} were given.")
    for place, (_, caption, neighbours, levels, captions) in enumerate(queries):
        name = f"query {place}{f' ({caption})' if caption else ''}"
        if len(levels) != len(neighbours) or len(captions) not in (0, len(neighbours)):
            raise ValueError(
                f"{name} has {len(neighbours)} neighbours, but {len(levels)} levels and {len(captions)} captions:"
                " give one of each for every neighbour; captions may be left out."
            )
        wrong = [level for level in levels if not 0 <= level <= num_levels]
        if wrong:
            raise ValueError(f"{name} has a neighbour that shares {wrong[0]} levels, but there are {num_levels}.")


def _tile(image: ImageSource, caption: str, color: _Color, badge: str, size: int) -> Image.Image:
    """An image in its frame, with a caption above and figures in the corner of the frame."""
    side = size + 2 * _FRAME
    tile = Image.new("RGB", (side, _LINE + side), _PAPER)
    draw = ImageDraw.Draw(tile)
    font = font_of_size(_CAPTION_SIZE)
    draw.text((0, 0), shortened(caption, font, side), _INK, font)
    draw.rectangle((0, _LINE, side - 1, _LINE + side - 1), outline=color, width=_FRAME)
    picture, _ = scaled(image, size, None)
    tile.paste(picture, (_FRAME + (size - picture.width) // 2, _LINE + _FRAME + (size - picture.height) // 2))
    if badge:
        end = (math.ceil(font.getlength(badge)) + 8, _LINE + _LINE)
        draw.rectangle((0, _LINE, *end), fill=color)
        draw.text((4, _LINE + _LINE / 2), badge, _on(color), font, "lm")
    return tile


def _header(title: str, width: int, colors: Sequence[_Color]) -> Image.Image:
    """Title and legend, the legend on as many lines as the width asks for."""
    lines, small = title.splitlines(), font_of_size(_CAPTION_SIZE)
    swatch, top, left = 22, len(lines) * _TITLE_LINE, 0.0
    entries = []
    for level, color in enumerate(colors):
        text = "shares no level" if not level else f"{level}/{len(colors) - 1}"
        if level == len(colors) - 1:
            text += " levels shared, the finest too"
        needed = swatch + 6 + small.getlength(text)
        if left and left + needed > width:
            left, top = 0, top + _LINE + 4
        entries.append((text, color, left, top))
        left += needed + 18
    header = Image.new("RGB", (width, top + _LINE + 4), _PAPER)
    draw = ImageDraw.Draw(header)
    for number, line in enumerate(lines):
        font = font_of_size(_CAPTION_SIZE if number else _TITLE_SIZE)
        draw.text((0, number * _TITLE_LINE), shortened(line, font, width), _INK, font)
    for text, color, x, y in entries:
        draw.rectangle((x, y + 2, x + swatch, y + _LINE - 2), fill=color)
        draw.text((x + swatch + 6, y + 1), text, _INK, small)
    return header


def _on(color: _Color) -> _Color:
    """Black or white, whichever is read on a colour."""
    red, green, blue = color
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)
