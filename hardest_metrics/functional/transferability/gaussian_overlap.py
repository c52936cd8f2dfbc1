"""How much the classes overlap in the space of the features."""

from torch import Tensor

from hardest_metrics.functional.transferability.inputs import checked_features, checked_labels, permuted, undefined
from hardest_metrics.functional.transferability.statistics import FeatureStatistics

_LEAST_VARIANCE = 1e-4


def gaussian_overlap(features: Tensor, target: Tensor, *, shuffled: int | None = None) -> Tensor:
    """Gaussian Bhattacharyya coefficient: minus how much the classes overlap, a Gaussian of diagonal covariance each.

    ``-Σ_{i≠j} exp(-B_ij)`` over ordered pairs of classes, B the Bhattacharyya distance of their Gaussians, after
    `Transferability Estimation using Bhattacharyya Class Separability <https://arxiv.org/abs/2111.12780>`_ (Pándy et
    al., 2022). Variances, of divisor n, count as at least 1e-4.

    Args:
        features: ``(N, D)``, an object each, of the training split of the target set.
        target: ``(N,)`` integer labels; which numbers they are, and gaps between them, make no difference.
        shuffled: a seed, to shuffle the labels first. What they score then is what a score means nothing below.

    Returns:
        A float64 scalar of at most 0, the higher the better; NaN with fewer than two classes.

    Raises:
        TypeError, ValueError: on features or labels that make no sense.

    Example:
        >>> import torch
        >>> features = torch.tensor([[0.0, 1], [1, 0], [4, 5], [5, 6]])
        >>> gaussian_overlap(features, torch.tensor([0, 1, 0, 1]))
        tensor(-1.8624, dtype=torch.float64)
    """
    features = checked_features(features)
    target = checked_labels(target, len(features)).to(features.device)
    return gaussian_overlap_of(FeatureStatistics.of(features, target[permuted(len(target), shuffled)]))


def gaussian_overlap_of(statistics: FeatureStatistics) -> Tensor:
    """:func:`gaussian_overlap` of the objects that `statistics` are of."""
    if len(statistics.labels) < 2:
        return undefined(statistics.scatter)
    means = statistics.offsets
    variances = (statistics.squares / statistics.counts[:, None]).clamp(min=_LEAST_VARIANCE)
    logs = variances.log().sum(1)
    overlap = means.new_zeros(())
    for first in range(len(means) - 1):  # a class at a time: all pairs at once take K times the memory of the means
        between = (variances[first] + variances[first + 1 :]) / 2
        apart = (means[first] - means[first + 1 :]).square()
        distance = (apart / between).sum(1) / 8 + between.log().sum(1) / 2 - (logs[first] + logs[first + 1 :]) / 4
        overlap += (-distance).exp().sum()
    return -2 * overlap
