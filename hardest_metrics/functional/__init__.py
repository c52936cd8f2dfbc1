"""Hardness as pure functions: tensors in, tensors out."""

from hardest_metrics.functional.boxes import Batch, Boxes, Detections, GroundTruth, pack
from hardest_metrics.functional.hardness import error_sums, false_negatives, false_positives, total_false
from hardest_metrics.functional.matching import Matches, Outcome, Query, match
from hardest_metrics.functional.weighting import Errors, errors_of, none, overlap, pixel

__all__ = [
    "Batch",
    "Boxes",
    "Detections",
    "Errors",
    "GroundTruth",
    "Matches",
    "Outcome",
    "Query",
    "error_sums",
    "errors_of",
    "false_negatives",
    "false_positives",
    "match",
    "none",
    "overlap",
    "pack",
    "pixel",
    "total_false",
]
