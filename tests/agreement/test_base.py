"""What all measures of agreement keep, refuse and share, alone and in several processes."""

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from hardest_metrics import Ranking, TotalFalse
from hardest_metrics.agreement import (
    NDCG,
    Agreement,
    BudgetPrecision,
    BudgetRecall,
    HardestAUROC,
    HardestAveragePrecision,
    Kendall,
    MedianQueryCount,
    Spearman,
)
from tests.scenes import BIG_ID, false_alarms
from tests.test_distributed import Processes

#: All measures, some of them twice.
METRICS: dict[str, Callable[[], Agreement]] = {
    "spearman": Spearman,
    "kendall": Kendall,
    "ndcg": NDCG,
    "ndcg@3": lambda: NDCG(k=3),
    "auroc": HardestAUROC,
    "auroc@10%": lambda: HardestAUROC(0.1),
    "average_precision@25%": lambda: HardestAveragePrecision(0.25),
    "precision": lambda: BudgetPrecision(budget=5),
    "recall": lambda: BudgetRecall(0.2, share=0.1),
    "median_query_count": MedianQueryCount,
}

Pair = tuple[Ranking, Ranking]


def pair(seed: int = 0, number: int = 30, first_id: int = BIG_ID) -> Pair:
    """An estimate and the truth, with ties, each in an order of its own."""
    rng = torch.Generator().manual_seed(seed)
    ids = first_id + torch.randperm(number, generator=rng)
    true = (torch.rand(number, generator=rng) ** 2 * 6).floor()
    estimated = (true + 5 * torch.rand(number, generator=rng)).round()
    return Ranking.of(ids, estimated), Ranking.of(ids, true)


def parts(whole: Pair, *shares: slice) -> list[Pair]:
    """The images of a pair in several."""
    ids = whole[0].image_ids

    def of(ranking: Ranking, kept: Tensor) -> Ranking:
        here = torch.isin(ranking.image_ids, kept)
        return Ranking(ranking.image_ids[here], ranking.hardness[here])

    return [(of(whole[0], ids[share]), of(whole[1], ids[share])) for share in shares]


def measured(metric: Any, *pairs: Pair) -> Any:
    for estimated, true in pairs:
        metric.update(estimated=estimated, true=true)
    return metric


@pytest.fixture(params=METRICS)
def make(request: pytest.FixtureRequest) -> Callable[[], Agreement]:
    return METRICS[request.param]


def test_images_may_come_in_any_parts_and_order(make: Callable[[], Agreement]) -> None:
    whole = pair()
    value = measured(make(), whole).compute()
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert not value.isnan()
    pieces = parts(whole, slice(20, 30), slice(0, 1), slice(1, 1), slice(1, 20))
    assert measured(make(), *pieces).compute() == value


def test_each_image_counts_once(make: Callable[[], Agreement]) -> None:
    whole = pair()
    assert measured(make(), whole, *parts(whole, slice(3, 9))).compute() == measured(make(), whole).compute()


def test_forward_gives_the_value_of_its_images_alone(make: Callable[[], Agreement]) -> None:
    first, second = pair(0, 20, first_id=0), pair(1, 30, first_id=20)
    metric = make()
    assert [metric(*first), metric(*second)] == [measured(make(), one).compute() for one in (first, second)]
    assert metric.compute() == measured(make(), first, second).compute()


def test_without_images_there_is_no_agreement(make: Callable[[], Agreement]) -> None:
    metric = make()
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert metric.compute().isnan()
    metric.update(*pair(number=0))
    assert metric.compute().isnan()


def assert_refused(metric: Agreement, method: str, wrong: tuple[Ranking, Ranking], message: str) -> None:
    """Refused, and the metric is as it was."""
    value, count = metric.compute(), metric.update_count
    with pytest.raises(ValueError, match=message):
        getattr(metric, method)(*wrong)
    assert metric.update_count == count
    assert metric.compute() == value


