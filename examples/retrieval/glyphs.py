"""Glyphs: a hierarchical retrieval set without download, from the fonts that matplotlib ships.

A character is a class of the finest level; next come the letter whatever its case, and digit or letter.
"""

import string
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from examples.retrieval.data import RetrievalData
from hardest_metrics.data import HierarchicalImage, HierarchicalImages

CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
SIZE = 32
"""Height and width of an image in pixels."""
FONTS = {
    "train": [
        *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
        *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
        *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
        *("cmr10", "cmb10", "cmtt10", "cmmi10"),
    ],
    "val": ["DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique", "cmss10"],
}
"""Fonts to learn from, and fonts never seen before."""
COPIES = {"train": 6, "val": 4}
"""Images of each character of each font."""


class Glyphs(HierarchicalImages):
    """White characters on black, turned and moved a little: 5,952 images to learn from, 1,240 to be judged by.

    Args:
        split: ``"train"`` or ``"val"``, in other fonts.

    Example:
        >>> image, labels, image_id = Glyphs("val")[0]
        >>> image.shape, labels.tolist()
        (torch.Size([1, 32, 32]), [0, 0, 0])
    """

    def __init__(self, split: Literal["train", "val"]) -> None:
        kinds = [[CHARACTERS.index(c), CHARACTERS.index(c.upper()), int(c.isalpha())] for c in CHARACTERS]
        fonts, copies = FONTS[split], COPIES[split]
        self.pixels = torch.from_numpy(np.concatenate([_drawn(font, copies) for font in fonts]))[:, None]
        labels = torch.tensor(kinds).repeat_interleave(copies, dim=0).repeat(len(fonts), 1)
        names = [f"{font}/{c}/{copy}" for font in fonts for c in CHARACTERS for copy in range(copies)]
        letters = {number: c for number, c in enumerate(CHARACTERS) if not c.islower()}
        super().__init__(names, labels, class_names=[dict(enumerate(CHARACTERS)), letters, {0: "digit", 1: "letter"}])

    def __getitem__(self, index: int) -> HierarchicalImage:
        return HierarchicalImage(self.pixels[index], self.labels[index], range(len(self))[index])


class GlyphData(RetrievalData):
    """Loaders of glyphs.

    Args:
        batch_size: images in a batch.
        per_class: images of each character in a training batch.
    """

    def __init__(self, batch_size: int = 128, per_class: int = 4) -> None:
        super().__init__(Glyphs("train"), {"val": Glyphs("val")}, batch_size, per_class)


def _drawn(font: str, copies: int) -> "np.ndarray[tuple[int, int, int], np.dtype[np.float32]]":
    """Copies ``(62 · copies, SIZE, SIZE)`` of all characters, ink 1 on 0."""
    path = Path(mpl.get_data_path(), "fonts", "ttf", f"{font}.ttf")
    # each font's glyphs are the same in every run and whatever else is drawn
    random = np.random.default_rng([*font.encode()])
    sizes = {size: ImageFont.truetype(path, size) for size in range(19, 26)}
    images = []
    for character in CHARACTERS:
        for _ in range(copies):
            canvas = Image.new("L", (SIZE, SIZE))
            at = SIZE / 2 + random.uniform(-2, 2, size=2)
            drawn = sizes[int(random.integers(19, 26))]
            ImageDraw.Draw(canvas).text((at[0], at[1]), character, fill=255, font=drawn, anchor="mm")
            turned = canvas.rotate(float(random.uniform(-15, 15)), Image.Resampling.BILINEAR)
            noise = random.normal(0, 0.05, size=(SIZE, SIZE))
            images.append(np.clip(np.asarray(turned) / 255 + noise, 0, 1).astype(np.float32))
    return np.stack(images)
