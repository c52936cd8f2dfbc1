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
from hardest_metrics.functional.transferability.matrices import cholesky_diagonal, gram

_PIECE = 1 << 18
"""Numbers whose products are added up at a time, at least: enough for products to be quick, few enough for a cache."""


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
    settled, waiting = objects.settled(), objects.waiting()
    number = int(objects.counts.sum() + objects.row_counts.sum())
    if len(settled | waiting) < 2:
        return undefined(objects.means)
    width = objects.means.shape[1]
    warn_of_few("TransRate", number, width)
    mean = objects.total / number
    # The scatter of all is that of the classes' own, about one mean, and of the rows of small classes, some at a time
    total, rates = mean.new_zeros(width, width), []
    enough = max(_PIECE // width, 2 * width)
    some, filled = mean.new_empty(min(enough + width, number), width), 0
    for label in settled | waiting:
        runs = waiting.get(label, [])
        count = sum(run.shape[0] for run in runs)
        if label not in settled and count < width:  # the products of the objects are the smaller matrix
            rows = torch.cat(runs, out=some[filled : filled + count]).sub_(mean)
            rates.append(_rate(gram(rows.T), count * eps))
            filled += count
            if filled >= enough:
                total += gram(some[:filled])
                filled = 0
            continue
        matrix = gram(torch.cat([*runs, some[:0]]) - mean)
        if label in settled:
            own = settled[label]
            matrix += own.matrix.addr(own.mean - mean, own.mean - mean, alpha=own.number)
            count += own.number
        total += matrix
        rates.append(_rate(matrix, count * eps))
    total += gram(some[:filled])
    return _rate(total, number * eps) - torch.stack(rates).mean()


def _rate(scatter: Tensor, distortion: float) -> Tensor:
    """½ ln det(I + scatter / distortion); `scatter` is overwritten."""
    scatter.diagonal().add_(distortion)
    return (cholesky_diagonal(scatter) / math.sqrt(distortion)).log().sum()
