"""The network: a timm backbone, a neck over it, and a decoupled head on every level."""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from examples.detector.backbone import Backbone
from examples.detector.neck import Neck, convolution, make_neck

ANCHOR_SCALE = 4.0
"""Side of the square anchor at every location, in strides of its level."""


class Outputs(NamedTuple):
    """What the head says at each of ``P`` locations, the levels one after the other.

    Attributes:
        class_logits: ``(B, P, K)``.
        confidence_logits: ``(B, P)``, or None for a head without a confidence score.
        boxes: ``(B, P, 4)`` xyxy in pixels of the image.
        centres: ``(P, 2)`` x and y of the locations in pixels.
        strides: ``(P,)`` pixels between neighbouring locations of the same level.
    """

    class_logits: Tensor
    confidence_logits: Tensor | None
    boxes: Tensor
    centres: Tensor
    strides: Tensor

    def scores(self) -> Tensor:
        """Probabilities ``(B, P, K)``: of the class, times the confidence where the head has one."""
        scores = self.class_logits.sigmoid()
        if self.confidence_logits is None:
            return scores
        return scores * self.confidence_logits.sigmoid().unsqueeze(-1)


class LevelHead(nn.Module):
    """Decoupled head of one level: one tower tells classes, the other box and confidence."""

    def __init__(self, channels: int, n_classes: int, depth: int, confidence: bool) -> None:
        super().__init__()
        self.class_tower = nn.Sequential(*(convolution(channels, channels) for _ in range(depth)))
        self.box_tower = nn.Sequential(*(convolution(channels, channels) for _ in range(depth)))
        self.classes = nn.Conv2d(channels, n_classes, 1)
        self.box = nn.Conv2d(channels, 4, 1)
        self.confidence = nn.Conv2d(channels, 1, 1) if confidence else None
        # Most locations are background: start there, or the first steps only unlearn false positives.
        rare = -math.log((1 - 0.01) / 0.01)
        score = self.classes if self.confidence is None else self.confidence
        assert score.bias is not None
        nn.init.constant_(score.bias, rare)

    def forward(self, level: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Logits ``(B, P, K)``, raw sides ``(B, P, 4)`` and confidence ``(B, P)`` of one level."""
        class_features, box_features = self.class_tower(level), self.box_tower(level)
        classes = self.classes(class_features).flatten(2).mT
        sides = self.box(box_features).flatten(2).mT
        if self.confidence is None:
            return classes, sides, None
        return classes, sides, self.confidence(box_features).flatten(1)


def grid(height: int, width: int, stride: int, device: torch.device) -> Tensor:
    """Centres of the cells of a level, row by row: ``(height * width, 2)`` x and y in pixels.

    Example:
        >>> grid(1, 2, 8, torch.device("cpu"))
        tensor([[ 4.,  4.],
                [12.,  4.]])
    """
    y = (torch.arange(height, device=device) + 0.5) * stride
    x = (torch.arange(width, device=device) + 0.5) * stride
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)


class Detector(nn.Module):
    """Backbone, neck and head.

    Args:
        n_classes: number of classes ``K``.
        backbone: name of a timm model.
        backbone_arguments: further arguments of it.
        unfreeze_last: how many of its last blocks are trained; None for all.
        weights: a file of weights for the backbone; None for random ones.
        strides: of the pyramid's levels, each twice the one before.
        channels: channels of neck and head.
        depth: convolutions in each of the head's two towers.
        confidence: whether the head gives a confidence score beside those of the classes.
        neck: ``"fpn"`` or ``"pan"``.

    Raises:
        ValueError: when each stride is not twice the one before, or the backbone lacks the finest.

    Example:
        >>> detector = Detector(10, "test_resnet", strides=(8, 16)).eval()
        >>> outputs = detector(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
        >>> outputs.boxes.shape  # 8 x 8 and 4 x 4 locations
        torch.Size([2, 80, 4])
    """

    def __init__(
        self,
        n_classes: int,
        backbone: str,
        backbone_arguments: dict[str, Any] | None = None,
        unfreeze_last: int | None = None,
        weights: str | Path | None = None,
        strides: Sequence[int] = (8, 16),
        channels: int = 64,
        depth: int = 1,
        confidence: bool = False,
        neck: Neck = "fpn",
    ) -> None:
        super().__init__()
        if any(coarse != 2 * fine for fine, coarse in pairwise(strides)):
            raise ValueError(f"strides={tuple(strides)}: each must be twice the one before")
        self.strides = tuple(strides)
        self.backbone = Backbone(backbone, strides, unfreeze_last, weights, **(backbone_arguments or {}))
        if self.backbone.strides != list(strides[: len(self.backbone.strides)]):
            raise ValueError(f"strides={self.strides}: {backbone} has {self.backbone.strides} only")
        self.neck = make_neck(neck, self.backbone.channels, channels, len(strides))
        self.heads = nn.ModuleList(LevelHead(channels, n_classes, depth, confidence) for _ in strides)

    def forward(self, images: Tensor) -> Outputs:
        """Images ``(B, 3, H, W)`` uint8 to what the head says about them."""
        levels = self.neck(self.backbone(images))
        classes, sides, confidences = zip(
            *(head(level) for head, level in zip(self.heads, levels, strict=True)), strict=True
        )
        grids = [
            grid(level.shape[2], level.shape[3], stride, images.device)
            for level, stride in zip(levels, self.strides, strict=True)
        ]
        centres = torch.cat(grids)
        strides = torch.cat([g.new_full((len(g),), s) for g, s in zip(grids, self.strides, strict=True)])
        # Distances to the four sides, relative to those of the anchor; never negative, so that a
        # location is always inside its box. The clamp keeps boxes below 55 anchors' size.
        distances = torch.cat(sides, 1).float().clamp(max=4).exp() * strides[:, None] * ANCHOR_SCALE / 2
        boxes = torch.cat([centres - distances[..., :2], centres + distances[..., 2:]], dim=-1)
        return Outputs(
            class_logits=torch.cat(classes, 1).float(),
            confidence_logits=None if confidences[0] is None else torch.cat(confidences, 1).float(),
            boxes=boxes,
            centres=centres,
            strides=strides,
        )
