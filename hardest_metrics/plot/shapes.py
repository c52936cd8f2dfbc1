"""Masks and skeletons, drawn over an image in the colour of what became of them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from hardest_metrics.functional.detection.geometry import Geometry
from hardest_metrics.functional.detection.keypoints import COCO_LIMBS, Keypoints
from hardest_metrics.functional.detection.masks import Masks

_OPACITY = 0.4  # of a mask, of 1


class Shapes(NamedTuple):
    """What the boxes of an image enclose.

    Attributes:
        geometry: a mask, or keypoints, a box.
        size: height and width of the image that masks are of, in pixels.
    """

    geometry: Geometry
    size: tuple[int, int]

    def draw(self, picture: Image.Image, place: int, scale: tuple[float, float], line: "Line") -> None:
        """Draw one of them.

        Args:
            picture: to draw on, RGB.
            place: of the shape.
            scale: across and down, from pixels of the image to those of the picture; masks fill the picture.
            line: how.
        """
        if isinstance(self.geometry, Masks):
            _draw_mask(picture, self.geometry.dense(self.size, place), line)
        elif isinstance(self.geometry, Keypoints):
            points = self.geometry.points[place] * self.geometry.points.new_tensor(scale)
            _draw_skeleton(picture, points, self.geometry.visible[place], line)


class Line(NamedTuple):
    """How a shape is drawn.

    Attributes:
        color: red, green, blue.
        width: in pixels.
        dash: length in pixels of dashes and gaps; None for none.
    """

    color: tuple[int, int, int]
    width: int
    dash: int | None


def _draw_mask(picture: Image.Image, mask: Tensor, line: Line) -> None:
    """Filled, the picture shining through, and outlined."""
    whole = Image.fromarray(mask.byte().numpy()).resize(picture.size, Image.Resampling.NEAREST)
    box = whole.getbbox()
    if box is None:
        return
    left, top, *_ = box
    filled = np.asarray(whole.crop(box)) > 0
    inside = filled
    for _ in range(line.width):
        around = np.pad(inside, 1)
        inside = inside & around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    outline = filled & ~inside
    if line.dash is not None:
        y, x = np.ogrid[top : top + len(filled), left : left + filled.shape[1]]
        outline &= (x // line.dash + y // line.dash) % 2 == 0
    for pixels, opacity in ((filled, _OPACITY), (outline, 1)):
        picture.paste(line.color, (left, top), Image.fromarray((255 * opacity * pixels).round().astype(np.uint8)))


def _draw_skeleton(picture: Image.Image, points: Tensor, visible: Tensor, line: Line) -> None:
    """Labelled points, and where they are COCO's of a person what joins them."""
    draw = ImageDraw.Draw(picture)
    at, seen = [(float(x), float(y)) for x, y in points.tolist()], visible.tolist()
    limbs = COCO_LIMBS if len(at) == 17 else ()
    for start, end in limbs:
        if seen[start] and seen[end]:
            for part in _dashes(at[start], at[end], line.dash):
                draw.line(part, fill=line.color, width=line.width)
    for (x, y), is_seen in zip(at, seen, strict=True):
        if is_seen:
            draw.ellipse((x - line.width, y - line.width, x + line.width, y + line.width), fill=line.color)


def _dashes(
    start: tuple[float, float], end: tuple[float, float], dash: int | None
) -> Sequence[tuple[float, float, float, float]]:
    """A line, or the pieces of it that are drawn."""
    (x, y), (across, down) = start, (end[0] - start[0], end[1] - start[1])
    length = math.hypot(across, down)
    if dash is None or length <= dash or not math.isfinite(length):
        return [(*start, *end)]
    number = min(math.ceil(length / dash), 1000)
    return [
        (x + across * k / number, y + down * k / number, x + across * (k + 1) / number, y + down * (k + 1) / number)
        for k in range(0, number, 2)
    ]
