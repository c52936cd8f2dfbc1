"""How much shorter features can be coded once their class is known."""

import math

import torch
from torch import Tensor

from hardest_metrics.functional.transferability.class_scatters import ClassScatters
from hardest_metrics.functional.transferability.inputs import (
    checked_features,
    checked_labels,
    permuted,
    undefined,
    warn_of_few,
)
from hardest_metrics.functional.transferability.statistics import gram


def transrate(features: Tensor, target: Tensor, eps: float = 1e-4, *, shuffled: int | None = None) -> Tensor:
    """TransRate: the coding rate of all features less the mean of the classes' own.

    ``R(F) - (1/K) Σ_c R(F_c)`` with ``R(Z) = ½ ln det(I + ZᵀZ / (n ε))``, all centred by the mean of all features,
    after `Frustratingly Easy Transferability Estimation <https://arxiv.org/abs/2106.09362>`_ (Huang et al., 2022), the
    mean over the classes being unweighted as in `Transferability Metrics for Object Detection
    <https://arxiv.org/abs/2306.15306>`_ (Fouquet et al., 2023). It depends on the scale of the features: compare it
    between models whose features are normalised alike.

    Args:
        features: ``(N, D)``, an object each, of the training split of the target set.
        target: ``(N,)`` integer labels; which numbers they are, and gaps between them, make no difference.
        eps: ε, the squared distortion that is allowed.
        shuffled: a seed, to shuffle the labels first. What they score then is what a score means nothing below.

    Returns:
        A float64 scalar, the higher the better; NaN with fewer than two classes.

    Raises:
        TypeError, ValueError: on features, labels or an `eps` that make no sense.

    Warns:
        UserWarning: where there are no more objects than features.

    Example:
        >>> features = torch.tensor([[0.0, 1], [1, 0], [4, 5], [5, 6]])
        >>> transrate(features, torch.tensor([0, 0, 1, 1]))
        tensor(0.7661, dtype=torch.float64)
    """
    check_eps(eps)
    features = checked_features(features)
    target = checked_labels(target, len(features)).to(features.device)
    return transrate_of(ClassScatters.of(features, target[permuted(len(target), shuffled)]), eps)


def check_eps(eps: float) -> None:
    """Raise ValueError if `eps` is no distortion."""
    if not 0 < eps < math.inf:
        raise ValueError(f"`eps` must be a number above 0, but is {eps!r}.")


def transrate_of(objects: ClassScatters, eps: float) -> Tensor:
    """:func:`transrate` of the objects that `objects` tells of."""
    rows, row_labels = objects.waiting()
    row_labels, inverse, row_counts = row_labels.unique(return_inverse=True, return_counts=True)
    labels = torch.cat((objects.labels, row_labels)).unique()
    number = int(objects.counts.sum() + row_counts.sum())
    if len(labels) < 2:
        return undefined(rows)
    warn_of_few("TransRate", number, rows.shape[1])
    mean = (objects.counts.double() @ objects.means + rows.sum(0)) / number
    centred = rows - mean
    ordered = centred[inverse.argsort(stable=True)].split(row_counts.tolist())
    waiting = dict(zip(row_labels.tolist(), ordered, strict=True))
    total, rates = gram(centred), []
    for label, count, own_mean, scatter in zip(
        objects.labels.tolist(), objects.counts.tolist(), objects.means, objects.scatters, strict=True
    ):
        offset = own_mean - mean
        scatter = scatter.addr(offset, offset, alpha=count)
        total += scatter
        if label in waiting:
            own = waiting.pop(label)
            scatter, count = scatter + gram(own), count + len(own)
        rates.append(_rate(scatter, count * eps))
    # of fewer objects than features, the products of the objects are the smaller matrix
    rates += [_rate(gram(own.T if len(own) < own.shape[1] else own), len(own) * eps) for own in waiting.values()]
    return _rate(total, number * eps) - torch.stack(rates).mean()


def _rate(scatter: Tensor, distortion: float) -> Tensor:
    """½ ln det(I + scatter / distortion)."""
    matrix = scatter / distortion
    matrix.diagonal().add_(1)
    factor: Tensor = torch.linalg.cholesky(matrix)
    return factor.diagonal().log().sum()
