"""Detectors' errors as pure functions: packed boxes, matched to objects, weighed, expected and added up."""

from hardest_metrics.functional.detection.arrow import batch_from_arrow
from hardest_metrics.functional.detection.boxes import Batch, Boxes, Detections, GroundTruth
from hardest_metrics.functional.detection.estimation import (
    PseudoGroundTruth,
    Sampler,
    ScoreSampler,
    by_matching,
    expected_moments,
    moments_given,
    own_detection,
    sampled_moments,
)
from hardest_metrics.functional.detection.hardness import error_sums, false_negatives, false_positives, total_false
from hardest_metrics.functional.detection.kinds import Confusions, ErrorKinds, Kind, confusions, error_kinds
from hardest_metrics.functional.detection.matching import Matches, Outcome, Query, match
from hardest_metrics.functional.detection.packing import no_labels, pack
from hardest_metrics.functional.detection.weighting import (
    Errors,
    TruePositives,
    errors_of,
    none,
    overlap,
    pixel,
)
from hardest_metrics.functional.detection.witnesses import Proposals, WitnessModel, propose, witness_moments

__all__ = [
    "Batch",
    "Boxes",
    "Confusions",
    "Detections",
    "ErrorKinds",
    "Errors",
    "GroundTruth",
    "Kind",
    "Matches",
    "Outcome",
    "Proposals",
    "PseudoGroundTruth",
    "Query",
    "Sampler",
    "ScoreSampler",
    "TruePositives",
    "WitnessModel",
    "batch_from_arrow",
    "by_matching",
    "confusions",
    "error_kinds",
    "error_sums",
    "errors_of",
    "expected_moments",
    "false_negatives",
    "false_positives",
    "match",
    "moments_given",
    "no_labels",
    "none",
    "overlap",
    "own_detection",
    "pack",
    "pixel",
    "propose",
    "sampled_moments",
    "total_false",
    "witness_moments",
]
