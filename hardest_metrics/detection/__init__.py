"""Hardness of images under a query on object detections, as torchmetrics metrics."""

from hardest_metrics.detection.box_errors import BoxErrors, FalseNegatives, FalsePositives, TotalFalse
from hardest_metrics.detection.committee import CommitteeHardness
from hardest_metrics.detection.detection_metric import DetectionMetric
from hardest_metrics.detection.errors_of_kind import ErrorsOfKind
from hardest_metrics.detection.estimators import Estimator, ExpectedHardness, FastScoreSampling, ScoreSampling
from hardest_metrics.detection.residuals import fit_residuals
from hardest_metrics.detection.sparse_counts import Confusion, ConfusionPairs, KindsByLabel, LabelKinds
from hardest_metrics.detection.uncertainty import Uncertainty
from hardest_metrics.detection.witness import WitnessHardness

__all__ = [
    "BoxErrors",
    "CommitteeHardness",
    "Confusion",
    "ConfusionPairs",
    "DetectionMetric",
    "ErrorsOfKind",
    "Estimator",
    "ExpectedHardness",
    "FalseNegatives",
    "FalsePositives",
    "FastScoreSampling",
    "KindsByLabel",
    "LabelKinds",
    "ScoreSampling",
    "TotalFalse",
    "Uncertainty",
    "WitnessHardness",
    "fit_residuals",
]
