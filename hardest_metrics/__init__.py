"""Rank images by how hard they are: which images a model fails on, and why."""

from typing import TYPE_CHECKING

from hardest_metrics._lazy import lazy, subpackages

if TYPE_CHECKING:
    from hardest_metrics import agreement as agreement
    from hardest_metrics import calibration as calibration
    from hardest_metrics import callbacks as callbacks
    from hardest_metrics import cli as cli
    from hardest_metrics import comparison as comparison
    from hardest_metrics import data as data
    from hardest_metrics import detection as detection
    from hardest_metrics import detectors as detectors
    from hardest_metrics import functional as functional
    from hardest_metrics import losses as losses
    from hardest_metrics import plot as plot
    from hardest_metrics import report as report
    from hardest_metrics import transferability as transferability
    from hardest_metrics.callbacks import HardestImages
    from hardest_metrics.collection import HardnessCollection
    from hardest_metrics.detection import (
        CommitteeHardness,
        ExpectedHardness,
        FalseNegatives,
        FalsePositives,
        FastScoreSampling,
        ScoreSampling,
        TotalFalse,
        Uncertainty,
    )
    from hardest_metrics.metric import HardnessMetric, Summary
    from hardest_metrics.ranking import Ranking

__version__ = "0.1.0"

__all__ = [
    "CommitteeHardness",
    "ExpectedHardness",
    "FalseNegatives",
    "FalsePositives",
    "FastScoreSampling",
    "HardestImages",
    "HardnessCollection",
    "HardnessMetric",
    "Ranking",
    "ScoreSampling",
    "Summary",
    "TotalFalse",
    "Uncertainty",
]

_HOMES = {
    "CommitteeHardness": "detection",
    "ExpectedHardness": "detection",
    "FalseNegatives": "detection",
    "FalsePositives": "detection",
    "FastScoreSampling": "detection",
    "HardestImages": "callbacks",
    "HardnessCollection": "collection",
    "HardnessMetric": "metric",
    "Ranking": "ranking",
    "ScoreSampling": "detection",
    "Summary": "metric",
    "TotalFalse": "detection",
    "Uncertainty": "detection",
}

__getattr__ = lazy(__name__, _HOMES, __path__)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *subpackages(__path__)})
