"""Rank images by how hard they are: which images a model fails on, and why."""

from typing import TYPE_CHECKING

from hardest_metrics._lazy import lazy

if TYPE_CHECKING:
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

__getattr__ = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
