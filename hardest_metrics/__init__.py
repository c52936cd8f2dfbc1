"""Rank images by how hard they are: which images a model fails on, and why."""

from typing import TYPE_CHECKING

from hardest_metrics._lazy import lazy, subpackages

if TYPE_CHECKING:
    from hardest_metrics import agreement as agreement
    from hardest_metrics import calibration as calibration
    from hardest_metrics import callbacks as callbacks
    from hardest_metrics import classification as classification
    from hardest_metrics import cli as cli
    from hardest_metrics import comparison as comparison
    from hardest_metrics import data as data
    from hardest_metrics import demo as demo
    from hardest_metrics import detection as detection
    from hardest_metrics import detectors as detectors
    from hardest_metrics import evaluators as evaluators
    from hardest_metrics import functional as functional
    from hardest_metrics import losses as losses
    from hardest_metrics import plot as plot
    from hardest_metrics import report as report
    from hardest_metrics import results as results
    from hardest_metrics import retrieval as retrieval
    from hardest_metrics import shards as shards
    from hardest_metrics import transfer as transfer
    from hardest_metrics import transferability as transferability
    from hardest_metrics.callbacks import HardestImages, HardestQueries
    from hardest_metrics.classification import (
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
    from hardest_metrics.collection import HardnessCollection
    from hardest_metrics.detection import (
        CommitteeHardness,
        ConfusionPairs,
        ErrorsOfKind,
        ExpectedHardness,
        FalseNegatives,
        FalsePositives,
        FastScoreSampling,
        ScoreSampling,
        TotalFalse,
        Uncertainty,
        WitnessHardness,
    )
    from hardest_metrics.dynamics import Dynamics
    from hardest_metrics.metric import HardnessMetric, Summary
    from hardest_metrics.ranking import Ranking

__version__ = "0.2.0"

__all__ = [
    "EL2N",
    "CommitteeHardness",
    "Confidence",
    "ConfusionPairs",
    "CrossEntropy",
    "Dynamics",
    "Entropy",
    "ErrorsOfKind",
    "ExpectedHardness",
    "FalseNegatives",
    "FalsePositives",
    "FastScoreSampling",
    "HardestImages",
    "HardestQueries",
    "HardnessCollection",
    "HardnessMetric",
    "LeastConfidence",
    "LogitMargin",
    "Margin",
    "Ranking",
    "ScoreSampling",
    "Summary",
    "TopKMiss",
    "TotalFalse",
    "TwoBestGap",
    "Uncertainty",
    "WitnessHardness",
    "WrongLabels",
]

_HOMES = {
    "CommitteeHardness": "detection",
    "Confidence": "classification",
    "ConfusionPairs": "detection",
    "CrossEntropy": "classification",
    "Dynamics": "dynamics",
    "EL2N": "classification",
    "Entropy": "classification",
    "ErrorsOfKind": "detection",
    "ExpectedHardness": "detection",
    "FalseNegatives": "detection",
    "FalsePositives": "detection",
    "FastScoreSampling": "detection",
    "HardestImages": "callbacks",
    "HardestQueries": "callbacks",
    "HardnessCollection": "collection",
    "HardnessMetric": "metric",
    "LeastConfidence": "classification",
    "LogitMargin": "classification",
    "Margin": "classification",
    "Ranking": "ranking",
    "ScoreSampling": "detection",
    "Summary": "metric",
    "TopKMiss": "classification",
    "TotalFalse": "detection",
    "TwoBestGap": "classification",
    "Uncertainty": "detection",
    "WitnessHardness": "detection",
    "WrongLabels": "classification",
}

__getattr__ = lazy(__name__, _HOMES, __path__)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *subpackages(__path__)})
