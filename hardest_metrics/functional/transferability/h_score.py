"""How much of what features vary by is between the classes."""

from torch import Tensor

from hardest_metrics.functional.transferability.inputs import (
    checked_features,
    checked_labels,
    permuted,
    undefined,
    warn_of_few,
)
from hardest_metrics.functional.transferability.matrices import EPS, inverse_form
from hardest_metrics.functional.transferability.statistics import FeatureStatistics


def h_score(features: Tensor, target: Tensor, *, shuffled: int | None = None) -> Tensor:
    """H-score: the variation of the classes' means in units of the features' own.

    ``tr(cov(f)⁺ cov(E[f|y]))``, after `An Information-Theoretic Approach to Transferability in Task Transfer Learning
    <https://arxiv.org/abs/2212.10082>`_ (Bao et al., 2019). It lies between 0 and the number of classes minus one, and
    no invertible linear map of the features changes it.

    Args:
        features: ``(N, D)``, an object each, of the training split of the target set.
        target: ``(N,)`` integer labels; which numbers they are, and gaps between them, make no difference.
        shuffled: a seed, to shuffle the labels first. What they score then is what a score means nothing below.

    Returns:
        A float64 scalar, the higher the better; NaN with fewer than two classes.

    Raises:
        TypeError, ValueError: on features or labels that make no sense.

    Warns:
        UserWarning: where there are no more objects than features.

    Example:
        >>> import torch
        >>> features = torch.tensor([[0.0, 1], [1, 0], [4, 5], [5, 6]])
        >>> h_score(features, torch.tensor([0, 0, 1, 1]))
        tensor(0.9762, dtype=torch.float64)
        >>> h_score(features, torch.tensor([0, 0, 1, 1]), shuffled=1)
        tensor(0.4048, dtype=torch.float64)
    """
    return h_score_of(_statistics(features, target, shuffled))


def regularized_h_score(features: Tensor, target: Tensor, *, shuffled: int | None = None) -> Tensor:
    """H-score whose covariance is shrunk after Ledoit and Wolf, for few objects or many features.

    After `Newer is not always better: Rethinking transferability metrics, their peculiarities, stability and
    performance <https://arxiv.org/abs/2110.06893>`_ (Ibrahim et al., 2021).

    Args:
        features: as of :func:`h_score`.
        target: as of :func:`h_score`.
        shuffled: as of :func:`h_score`.

    Returns:
        A float64 scalar, the higher the better; NaN with fewer than two classes.

    Raises:
        TypeError, ValueError: on features or labels that make no sense.

    Warns:
        UserWarning: where there are no more objects than features.

    Example:
        >>> import torch
        >>> features = torch.tensor([[0.0, 1], [1, 0], [4, 5], [5, 6]])
        >>> regularized_h_score(features, torch.tensor([0, 0, 1, 1]))
        tensor(1.2506, dtype=torch.float64)
    """
    return regularized_h_score_of(_statistics(features, target, shuffled))


def _statistics(features: Tensor, target: Tensor, shuffled: int | None) -> FeatureStatistics:
    features = checked_features(features)
    target = checked_labels(target, len(features)).to(features.device)
    return FeatureStatistics.of(features, target[permuted(len(target), shuffled)])


def h_score_of(statistics: FeatureStatistics) -> Tensor:
    """:func:`h_score` of the objects that `statistics` are of."""
    if len(statistics.labels) < 2:
        return undefined(statistics.scatter)
    number = statistics.number
    warn_of_few("The H-score", number, len(statistics.scatter))
    # A feature that varies by no more than rounding does is constant
    rounding = number * (16 * EPS * statistics.mean).square()
    return (inverse_form(statistics.scatter, statistics.offsets.T, rounding) * statistics.counts).sum()


def regularized_h_score_of(statistics: FeatureStatistics) -> Tensor:
    """:func:`regularized_h_score` of the objects that `statistics` are of."""
    if len(statistics.labels) < 2:
        return undefined(statistics.scatter)
    number, width = statistics.number, len(statistics.scatter)
    warn_of_few("The regularised H-score", number, width)
    share, size = _shrinkage(statistics)
    covariance = statistics.scatter * ((1 - share) / number)
    covariance.diagonal().add_(share * size)
    between = (inverse_form(covariance, statistics.offsets.T) * statistics.counts).sum()
    return between * ((1 - share) / (number - 1))


def _shrinkage(statistics: FeatureStatistics) -> tuple[float, float]:
    """Ledoit and Wolf's: the share of the identity in the covariance, and its size."""
    number, width = statistics.number, len(statistics.scatter)
    variance = float(statistics.scatter.trace()) / number
    size = variance / width
    squares = float(statistics.scatter.square().sum()) / number**2
    noise = (float(statistics.quartic) / number - squares) / (width * number)
    spread = (squares - 2 * size * variance + width * size**2) / width
    return (0.0 if noise <= 0 or spread <= 0 else min(noise, spread) / spread), size
