"""From an image to an embedding of unit length."""

from pathlib import Path
from typing import Literal

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

Backbone = Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]


class Embedder(nn.Module):
    """A backbone, from images to features, and a head, from features to embeddings.

    Args:
        backbone: from ``(B, 3, H, W)`` to ``(B, F)``.
        head: from ``(B, F)`` to ``(B, D)``.
        dim: D.
        freeze_batch_norm: whether batch normalisation keeps the means and variances it has.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, dim: int, freeze_batch_norm: bool = False) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.dim = dim
        self.freeze_batch_norm = freeze_batch_norm

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings ``(B, D)`` float32 of unit length."""
        return F.normalize(self.head(self.backbone(images)).float())

    def train(self, mode: bool = True) -> "Embedder":
        """Set the mode, but for batch normalisation that is frozen."""
        super().train(mode)
        if self.freeze_batch_norm:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


class ResNetEmbedder(Embedder):
    """A ResNet of torchvision, the mean of its last features normalised as one layer, and a linear head.

    Args:
        backbone: its name.
        weights: a file of its weights, as torchvision has them for ImageNet; None for random ones.
        dim: of the embeddings.
        freeze_batch_norm: whether batch normalisation keeps the means and variances it has.

    Raises:
        FileNotFoundError: when there is no such file; the message says how to make it.
    """

    def __init__(
        self,
        backbone: Backbone = "resnet50",
        weights: Path | None = None,
        dim: int = 512,
        freeze_batch_norm: bool = True,
    ) -> None:
        network = torchvision.models.get_model(backbone, weights=None)
        assert isinstance(network, torchvision.models.ResNet)
        if weights is not None:
            if not Path(weights).is_file():
                made = f'get_model("{backbone}", weights="IMAGENET1K_V1").state_dict()'
                raise FileNotFoundError(
                    f"{weights}: no such file. Save torchvision's weights there, torch.save(torchvision.models."
                    f'{made}, "{weights}"), or give none: weights=null.'
                )
            network.load_state_dict(torch.load(weights, weights_only=True))
        features = network.fc.in_features
        layers = [*network.children()][:-2]  # pooling and classifier left out
        last = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(features, elementwise_affine=False)]
        super().__init__(nn.Sequential(*layers, *last), nn.Linear(features, dim), dim, freeze_batch_norm)
