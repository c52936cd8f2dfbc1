"""How well a linear model explains labels or boxes by features, its own priors at their best."""

import math
from collections.abc import MutableMapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from hardest_metrics.functional.transferability.inputs import (
    checked_boxes,
    checked_features,
    checked_labels,
    permuted,
    undefined,
    warn_of_few,
)
from hardest_metrics.functional.transferability.matrices import EPS, eigh, inverse_form
from hardest_metrics.functional.transferability.statistics import FeatureStatistics

_ITERATIONS = 11
_CLOSE = 0.01


def logme(features: Tensor, target: Tensor, *, shuffled: int | None = None) -> Tensor:
    """LogME of the labels: the logarithm of maximum evidence, an object, the mean over the classes.

    After `LogME: Practical Assessment of Pre-trained Models for Transfer Learning <https://arxiv.org/abs/2102.11005>`_
    (You et al., 2021): each class, one-hot, is regressed on the features, and the evidence of that Bayesian model is
    maximised over the precisions of its weights and of its noise. It is a log density, so it may exceed 1 and be
    negative; compare it between models on the same objects.

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
        >>> logme(features, torch.tensor([0, 0, 1, 1]))
        tensor(-0.5176, dtype=torch.float64)
        >>> logme(features, torch.tensor([0, 0, 1, 1]), shuffled=1)
        tensor(-1.0664, dtype=torch.float64)
    """
    features = checked_features(features)
    target = checked_labels(target, len(features)).to(features.device)
    return logme_of(FeatureStatistics.of(features, target[permuted(len(target), shuffled)]))


def box_logme(features: Tensor, boxes: Tensor, *, shuffled: int | None = None) -> Tensor:
    """LogME of the boxes, the mean over their four coordinates.

    After `Transferability Metrics for Object Detection <https://arxiv.org/abs/2306.15306>`_ (Fouquet et al., 2023).
    Boxes are taken as given: divided by s they score ln s more. Coordinates as shares of the image's width and height,
    as :class:`~hardest_metrics.transferability.ObjectFeatures` gives them, let images of all sizes count alike.

    Args:
        features: ``(N, D)``, an object each, of the training split of the target set.
        boxes: ``(N, 4)`` coordinates of the same objects.
        shuffled: a seed, to shuffle the boxes first.

    Returns:
        A float64 scalar, the higher the better; NaN if a coordinate is 0 for all objects.

    Raises:
        TypeError, ValueError: on features or boxes that make no sense.

    Warns:
        UserWarning: where there are no more objects than features.

    Example:
        >>> features = torch.tensor([[0.0, 1], [1, 0], [4, 5], [5, 6]])
        >>> boxes = torch.tensor(
        ...     [[0.1, 0.1, 0.2, 0.2], [0.2, 0.1, 0.3, 0.2], [0.5, 0.5, 0.7, 0.8], [0.6, 0.6, 0.9, 0.9]]
        ... )
        >>> box_logme(features, boxes)
        tensor(0.3742, dtype=torch.float64)
    """
    return box_logme_of(_of_boxes(features, boxes, shuffled))


def total_logme(features: Tensor, target: Tensor, boxes: Tensor, *, shuffled: int | None = None) -> Tensor:
    """The mean of LogME of the labels and LogME of the boxes, "Total LogME" or TLogME.

    After `Transferability Metrics for Object Detection <https://arxiv.org/abs/2306.15306>`_ (Fouquet et al., 2023).

    Args:
        features: ``(N, D)``, an object each, of the training split of the target set.
        target: ``(N,)`` integer labels.
        boxes: ``(N, 4)`` coordinates; see :func:`box_logme` for their scale.
        shuffled: a seed, to shuffle labels and boxes first, each label with its box.

    Returns:
        A float64 scalar, the higher the better; NaN where either is.

    Raises:
        TypeError, ValueError: on features, labels or boxes that make no sense.

    Warns:
        UserWarning: where there are no more objects than features.

    Example:
        >>> features = torch.tensor([[0.0, 1], [1, 0], [4, 5], [5, 6]])
        >>> boxes = torch.tensor(
        ...     [[0.1, 0.1, 0.2, 0.2], [0.2, 0.1, 0.3, 0.2], [0.5, 0.5, 0.7, 0.8], [0.6, 0.6, 0.9, 0.9]]
        ... )
        >>> total_logme(features, torch.tensor([0, 0, 1, 1]), boxes)
        tensor(-0.0717, dtype=torch.float64)
    """
    features = checked_features(features)
    target = checked_labels(target, len(features)).to(features.device)
    boxes = checked_boxes(boxes, len(features)).to(features.device)
    order = permuted(len(target), shuffled)
    return total_logme_of(FeatureStatistics.of(features, target[order], boxes[order]))


def regression_score(features: Tensor, boxes: Tensor, *, shuffled: int | None = None) -> Tensor:
    """Minus the mean squared residual of the boxes' least squares fit by the features, without intercept.

    ETran's score of regression, after `ETran: Energy-Based Transferability Estimation
    <https://arxiv.org/abs/2308.02027>`_ (Gholami et al., 2023).

    Args:
        features: ``(N, D)``, an object each, of the training split of the target set.
        boxes: ``(N, 4)`` coordinates, taken as given: halved they score a quarter.
        shuffled: a seed, to shuffle the boxes first.

    Returns:
        A float64 scalar of at most 0, the higher the better; NaN of no objects.

    Raises:
        TypeError, ValueError: on features or boxes that make no sense.

    Warns:
        UserWarning: where there are no more objects than features.

    Example:
        >>> features = torch.tensor([[0.0, 1], [1, 0], [4, 5], [5, 6]])
        >>> boxes = torch.tensor(
        ...     [[0.1, 0.1, 0.2, 0.2], [0.2, 0.1, 0.3, 0.2], [0.5, 0.5, 0.7, 0.8], [0.6, 0.6, 0.9, 0.9]]
        ... )
        >>> regression_score(features, boxes)
        tensor(-0.0064, dtype=torch.float64)
    """
    return regression_score_of(_of_boxes(features, boxes, shuffled))


