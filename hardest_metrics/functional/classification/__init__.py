"""Hardness of classified images, as pure functions: logits and labels in, one number an image out."""

from hardest_metrics.functional.classification.hardness import (
    confidence,
    cross_entropy,
    el2n,
    entropy,
    label_rank,
    least_confidence,
    logit_margin,
    margin,
    topk_miss,
    two_best_gap,
    wrong_labels,
)

__all__ = [
    "confidence",
    "cross_entropy",
    "el2n",
    "entropy",
    "label_rank",
    "least_confidence",
    "logit_margin",
    "margin",
    "topk_miss",
    "two_best_gap",
    "wrong_labels",
]
