"""Text in pictures: the font it is drawn in, and lines made to fit."""

import importlib.util
import unicodedata
from bisect import bisect_right
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont


@lru_cache
def font_of_size(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans, which knows most alphabets, where matplotlib brings it along; else the font of Pillow."""
    path = _dejavu()
    return ImageFont.load_default(size) if path is None else ImageFont.truetype(path, size)


@lru_cache
def _dejavu() -> Path | None:
    """The font among the files of matplotlib, which is not imported for it; None where there is none."""
    matplotlib = importlib.util.find_spec("matplotlib")
    if matplotlib is None or matplotlib.origin is None:
        return None
    path = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return path if path.is_file() else None


def _drawable(text: str) -> str:
    """Text in letters that the font has: without accents, and ``?`` for the rest, where it is that of Pillow."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    if _dejavu() is not None:
        return text
    plain = (letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return "".join(letter if letter.isascii() else "?" for letter in plain)


def shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """One line of text, without its middle where it is wider than `width` pixels."""
    text = _drawable(text)

    def keeping(kept: int) -> str:
        return text if kept == len(text) else f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"

    fits = bisect_right(range(len(text) + 1), width, key=lambda kept: font.getlength(keeping(kept)))
    return keeping(max(fits - 1, 0))
