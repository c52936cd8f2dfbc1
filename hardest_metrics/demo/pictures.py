"""Handwritten digits as files: pictures, and a table that says what is known of each."""

import csv
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate


def write_pictures(folder: Path, opacity: Tensor) -> list[str]:
    """Write glyphs as PNG of 96×96 pixels, dark on light, and give the files' names.

    Args:
        folder: where to, made if absent.
        opacity: ``(n, 8, 8)`` float32 in [0, 1].
    """
    folder.mkdir(parents=True, exist_ok=True)
    large = interpolate(opacity[:, None], (96, 96), mode="bicubic")[:, 0].clamp(0, 1)
    names = [f"digit{number:03}.png" for number in range(len(opacity))]
    for name, pixels in zip(names, (255 * (1 - large)).round().byte().numpy(), strict=True):
        Image.fromarray(pixels).save(folder / name)
    return names


def write_labels(path: Path, names: Sequence[str], **levels: Sequence[object]) -> None:
    """Write a CSV of files and their labels, a column for each of the levels."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", *levels), *zip(names, *levels.values(), strict=True)])
