"""Hardness of images under a query on object detections, as torchmetrics metrics."""

from hardest_metrics.detection.box_errors import BoxErrors, FalseNegatives, FalsePositives, TotalFalse

__all__ = ["BoxErrors", "FalseNegatives", "FalsePositives", "TotalFalse"]
