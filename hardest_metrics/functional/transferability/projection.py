"""Fewer features that keep distances, about."""

from functools import lru_cache

import torch
from torch import Tensor

from hardest_metrics.functional.transferability.inputs import checked_features


def gaussian_projection(features: Tensor, size: int, seed: int = 0) -> Tensor:
    """Project features at random, each new one a sum of all old ones with weights drawn from N(0, 1/size).

    Distances between objects stay about the same (Johnson and Lindenstrauss), while scores cost less, and need fewer
    objects. The weights follow from `seed` and the two sizes alone, so that all batches and processes project alike.

    Args:
        features: ``(N, D)``.
        size: how many features to keep.
        seed: of the weights.

    Returns:
        ``(N, size)`` in the dtype of the features.

    Raises:
        TypeError, ValueError: on features that make no sense, or a size below 1.

    Example:
        >>> features = torch.eye(2000)[:2]
        >>> projected = gaussian_projection(features, 500)
        >>> projected.shape, torch.dist(*features), torch.dist(*projected)
        (torch.Size([2, 500]), tensor(1.414), tensor(1.4...))
    """
    check_size(size)
    features = checked_features(features)
    return features @ _weights(features.shape[1], size, seed).to(features)


def check_size(size: int, name: str = "size") -> None:
    """Raise ValueError if `size` is no number of features."""
    if type(size) is not int or size < 1:
        raise ValueError(f"`{name}` must be an integer of at least 1, but is {size!r}.")


@lru_cache(maxsize=4)
def _weights(width: int, size: int, seed: int) -> Tensor:
    """``(width, size)`` float64; drawn once, not once a batch."""
    generator = torch.Generator("cpu").manual_seed(seed)
    weights: Tensor = torch.randn(width, size, generator=generator, dtype=torch.float64, device="cpu")
    return weights.div_(size**0.5)
