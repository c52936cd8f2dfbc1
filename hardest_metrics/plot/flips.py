"""Pictures of images that changed from one run to another: each in a frame that says what became of it."""

from collections.abc import Sequence

from PIL import Image

from hardest_metrics.plot.arrangement import LegendEntry, arrange, check_number, tile_size
from hardest_metrics.plot.framed import Frame, framed
from hardest_metrics.plot.grid import ImageSource

# Told apart by thickness too, for those who do not tell the colours apart
_FRAMES = {
    "wrong": Frame((200, 30, 45), 9, "became wrong"),
    "right": Frame((0, 140, 110), 3, "became right"),
    "": Frame((120, 120, 120), 1, "as it was"),
}


def draw_flips(
    images: Sequence[ImageSource],
    became: Sequence[str],
    captions: Sequence[str],
    title: str = "",
    size: int | None = None,
) -> Image.Image:
    """Draw images in a grid, row by row, in frames that say what became of them.

    Args:
        images: ``(3, H, W)`` or ``(1, H, W)`` uint8 tensors, or paths of pictures; at most `MAX_TILES`.
        became: of each ``"wrong"``, ``"right"`` or ``""`` for neither.
        captions: lines above each.
        title: text of any number of lines, the first the largest; lines that are too long are shortened.
        size: width and height in pixels that images are brought to fit; None for what a screen shows well.

    Raises:
        TypeError: if a tensor is not uint8.
        ValueError: if there are no images or too many, lengths differ, or an image cannot be drawn; the message names
            the file.

    Example:
        >>> import torch
        >>> image = torch.zeros(3, 60, 80, dtype=torch.uint8)
        >>> draw_flips([image] * 2, ["wrong", ""], ["a.jpg", "b.jpg"], size=200).size
        (472, 248)
    """
    check_number(len(images))
    if not len(images) == len(became) == len(captions):
        raise ValueError(
            f"`became` and `captions` must be one an image, {len(images)}, but are {len(became)} and {len(captions)}."
        )
    fitting = size or min(tile_size(len(images)), 480)
    tiles = [
        framed(image, caption.splitlines(), _FRAMES[what], fitting)
        for image, what, caption in zip(images, became, captions, strict=True)
    ]
    return arrange(tiles, title, [LegendEntry(frame.name, frame.sample) for frame in _FRAMES.values()])