@pytest.mark.parametrize("method", ["update", "forward"])
def test_what_is_refused_leaves_the_metric_as_it_was(make: Callable[[], Agreement], method: str) -> None:
    metric = measured(make(), pair())
    estimated, true = pair(1, first_id=0)
    for wrong, message in (
        ((estimated, true.top(29)), "`true` lacks image"),
        ((estimated, Ranking(true.image_ids, true.hardness * math.nan)), "`true` has no finite hardness"),
        ((estimated, Ranking(true.image_ids * 0, true.hardness)), "`true` ranks image 0 more than once"),
    ):
        assert_refused(metric, method, wrong, message)


@pytest.mark.parametrize("method", ["update", "forward"])
def test_hardness_that_single_precision_cannot_hold_is_refused_when_it_comes(
    make: Callable[[], Agreement], method: str
) -> None:
    metric = measured(make(), pair())
    small = Ranking(torch.tensor([4, 3]), torch.tensor([2.0, 1.0]))
    large = Ranking(torch.tensor([4, 3]), torch.tensor([1e300, 1.0], dtype=torch.float64))
    for name, wrong in (("estimated", (large, small)), ("true", (small, large))):
        assert_refused(metric, method, wrong, f"`{name}` has hardness beyond float32 for image 4: divide")


@pytest.mark.parametrize("method", ["update", "forward"])
@pytest.mark.parametrize("make_one", [NDCG, MedianQueryCount])
def test_negative_truth_is_refused_when_it_comes_where_it_would_be_added_up(
    make_one: Callable[[], Agreement], method: str
) -> None:
    whole = pair()
    metric = measured(make_one(), whole)
    positive, negative = (Ranking(torch.tensor([4, 3]), torch.tensor([2.0, least])) for least in (1.0, -1.5))
    message = r"`true` has hardness -1.5 for image 3, but .* adds it up"
    assert_refused(metric, method, (positive, negative), message)
    measured(metric, (negative, positive))
    collection = MetricCollection([Spearman(), make_one()])
    collection.update(*whole)
    with pytest.raises(ValueError, match=r"`true` has hardness -1.5"):
        collection.update(positive, negative)


def test_an_image_that_comes_again_otherwise_is_an_error(make: Callable[[], Agreement]) -> None:
    estimated, true = pair()
    metric = measured(make(), (estimated, true), (estimated, Ranking(true.image_ids, true.hardness + 1)))
    with pytest.raises(ValueError, match=f"Image {BIG_ID} came twice, with different results"):
        metric.compute()
    metric.reset()
    assert measured(metric, (estimated, true)).compute() == measured(make(), (estimated, true)).compute()


def test_a_metric_can_be_copied_pickled_saved_and_merged(make: Callable[[], Agreement]) -> None:
    first, second = parts(pair(), slice(0, 10), slice(10, 30))
    metric = measured(make(), first)
    copies = [metric.clone(), copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))]
    metric.persistent(True)
    loaded = make()
    loaded.load_state_dict(metric.state_dict())
    merged = measured(make(), second)
    merged.merge_state(metric)
    value = measured(metric, second).compute()
    assert [measured(one, second).compute() for one in (*copies, loaded)] == [value] * 4
    assert merged.compute() == value


def test_ids_and_hardness_outlive_a_change_of_dtype(make: Callable[[], Agreement]) -> None:
    estimated, true = pair()
    fine = Ranking(true.image_ids, true.hardness + torch.arange(30) / 2**20)
    metric = measured(make(), (estimated, fine))
    value = metric.compute()
    nn.ModuleList([metric]).half()
    metric.set_dtype(torch.bfloat16)
    metric._computed = None
    assert metric.compute() == value


def test_a_collection_joins_rankings_once_for_all_its_members() -> None:
    pairs = [pair(seed, 20, first_id=20 * seed) for seed in range(3)]
    collection = MetricCollection({name: make() for name, make in METRICS.items()})
    for estimated, true in pairs:
        collection.update(estimated=estimated, true=true)
    values = collection.compute()
    assert values == {name: measured(make(), *pairs).compute() for name, make in METRICS.items()}
    assert len(collection.compute_groups) == 2, "those that refuse negative truth look at each batch for themselves"
    assert len(set(values.values())) > 5
    collection.reset()
    assert collection(*pairs[0]) == {name: measured(make(), pairs[0]).compute() for name, make in METRICS.items()}


