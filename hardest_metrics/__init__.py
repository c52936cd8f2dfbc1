"""Rank images by how hard they are: which images a model fails on, and why."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hardest_metrics.callbacks import HardestImages
    from hardest_metrics.detection import FalseNegatives, FalsePositives, TotalFalse
    from hardest_metrics.metric import HardnessMetric, Summary
    from hardest_metrics.ranking import Ranking

__version__ = "0.1.0"

__all__ = ["FalseNegatives", "FalsePositives", "HardestImages", "HardnessMetric", "Ranking", "Summary", "TotalFalse"]

_HOMES = {
    "FalseNegatives": "detection",
    "FalsePositives": "detection",
    "HardestImages": "callbacks",
    "HardnessMetric": "metric",
    "Ranking": "ranking",
    "Summary": "metric",
    "TotalFalse": "detection",
}


def __getattr__(name: str) -> object:
    """Import what is asked for when it is asked for: `hardest-metrics --help` needs no torch, a metric no Lightning."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
