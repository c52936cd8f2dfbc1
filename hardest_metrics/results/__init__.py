"""Runs kept with the hardness of every image, and what got worse from one to another."""

from hardest_metrics.results.detectors import DetectorDiff, diff
from hardest_metrics.results.flips import Flips, mcnemar
from hardest_metrics.results.history import history
from hardest_metrics.results.regression import Change, NotComparableError, Regression, regress
from hardest_metrics.results.run import DataSet, Hardness, Result, Run
from hardest_metrics.results.store import RunStore

__all__ = [
    "Change",
    "DataSet",
    "DetectorDiff",
    "Flips",
    "Hardness",
    "NotComparableError",
    "Regression",
    "Result",
    "Run",
    "RunStore",
    "diff",
    "history",
    "mcnemar",
    "regress",
]
