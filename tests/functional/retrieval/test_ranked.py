from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hardest_metrics.functional.retrieval import relevances, score_ranked, shared_levels
from tests.functional.retrieval.trees import direct_relevance, direct_scores, golden_labels


def random_levels(seed: int) -> tuple[Tensor, int]:
    rng = torch.Generator().manual_seed(seed)
    number = int(torch.randint(1, 5, (), generator=rng))
    return torch.randint(0, number + 1, (4, int(torch.randint(1, 25, (), generator=rng))), generator=rng), number


@pytest.mark.parametrize("seed", range(40))
def test_every_score_is_what_its_definition_says(seed: int) -> None:
    levels, number = random_levels(seed)
    relevance: Any = ("pop", tuple(range(1, number + 1)))[seed % 2]
    ks = [1, 3, 10]
    found = score_ranked(levels, number, k=ks, relevance=relevance, alpha=1.5, query_counted=bool(seed % 3))
    for query, row in enumerate(levels.tolist()):
        counts = [row.count(t) for t in range(number + 1)]
        counts[-1] += bool(seed % 3)
        expected = direct_scores(row, number, direct_relevance(counts, relevance, 1.5), ks)
        for name, value in expected.items():
            field, _, k = name.partition(" ")
            scores = getattr(found, field)
            one = (scores[int(k)] if k else scores)[query]
            torch.testing.assert_close(
                one, torch.tensor(value, dtype=torch.float64), equal_nan=True, rtol=0, atol=1e-12
            )


def test_weights_give_the_authors_h_ap_of_map(goldens: dict[str, Any]) -> None:
    for case in goldens["map"]:
        inputs = case["inputs"]
        labels = torch.from_numpy(golden_labels(np.random.default_rng(inputs["seed"]), inputs["n"], inputs["fan"]))
        ranked = []
        for query in range(len(labels)):
            others = np.delete(np.arange(len(labels)), query)
            order = np.random.default_rng(inputs["seed"] + 1 + query).permutation(others)
            ranked.append(shared_levels(labels[query], labels[torch.from_numpy(order)]))
        found = score_ranked(
            torch.stack(ranked), labels.shape[1], relevance=case["weights (coarsest level first)"]
        ).hierarchical_ap
        for name in ("H-AP", "H-AP by definition"):
            torch.testing.assert_close(found, torch.tensor(case[name], dtype=torch.float64), rtol=0, atol=1e-5)


@pytest.mark.parametrize("seed", range(10))
def test_weighted_relevances_give_the_weighted_mean_of_average_precisions(seed: int) -> None:
    levels, number = random_levels(seed)
    levels[:, -1] = number  # so that no level is without positives
    weights = torch.arange(1, number + 1, dtype=torch.float64) / sum(range(1, number + 1))
    found = score_ranked(levels, number, relevance=weights.tolist(), query_counted=False)
    torch.testing.assert_close(found.hierarchical_ap, found.average_precision.flip(1) @ weights)


def test_an_ideal_ranking_has_every_score_1() -> None:
    found = score_ranked(torch.tensor([[3, 3, 2, 2, 1, 1, 1, 0, 0]]), 3, k=[1, 2])
    for scores in (found.average_precision, found.map_at_r, found.asi_by_level, found.level_ap):
        torch.testing.assert_close(scores, torch.ones_like(scores))
    for scores in (found.ndcg, found.asi, found.hierarchical_ap, found.ndcg_at[2], found.precision_at[2][0]):
        torch.testing.assert_close(scores, torch.ones_like(scores))


def test_a_level_counts_once_where_another_is_as_relevant() -> None:
    # 1/2 / 1 = 1 / (1 + 1), the query being counted: the first two items are of relevance 0.5, and rank perfectly
    assert relevances(torch.tensor([[1, 1, 2]]))[0].tolist() == [0, 0.5, 0.5]
    assert score_ranked(torch.tensor([[1, 2, 0]]), 2).hierarchical_ap.tolist() == [1]


def test_a_query_without_positives_has_no_score() -> None:
    found = score_ranked(torch.tensor([[0, 0, 0], [1, 0, 0]]), 2, k=[1])
    assert found.average_precision.isnan().tolist() == [[True, True], [True, False]]
    assert found.hierarchical_ap.isnan().tolist() == [True, False]
    assert (
        found.precision_at[1].isnan().tolist() == found.recall_at[1].isnan().tolist() == [[True, True], [True, False]]
    )


@pytest.mark.parametrize(
    ("levels", "arguments", "error", "message"),
    [
        (torch.zeros(2, 3), {}, TypeError, "`levels` must be integers, but are torch.float32"),
        (torch.zeros(2).long(), {}, ValueError, r"`levels` must have shape \(queries, items\), but have \(2,\)"),
        (torch.tensor([[0], [3]]), {}, ValueError, "from 0 to `num_levels`, which is 2; in row 1 some are not"),
        (torch.tensor([[0], [1]]), {"k": [0]}, ValueError, r"`k` must be integers of at least 1, but is \[0\]"),
        (torch.tensor([[0], [1]]), {"relevance": [1]}, ValueError, "`relevance` has 1 weights"),
    ],
)
def test_what_makes_no_sense_is_refused(
    levels: Tensor, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        score_ranked(levels, 2, **arguments)
