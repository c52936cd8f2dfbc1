"""Each measure is the function of its name."""

from functools import partial
from typing import Any

import pytest

from hardest_metrics.agreement import (
    NDCG,
    BudgetPrecision,
    BudgetRecall,
    HardestAUROC,
    HardestAveragePrecision,
    Kendall,
    MedianQueryCount,
    Spearman,
)
from hardest_metrics.alignment import join
from hardest_metrics.functional import agreement as functions
from tests.agreement.test_base import measured, pair


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("metric", "function"),
    [
        (Spearman(), functions.spearman),
        (Kendall(), functions.kendall),
        (NDCG(), functions.ndcg),
        (NDCG(k=2), partial(functions.ndcg, k=2)),
        (HardestAUROC(), functions.hardest_auroc),
        (HardestAUROC(share=0.3), partial(functions.hardest_auroc, share=0.3)),
        (HardestAveragePrecision(), functions.hardest_average_precision),
        (HardestAveragePrecision(0.05), partial(functions.hardest_average_precision, share=0.05)),
        (BudgetPrecision(), functions.budget_precision),
        (BudgetPrecision(7, share=0.5), partial(functions.budget_precision, budget=7, share=0.5)),
        (BudgetRecall(), functions.budget_recall),
        (BudgetRecall(0.4, share=0.2), partial(functions.budget_recall, budget=0.4, share=0.2)),
        (MedianQueryCount(), functions.median_query_count),
    ],
)
def test_a_measure_is_the_function_of_its_name(metric: Any, function: Any, seed: int) -> None:
    rankings = pair(seed)
    metric.reset()
    value = measured(metric, rankings).compute().item()
    assert value == pytest.approx(function(*join(*rankings)).item(), abs=1e-6)
    assert metric.higher_is_better
    assert metric.plot_lower_bound <= value <= metric.plot_upper_bound
