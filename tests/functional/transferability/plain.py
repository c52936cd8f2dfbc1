"""The scores as their papers write them, in NumPy, from all objects at once: what the fast ones are compared with."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def h_score(features: Array, target: Labels) -> float:
    """tr(cov(f)⁺ cov(E[f|y]))."""
    return float(np.trace(np.linalg.pinv(np.cov(features, rowvar=False), rcond=1e-12) @ _between(features, target)))


def regularized_h_score(features: Array, target: Labels) -> float:
    """The same with the covariance that Ledoit and Wolf shrink, and the share of it that is left."""
    number, width = features.shape
    centred = features - features.mean(0)
    covariance = centred.T @ centred / number
    size = np.trace(covariance) / width
    spread = np.sum((covariance - size * np.eye(width)) ** 2) / width
    lengths = np.sum(centred**2, axis=1)
    noise = (np.sum(lengths**2) / number - np.sum(covariance**2)) / (width * number)
    share = min(noise, spread) / spread
    shrunk = (1 - share) * covariance + share * size * np.eye(width)
    return float((1 - share) * np.trace(np.linalg.inv(shrunk) @ _between(features, target)))


def _between(features: Array, target: Labels) -> Array:
    means = np.empty_like(features)
    for label in np.unique(target):
        means[target == label] = features[target == label].mean(0)
    covariance: Array = np.cov(means, rowvar=False)
    return covariance


def transrate(features: Array, target: Labels, eps: float = 1e-4) -> float:
    """R(F) less the mean of R(F_c) over the classes."""
    centred = features - features.mean(0)
    rates = [_coding_rate(centred[target == label], eps) for label in np.unique(target)]
    return _coding_rate(centred, eps) - float(np.mean(rates))


def _coding_rate(rows: Array, eps: float) -> float:
    number, width = rows.shape
    return float(np.linalg.slogdet(np.eye(width) + rows.T @ rows / (number * eps))[1] / 2)


def logme(features: Array, columns: Array) -> float:
    """The mean over columns of the logarithm of the maximum evidence, an object; residuals as vectors.

    Args:
        features: ``(N, D)``.
        columns: ``(N, T)`` targets, such as one-hot labels.
    """
    _, singular, v = np.linalg.svd(features, full_matrices=False)
    s = np.zeros(features.shape[1])
    s[: len(singular)] = singular**2
    basis = np.zeros((len(s), len(s)))
    basis[: len(v)] = v
    return float(np.mean([_evidence(features, column, s, basis) for column in columns.T]))


def _evidence(features: Array, column: Array, s: Array, basis: Array) -> float:
    number, width = features.shape
    alpha = beta = ratio = 1.0
    for _ in range(11):
        gamma = np.sum(s / (s + ratio))
        weights = basis.T @ ((basis @ (features.T @ column)) / (s + ratio))
        length = weights @ weights
        residual = max(np.sum((features @ weights - column) ** 2), number * 2.220446049250313e-16 * (column @ column))
        alpha, beta = gamma / length, (number - gamma) / residual
        if abs(alpha / beta - ratio) / ratio < 0.01:
            break
        ratio = alpha / beta
    evidence = width * math.log(alpha) + number * math.log(beta) - np.sum(np.log(alpha + beta * s))
    evidence -= beta * residual + alpha * length + number * math.log(2 * math.pi)
    return float(evidence / 2 / number)


def one_hot(target: Labels) -> Array:
    """``(N, K)`` of the classes that occur."""
    columns: Array = (target[:, None] == np.unique(target)).astype(np.float64)
    return columns


def gaussian_overlap(features: Array, target: Labels) -> float:
    """Minus the sum of exp(-B) over ordered pairs of classes."""
    gaussians = [
        (rows.mean(0), np.maximum(rows.var(0), 1e-4))
        for rows in (features[target == label] for label in np.unique(target))
    ]
    overlap = 0.0
    for first, (mean, variance) in enumerate(gaussians):
        for second, (other_mean, other_variance) in enumerate(gaussians):
            if first != second:
                between = (variance + other_variance) / 2
                distance = np.sum((mean - other_mean) ** 2 / between) / 8
                distance += np.sum(np.log(between / np.sqrt(variance * other_variance))) / 2
                overlap += math.exp(-distance)
    return -overlap


def regression_score(features: Array, boxes: Array) -> float:
    """Minus the mean squared residual of least squares."""
    weights = np.linalg.lstsq(features, boxes, rcond=None)[0]
    return -float(np.mean((features @ weights - boxes) ** 2))


def nce(source: Labels, target: Labels) -> float:
    """-H(y|z)."""
    total = 0.0
    for z in np.unique(source):
        shares = np.unique(target[source == z], return_counts=True)[1] / np.sum(source == z)
        total += np.mean(source == z) * np.sum(shares * np.log(shares))
    return float(total)


def leep(probabilities: Array, target: Labels) -> float:
    """The mean of ln Σ_z P(y|z) θ(x)_z."""
    joint = np.array([probabilities[target == label].sum(0) for label in np.unique(target)])
    conditional = joint / joint.sum(0)
    place = np.searchsorted(np.unique(target), target)
    return float(np.mean(np.log([row @ conditional[at] for row, at in zip(probabilities, place, strict=True)])))


#: The scores of features and labels.
LABEL_SCORES: dict[str, Callable[[Array, Labels], float]] = {
    "h_score": h_score,
    "regularized_h_score": regularized_h_score,
    "transrate": transrate,
    "logme": lambda features, target: logme(features, one_hot(target)),
    "gaussian_overlap": gaussian_overlap,
}

#: The scores of features and boxes.
BOX_SCORES: dict[str, Callable[[Array, Array], float]] = {"box_logme": logme, "regression_score": regression_score}
