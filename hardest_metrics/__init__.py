"""Rank images by how hard they are: which images a model fails on, and why."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hardest_metrics.callbacks import HardestImages
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
    "HardnessMetric": "metric",
    "Ranking": "ranking",
    "ScoreSampling": "detection",
    "Summary": "metric",
    "TotalFalse": "detection",
    "Uncertainty": "detection",
}


def __getattr__(name: str) -> object:
    """Import what is asked for when it is asked for: `hardest-metrics --help` needs no torch, a metric no Lightning."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
