"""Detectors to rank images by: torchvision's, with the logits that uncertainty measures need."""

from hardest_metrics.detectors.run import Detected, detect
from hardest_metrics.detectors.with_logits import WithLogits

__all__ = ["Detected", "WithLogits", "detect"]
