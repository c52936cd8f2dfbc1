"""Hardness as pure functions: tensors in, tensors out."""

from hardest_metrics.functional import transferability
from hardest_metrics.functional.boxes import Batch, Boxes, Detections, GroundTruth
from hardest_metrics.functional.classification import (
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
from hardest_metrics.functional.estimation import (
    PseudoGroundTruth,
    Sampler,
    ScoreSampler,
    by_matching,
    expected_moments,
    own_detection,
    sampled_moments,
)
from hardest_metrics.functional.hardness import error_sums, false_negatives, false_positives, total_false
from hardest_metrics.functional.matching import Matches, Outcome, Query, match
from hardest_metrics.functional.packing import no_labels, pack
from hardest_metrics.functional.retrieval import (
    QueryScores,
    nearest_neighbours,
    score_queries,
    score_ranked,
    topk_scores,
)
from hardest_metrics.functional.weighting import Errors, TruePositives, errors_of, none, overlap, pixel

__all__ = [
    "Batch",
    "Boxes",
    "Detections",
    "Errors",
    "GroundTruth",
    "Matches",
    "Outcome",
    "PseudoGroundTruth",
    "Query",
    "QueryScores",
    "Sampler",
    "ScoreSampler",
    "TruePositives",
    "by_matching",
    "confidence",
    "cross_entropy",
    "el2n",
    "entropy",
    "error_sums",
    "errors_of",
    "expected_moments",
    "false_negatives",
    "false_positives",
    "label_rank",
    "least_confidence",
    "logit_margin",
    "margin",
    "match",
    "nearest_neighbours",
    "no_labels",
    "none",
    "overlap",
    "own_detection",
    "pack",
    "pixel",
    "sampled_moments",
    "score_queries",
    "score_ranked",
    "topk_miss",
    "topk_scores",
    "total_false",
    "transferability",
    "two_best_gap",
    "wrong_labels",
]
