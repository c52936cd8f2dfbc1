"""Rank images by how hard they are: which images a model fails on, and why."""

from hardest_metrics.detection import FalseNegatives, FalsePositives, TotalFalse
from hardest_metrics.metric import HardnessMetric
from hardest_metrics.ranking import Ranking

__version__ = "0.1.0"

__all__ = ["FalseNegatives", "FalsePositives", "HardnessMetric", "Ranking", "TotalFalse"]
