"""Agreement of two rankings, against scipy, scikit-learn and direct counts."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau, spearmanr
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score
from torch import Tensor

from hardest_metrics import TotalFalse
from hardest_metrics.alignment import join
from hardest_metrics.data import read_coco_annotations, read_hardest_detections
from hardest_metrics.detection import ExpectedHardness, Uncertainty
from hardest_metrics.functional.agreement import (
    MEASURES,
    SHARES,
    budget_precision,
    budget_recall,
    cumulative_hardness,
    hardest,
    hardest_auroc,
    hardest_average_precision,
    kendall,
    median_query_count,
    ndcg,
    spearman,
)

MEASURE_NAMES = list(MEASURES)


def pair(seed: int, number: int, ties: bool = True, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """An estimate that agrees a little with the truth; as counts of errors, with many ties, or as other numbers."""
    rng = torch.Generator().manual_seed(seed)
    true = torch.rand(number, generator=rng) ** 3 * 6
    estimated = true + 3 * torch.rand(number, generator=rng) - 2
    if ties:
        estimated, true = estimated.round(), true.floor()
        true[0] = true.max() + 1
        estimated[-1] = estimated.min() - 1
    return estimated * scale, true * scale


#: Many small ones, where every tie counts, one of usual size, and numbers far outside [0, 1].
PAIRS = {
    **{f"{number} images, seed {seed}": pair(seed, number) for seed, number in enumerate(3 * [2, 3, 4, 5, 7, 10, 30])},
    "5,000 images": pair(0, 5000),
    "5,000 images without ties": pair(1, 5000, ties=False),
    "1,000 images, large": pair(2, 1000, scale=1e6),
    "1,000 images, small": pair(3, 1000, scale=1e-6),
    "5,000 images, one of them hard": (torch.arange(5000).flip(0).float(), (torch.arange(5000) == 3000).float()),
}


@pytest.fixture(params=PAIRS)
def estimated_and_true(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    return PAIRS[request.param]


def close(value: Tensor, expected: float) -> bool:
    assert value.shape == ()
    assert value.dtype == torch.float64
    return value.item() == pytest.approx(expected, abs=1e-6)


# What others compute


def test_rank_correlations_are_scipy_s(estimated_and_true: tuple[Tensor, Tensor]) -> None:
    estimated, true = estimated_and_true
    assert close(spearman(estimated, true), spearmanr(estimated, true).statistic)
    assert close(kendall(estimated, true), kendalltau(estimated, true).statistic)


@pytest.mark.parametrize("k", [None, 1, 2, 10, 10_000])
def test_ndcg_is_scikit_learn_s(estimated_and_true: tuple[Tensor, Tensor], k: int | None) -> None:
    estimated, true = estimated_and_true
    # scikit-learn takes true hardness of float32 and sums in it
    expected = ndcg_score(true[None].double().numpy(), estimated[None].double().numpy(), k=k)
    assert close(ndcg(estimated, true, k), expected)


@pytest.mark.parametrize("share", SHARES)
def test_telling_the_hardest_is_judged_as_by_scikit_learn(
    estimated_and_true: tuple[Tensor, Tensor], share: float
) -> None:
    estimated, true = estimated_and_true
    of_paper = true > np.percentile(true.double(), 100 - 100 * share)
    is_hardest = of_paper if of_paper.any() else true == true.max()
    assert torch.equal(hardest(true, share), is_hardest)
    assert close(hardest_auroc(estimated, true, share), roc_auc_score(is_hardest, estimated))
    assert close(hardest_average_precision(estimated, true, share), average_precision_score(is_hardest, estimated))


@pytest.mark.parametrize("measure", [hardest_auroc, hardest_average_precision])
def test_without_a_share_the_mean_over_the_paper_s_shares_counts(
    estimated_and_true: tuple[Tensor, Tensor], measure: Callable[..., Tensor]
) -> None:
    expected = np.mean([float(measure(*estimated_and_true, share)) for share in (0.05, 0.1, 0.25, 0.5)])
    assert close(measure(*estimated_and_true), float(expected))


# What is counted


@pytest.mark.parametrize("seed", range(20))
def test_median_query_count_is_a_direct_count(seed: int) -> None:
    estimated, true = pair(seed, 5 + 9 * seed, ties=False)
    met, inspected = 0.0, 0
    for index in estimated.argsort(descending=True).tolist():
        met, inspected = met + true[index].item(), inspected + 1
        if met >= true.double().sum() / 2:
            break
    assert close(median_query_count(estimated, true), 1 - inspected / len(true))


@pytest.mark.parametrize("seed", range(20))
def test_median_query_count_is_the_paper_s_but_for_the_image_that_passes_half(seed: int) -> None:
    estimated, true = pair(seed, 5 + 9 * seed, ties=False)
    met = np.cumsum(true.double().numpy()[np.flip(np.argsort(estimated.numpy()))])
    of_paper = 1 - np.searchsorted(met, met[-1] * 0.5, "right") / len(true)
    assert close(median_query_count(estimated, true), of_paper - 1 / len(true))


@pytest.mark.parametrize("number", [1, 2, 3, 10, 49])
def test_a_constant_estimate_meets_half_of_the_hardness_with_half_of_the_images(number: int) -> None:
    true = torch.rand(number) + 0.1
    expected = 1 - math.ceil(number / 2) / number
    assert close(median_query_count(torch.ones(number), true), expected)


def test_half_is_met_when_it_is_met_exactly() -> None:
    true = torch.tensor([0.3, 0.2, 0.1])  # in float32 the first is a little more than the others
    estimated = torch.tensor([3.0, 2.0, 1.0])
    assert close(median_query_count(estimated, true.double()), 2 / 3)
    assert close(median_query_count(estimated, torch.tensor([1.0, 0.5, 0.5])), 2 / 3)
    assert close(median_query_count(estimated, torch.tensor([0.99, 0.51, 0.5])), 1 / 3)


def every_order(estimated: Tensor) -> list[list[int]]:
    """All orders from the estimated hardest down."""
    return [
        list(order)
        for order in itertools.permutations(range(len(estimated)))
        if (estimated[list(order)].diff() <= 0).all()
    ]


@pytest.mark.parametrize("seed", range(8))
def test_equal_estimates_are_met_in_every_order(seed: int) -> None:
    estimated, true = pair(seed, 6)
    orders = every_order(estimated)
    met = torch.stack([true.double()[order].cumsum(0) for order in orders]).mean(0)
    torch.testing.assert_close(cumulative_hardness(estimated, true), met)
    for budget, share in itertools.product((1, 2, 4, 6), (0.2, 0.5)):
        is_hardest = hardest(true, share)
        found = np.mean([int(is_hardest[order[:budget]].sum()) for order in orders])
        assert close(budget_precision(estimated, true, budget, share), float(found) / budget)
        assert close(budget_recall(estimated, true, budget, share), float(found) / int(is_hardest.sum()))


@pytest.mark.parametrize("name", MEASURE_NAMES)
def test_no_measure_depends_on_the_order_of_the_images(name: str) -> None:
    estimated, true = pair(0, 50)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    assert close(MEASURES[name](estimated[order], true[order]), MEASURES[name](estimated, true).item())


@pytest.mark.parametrize("name", MEASURE_NAMES)
def test_measures_go_by_the_order_of_the_estimate_alone(name: str) -> None:
    estimated, true = pair(1, 50)
    assert close(MEASURES[name](estimated.exp(), true), MEASURES[name](estimated, true).item())
    assert close(MEASURES[name](estimated - 1e4, true), MEASURES[name](estimated, true).item())


def test_a_perfect_estimate_has_the_best_value_of_every_measure() -> None:
    _, true = pair(0, 200, ties=False)
    best = {name: measure(true, true).item() for name, measure in MEASURES.items()}
    below_one = best.pop("median_query_count")
    assert all(value == pytest.approx(1) for value in best.values()), best
    assert below_one > median_query_count(pair(0, 200)[0], true)


@pytest.mark.parametrize(
    ("number", "share", "expected"),
    [(1, 0.05, 1), (2, 0.5, 1), (3, 0.05, 1), (10, 0.25, 3), (100, 0.05, 5), (100, 0.25, 25), (101, 0.07, 7)],
)
def test_a_share_of_the_images_is_rounded_up_to_at_least_one(number: int, share: float, expected: int) -> None:
    assert hardest(torch.arange(number), share).nonzero().squeeze(1).tolist() == [*range(number - expected, number)]


def test_images_that_tie_at_the_border_are_not_among_the_hardest() -> None:
    assert hardest(torch.tensor([0.0, 0, 0, 0, 1, 2]), 0.5).tolist() == [False] * 4 + [True] * 2
    assert hardest(torch.tensor([0.0, 0, 0, 2, 2, 2]), 0.05).tolist() == [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    ("budget", "number"),
    [(0.001, 1), (0.019, 1), (0.29, 29), (0.999, 99), (1.0, 100), (1, 1), (37, 37), (1000, 100)],
)
def test_a_budget_pays_for_whole_images(budget: float, number: int) -> None:
    true = torch.arange(100)
    assert close(budget_recall(true, true, budget, share=0.999), min(number / 99, 1))  # all but one are hard
    assert close(budget_precision(true, true, budget, share=0.5), min(50 / number, 1))
    assert close(budget_precision(true, true, budget), 1)


def test_precision_and_recall_are_equal_where_as_many_are_hard_as_are_paid_for() -> None:
    estimated, true = pair(5, 40, ties=False)
    for budget in (0.1, 0.25, 1, 17):
        assert close(budget_recall(estimated, true, budget), budget_precision(estimated, true, budget).item())


# What is undefined


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("name", MEASURE_NAMES)
def test_few_images_have_no_agreement(name: str, number: int) -> None:
    value = MEASURES[name](torch.ones(number), torch.ones(number))
    if number and "ndcg" in name:
        assert value == 1
    elif number and name == "median_query_count":
        assert value == 0
    else:
        assert value.isnan()
        assert value.dtype == torch.float64


@pytest.mark.parametrize("name", MEASURE_NAMES)
def test_where_no_image_is_hard_there_is_nothing_to_agree_with(name: str) -> None:
    assert MEASURES[name](torch.arange(9.0), torch.zeros(9)).isnan()


@pytest.mark.parametrize("name", MEASURE_NAMES)
def test_a_constant_estimate_is_as_good_as_chance(name: str) -> None:
    value = MEASURES[name](torch.full((100,), 7.0), torch.arange(100.0)).item()
    if name in ("spearman", "kendall"):
        assert math.isnan(value)
    elif "auroc" in name or name == "median_query_count":
        assert value == pytest.approx(0.5)
    elif name in ("average_precision@10%", "precision@10%"):
        assert value == pytest.approx(0.1)
    elif name == "recall@25%":
        assert value == pytest.approx(0.25)
    else:
        assert 0 < value < 0.85


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", MEASURE_NAMES)
def test_numbers_that_are_not_finite_are_refused(name: str, wrong: float) -> None:
    good, bad = torch.arange(4.0), torch.tensor([0.0, 1, wrong, 3])
    with pytest.raises(ValueError, match=rf"`estimated\[2\]` is {wrong}, but hardness must be finite"):
        MEASURES[name](bad, good)
    with pytest.raises(ValueError, match=rf"`true\[2\]` is {wrong}, but hardness must be finite"):
        MEASURES[name](good, bad)


@pytest.mark.parametrize("name", MEASURE_NAMES)
def test_tensors_of_different_images_are_refused(name: str) -> None:
    for estimated, true in ((torch.ones(3), torch.ones(4)), (torch.ones(2, 2), torch.ones(2, 2))):
        with pytest.raises(ValueError, match=r"both of shape \(N,\), but have shapes"):
            MEASURES[name](estimated, true)


def test_an_estimate_may_be_negative_but_what_is_added_up_may_not() -> None:
    negative, positive = torch.tensor([-3.0, -2, -1]), torch.tensor([1.0, 2, 3])
    assert spearman(negative, positive) == 1
    assert spearman(positive, negative) == 1
    assert median_query_count(negative, positive) == pytest.approx(2 / 3)
    for measure in (ndcg, median_query_count, cumulative_hardness):
        with pytest.raises(ValueError, match=r"`true` holds -3, .* must not be negative"):
            measure(positive, negative)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ndcg(x, x, 0), "`k` must be a number of images of at least 1, or None, but is 0"),
        (lambda x: ndcg(x, x, True), "`k` must be .*, but is True"),
        (lambda x: hardest(x, 0), "`share` must be above 0 and below 1, but is 0"),
        (lambda x: hardest_auroc(x, x, 1.0), "`share` must be"),
        (lambda x: hardest_average_precision(x, x, math.nan), "`share` must be"),
        (lambda x: budget_recall(x, x, 0.1, 5), "`share` must be"),
        (lambda x: budget_precision(x, x, 0), "`budget` must be .* but is 0"),
        (lambda x: budget_precision(x, x, 1.5), "`budget` must be"),
        (lambda x: budget_recall(x, x, True), "`budget` must be"),
        (lambda x: hardest(x * math.nan, 0.1), r"`true\[0\]` is nan"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(torch.arange(4.0))


@pytest.mark.parametrize("integer", [np.int64, np.int32, np.uint8])
def test_numbers_of_images_may_be_integers_of_any_kind(integer: Any) -> None:
    estimated, true = pair(0, 30)
    assert ndcg(estimated, true, integer(3)) == ndcg(estimated, true, 3) != ndcg(estimated, true)
    for measure in (budget_precision, budget_recall):
        assert measure(estimated, true, integer(7)) == measure(estimated, true, 7)
        assert measure(estimated, true, integer(1)) == measure(estimated, true, 1) != measure(estimated, true, 1.0)


# Real images


@pytest.mark.parametrize("detector", ["fastestdet", "yolo_fastestv2"])
def test_expected_hardness_is_better_than_chance_and_than_uncertainty(shared_data: Path, detector: str) -> None:
    annotations = read_coco_annotations(shared_data / "voc100" / "instances.json")
    preds = read_hardest_detections(shared_data / "voc100" / f"{detector}_torchvision.json.gz", annotations)
    definition: Any = TotalFalse("pixel", box_format="xywh")
    definition.update(preds, annotations.target)
    true = definition.compute()
    values = []
    for estimator in (ExpectedHardness(definition.clone()), Uncertainty("max_uncertainty", box_format="xywh")):
        estimator.update(preds, annotations.target)
        estimated: Any = estimator.compute()
        values.append({name: measure(*join(estimated, true)).item() for name, measure in MEASURES.items()})
    expected, uncertainty = values
    chance = {"spearman": 0.0, "kendall": 0.0, "auroc": 0.5, "precision@10%": 0.1, "recall@25%": 0.25}
    assert all(expected[name] > value for name, value in (chance | {"median_query_count": 0.5}).items())
    better = [name for name in MEASURES if expected[name] > uncertainty[name]]
    assert len(better) > len(MEASURES) / 2
