"""Digit scenes: handwritten digits on textured backgrounds, a detection set without download.

The glyphs are scikit-learn's 1,797 handwritten 8x8 digits. They are split before any scene is made,
so that validation scenes show handwriting no training scene has.
"""

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_iou

Split = Literal["train", "val"]
VALIDATION_SHARE = 0.25
INK = 0.25
"""Opacity from which a pixel belongs to the digit: what a tight box must hold."""
PLACE_ATTEMPTS = 30


def glyphs(split: Split) -> tuple[Tensor, Tensor]:
    """The digits of one half of the glyphs, the same in every run.

    Returns:
        Opacity ``(n, 8, 8)`` float32 in [0, 1], and labels ``(n,)`` int64.

    Raises:
        ValueError: for a split other than ``"train"`` and ``"val"``.
    """
    if split not in ("train", "val"):
        raise ValueError(f"split={split!r}: choose train or val")
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    n_val = round(VALIDATION_SHARE * len(order))
    chosen = order[:n_val] if split == "val" else order[n_val:]
    opacity = torch.from_numpy(digits.images[chosen]).float() / digits.images.max()
    return opacity, torch.from_numpy(digits.target[chosen]).long()


def cut(opacity: Tensor) -> Tensor:
    """A glyph without its empty margin: every outer row and column has ink.

    Example:
        >>> cut(torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 0.1]]))
        tensor([[1.0000, 0.5000]])
    """
    rows = (opacity >= INK).any(1).nonzero()
    columns = (opacity >= INK).any(0).nonzero()
    return opacity[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def enlarge(opacity: Tensor, height: int) -> Tensor:
    """A glyph at about ``height`` pixels, its proportions kept and its margin cut."""
    opacity = cut(opacity)
    width = max(round(height * opacity.shape[1] / opacity.shape[0]), 1)
    larger = F.interpolate(opacity[None, None], (height, width), mode="bicubic", antialias=True)
    return cut(larger[0, 0].clamp(0, 1))


def log_uniform(bounds: tuple[float, float], number: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Numbers ``(number,)``, as many between 1 and 2 as between 2 and 4: small ones are common."""
    return np.exp(random.uniform(math.log(bounds[0]), math.log(bounds[1]), number))


def background(size: tuple[int, int], random: np.random.Generator) -> Tensor:
    """A colour with coarse blotches and fine grain: ``(3, H, W)`` float32, about [0.2, 0.8]."""
    colour = torch.from_numpy(random.uniform(0.3, 0.7, (3, 1, 1))).float()
    for cells, amplitude in ((3, 0.10), (16, random.uniform(0, 0.06)), (None, random.uniform(0, 0.06))):
        shape = size if cells is None else (cells, cells)
        noise = torch.from_numpy(random.standard_normal((1, 3, *shape))).float() * amplitude
        colour = colour + F.interpolate(noise, size, mode="bilinear", align_corners=False)[0]
    return colour


def places(
    shapes: list[tuple[int, int]], size: tuple[int, int], max_iou: float, random: np.random.Generator
) -> Iterator[tuple[int, Tensor]]:
    """Random places for boxes so that no two overlap by more than ``max_iou``.

    Args:
        shapes: height and width of each box.
        size: height and width of the image.
        max_iou: bound on the IoU of any two.
        random: source of the places.

    Yields:
        Index of the box, and the box ``(4,)`` xyxy; a box for which no place is found in
        ``PLACE_ATTEMPTS`` attempts is left out, as it is from a picture that is already full.
    """
    taken = torch.empty(0, 4)
    for index, (height, width) in enumerate(shapes):
        for _ in range(PLACE_ATTEMPTS):
            y = int(random.integers(0, size[0] - height + 1))
            x = int(random.integers(0, size[1] - width + 1))
            box = torch.tensor([x, y, x + width, y + height], dtype=torch.float32)
            if not (box_iou(box[None], taken) > max_iou).any():
                taken = torch.cat([taken, box[None]])
                yield index, box
                break


class DigitScenes:
    """A sequence of scenes; a scene depends on the arguments and its index alone.

    Hard scenes are among them: digits may be small, faint against their background, or overlap.

    Args:
        split: ``"train"`` or ``"val"``; the two share no glyph.
        n_scenes: number of scenes.
        image_size: height and width in pixels.
        n_digits: fewest and most digits that are tried in a scene.
        digit_height: lowest and highest digit in pixels.
        contrast: faintest and strongest, as a share of the range from black to white.
        max_iou: bound on the IoU of any two boxes.
        seed: of everything random.

    Raises:
        ValueError: when the highest digit does not fit into the image.

    Example:
        >>> image, target = DigitScenes("val", n_scenes=1, image_size=(64, 96))[0]
        >>> image.shape, image.dtype
        (torch.Size([3, 64, 96]), torch.uint8)
        >>> sorted(target)
        ['boxes', 'image_id', 'image_size', 'labels']
    """

    class_names = tuple("0123456789")

    def __init__(
        self,
        split: Split,
        n_scenes: int,
        image_size: tuple[int, int] = (128, 128),
        n_digits: tuple[int, int] = (1, 8),
        digit_height: tuple[int, int] = (14, 48),
        contrast: tuple[float, float] = (0.25, 0.9),
        max_iou: float = 0.25,
        seed: int = 0,
    ) -> None:
        # The widest 8x8 glyph that is cut to its ink is at most twice as wide as high.
        if digit_height[1] > image_size[0] or 2 * digit_height[1] > image_size[1]:
            raise ValueError(
                f"digit_height={digit_height}: digits of {digit_height[1]} pixels may not fit into "
                f"image_size={image_size}; lower it to half the width of the image"
            )
        self.split = split
        self.n_scenes = n_scenes
        self.image_size = image_size
        self.n_digits = n_digits
        self.digit_height = digit_height
        self.contrast = contrast
        self.max_iou = max_iou
        self.seed = seed
        self.opacity, self.labels = glyphs(split)

    def __len__(self) -> int:
        return self.n_scenes

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """Image ``(3, H, W)`` uint8 and its ground truth.

        That is ``boxes`` ``(n, 4)`` float32 xyxy in pixels, ``labels`` ``(n,)`` int64, ``image_id``
        (the index) and ``image_size``.
        """
        if not 0 <= index < self.n_scenes:
            raise IndexError(f"scene {index} of {self.n_scenes}")
        random = np.random.default_rng((self.seed, self.split == "val", index))
        number = int(random.integers(self.n_digits[0], self.n_digits[1] + 1))
        chosen = random.integers(0, len(self.labels), number)
        heights = log_uniform(self.digit_height, number, random)
        strengths = log_uniform(self.contrast, number, random)
        digits = [enlarge(self.opacity[i], round(h)) for i, h in zip(chosen, heights, strict=True)]

        image = background(self.image_size, random)
        boxes, labels = [torch.empty(0, 4)], []
        shapes = [(len(digit), digit.shape[1]) for digit in digits]
        for which, box in places(shapes, self.image_size, self.max_iou, random):
            x1, y1, x2, y2 = box.int().tolist()
            tint = torch.from_numpy(random.uniform(0.7, 1, (3, 1, 1))).float()
            patch = image[:, y1:y2, x1:x2]
            # Away from the background's own brightness, so that the contrast is really there.
            sign = 1 if patch.mean() < 0.5 else -1
            image[:, y1:y2, x1:x2] = patch + digits[which] * tint * (sign * strengths[which])
            boxes.append(box[None])
            labels.append(int(self.labels[chosen[which]]))
        target = {
            "boxes": torch.cat(boxes),
            "labels": torch.tensor(labels, dtype=torch.int64),
            "image_id": index,
            "image_size": self.image_size,
        }
        return (image.clamp(0, 1) * 255).round().to(torch.uint8), target
