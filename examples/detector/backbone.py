"""The backbone: features of a timm model, of which the last blocks alone may be trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import group_parameters
from torch import Tensor, nn


def _features(name: str, **arguments: Any) -> Any:
    """A timm model that gives feature maps; it has a ``feature_info``, which no type tells of."""
    return timm.create_model(name, features_only=True, **arguments)


def blocks(name: str, features: nn.Module, **arguments: Any) -> list[list[nn.Parameter]]:
    """The parameters of each block of a backbone, the stem first.

    A block is what timm's models call one when learning rates are to fall layer by layer: a residual block, a
    transformer's layer. What stands between stages belongs to the block behind it, a last norm to the block before it.

    Args:
        name: of the timm model.
        features: the model as a giver of features, which may lack its last stages.
        **arguments: that it was made with.

    Example:
        >>> len(blocks("test_vit", _features("test_vit")))  # six layers behind the stem
        7
    """
    # Only the whole model can tell its blocks; the giver of features names them as that does, but for these signs.
    whole: Any = timm.create_model(name, **arguments | {"pretrained": False})
    groups = group_parameters(whole, whole.group_matcher(coarse=False))
    block_of = {member.replace(".", "_"): block for block, members in groups.items() for member in members}
    found: dict[int, list[nn.Parameter]] = {}
    for member, parameter in features.named_parameters():
        found.setdefault(block_of[member.removeprefix("model.").replace(".", "_")], []).append(parameter)
    return [found[block] for block in sorted(found)]


class Backbone(nn.Module):
    """Features of a timm model at the given strides.

    Where a model has several features of one stride, as a ViT has, the last of them is taken.

    Args:
        name: any timm model with features, such as ``"resnet10t"`` or ``"convnext_atto"``.
        strides: the strides wanted; those that the model does not have are left to the neck.
        unfreeze_last: how many of its last :func:`blocks` are trained; None trains all of them.
        weights: a file of weights for the timm model; None starts from random ones.
        **arguments: further arguments of the timm model, such as ``channels`` of a ResNet.

    Raises:
        ValueError: when the model has none of the strides, or ``unfreeze_last`` is negative.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        strides: Sequence[int],
        unfreeze_last: int | None = None,
        weights: str | Path | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__()
        info = _features(name, **arguments).feature_info
        reductions = info.reduction()
        # Of a ViT these are by default its last three blocks.
        last = dict(zip(reductions, info.out_indices, strict=True))
        indices = sorted(last[stride] for stride in strides if stride in last)
        if not indices:
            raise ValueError(f"strides={tuple(strides)}: {name} has features at {reductions} only")
        loaded: dict[str, Any] = {}
        if weights is not None:
            loaded = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(weights)}}
        self.features = _features(name, out_indices=indices, **arguments, **loaded)
        self.channels: list[int] = self.features.feature_info.channels()
        self.strides: list[int] = self.features.feature_info.reduction()
        # Not persistent: they are the model's, not the training's.
        for which in ("mean", "std"):
            values = torch.tensor(self.features.pretrained_cfg[which]).view(-1, 1, 1)
            self.register_buffer(which, values, persistent=False)
        self.frozen: list[nn.Module] = []
        if unfreeze_last is not None:
            if unfreeze_last < 0:
                raise ValueError(f"unfreeze_last={unfreeze_last}: give 0 or more, or None for all")
            parts = blocks(name, self.features, **arguments)
            for part in parts[: max(len(parts) - unfreeze_last, 0)]:
                for parameter in part:
                    parameter.requires_grad_(False)
            self.frozen = [module for module in self.features.modules() if _is_frozen(module)]

    def train(self, mode: bool = True) -> "Backbone":
        """As usual, but frozen parts keep the batch statistics that they came with."""
        super().train(mode)
        for part in self.frozen:
            part.eval()
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        """``(B, 3, H, W)`` uint8 to one feature map a stride, finest first.

        Colours are normalised as those were that the timm model's weights were trained on.
        """
        inputs = (images.float() / 255 - self.mean) / self.std
        features: list[Tensor] = self.features(inputs.contiguous(memory_format=torch.channels_last))
        return features


def _is_frozen(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)
