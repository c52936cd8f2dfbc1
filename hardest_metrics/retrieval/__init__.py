"""How well queries retrieve their relatives, at all levels of a hierarchy, as torchmetrics metrics.

What is found is ranked as in every domain: the queries, the hardest first.
"""

from hardest_metrics.retrieval.base import NearestItems, RetrievalMetric, Role
from hardest_metrics.retrieval.measures import (
    ASI,
    NDCG,
    AveragePrecision,
    HierarchicalAP,
    LevelAP,
    MAPAtR,
    PrecisionAt,
    RecallAt,
)

__all__ = [
    "ASI",
    "NDCG",
    "AveragePrecision",
    "HierarchicalAP",
    "LevelAP",
    "MAPAtR",
    "NearestItems",
    "PrecisionAt",
    "RecallAt",
    "RetrievalMetric",
    "Role",
]
