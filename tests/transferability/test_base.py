"""What all scores keep, refuse and share, in batches, in collections and in several processes."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from hardest_metrics.functional import transferability
from hardest_metrics.transferability import (
    LEEP,
    NCE,
    BoxLogME,
    EnergyScore,
    GaussianOverlap,
    HScore,
    LogME,
    RegressionScore,
    TotalLogME,
    TransRate,
)
from hardest_metrics.transferability.base import TransferabilityMetric
from tests.functional.transferability.objects import drawn
from tests.test_distributed import Processes

#: By name, a metric and the function that it must equal.
OF_FEATURES: dict[str, tuple[Callable[[], Any], Callable[..., Tensor]]] = {
    "LogME": (LogME, lambda f, y, b: transferability.logme(f, y)),
    "BoxLogME": (BoxLogME, lambda f, y, b: transferability.box_logme(f, b)),
    "TotalLogME": (TotalLogME, transferability.total_logme),
    "HScore": (HScore, lambda f, y, b: transferability.h_score(f, y)),
    "shrunk": (lambda: HScore(shrinkage=True), lambda f, y, b: transferability.regularized_h_score(f, y)),
    "GaussianOverlap": (GaussianOverlap, lambda f, y, b: transferability.gaussian_overlap(f, y)),
    "RegressionScore": (RegressionScore, lambda f, y, b: transferability.regression_score(f, b)),
    "TransRate": (TransRate, lambda f, y, b: transferability.transrate(f, y)),
    "projected": (
        lambda: TransRate(projection=5),
        lambda f, y, b: transferability.transrate(transferability.gaussian_projection(f, 5), y),
    ),
}

OF_SOURCE: dict[str, tuple[Callable[[], Any], Callable[..., Tensor]]] = {
    "EnergyScore": (EnergyScore, lambda f, y, b: transferability.energy_score(f)),
    "NCE": (NCE, lambda f, y, b: transferability.nce(source=f.argmax(1), target=y)),
    "LEEP": (LEEP, lambda f, y, b: transferability.leep(source_probabilities=f.softmax(1), target=y)),
}

ALL = OF_FEATURES | OF_SOURCE

Objects = tuple[Tensor, Tensor, Tensor]


def updated(metric: Any, *batches: Objects) -> Any:
    for features, target, boxes in batches:
        metric.update(*_arguments(metric, features, target, boxes))
    return metric


def _arguments(metric: Any, features: Tensor, target: Tensor, boxes: Tensor) -> tuple[Tensor, ...]:
    if isinstance(metric, EnergyScore):
        return (features,)
    if isinstance(metric, NCE):
        return features.argmax(1), target
    if isinstance(metric, LEEP):
        return features.softmax(1), target
    return features, target, boxes


def batches(objects: Objects, size: int) -> list[Objects]:
    return list(zip(*(values.split(size) for values in objects), strict=True))


def close(found: Tensor, expected: Tensor) -> bool:
    return float(found) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("size", [1, 7, 512])
@pytest.mark.parametrize("name", ALL)
def test_batches_score_what_one_call_does(name: str, size: int) -> None:
    objects = drawn(700, 12, 9)
    make, function = ALL[name]
    value = updated(make(), *batches(objects, size)).compute()
    assert value.dtype == torch.float64
    assert value.shape == ()
    assert close(value, function(*objects))


@pytest.mark.parametrize("name", ALL)
def test_forward_scores_its_batch_and_adds_it(name: str) -> None:
    make, function = ALL[name]
    metric, objects = make(), drawn(600)
    for batch in batches(objects, 200):
        assert close(metric(*_arguments(metric, *batch)), function(*batch))
    assert close(metric.compute(), function(*objects))


@pytest.mark.parametrize("name", ALL)
def test_metrics_merge_into_one_and_stay_what_they_were(name: str) -> None:
    make, function = ALL[name]
    objects = drawn(600)
    first, second = (updated(make(), batch) for batch in batches(objects, 300))
    before = second.compute()
    first.merge_state(second)
    assert close(first.compute(), function(*objects))
    second._computed = None
    assert second.compute() == before
    fresh = make()
    fresh.merge_state(first.metric_state)
    assert close(fresh.compute(), function(*objects))


@pytest.mark.parametrize(
    ("metric", "other"), [(LogME(), NCE()), (TransRate(), TransRate(projection=3)), (LEEP(), LogME())]
)
def test_metrics_that_keep_something_else_do_not_merge(metric: Any, other: Any) -> None:
    with pytest.raises(ValueError, match=r"must hold what \w+\(.*\) keeps, "):
        metric.merge_state(other)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("method", ["update", "forward"])
def test_a_refused_batch_leaves_all_as_it_was(name: str, method: str) -> None:
    make, _ = ALL[name]
    objects = drawn()
    metric = updated(make(), objects)
    before = metric.compute()
    wrong = _arguments(metric, *objects)
    wrong = (wrong[0][None], *wrong[1:])  # of a shape that no metric takes
    with pytest.raises(ValueError, match="must be of shape"):
        getattr(metric, method)(*wrong)
    assert metric.update_count == 1
    metric._computed = None
    assert metric.compute() == before


def test_whoever_holds_a_list_keeps_it_when_another_resets() -> None:
    metric: Any = updated(LEEP(), drawn())
    held = metric.rows
    metric.reset()
    assert len(held) == 1


@pytest.mark.parametrize("name", ALL)
def test_reset_forgets_everything(name: str) -> None:
    make, function = ALL[name]
    metric = updated(make(), drawn(seed=1))
    metric.reset()
    assert close(updated(metric, drawn(300, 7)).compute(), function(*drawn(300, 7)))  # another number of features


@pytest.mark.parametrize("name", ALL)
def test_it_can_be_copied_pickled_and_loaded(name: str) -> None:
    make, function = ALL[name]
    objects = drawn()
    metric = updated(make(), objects)
    metric.persistent(True)
    loaded = make()
    loaded.persistent(True)
    loaded.load_state_dict(metric.state_dict())
    for other in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric)), loaded):
        assert close(other.compute(), function(*objects))


@pytest.mark.parametrize("name", ALL)
def test_the_models_dtype_is_not_that_of_the_state(name: str) -> None:
    make, function = ALL[name]
    objects = drawn()
    metric = updated(make(), *batches(objects, 200)[:1])
    nn.ModuleList([metric]).to(torch.bfloat16).half()
    metric.set_dtype(torch.float32)
    assert close(updated(metric, *batches(objects, 200)[1:]).compute(), function(*objects))


def test_what_is_kept_takes_the_same_space_for_any_number_of_objects() -> None:
    sizes = []
    for number in (50, 5000):
        metric = updated(HScore(), *batches(drawn(number, 30, 6), 50))
        sizes.append(sum(state.numel() for state in metric.metric_state.values()))
    assert sizes[0] == sizes[1] == 2 * 6 + 2 * 6 * 30 + 30 * 30 + 30 + 1 + 30 * 4 + 4


def test_scores_of_equal_state_are_fed_once() -> None:
    objects = drawn(600)
    collection = MetricCollection({name: make() for name, (make, _) in OF_FEATURES.items()})
    for features, target, boxes in batches(objects, 150):
        collection.update(features, target, boxes)
        collection.compute()
    groups = sorted(sorted(group) for group in collection.compute_groups.values())
    moments = sorted(set(OF_FEATURES) - {"TransRate", "projected"})
    assert groups == [moments, ["TransRate"], ["projected"]]
    for name, value in collection.compute().items():
        assert close(value, OF_FEATURES[name][1](*objects)), name


def test_transrates_of_other_distortion_are_fed_once() -> None:
    collection = MetricCollection({"fine": TransRate(1e-6), "coarse": TransRate(1e-2)})
    for features, target, _ in batches(drawn(600), 150):
        collection.update(features, target)
    assert len(collection.compute_groups) == 1
    for name, eps in (("fine", 1e-6), ("coarse", 1e-2)):
        assert close(collection.compute()[name], transferability.transrate(*drawn(600)[:2], eps))


def test_boxes_are_given_in_every_update_or_none() -> None:
    features, target, boxes = drawn()
    for needy in (BoxLogME(), TotalLogME(), RegressionScore()):
        with pytest.raises(ValueError, match=f"{type(needy).__name__} scores `boxes`, but none are given"):
            needy.update(features, target)
    metric = LogME()
    metric.update(features, target)
    before = metric.compute()
    with pytest.raises(ValueError, match="`boxes` are given for some objects only"):
        metric.update(features, target, boxes)
    metric._computed = None
    assert metric.compute() == before


def test_features_of_two_sizes_are_refused() -> None:
    for metric in (LogME(), TransRate()):
        updated(metric, drawn(50, 4))
        with pytest.raises(ValueError, match="`features` must be of one size, but objects have 4 and 5"):
            updated(metric, drawn(50, 5))
    leep = updated(LEEP(), drawn(50, 4))
    with pytest.raises(ValueError, match="must be of the same source classes, but objects have 4 and 5"):
        updated(leep, drawn(50, 5))


@pytest.mark.parametrize("name", ALL)
def test_a_batch_of_no_objects_changes_nothing(name: str) -> None:
    make, function = ALL[name]
    objects = drawn()
    features, target, boxes = objects
    empty = features[:0], target[:0], boxes[:0]
    assert close(updated(make(), empty, objects, empty).compute(), function(*objects))


def test_tensors_of_inference_mode_are_as_good_as_others() -> None:
    with torch.inference_mode():
        metrics = [updated(make(), *batches(drawn(), 100)) for make, _ in ALL.values()]
    for metric, (_, function) in zip(metrics, ALL.values(), strict=True):
        assert close(metric.compute(), function(*drawn()))


# Processes


@pytest.mark.parametrize("sizes", [(3, 0, 2), (0, 5, 0), (1, 1, 3)])
def test_processes_score_together_what_one_does(processes: Processes[Any], sizes: tuple[int, ...]) -> None:
    parts = batches(drawn(500, 12, 6), 100)
    # each process has classes of its own, and one that all have
    parts = [
        (features, torch.where(target < 2, 0, target + 10 * place), boxes)
        for place, (features, target, boxes) in enumerate(parts)
    ]

    def work(rank: int) -> Any:
        first = sum(sizes[:rank])
        metrics = {name: updated(make(), *parts[first : first + sizes[rank]]) for name, (make, _) in ALL.items()}
        values = {name: float(metric.compute()) for name, metric in metrics.items()}
        own = [metric.update_count == sizes[rank] and not metric._is_synced for metric in metrics.values()]
        return values, all(own)

    whole: Any = [torch.cat(values) for values in zip(*parts, strict=True)]
    for values, unchanged in processes(3, work):
        assert unchanged
        for name, (_, function) in ALL.items():
            assert values[name] == pytest.approx(float(function(*whole)), rel=1e-12), name


def test_scatters_of_several_processes_are_joined(processes: Processes[Any]) -> None:
    parts = batches(drawn(3000, 6, 5), 100)

    own: tuple[list[Objects], ...] = (parts[0:12], [], parts[12:20])
    later = (parts[20:21], parts[21:22], parts[22:30])

    def work(rank: int) -> Any:
        metric: Any = TransRate()
        first = float(updated(metric, *own[rank]).compute())
        second = float(updated(metric, *later[rank]).compute())
        return first, second, len(metric.labels)

    def expected(taken: list[Objects]) -> float:
        whole: Any = [torch.cat(values) for values in zip(*taken, strict=True)]
        return float(transferability.transrate(*whole[:2]))

    found = processes(3, work)
    for first, second, _ in found:
        assert first == pytest.approx(expected(parts[:20]), rel=1e-12)
        assert second == pytest.approx(expected(parts), rel=1e-12)
    assert [settled for _, _, settled in found] == [5, 0, 5]


def test_no_process_saw_anything(processes: Processes[Any]) -> None:
    def work(rank: int) -> Any:
        return [bool(make().compute().isnan()) for make, _ in ALL.values()]

    assert processes(2, work) == [[True] * len(ALL)] * 2


def test_processes_with_other_features_are_refused(processes: Processes[Any]) -> None:
    def work(rank: int) -> str:
        metric = updated(LogME(), drawn(50, 4 + rank))
        try:
            metric.compute()
        except ValueError as error:
            return str(error)
        return ""

    assert all("must be of one size" in message for message in processes(2, work))


def test_a_metric_is_a_class_of_statistics_and_a_formula() -> None:
    assert issubclass(LogME, TransferabilityMetric)
    assert all(make().higher_is_better for make, _ in ALL.values())
