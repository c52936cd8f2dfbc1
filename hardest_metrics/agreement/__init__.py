"""How well one ranking agrees with another, as torchmetrics metrics: is a ranking without labels worth trusting?"""

from hardest_metrics.agreement.base import Agreement
from hardest_metrics.agreement.measures import (
    NDCG,
    BudgetPrecision,
    BudgetRecall,
    HardestAUROC,
    HardestAveragePrecision,
    Kendall,
    MedianQueryCount,
    Spearman,
)

__all__ = [
    "NDCG",
    "Agreement",
    "BudgetPrecision",
    "BudgetRecall",
    "HardestAUROC",
    "HardestAveragePrecision",
    "Kendall",
    "MedianQueryCount",
    "Spearman",
]
