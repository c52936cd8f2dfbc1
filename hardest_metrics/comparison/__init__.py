"""Rankings by several detectors, definitions and estimators side by side, and how well they agree with the labels."""

from hardest_metrics.comparison.comparison import LABELS, Comparison, RankedBy

__all__ = ["LABELS", "Comparison", "RankedBy"]
