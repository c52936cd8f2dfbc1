"""Objects to score: features that tell something of their labels and boxes."""

import torch
from torch import Tensor


def drawn(number: int = 400, width: int = 12, classes: int = 5, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """``(N, D)`` features, ``(N,)`` labels and ``(N, 4)`` boxes, float64."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(classes, (number,), generator=generator)
    features = torch.randn(number, width, generator=generator, dtype=torch.float64)
    features += torch.randn(classes, width, generator=generator, dtype=torch.float64)[target]
    features = features * torch.rand(width, generator=generator, dtype=torch.float64).add(0.5) + 1
    corners = torch.rand(number, 2, generator=generator, dtype=torch.float64) * 0.5
    sizes = 0.1 + 0.2 * features[:, :2].sigmoid()
    return features, target, torch.cat((corners, corners + sizes), dim=1)
