"""From what a layer gives to a feature for each object."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torchvision.ops import MultiScaleRoIAlign, roi_align

Pooling = Literal["local", "global"]

_BINS = 7
_SAMPLES = 2


@dataclass(frozen=True)
class PlacedBoxes:
    """Where the objects of a batch of images are.

    Attributes:
        boxes: ``(n, 4)`` float32 xyxy an image, in pixels of the batch.
        extents: height and width an image, in pixels of the batch, without padding.
        size: height and width of the batch.
    """

    boxes: list[Tensor]
    extents: Sequence[tuple[int, int]]
    size: tuple[int, int]


def features_of_images(output: Any, level: str | None, pooling: Pooling, placed: PlacedBoxes) -> Tensor:
    """``(N, D)`` of what a layer gives of images.

    Args:
        output: a map, or a dict or list of them.
        level: which of them; None for the only one, or for all of them.
        pooling: ``"local"`` or ``"global"``.
        placed: the objects.

    Raises:
        ValueError: if that cannot be pooled; the message lacks the layer's name, its subject.
    """
    levels = {"": output} if isinstance(output, Tensor) and level is None else _levels(output)
    if level is None:
        levels.pop("pool", None)
    elif level in levels:
        levels = {level: levels[level]}
    else:
        raise ValueError(f"is not there: its module gives the levels {', '.join(levels) or 'none'}.")
    local, several = pooling == "local", len(levels) != 1
    shapes = {name: (*value.shape,) for name, value in levels.items()}
    if not levels or any(len(shape) != 4 and (local or several or len(shape) != 2) for shape in shapes.values()):
        raise ValueError(
            f"gives {shapes}, but {pooling} features come from (B, D, h, w) maps"
            f"{'' if local else ' or (B, D) vectors'}: name another layer."
        )
    if several and not local:
        raise ValueError(f"gives a pyramid of levels {', '.join(levels)}: name one of them for global features.")
    if several:
        return _local_average_of_pyramid(levels, placed)
    (only,) = levels.values()
    return _local_average(only, placed) if local else _global_average(only, placed)


def features_of_boxes(output: Any, level: str | None) -> Tensor:
    """``(N, D)`` of what a layer gives of boxes.

    Raises:
        ValueError: as :func:`features_of_images`.
    """
    if level is not None or not isinstance(output, Tensor) or output.ndim not in (2, 4):
        raise ValueError("gives no features of boxes: name `box_roi_pool`, `box_head` or a module of these.")
    return output.flatten(2).mean(2) if output.ndim == 4 else output


def _levels(output: Any) -> dict[str, Tensor]:
    """The maps that a layer gives, by name or place."""
    if isinstance(output, list | tuple):
        output = dict(enumerate(output))
    named = output.items() if isinstance(output, Mapping) else ()
    return {str(name): value for name, value in named if isinstance(value, Tensor)}


def _local_average(images: Tensor, placed: PlacedBoxes) -> Tensor:
    """``(N, D)`` averages over the objects' boxes of ``(B, D, h, w)`` maps."""
    scale = images.new_tensor([images.shape[3] / placed.size[1], images.shape[2] / placed.size[0]]).repeat(2)
    boxes = [box.to(images) * scale for box in placed.boxes]
    return roi_align(images, boxes, _BINS, 1.0, _SAMPLES).mean((2, 3))


def _local_average_of_pyramid(levels: Mapping[str, Tensor], placed: PlacedBoxes) -> Tensor:
    """``(N, D)`` averages over the objects' boxes, each from the level of a pyramid that suits its size.

    Raises:
        ValueError: if the levels have features of several sizes.
    """
    if len({level.shape[1] for level in levels.values()}) > 1:
        widths = {name: level.shape[1] for name, level in levels.items()}
        raise ValueError(f"has levels of several sizes, {widths}, which no pooling joins: name one of them.")
    boxes = [box.to(next(iter(levels.values()))) for box in placed.boxes]
    pooled: Tensor = MultiScaleRoIAlign(list(levels), _BINS, _SAMPLES)(dict(levels), boxes, [placed.size] * len(boxes))
    return pooled.mean((2, 3))


def _global_average(images: Tensor, placed: PlacedBoxes) -> Tensor:
    """``(N, D)`` averages of each object's image without its padding, of ``(B, D, h, w)`` maps or ``(B, D)``."""
    if images.ndim == 4:
        height, width = (inside / whole for inside, whole in zip(images.shape[2:], placed.size, strict=True))
        images = torch.stack(
            [
                image[:, : math.ceil(h * height), : math.ceil(w * width)].mean((1, 2))
                for image, (h, w) in zip(images, placed.extents, strict=True)
            ]
        )
    counts = torch.tensor([len(boxes) for boxes in placed.boxes], device=images.device)
    return images.repeat_interleave(counts, dim=0)
