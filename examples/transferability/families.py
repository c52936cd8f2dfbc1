"""Five families of ten glyphs each, and scenes of them: data to transfer between, without download.

Digits by hand, printed and of seven segments share their classes but not their looks, letters share the fonts of
printed digits, and shapes share neither.
"""

import math
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import matplotlib as mpl
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from hardest_metrics.demo.digits import DigitScenes, Split
from hardest_metrics.demo.digits import glyphs as handwritten

Family = Literal["hand", "print", "segment", "letter", "shape"]

FAMILIES: tuple[Family, ...] = get_args(Family)
CHARACTERS: dict[Family, str] = {
    "hand": "0123456789",
    "print": "0123456789",
    "segment": "0123456789",
    "letter": "ABCDEFGHIJ",
    "shape": "▲■●◆★♥♠♣✚✖",
}
"""The classes of each family."""
FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSerif", "DejaVuSerif-Bold",
    "DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBol", "cmr10", "cmtt10",
)  # fmt: skip
"""Of printed digits and letters; matplotlib ships them."""
COPIES = {"train": 60, "val": 30}
"""Glyphs of each class that are drawn, each turned and sheared in its own way."""
ROTATION = 8.0
"""Degrees to either side."""
SHEAR = 0.15
"""Shift to either side, as a share of the height."""
CANVAS = 64
"""Height and width in pixels that glyphs are drawn on, larger than they are shown."""

#: Left, upper, right and lower end of each segment on a display 1 wide and 2 high; a to g, as they are called.
_SEGMENTS = {
    "a": (0, 0, 1, 0), "b": (1, 0, 1, 1), "c": (1, 1, 1, 2), "d": (0, 2, 1, 2), "e": (0, 1, 0, 2), "f": (0, 0, 0, 1),
    "g": (0, 1, 1, 1),
}  # fmt: skip
_LIT = ("abcdef", "bc", "abdeg", "abcdg", "bcfg", "acdfg", "acdefg", "abc", "abcdefg", "abcdfg")
"""Segments that make 0, 1, 2, ..."""


@cache
def glyphs(family: Family, split: Split) -> tuple[Tensor, Tensor]:
    """The glyphs of a family, those of either split differ.

    Returns:
        Opacity ``(n, h, w)`` float32 in [0, 1], and labels ``(n,)`` int64 from 0 to 9.

    Example:
        >>> opacity, labels = glyphs("shape", "val")
        >>> opacity.shape, labels.bincount().tolist()
        (torch.Size([300, 64, 64]), [30, 30, 30, 30, 30, 30, 30, 30, 30, 30])
    """
    if family == "hand":
        return handwritten(split)
    random = np.random.default_rng([*family.encode(), split == "val"])
    drawn, labels = [], []
    for label, character in enumerate(CHARACTERS[family]):
        for copy in range(COPIES[split]):
            canvas = _segments(label, random) if family == "segment" else _character(character, family, copy)
            drawn.append(np.asarray(_jittered(canvas, random), dtype=np.float32) / 255)
            labels.append(label)
    return torch.from_numpy(np.stack(drawn)), torch.tensor(labels)


class FamilyScenes(DigitScenes):
    """Scenes of a family's glyphs, one to six of them of 12 to 32 pixels, otherwise as scenes of digits.

    Args:
        family: whose glyphs.
        split: ``"train"`` or ``"val"``; the two share no glyph.
        n_scenes: number of scenes.
        image_size: height and width in pixels.
        seed: of everything random but the glyphs.

    Example:
        >>> image, target = FamilyScenes("letter", "train", n_scenes=5)[4]
        >>> image.shape, len(target["labels"]) in range(1, 7)
        (torch.Size([3, 96, 96]), True)
    """

    def __init__(
        self, family: Family, split: Split, n_scenes: int, image_size: tuple[int, int] = (96, 96), seed: int = 0
    ) -> None:
        # no two families share backgrounds and places
        own = len(FAMILIES) * seed + FAMILIES.index(family)
        super().__init__(split, n_scenes, image_size, n_digits=(1, 6), digit_height=(12, 32), seed=own)
        self.class_names = tuple(CHARACTERS[family])
        self.opacity, self.labels = glyphs(family, split)


def _character(character: str, family: Family, copy: int) -> Image.Image:
    name = "DejaVuSans" if family == "shape" else FONTS[copy % len(FONTS)]
    font = ImageFont.truetype(Path(mpl.get_data_path(), "fonts", "ttf", f"{name}.ttf"), CANVAS * 5 // 8)
    canvas = Image.new("L", (CANVAS, CANVAS))
    ImageDraw.Draw(canvas).text((CANVAS / 2, CANVAS / 2), character, fill=255, font=font, anchor="mm")
    return canvas


def _segments(digit: int, random: np.random.Generator) -> Image.Image:
    canvas = Image.new("L", (CANVAS, CANVAS))
    draw, thickness = ImageDraw.Draw(canvas), int(random.integers(4, 9))
    side, gap = 0.3 * CANVAS, 0.06
    left, top = (CANVAS - side) / 2, CANVAS / 2 - side
    for segment in _LIT[digit]:
        x1, y1, x2, y2 = _SEGMENTS[segment]
        along = gap * (x2 - x1), gap * (y2 - y1)  # segments do not touch
        ends = [(left + side * (x1 + along[0]), top + side * (y1 + along[1]))]
        ends += [(left + side * (x2 - along[0]), top + side * (y2 - along[1]))]
        draw.line(ends, fill=255, width=thickness)
    return canvas


def _jittered(canvas: Image.Image, random: np.random.Generator) -> Image.Image:
    """Turned and sheared about the middle."""
    angle, shear = math.radians(random.uniform(-ROTATION, ROTATION)), random.uniform(-SHEAR, SHEAR)
    a, b = math.cos(angle), math.cos(angle) * shear - math.sin(angle)
    d, e = math.sin(angle), math.sin(angle) * shear + math.cos(angle)
    middle = CANVAS / 2
    matrix = (a, b, middle - (a + b) * middle, d, e, middle - (d + e) * middle)
    return canvas.transform(canvas.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
