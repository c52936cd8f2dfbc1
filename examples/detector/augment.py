"""Augmentation that moves the boxes with the pixels: torchvision's transforms, version 2."""

from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2


class Augment:
    """Random changes to a training image and its boxes.

    Args:
        flips: mirror left-right and top-bottom, each every other time. Not for digits or text.
        shift: farthest shift, as a share of the image's sides.
        scale: smallest and largest scale.
        colour: strength of the changes of brightness, contrast and saturation.

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
    ) -> None:
        self.transform = v2.Compose(
            [
                *([v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()] if flips else []),
                v2.RandomAffine([0, 0], translate=(shift, shift), scale=scale, fill=127),
                v2.ColorJitter(brightness=colour, contrast=colour, saturation=colour),
                v2.ClampBoundingBoxes(),
                v2.SanitizeBoundingBoxes(min_size=4),
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
        return image.as_subclass(torch.Tensor), target | {"boxes": plain}
