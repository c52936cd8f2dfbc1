"""A picture of hard queries: each with its nearest neighbours, framed by how many levels of a hierarchy they share."""

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from PIL import Image, ImageDraw

from hardest_metrics.plot.arrangement import INK, MAX_TILES, PAPER, Box, LegendEntry, arranged
from hardest_metrics.plot.grid import ImageSource, scaled
from hardest_metrics.plot.lettering import font_of_size, shortened

_Color = tuple[int, int, int]

# From no level to all of them; of different lightness, and told apart by those with colour blindness.
_ANCHORS: tuple[_Color, ...] = ((170, 30, 30), (245, 185, 60), (0, 140, 110))
_FRAME, _GAP = 6, 10  # pixels
_FONT, _LINE = 13, 18  # size and height in pixels


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
        (530, 212)
    """
    _check(queries, num_levels)
    return arrange_queries([draw_query(query, num_levels, size) for query in queries], num_levels, title)


def draw_query(query: Retrieved, num_levels: int, size: int = 160) -> Image.Image:
    """One query in front of its nearest neighbours, as :func:`draw_neighbours` shows it.

    Args:
        query: what to draw; its caption may be of several lines.
        num_levels: L, how many levels there are.
        size: width and height in pixels that images are brought to fit.
    """
    colors = level_colors(num_levels)
    images = [query.query, *query.neighbours]
    captions = [query.caption, *(query.captions or [""] * len(query.neighbours))]
    frames = [(INK, ""), *((colors[level], f"{level}/{num_levels}") for level in query.levels)]
    lines = max(1, *(len(caption.splitlines()) for caption in captions))
    tiles = [
        _tile(image, caption, color, badge, size, lines)
        for image, caption, (color, badge) in zip(images, captions, frames, strict=True)
    ]
    side = size + 2 * _FRAME
    row = Image.new("RGB", (len(tiles) * (side + _GAP), tiles[0].height), PAPER)  # the query stands apart by a gap more
    for column, tile in enumerate(tiles):
        row.paste(tile, (column * (side + _GAP) + (_GAP if column else 0), 0))
    return row


def arrange_queries(rows: Sequence[Image.Image], num_levels: int, title: str = "") -> Image.Image:
    """Queries below each other, under a title and a legend of frames.

    Args:
        rows: what :func:`draw_query` gave.
        num_levels: L, how many levels there are.
        title: text of any number of lines, the first the largest.
    """
    legend = []
    for level, color in enumerate(level_colors(num_levels)):
        name = "shares no level" if not level else f"{level}/{num_levels}"
        if level == num_levels:
            name += " levels shared, the finest too"
        legend.append(LegendEntry(name, partial(_sample, color)))
    return arranged([[row] for row in rows], title, legend, _GAP)


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


def _tile(image: ImageSource, caption: str, color: _Color, badge: str, size: int, lines: int) -> Image.Image:
    """An image in its frame, with room for so many lines above and figures in the corner of the frame."""
    side, top = size + 2 * _FRAME, lines * _LINE
    tile = Image.new("RGB", (side, top + side), PAPER)
    draw = ImageDraw.Draw(tile)
    font = font_of_size(_FONT)
    for number, line in enumerate(caption.splitlines()):
        draw.text((0, number * _LINE), shortened(line, font, side), INK, font)
    draw.rectangle((0, top, side - 1, top + side - 1), outline=color, width=_FRAME)
    picture, _ = scaled(image, size, None)
    tile.paste(picture, (_FRAME + (size - picture.width) // 2, top + _FRAME + (size - picture.height) // 2))
    if badge:
        end = (math.ceil(font.getlength(badge)) + 8, top + _LINE)
        draw.rectangle((0, top, *end), fill=color)
        draw.text((4, top + _LINE / 2), badge, _on(color), font, "lm")
    return tile


def _sample(color: _Color, draw: ImageDraw.ImageDraw, box: Box) -> None:
    draw.rectangle(box, fill=color)


def _on(color: _Color) -> _Color:
    """Black or white, whichever is read on a colour."""
    red, green, blue = color
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)
