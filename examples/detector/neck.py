"""Necks: levels of one width, each of which sees finer and coarser features too."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

Neck = Literal["fpn", "pan"]


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


class PathAggregation(nn.Module):
    """PAN: an FPN, and behind it a short way from fine to coarse.

    Each level but the finest adds the level below it, brought to its stride by a convolution, and passes through
    another ([Liu et al., 2018](https://arxiv.org/abs/1803.01534)): what is fine reaches the coarsest level past a few
    convolutions, instead of through the whole backbone.

    Args:
        inputs: channels of the backbone's feature maps, finest first.
        channels: channels of every output.
        n_levels: number of outputs, at least ``len(inputs)``.
    """

    def __init__(self, inputs: Sequence[int], channels: int, n_levels: int) -> None:
        super().__init__()
        self.pyramid = FeaturePyramid(inputs, channels, n_levels)
        self.down = nn.ModuleList(convolution(channels, channels, stride=2) for _ in range(n_levels - 1))
        self.outputs = nn.ModuleList(convolution(channels, channels) for _ in range(n_levels - 1))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Feature maps, finest first, to levels, finest first."""
        finest, *coarser = self.pyramid(features)
        levels = [finest]
        for level, down, output in zip(coarser, self.down, self.outputs, strict=True):
            levels.append(output(level + down(levels[-1])))
        return levels


def make_neck(kind: Neck, inputs: Sequence[int], channels: int, n_levels: int) -> nn.Module:
    """The neck of this name, ``"fpn"`` or ``"pan"``; the other arguments are its own.

    Raises:
        ValueError: for another name.
    """
    if kind == "fpn":
        return FeaturePyramid(inputs, channels, n_levels)
    if kind == "pan":
        return PathAggregation(inputs, channels, n_levels)
    raise ValueError(f"neck={kind!r}: choose fpn or pan")
