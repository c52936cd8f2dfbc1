from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from hardest_metrics.functional.retrieval import relevances
from tests.functional.retrieval.trees import direct_relevance, golden_labels


@pytest.mark.parametrize("relevance", ["pop", (0.2, 0.3, 0.5), (0, 0, 1), (1, 0, 0)])
@pytest.mark.parametrize("alpha", [0, 0.5, 1, 2.0])
def test_relevances_follow_their_definition(relevance: Any, alpha: float) -> None:
    counts = torch.randint(0, 5, (100, 4), generator=torch.Generator().manual_seed(0))
    found = relevances(counts, relevance, alpha)
    for row, numbers in zip(found.tolist(), counts.tolist(), strict=True):
        expected = direct_relevance(numbers, relevance, alpha)
        # a level without items has no relevance that anything depends on
        for t, (one, other) in enumerate(zip(row, expected, strict=True)):
            assert numbers[t] == 0 or one == pytest.approx(other, rel=1e-12)


def test_the_items_of_a_level_weigh_alike_however_many_there_are() -> None:
    counts = torch.tensor([[10, 6, 2, 3]])
    assert (relevances(counts, alpha=2.0) * counts)[0, 1:].tolist() == pytest.approx([1 / 9, 4 / 9, 1])


def test_weights_give_the_relevances_of_map(goldens: dict[str, Any]) -> None:
    for case in goldens["map"]:
        weights = case["weights (coarsest level first)"]
        inputs = case["inputs"]
        labels = torch.from_numpy(golden_labels(np.random.default_rng(inputs["seed"]), inputs["n"], inputs["fan"]))
        level = (labels[:, None] == labels).sum(-1)  # the query among them
        counts = torch.stack([(level == t).sum(1) for t in range(labels.shape[1] + 1)], 1)
        expected = torch.tensor(case["relevances (n, L + 1), by number of equal columns"], dtype=torch.float64)
        torch.testing.assert_close(relevances(counts, weights), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("relevance", "alpha", "message"),
    [
        ("map", 1.0, "`relevance` must be 'pop' or a weight a level"),
        ((0.5,), 1.0, "`relevance` has 1 weights, but there are 2 levels"),
        ((0.5, -0.5), 1.0, "weights of at least 0"),
        ((0.5, float("nan")), 1.0, "weights of at least 0"),
        ("pop", -1.0, "`alpha` must be a finite number of at least 0"),
        ("pop", float("inf"), "`alpha` must be a finite number"),
        ("pop", "1", "`alpha` must be a finite number"),
    ],
)
def test_what_makes_no_sense_is_refused(relevance: str | Sequence[float], alpha: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        relevances(torch.tensor([[1, 1, 1]]), relevance, alpha)  # type: ignore[arg-type]