def _of_boxes(features: Tensor, boxes: Tensor, shuffled: int | None) -> FeatureStatistics:
    features = checked_features(features)
    boxes = checked_boxes(boxes, len(features)).to(features.device)
    alike = torch.zeros(len(features), dtype=torch.int64, device=features.device)
    return FeatureStatistics.of(features, alike, boxes[permuted(len(boxes), shuffled)])


def logme_of(statistics: FeatureStatistics) -> Tensor:
    """:func:`logme` of the objects that `statistics` are of."""
    if len(statistics.labels) < 2:
        return undefined(statistics.scatter)
    warn_of_few("LogME", statistics.number, len(statistics.scatter))
    return _Features.of(statistics).evidence(*_one_hot(statistics)).mean()


def box_logme_of(statistics: FeatureStatistics) -> Tensor:
    """:func:`box_logme` of the objects that `statistics` are of."""
    if not statistics.number:
        return undefined(statistics.scatter)
    warn_of_few("LogME of boxes", statistics.number, len(statistics.scatter))
    return _Features.of(statistics).evidence(statistics.box_products, statistics.box_squares).mean()


def total_logme_of(statistics: FeatureStatistics) -> Tensor:
    """:func:`total_logme` of the objects that `statistics` are of."""
    if len(statistics.labels) < 2:
        return undefined(statistics.scatter)
    warn_of_few("Total LogME", statistics.number, len(statistics.scatter))
    products, squares = _one_hot(statistics)
    both = torch.cat((products, statistics.box_products), dim=1), torch.cat((squares, statistics.box_squares))
    evidence = _Features.of(statistics).evidence(*both)
    return (evidence[: len(squares)].mean() + evidence[len(squares) :].mean()) / 2


def regression_score_of(statistics: FeatureStatistics) -> Tensor:
    """:func:`regression_score` of the objects that `statistics` are of."""
    if not statistics.number:
        return undefined(statistics.scatter)
    warn_of_few("The regression score", statistics.number, len(statistics.scatter))
    explained = inverse_form(statistics.gram, statistics.box_products)
    return -(statistics.box_squares - explained).clamp(min=0).mean() / statistics.number


def _one_hot(statistics: FeatureStatistics) -> tuple[Tensor, Tensor]:
    """``(D, K)`` Fᵀt and ``(K,)`` tᵀt of the classes, one-hot."""
    counts = statistics.counts.double()
    return (statistics.means * counts[:, None]).T, counts


class _Features:
    """The directions of the features, about 0, and what of target columns t lies in each.

    Columns are given as ``(D, T)`` products Fᵀt and ``(T,)`` squares tᵀt: one decomposition serves them all, and none
    needs the objects again.
    """

    #: By scatter, as long as that lives: members of a collection share their statistics, and ask one after the other.
    _known: ClassVar[MutableMapping[Tensor, "_Features"]] = WeakTensorKeyDictionary()

    def __init__(self, statistics: FeatureStatistics) -> None:
        self.means, self.number = statistics.means, statistics.number
        values, self.vectors = eigh(statistics.gram)
        self.values = values.clamp(min=0)

    @classmethod
    def of(cls, statistics: FeatureStatistics) -> "_Features":
        """Of the objects that `statistics` are of, decomposed when first asked for; those that live on are known."""
        known = cls._known.get(statistics.scatter)
        if known is None or known.means is not statistics.means:
            known = cls._known[statistics.scatter] = cls(statistics)
        return known

    def evidence(self, products: Tensor, squares: Tensor) -> Tensor:
        """``(T,)`` logarithms of the maximum evidence, an object.

        The weights' precision α and the noise's precision β are each set to what the other implies, until their ratio
        changes by less than a hundredth.
        """
        number, s = self.number, self.values
        present = s > s.max() * len(s) * EPS
        # (T, D), what of the squares of t lies in each direction; columns of few numbers multiply best from the left
        inside = torch.where(present, (products.T @ self.vectors).square() / s, 0.0)
        outside = (squares - inside.sum(1)).clamp(min=0)
        # Where features explain t exactly, the residual is what rounding leaves, and the evidence as good as random
        least = squares * number * EPS
        ratio, alpha, beta, weights, residual = (torch.ones_like(squares) for _ in range(5))
        running = torch.ones_like(squares, dtype=torch.bool)
        for _ in range(_ITERATIONS):
            penalised = s + ratio[:, None]
            effective = (s / penalised).sum(1)
            of_each = inside / penalised.square()
            new_weights = of_each @ s
            new_residual = torch.maximum(ratio.square() * of_each.sum(1) + outside, least)
            new_alpha, new_beta = effective / new_weights, (number - effective) / new_residual
            changed = new_alpha / new_beta
            alpha, beta = torch.where(running, new_alpha, alpha), torch.where(running, new_beta, beta)
            weights = torch.where(running, new_weights, weights)
            residual = torch.where(running, new_residual, residual)
            running = running & ~((changed - ratio).abs() / ratio < _CLOSE)
            ratio = torch.where(running, changed, ratio)
            if not running.any():
                break
        log_determinant = (alpha[:, None] + beta[:, None] * s).log().sum(1)
        gain: Tensor = len(s) * alpha.log() + number * (beta.log() - math.log(2 * math.pi)) - log_determinant
        return (gain - beta * residual - alpha * weights) / (2 * number)
