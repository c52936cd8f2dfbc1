"""Metrics of classifiers by the names that command lines know."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from hardest_metrics.classification.classification_metric import ClassificationMetric
from hardest_metrics.classification.definitions import (
    EL2N,
    Confidence,
    CrossEntropy,
    Entropy,
    LeastConfidence,
    LogitMargin,
    Margin,
    TopKMiss,
    TwoBestGap,
)
from hardest_metrics.names import CLASSIFIED, CLASSIFIED_WITHOUT_LABELS

_MAKERS: Mapping[str, Callable[..., ClassificationMetric[Any]]] = {
    "cross_entropy": CrossEntropy,
    "margin": Margin,
    "logit_margin": LogitMargin,
    "confidence": Confidence,
    "el2n": EL2N,
    "top1_miss": partial(TopKMiss, 1),
    "top5_miss": partial(TopKMiss, 5),
    "entropy": Entropy,
    "least_confidence": LeastConfidence,
    "two_best_gap": TwoBestGap,
}


def make_definition(name: str) -> ClassificationMetric[Any]:
    """The metric of a name of :data:`~hardest_metrics.names.CLASSIFIED`, or of those without labels.

    Args:
        name: of the definition.

    Raises:
        ValueError: if no definition is called so.

    Example:
        >>> make_definition("top5_miss").k
        5
    """
    if name not in _MAKERS:
        known = ", ".join((*CLASSIFIED, *CLASSIFIED_WITHOUT_LABELS))
        raise ValueError(f"No definition is called {name!r}. Choose from: {known}.")
    return _MAKERS[name]()
