"""The network: a timm backbone, a feature pyramid over it, and a decoupled head on every level."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

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


def blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The smallest parts of a backbone that follow one another, first to last.

    These are the layers of its stem and then, say, its residual blocks: only containers that run
    their children in order are opened, and parts without parameters are left out.

    Example:
        >>> [type(block).__name__ for block in blocks(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()))]
        ['Conv2d']
    """
    for child in module.children():
        if isinstance(child, nn.Sequential | nn.ModuleList):
            yield from blocks(child)
        elif any(True for _ in child.parameters()):
            yield child


def _features(name: str, **arguments: Any) -> Any:
    """A timm model that gives feature maps; it has a ``feature_info``, which no type tells of."""
    return timm.create_model(name, features_only=True, **arguments)


class Backbone(nn.Module):
    """Features of a timm model at the given strides.

    Args:
        name: any timm model with features, such as ``"resnet10t"`` or ``"convnext_atto"``.
        strides: the strides wanted; those that the model does not have are left to the neck.
        unfreeze_last: how many of its last :func:`blocks` are trained; None trains all of them.
        weights: a file of weights for the timm model; None starts from random ones.
        **arguments: further arguments of the timm model, such as ``channels`` of a ResNet.

    Raises:
        ValueError: when the model has none of the strides, or ``unfreeze_last`` is negative.
    """

    def __init__(
        self,
        name: str,
        strides: Sequence[int],
        unfreeze_last: int | None = None,
        weights: str | Path | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__()
        reductions = _features(name, **arguments).feature_info.reduction()
        indices = [index for index, reduction in enumerate(reductions) if reduction in strides]
        if not indices:
            raise ValueError(f"strides={tuple(strides)}: {name} has features at {reductions} only")
        if weights is not None:
            arguments |= {"pretrained": True, "pretrained_cfg_overlay": {"file": str(weights)}}
        self.features = _features(name, out_indices=indices, **arguments)
        self.channels: list[int] = self.features.feature_info.channels()
        self.strides: list[int] = self.features.feature_info.reduction()
        self.frozen: list[nn.Module] = []
        if unfreeze_last is not None:
            if unfreeze_last < 0:
                raise ValueError(f"unfreeze_last={unfreeze_last}: give 0 or more, or None for all")
            parts = list(blocks(self.features))
            self.frozen = parts[: max(len(parts) - unfreeze_last, 0)]
            for part in self.frozen:
                part.requires_grad_(False)

    def train(self, mode: bool = True) -> "Backbone":
        """As usual, but frozen parts keep the batch statistics that they came with."""
        super().train(mode)
        for part in self.frozen:
            part.eval()
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        """``(B, 3, H, W)`` to one feature map a stride, finest first."""
        features: list[Tensor] = self.features(images)
        return features


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution, batch normalisation and SiLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.SiLU(inplace=True),
    )


class FeaturePyramid(nn.Module):
    """FPN: lateral 1x1 convolutions, nearest upsampling from coarse to fine, 3x3 outputs.

    Levels beyond the backbone's come from stride-2 convolutions on the coarsest output.

    Args:
        inputs: channels of the backbone's feature maps, finest first.
        channels: channels of every output.
        n_levels: number of outputs, at least ``len(inputs)``.
    """

    def __init__(self, inputs: Sequence[int], channels: int, n_levels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in inputs)
        self.outputs = nn.ModuleList(convolution(channels, channels) for _ in inputs)
        self.extra = nn.ModuleList(convolution(channels, channels, stride=2) for _ in range(n_levels - len(inputs)))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Feature maps, finest first, to pyramid levels, finest first."""
        levels = [lateral(feature) for lateral, feature in zip(self.lateral, features, strict=True)]
        for fine in reversed(range(len(levels) - 1)):
            size = levels[fine].shape[-2:]
            levels[fine] = levels[fine] + F.interpolate(levels[fine + 1], size=size, mode="nearest")
        levels = [output(level) for output, level in zip(self.outputs, levels, strict=True)]
        for extra in self.extra:
            levels.append(extra(levels[-1]))
        return levels


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

    Raises:
        ValueError: when each stride is not twice the one before.

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
    ) -> None:
        super().__init__()
        if any(coarse != 2 * fine for fine, coarse in pairwise(strides)):
            raise ValueError(f"strides={tuple(strides)}: each must be twice the one before")
        self.strides = tuple(strides)
        self.backbone = Backbone(backbone, strides, unfreeze_last, weights, **(backbone_arguments or {}))
        if self.backbone.strides != list(strides[: len(self.backbone.strides)]):
            raise ValueError(f"strides={self.strides}: {backbone} has {self.backbone.strides} only")
        self.neck = FeaturePyramid(self.backbone.channels, channels, len(strides))
        self.heads = nn.ModuleList(LevelHead(channels, n_classes, depth, confidence) for _ in strides)

    def forward(self, images: Tensor) -> Outputs:
        """Images ``(B, 3, H, W)`` uint8 to what the head says about them."""
        inputs = (images.float() / 255 - 0.5) / 0.25
        levels = self.neck(self.backbone(inputs.contiguous(memory_format=torch.channels_last)))
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
