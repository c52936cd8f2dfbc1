"""Hardness of classified images: which a classifier fails on, and which it is unsure of."""

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
    WrongLabels,
)

__all__ = [
    "EL2N",
    "ClassificationMetric",
    "Confidence",
    "CrossEntropy",
    "Entropy",
    "LeastConfidence",
    "LogitMargin",
    "Margin",
    "TopKMiss",
    "TwoBestGap",
    "WrongLabels",
]
