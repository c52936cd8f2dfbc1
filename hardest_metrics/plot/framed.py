"""Images in frames that say something of them, under lines of text."""

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

from hardest_metrics.plot.arrangement import CAPTION_SIZE, INK, PAPER, Box
from hardest_metrics.plot.grid import ImageSource, scaled
from hardest_metrics.plot.lettering import font_of_size, shortened

_WIDEST = 9
_LINE = 20  # height in pixels


class Frame(NamedTuple):
    """How a frame looks, and what it means.

    Attributes:
        color: red, green, blue.
        width: in pixels, at most 9.
        name: what it means.
    """

    color: tuple[int, int, int]
    width: int
    name: str

    def sample(self, draw: ImageDraw.ImageDraw, box: Box) -> None:
        """Draw what a legend shows of it."""
        draw.rectangle(box, outline=self.color, width=max(self.width * 2 // 3, 1))


def framed(image: ImageSource, lines: Sequence[str], frame: Frame, size: int) -> Image.Image:
    """An image in a frame, under lines of text.

    Args:
        image: ``(3, H, W)`` or ``(1, H, W)`` uint8, or the path of a picture.
        lines: those that are too long are shortened.
        frame: how it looks.
        size: width and height in pixels that the image is brought to fit.
    """
    side, top = size + 2 * _WIDEST, len(lines) * _LINE
    picture, _ = scaled(image, size, None)
    tile = Image.new("RGB", (side, top + picture.height + 2 * _WIDEST), PAPER)
    draw, font = ImageDraw.Draw(tile), font_of_size(CAPTION_SIZE)
    for number, line in enumerate(lines):
        draw.text((0, number * _LINE), shortened(line, font, side), INK, font)
    left, above = _WIDEST + (size - picture.width) // 2, top + _WIDEST
    width = frame.width
    corners = (left - width, above - width, left + picture.width + width - 1, above + picture.height + width - 1)
    draw.rectangle(corners, fill=frame.color)
    tile.paste(picture, (left, above))
    return tile
