"""How much of what features vary by is between the classes."""

import torch
from torch import Tensor

from hardest_metrics.functional.transferability.inputs import (
    checked_features,
    checked_labels,
    permuted,
    undefined,
    warn_of_few,
)
from hardest_metrics.functional.transferability.statistics import FeatureStatistics, eigh

_SAFE_PIVOT = 1e-4
_EPS = torch.finfo(torch.float64).eps


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
    number, width = statistics.number, len(statistics.scatter)
    warn_of_few("The H-score", number, width)
    # In units of each feature's own deviation: the score is the same, and features of all sizes keep their digits.
    # What varies by no more than rounding does is constant, and would only bring noise to the same size.
    deviations = (statistics.scatter.diagonal() / number).sqrt()
    varies = deviations > 16 * _EPS * statistics.mean.abs()
    scale = torch.where(varies, 1 / (deviations * number**0.5), 0.0)
    correlation = statistics.scatter * scale * scale[:, None]
    offsets = statistics.offsets * scale * statistics.counts.double().sqrt()[:, None]
    if number > width and bool(varies.all()):
        factor, failed = torch.linalg.cholesky_ex(correlation)
        if not failed and factor.diagonal().min() > _SAFE_PIVOT:
            return _whitened(offsets, factor)
    return _whitened_where_it_varies(offsets, correlation)


def regularized_h_score_of(statistics: FeatureStatistics) -> Tensor:
    """:func:`regularized_h_score` of the objects that `statistics` are of."""
    if len(statistics.labels) < 2:
        return undefined(statistics.scatter)
    number, width = statistics.number, len(statistics.scatter)
    warn_of_few("The regularised H-score", number, width)
    share, size = _shrinkage(statistics)
    covariance = statistics.scatter * ((1 - share) / number)
    covariance.diagonal().add_(share * size)
    offsets = statistics.offsets * statistics.counts.double().sqrt()[:, None]
    factor, failed = torch.linalg.cholesky_ex(covariance)
    # it fails where nothing was shrunk, and features depend on each other
    between = _whitened_where_it_varies(offsets, covariance) if failed else _whitened(offsets, factor)
    return between * ((1 - share) / (number - 1))


def _whitened(offsets: Tensor, factor: Tensor) -> Tensor:
    """Σ oᵀ(LLᵀ)⁻¹o of ``(K, D)`` offsets and a lower triangular L."""
    whitened: Tensor = torch.linalg.solve_triangular(factor, offsets.T, upper=False)
    return whitened.square().sum()


def _whitened_where_it_varies(offsets: Tensor, covariance: Tensor) -> Tensor:
    """Σ oᵀ S⁺ o of ``(K, D)`` offsets and a covariance S that has no inverse."""
    values, vectors = eigh(covariance)
    inverse = torch.where(values > len(values) * _EPS * values.max(), 1 / values, 0.0)
    inside: Tensor = offsets @ vectors
    return (inside.square() * inverse).sum()


def _shrinkage(statistics: FeatureStatistics) -> tuple[float, float]:
    """Ledoit and Wolf's: the share of the identity in the covariance, and its size."""
    number, width = statistics.number, len(statistics.scatter)
    variance = float(statistics.scatter.trace()) / number
    size = variance / width
    squares = float(statistics.scatter.square().sum()) / number**2
    noise = (float(statistics.quartic) / number - squares) / (width * number)
    spread = (squares - 2 * size * variance + width * size**2) / width
    return (0.0 if noise <= 0 or spread <= 0 else min(noise, spread) / spread), size
