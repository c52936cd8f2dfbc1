"""Augmentation that moves the boxes with the pixels: torchvision's transforms, version 2."""

from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

FILL = 127
MIN_SIDE = 4.0
HIDDEN = 0.75
"""Share of a box from which cut-out hides its object."""


class Augment:
    """Random changes to a training image and its boxes.

    Args:
        flips: mirror left-right and top-bottom, each every other time. Not for digits or text.
        shift: farthest shift, as a share of the image's sides.
        scale: smallest and largest scale.
        colour: strength of the changes of brightness, contrast and saturation.
        rotation: largest angle in degrees, either way. The new box is the smallest upright one around the old box
            turned, and so looser than a box around the object: of digits its IoU with that is 0.82 at 10° and 0.69 at
            30°.
        cut_out: side of a square that is blanked out somewhere in the image, as a share of the image's shorter side;
            0 for none. Objects hidden by three quarters or more are taken from the target.

    Raises:
        ValueError: when ``rotation`` or ``cut_out`` is out of its range.

    Example:
        >>> image, boxes = torch.zeros(3, 32, 32, dtype=torch.uint8), torch.tensor([[4.0, 4, 9, 9]])
        >>> image, target = Augment()(image, {"boxes": boxes, "labels": torch.tensor([2])})
        >>> image.shape, sorted(target)
        (torch.Size([3, 32, 32]), ['boxes', 'labels'])
    """

    def __init__(
        self,
        flips: bool = False,
        shift: float = 0.1,
        scale: tuple[float, float] = (0.8, 1.25),
        colour: float = 0.2,
        rotation: float = 0.0,
        cut_out: float = 0.0,
    ) -> None:
        if not 0 <= rotation <= 180:
            raise ValueError(f"rotation={rotation}: give degrees between 0 and 180")
        if not 0 <= cut_out <= 1:
            raise ValueError(f"cut_out={cut_out}: give a share of the image's shorter side, between 0 and 1")
        self.cut_out = cut_out
        self.transform = v2.Compose(
            [
                *([v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()] if flips else []),
                v2.RandomAffine([-rotation, rotation], translate=(shift, shift), scale=scale, fill=FILL),
                v2.ColorJitter(brightness=colour, contrast=colour, saturation=colour),
                v2.ClampBoundingBoxes(),
                v2.SanitizeBoundingBoxes(min_size=MIN_SIDE),
            ]
        )

    def __call__(self, image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        """Image ``(3, H, W)`` uint8 and target with ``boxes`` (xyxy) and ``labels``; both changed.

        Boxes that leave the image, or of which less than 4 pixels a side remain, are gone.
        """
        height, width = image.shape[-2:]
        boxes = tv_tensors.BoundingBoxes(target["boxes"], format="XYXY", canvas_size=(height, width))
        image, target = self.transform(tv_tensors.Image(image), target | {"boxes": boxes})
        plain = target["boxes"].as_subclass(torch.Tensor)
        image, target = image.as_subclass(torch.Tensor), target | {"boxes": plain}
        side = round(self.cut_out * min(height, width))
        return cut_out(image, target, side) if side else (image, target)


def cut_out(image: Tensor, target: dict[str, Any], side: int) -> tuple[Tensor, dict[str, Any]]:
    """Blank out a square anywhere in the image ([DeVries and Taylor, 2017](https://arxiv.org/abs/1708.04552)).

    Its centre may lie at the border, so that part of it may be outside. The network learns to do with the part of an
    object that is left; what is hidden by three quarters or more is nobody's to find, and leaves the target.

    Args:
        image: ``(3, H, W)`` uint8; left as it is.
        target: with ``boxes`` (xyxy) and ``labels``.
        side: of the square, in pixels.
    """
    height, width = image.shape[-2:]
    x, y = int(torch.randint(width, ())) - side // 2, int(torch.randint(height, ())) - side // 2
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + side, width), min(y + side, height)
    image = image.clone()
    image[:, top:bottom, left:right] = FILL
    boxes = target["boxes"]
    square = boxes.new_tensor([left, top, right, bottom])
    shared = torch.minimum(boxes[:, 2:], square[2:]) - torch.maximum(boxes[:, :2], square[:2])
    hidden = shared.clamp(min=0).prod(1) >= HIDDEN * (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return image, target | {"boxes": boxes[~hidden], "labels": target["labels"][~hidden]}