def test_a_collection_never_mixes_agreement_with_hardness() -> None:
    collection = MetricCollection({"hardness": TotalFalse(), "agreement": Spearman()}, compute_groups=True)
    collection["hardness"].update(*false_alarms(1, 2))
    collection["agreement"].update(*pair())
    collection._merge_compute_groups()
    assert len(collection.compute_groups) == 2


@pytest.mark.parametrize(
    ("make_wrong", "message"),
    [
        (lambda: NDCG(k=0), "`k` must be"),
        (lambda: HardestAUROC(share=10), "`share` must be"),
        (lambda: HardestAveragePrecision(share=0), "`share` must be"),
        (lambda: BudgetPrecision(budget=1.5), "`budget` must be"),
        (lambda: BudgetRecall(share=1.5), "`share` must be"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_when_they_are_given(make_wrong: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_wrong()


def test_a_metric_can_be_made_where_tensors_hold_no_numbers(make: Callable[[], Agreement]) -> None:
    with torch.device("meta"):
        assert make().device.type == "meta"


# Processes


@pytest.mark.parametrize(
    "shares", [(slice(0, 10), slice(10, 30)), (slice(0, 30), slice(0, 0)), (slice(0, 20), slice(9, 30))]
)
def test_processes_measure_together_what_one_does(processes: Processes[Any], shares: tuple[slice, ...]) -> None:
    whole = pair()
    collected = {name: measured(make(), whole).compute() for name, make in METRICS.items()}

    def work(rank: int) -> Any:
        metrics = MetricCollection({name: make() for name, make in METRICS.items()})
        metrics.update(*parts(whole, shares[rank])[0])
        alone = measured(METRICS["kendall"](), *parts(whole, shares[rank]))
        return metrics.compute(), alone.compute()

    assert processes(2, work) == [(collected, collected["kendall"])] * 2


def test_a_process_may_see_nothing_at_all(processes: Processes[Any]) -> None:
    whole = pair()

    def work(rank: int) -> Any:
        metric = Spearman()
        if rank:
            metric.update(*whole)
        return metric.compute()

    assert processes(2, work) == [measured(Spearman(), whole).compute()] * 2


def test_a_process_without_images_joins_one_with_narrow_ids(processes: Processes[Any]) -> None:
    estimated, true = (Ranking(one.image_ids.int(), one.hardness) for one in pair(first_id=5))

    def work(rank: int) -> Any:
        metric = Spearman()
        if rank:
            metric.update(estimated, true)
        return metric.compute()

    assert processes(2, work) == [measured(Spearman(), pair(first_id=5)).compute()] * 2


# Plots


def test_values_are_drawn_between_worst_and_best() -> None:
    import matplotlib.pyplot as plt

    metric = measured(Spearman(), pair())
    figure, ax = metric.plot()
    assert ax.get_ylim()[0] <= -1 < 1 <= ax.get_ylim()[1]
    plt.close(figure)
    figure, ax = metric.plot([metric.compute(), metric.compute() - 0.1])
    assert len(ax.lines[0].get_xdata()) == 2
    plt.close(figure)


def test_median_query_count_draws_the_curve_that_it_is_read_off() -> None:
    import matplotlib.pyplot as plt

    metric = measured(MedianQueryCount(), pair())
    figure, ax = metric.plot()
    (curve,) = [line for line in ax.lines if line.get_label() == "estimated"]
    budget, met = curve.get_data()
    inspected = budget[next(index for index, share in enumerate(met) if share >= 50)]
    assert 1 - inspected / 100 == pytest.approx(metric.compute().item())
    plt.close(figure)
    figure, ax = metric.plot(metric.compute())
    assert "estimated" not in [line.get_label() for line in ax.lines]
    plt.close(figure)
