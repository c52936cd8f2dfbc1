"""Which model to start from: scores of pretrained models for a target set, batch by batch, as torchmetrics metrics."""

from hardest_metrics.transferability.object_features import LabelledFeatures, ObjectFeatures
from hardest_metrics.transferability.scores import (
    BoxLogME,
    GaussianOverlap,
    HScore,
    LogME,
    RegressionScore,
    TotalLogME,
    TransRate,
)
from hardest_metrics.transferability.source_model import LEEP, NCE, EnergyScore

__all__ = [
    "LEEP",
    "NCE",
    "BoxLogME",
    "EnergyScore",
    "GaussianOverlap",
    "HScore",
    "LabelledFeatures",
    "LogME",
    "ObjectFeatures",
    "RegressionScore",
    "TotalLogME",
    "TransRate",
]
