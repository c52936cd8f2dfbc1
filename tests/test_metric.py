"""What every hardness metric keeps, forgets, merges, and gives back, whatever it measures."""

import copy
import io
import pickle
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import lightning
import pytest
import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection, MetricTracker

from hardest_metrics import (
    FalseNegatives,
    FalsePositives,
    HardnessMetric,
    Ranking,
    TotalFalse,
)
from hardest_metrics.image_rows import Column, Reading
from hardest_metrics.metric import Columns
from tests.scenes import BIG_ID, Batch, Image, Scenery, detected, false_alarms, labelled


def ranking(*images: tuple[int, float]) -> Ranking:
    ids, hardness = zip(*images, strict=True)
    return Ranking(torch.tensor(ids), torch.tensor(hardness, dtype=torch.float32))


def measured(*batches: Batch, metric: Any = None) -> Any:
    metric = FalsePositives() if metric is None else metric
    for batch in batches:
        metric.update(*batch)
    return metric


def state_of(metric: HardnessMetric[Any]) -> list[Any]:
    """Everything an update changes."""
    return [
        metric.image_ids,
        *(getattr(metric, name) for name in metric.columns),
        metric.update_count,
        metric._computed,
    ]


class Told(HardnessMetric[Any]):
    """The least a definition can be: an image is as hard as its labels say."""

    columns: ClassVar = {"told": Column()}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("told()", **kwargs)

    def update(self, preds: Sequence[Any], target: Sequence[Any]) -> None:
        self._take(self._read(["told"], preds, target))

    def _read(self, asked: Any, preds: Sequence[Any], target: Sequence[Any]) -> Reading:
        ids = torch.tensor([image["image_id"] for image in target], dtype=torch.int64)
        return Reading(ids, {"told": torch.tensor([float(image["hardness"]) for image in target])})

    def _hardness(self, columns: Columns) -> Tensor:
        return columns["told"]


def test_a_definition_may_measure_anything_of_the_dicts() -> None:
    metric = Told()
    metric.update([], [{"image_id": 3, "hardness": 1.0}, {"image_id": 4, "hardness": 2.0}])
    assert metric.compute() == ranking((4, 2), (3, 1))
    metric.reset()
    metric.update([], [{"image_id": 3, "hardness": 5.0}, {"image_id": 4, "hardness": 2.0}])
    assert metric.compute() == ranking((3, 5), (4, 2))


# Ranking and reduction


def test_all_images_so_far_are_ranked_by_hardness_and_then_by_id() -> None:
    metric = measured(false_alarms(2, 0, 3, first_id=BIG_ID), false_alarms(2, 5, first_id=7))
    expected = ranking((8, 5), (BIG_ID + 2, 3), (7, 2), (BIG_ID, 2), (BIG_ID + 1, 0))
    assert metric.compute() == expected


def test_a_ranking_of_one_image_has_one_entry() -> None:
    result = measured(false_alarms(2, first_id=BIG_ID)).compute()
    assert isinstance(result, Ranking)
    assert result.image_ids.shape == result.hardness.shape == (1,)


@pytest.mark.parametrize(("reduction", "expected"), [("mean", 2.5), ("sum", 10.0), ("max", 5.0)])
def test_a_reduction_gives_a_scalar(reduction: Any, expected: float) -> None:
    metric = FalsePositives(reduction=reduction)
    assert torch.equal(metric(*false_alarms(2, 3)), torch.tensor({"mean": 2.5, "sum": 5, "max": 3}[reduction]))
    metric.update(*false_alarms(0, 5, first_id=2))
    assert torch.equal(metric.compute(), torch.tensor(expected))  # type: ignore[arg-type]


def test_images_count_once_in_a_reduction() -> None:
    metric = measured(false_alarms(4, 1), false_alarms(4), metric=FalsePositives(reduction="mean"))
    assert metric.compute() == 2.5


def test_of_no_images_the_sum_is_zero_and_mean_and_maximum_are_unknown() -> None:
    empty: Batch = ([], [])
    assert measured(empty, metric=FalsePositives(reduction="sum")).compute() == 0
    for reduction in ("mean", "max"):
        result = measured(empty, metric=FalsePositives(reduction=reduction)).compute()
        assert isinstance(result, Tensor)
        assert result.isnan()
    assert repr(measured(empty).compute()) == "Ranking(0 images)"


def test_an_unknown_reduction_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`reduction` must be one of.*'mean'.* but is 'median'"):
        TotalFalse(reduction="median")  # type: ignore[type-var]


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(ValueError, match="iou_treshold"):
        TotalFalse(iou_treshold=0.5)


def test_a_sum_over_many_images_is_exact() -> None:
    metric = Told(reduction="sum")
    metric.update([], [{"image_id": i, "hardness": 2.0**24 if i == 0 else 1.0} for i in range(1001)])
    assert metric.compute() == 2.0**24 + 1000


# Ids


def test_images_without_ids_are_numbered_by_position() -> None:
    metric = FalsePositives()
    assert metric(*false_alarms(1, 2, first_id=None)) == ranking((1, 2), (0, 1))
    metric.update(*false_alarms(first_id=None))
    assert metric(*false_alarms(0, first_id=None)) == ranking((0, 0))
    metric.update(*false_alarms(5, first_id=None))
    assert metric.compute() == ranking((3, 5), (1, 2), (0, 1), (2, 0))


@pytest.mark.parametrize("first", [None, 5])
def test_ids_are_given_to_every_image_of_an_epoch_or_to_none(first: int | None) -> None:
    then = 5 if first is None else None
    metric = measured(false_alarms(1, first_id=first), false_alarms(2, first_id=then))
    for _ in range(2):
        with pytest.raises(ValueError, match=r"1 of 2 images came without 'image_id'.* such as 5.*reset"):
            metric.compute()
    metric.reset()
    metric.update(*false_alarms(1, first_id=then))
    assert isinstance(metric.compute(), Ranking)


def test_an_image_that_comes_twice_with_equal_results_counts_once() -> None:
    metric = measured(false_alarms(2, 1), false_alarms(2), false_alarms(1, first_id=1))
    assert metric.compute() == ranking((0, 2), (1, 1))


def test_an_image_that_comes_twice_with_different_results_is_refused() -> None:
    metric = measured(false_alarms(2, 1, first_id=BIG_ID), false_alarms(3, first_id=BIG_ID))
    for _ in range(2):
        with pytest.raises(ValueError, match=f"Image {BIG_ID} came twice.*different.*reset"):
            metric.compute()
    metric.update(*false_alarms(2))  # it still takes batches ...
    with pytest.raises(ValueError, match=f"Image {BIG_ID} came twice"):
        metric.compute()
    metric.reset()  # ... and starts anew
    metric.update(*false_alarms(2))
    assert metric.compute() == ranking((0, 2))


def test_an_image_twice_in_one_batch_is_refused_in_forward_and_the_epoch_stays() -> None:
    metric = measured(false_alarms(2, first_id=7))
    result = metric.compute()
    before = state_of(metric)
    preds, target = false_alarms(1, 2)
    target[1]["image_id"] = 0
    with pytest.raises(ValueError, match="Image 0 came twice"):
        metric(preds, target)
    assert all(now is then for now, then in zip(state_of(metric), before, strict=True))
    assert metric.compute() is result


def test_neighbouring_ids_that_floats_cannot_tell_apart_are_different_images() -> None:
    metric = measured(false_alarms(1, 2, 3, 4, first_id=2**53))
    assert metric.compute().image_ids.tolist() == [2**53 + 3, 2**53 + 2, 2**53 + 1, 2**53]


def test_negative_ids_are_ids() -> None:
    assert measured(false_alarms(1, 1, first_id=-2)).compute() == ranking((-2, 1), (-1, 1))


# What a metric can be put through


def _new() -> HardnessMetric[Any]:
    return FalsePositives(weighting="pixel")


def _saved_and_loaded(metric: HardnessMetric[Any]) -> HardnessMetric[Any]:
    metric.persistent(True)
    file = io.BytesIO()
    torch.save(metric.state_dict(), file)
    file.seek(0)
    loaded = _new()
    loaded.load_state_dict(torch.load(file, weights_only=True))
    return loaded


def _within_a_model(change: Callable[[nn.Module], Any]) -> Callable[[HardnessMetric[Any]], HardnessMetric]:
    def changed(metric: HardnessMetric[Any]) -> HardnessMetric[Any]:
        model = nn.Module()
        model.layer = nn.Linear(1, 1)
        model.metric = metric
        change(model)
        return metric

    return changed


THROUGH: dict[str, Callable[[HardnessMetric[Any]], Any]] = {
    "pickle": lambda metric: pickle.loads(pickle.dumps(metric)),
    "deepcopy": copy.deepcopy,
    "clone": lambda metric: metric.clone(),
    "state_dict": _saved_and_loaded,
    "half": lambda metric: metric.half(),
    "double": lambda metric: metric.double(),
    "type": lambda metric: metric.type(torch.float16),
    "to": lambda metric: metric.to(torch.bfloat16),
    "to device": lambda metric: metric.to("cpu"),
    "set_dtype half": lambda metric: metric.set_dtype(torch.float16),
    "set_dtype double": lambda metric: metric.set_dtype(torch.float64),
    "cpu": lambda metric: metric.cpu(),
    "model to": _within_a_model(lambda model: model.to(torch.bfloat16)),
    "model half": _within_a_model(lambda model: model.half()),
    "model bfloat16": _within_a_model(lambda model: model.bfloat16()),
    "model double": _within_a_model(lambda model: model.double()),
    "model to float16 on a device": _within_a_model(lambda model: model.to("cpu", torch.float16)),
    "merging into a new one": lambda metric: _merged(_new(), metric),
    "merging a new one": lambda metric: _merged(metric, _new()),
    "share_memory": lambda metric: metric.share_memory(),
}


def _merged(metric: HardnessMetric[Any], other: HardnessMetric[Any]) -> HardnessMetric[Any]:
    metric.merge_state(other)
    return metric


@pytest.mark.parametrize("through", THROUGH)
@pytest.mark.parametrize("computed", [False, True], ids=["", "computed"])
@pytest.mark.parametrize("inference", [False, True], ids=["", "inference"])
def test_ids_and_hardness_stay_exact_through(through: str, computed: bool, inference: bool) -> None:
    metric = _new()
    batches = [false_alarms(2, 0, 3, first_id=BIG_ID, size=(17, 31)), false_alarms(1, first_id=5)]
    with torch.inference_mode(inference):
        for batch in batches:
            metric(*batch)
        expected = measured(*batches, metric=_new()).compute()
        if computed:
            metric.compute()
    metric = THROUGH[through](metric)
    result = metric.compute()
    assert result == expected
    assert isinstance(result, Ranking)
    assert result.image_ids.dtype == torch.int64
    assert result.hardness.dtype == torch.float32
    later = false_alarms(4, first_id=BIG_ID + 3, size=(17, 31))
    metric.update(*later)
    assert metric.compute() == measured(*batches, later, metric=_new()).compute()
    metric.reset()
    metric.update(*later)
    assert metric.compute() == measured(later, metric=_new()).compute()


@pytest.mark.parametrize("through", ["pickle", "deepcopy", "clone"])
def test_copies_go_their_own_ways(through: str) -> None:
    metric = measured(false_alarms(2))
    other = THROUGH[through](metric)
    other.update(*false_alarms(1, first_id=1))
    metric.update(*false_alarms(7, first_id=2))
    assert metric.compute() == ranking((2, 7), (0, 2))
    assert other.compute() == ranking((0, 2), (1, 1))
    other.reset()
    assert metric.compute() == ranking((2, 7), (0, 2))


def test_a_metric_set_to_another_dtype_keeps_that_of_its_states() -> None:
    metric = measured(false_alarms(2, 1))
    metric.set_dtype(torch.float16)
    assert metric.image_ids[0].dtype == torch.int64
    assert metric.weighted[0].dtype == torch.float32


def test_a_scalar_kept_from_before_keeps_its_dtype() -> None:
    metric: HardnessMetric[Any] = FalsePositives(reduction="max", max_detections=3000)
    metric.update(*false_alarms(2049, 2))  # float16 knows 2048 and 2050
    assert metric.compute() == 2049
    metric.to(torch.float16)
    assert metric.compute() == 2049


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_default_dtype_changes_nothing(dtype: torch.dtype) -> None:
    batch = Scenery().draw(20, seed=0)
    expected = measured(batch, metric=TotalFalse(weighting="overlap")).compute()
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        metric = TotalFalse(weighting="overlap")
        assert metric(*batch) == expected
        assert metric.compute() == expected
        mean = TotalFalse(reduction="mean")(*batch)
    finally:
        torch.set_default_dtype(before)
    assert isinstance(mean, Tensor)
    assert mean.dtype == torch.float32


def test_states_may_be_kept_on_the_cpu() -> None:
    metric = FalsePositives(compute_on_cpu=True)
    metric(*false_alarms(2, first_id=1))
    metric.update(*false_alarms(1))
    assert metric.compute() == ranking((1, 2), (0, 1))


@pytest.mark.gpu
@pytest.mark.parametrize("compute_on_cpu", [False, True])
def test_a_metric_works_where_the_boxes_are(compute_on_cpu: bool) -> None:
    batches = [Scenery().draw(20, seed) for seed in range(3)]
    for (_, target), first_id in zip(batches, (0, 100, 200), strict=True):
        for index, image in enumerate(target):
            image["image_id"] = first_id + index
    expected = measured(*batches, metric=TotalFalse()).compute()
    for device in ("cpu", "cuda"):  # of the metric
        metric = TotalFalse(compute_on_cpu=compute_on_cpu).to(device)
        for preds, target in batches:
            metric(*([_to(image, "cuda") for image in side] for side in (preds, target)))
        result = metric.compute()
        assert isinstance(result, Ranking)
        assert Ranking(result.image_ids.cpu(), result.hardness.cpu()) == expected


def _to(image: Image, device: str) -> Image:
    return {key: value.to(device) if isinstance(value, Tensor) else value for key, value in image.items()}


# State dicts


def test_a_metric_does_not_weigh_down_checkpoints_unless_asked() -> None:
    metric = measured(false_alarms(2))
    assert not metric.state_dict()
    nn.ModuleDict({"metric": FalsePositives()}).load_state_dict({})
    metric.persistent(True)
    assert metric.state_dict()


def test_a_loaded_state_replaces_what_was_there() -> None:
    saved = measured(false_alarms(2, first_id=BIG_ID))
    saved.persistent(True)
    metric = measured(false_alarms(9))
    metric.compute()
    model = nn.ModuleDict({"metric": metric, "metric2": FalseNegatives()})
    model.load_state_dict({f"metric.{name}": value for name, value in saved.state_dict().items()})
    assert metric.compute() == ranking((BIG_ID, 2))
    metric.update(*false_alarms(5))
    assert metric.compute() == ranking((0, 5), (BIG_ID, 2))
    assert saved.compute() == ranking((BIG_ID, 2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_state_of_another_dtype_loads(dtype: torch.dtype) -> None:
    saved = measured(false_alarms(3))
    saved.persistent(True)
    state = saved.state_dict()
    state["weighted"] = [chunk.to(dtype) for chunk in state["weighted"]]
    metric = FalsePositives()
    metric.load_state_dict(state)
    assert metric.compute() == ranking((0, 3))
    assert {chunk.dtype for chunk in metric.weighted} == {torch.float32}


def test_an_empty_state_round_trips() -> None:
    metric = FalsePositives()
    metric.persistent(True)
    loaded = FalsePositives()
    loaded.load_state_dict(metric.state_dict())
    loaded.update(*false_alarms(1))
    assert loaded.compute() == ranking((0, 1))


def test_a_state_of_other_settings_is_refused_and_changes_nothing() -> None:
    saved = measured(false_alarms(2), metric=FalsePositives(iou_threshold=0.75))
    saved.persistent(True)
    metric = measured(false_alarms(4, first_id=8))
    metric.persistent(True)
    for strict in (True, False):
        with pytest.raises(RuntimeError, match=r"iou_threshold=0.75.*iou_threshold=0.5"):
            metric.load_state_dict(saved.state_dict(), strict=strict)
        assert metric.compute() == ranking((8, 4))


def test_a_state_may_be_loaded_by_another_definition_of_equal_settings() -> None:
    batch = Scenery().draw(20, seed=0)
    loaded = TotalFalse(weighting="overlap", reduction="sum")
    saved = measured(batch, metric=FalsePositives("overlap"))
    saved.persistent(True)
    loaded.load_state_dict(saved.state_dict())
    assert loaded.compute() == measured(batch, metric=TotalFalse("overlap", reduction="sum")).compute()


def test_a_collection_round_trips() -> None:
    def collection() -> MetricCollection:
        return MetricCollection([FalsePositives(), FalseNegatives(), TotalFalse()])

    metrics, loaded = collection(), collection()
    for batch in (false_alarms(2, 0), false_alarms(1, first_id=BIG_ID)):
        metrics.update(*batch)
    metrics.persistent(True)
    loaded.load_state_dict(metrics.state_dict())
    assert loaded.compute() == metrics.compute()
    for each in (metrics, loaded):
        each.update(*false_alarms(3, first_id=7))
    assert loaded.compute() == metrics.compute()


# forward


def test_forward_gives_the_batch_s_value_and_keeps_the_epoch() -> None:
    metric = FalsePositives()
    assert metric(*false_alarms(1, 2)) == ranking((1, 2), (0, 1))
    assert metric(*false_alarms(3, first_id=2)) == ranking((2, 3))
    metric.update(*false_alarms(0, first_id=3))
    assert metric(*false_alarms(4, first_id=4)) == ranking((4, 4))
    assert metric.update_count == 4
    assert metric.compute() == ranking((4, 4), (2, 3), (1, 2), (0, 1), (3, 0))


def test_forward_after_compute_is_not_overlooked() -> None:
    metric = FalsePositives()
    metric(*false_alarms(1))
    assert metric.compute() == ranking((0, 1))
    metric(*false_alarms(2, first_id=1))
    assert metric.compute() == ranking((1, 2), (0, 1))


def test_forward_of_an_empty_batch_changes_nothing() -> None:
    metric = measured(false_alarms(1))
    assert repr(metric([], [])) == "Ranking(0 images)"
    assert metric.compute() == ranking((0, 1))


# Resetting, caching


def test_reset_forgets_all_images() -> None:
    metric = measured(false_alarms(2, 3))
    metric.compute()
    metric.reset()
    assert metric.update_count == 0
    assert not metric.image_ids
    metric.update(*false_alarms(1))
    assert metric.compute() == ranking((0, 1))


def test_resetting_one_member_of_a_collection_leaves_the_others() -> None:
    metrics = MetricCollection([FalsePositives(), TotalFalse()])
    for first_id in (0, 1):
        metrics.update(*false_alarms(2, first_id=first_id))
    members = dict(metrics.items(copy_state=False))
    members["FalsePositives"].reset()
    assert members["TotalFalse"].compute() == ranking((0, 3), (1, 3))


def test_computing_before_an_update_warns_and_ranks_nothing() -> None:
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert repr(FalsePositives().compute()) == "Ranking(0 images)"


def test_a_result_is_kept_until_the_next_update() -> None:
    metric = measured(false_alarms(1, 2))
    first = metric.compute()
    assert metric.compute() is first
    metric.update(*false_alarms(5, first_id=2))
    assert metric.compute() != first
    uncached = measured(false_alarms(1), metric=FalsePositives(compute_with_cache=False))
    assert uncached.compute() is not uncached.compute()


def test_a_result_stays_as_it_was_when_the_metric_goes_on() -> None:
    metric = measured(false_alarms(2, 1))
    first = metric.compute()
    metric.update(*false_alarms(3, first_id=2))
    metric.reset()
    assert first == ranking((0, 2), (1, 1))


def test_a_refused_batch_leaves_everything_as_it_was() -> None:
    metric = measured(false_alarms(2, 1), false_alarms(4, first_id=2))
    result = metric.compute()
    before = state_of(metric)
    preds, target = false_alarms(1, first_id=9)
    preds[0]["scores"] = torch.tensor([7.0])
    for add in (metric.update, metric):
        with pytest.raises(ValueError, match="image_id 9"):
            add(preds, target)
        assert all(now is then for now, then in zip(state_of(metric), before, strict=True))
        assert metric.compute() is result


def test_arguments_that_are_missing_leave_everything_as_it_was() -> None:
    metric = measured(false_alarms(2))
    methods: tuple[Any, ...] = (metric.update, metric)
    for add in methods:
        with pytest.raises(TypeError):
            add(*false_alarms(1)[:1])
    assert metric.compute() == ranking((0, 2))
    assert metric.update_count == 1


# Merging


@pytest.mark.parametrize("as_dict", [False, True])
def test_merged_metrics_rank_the_images_of_both(as_dict: bool) -> None:
    ours = measured(false_alarms(2, 0, first_id=BIG_ID))
    theirs = measured(false_alarms(1, first_id=3), false_alarms(4, first_id=4))
    ours.compute()
    ours.merge_state(theirs.metric_state if as_dict else theirs)
    assert ours.compute() == ranking((4, 4), (BIG_ID, 2), (3, 1), (BIG_ID + 1, 0))
    assert theirs.compute() == ranking((4, 4), (3, 1))
    ours.update(*false_alarms(9, first_id=9))
    assert theirs.compute() == ranking((4, 4), (3, 1))
    assert ours.compute().image_ids[0] == 9


def test_an_image_of_both_counts_once_with_its_larger_results() -> None:
    parts = [false_alarms(2, 7), false_alarms(3, 7)]
    for first, second in (parts, parts[::-1]):
        metric = measured(first)
        metric.merge_state(measured(second))
        assert metric.compute() == ranking((1, 7), (0, 3))


def test_images_without_ids_are_numbered_on_after_merging() -> None:
    metric = measured(false_alarms(1, 1, first_id=None))
    metric.merge_state(measured(false_alarms(1, 3, first_id=None)))
    assert metric.compute() == ranking((3, 3), (0, 1), (1, 1), (2, 1))


@pytest.mark.parametrize("counts", [(1, 1), (1, 2)], ids=["equal", "different"])
@pytest.mark.parametrize("swap", [False, True])
def test_images_with_and_without_ids_cannot_be_ranked_together(counts: tuple[int, int], swap: bool) -> None:
    metrics = [measured(false_alarms(3, first_id=5)), measured(false_alarms(*counts, first_id=None))]
    ours, theirs = metrics[::-1] if swap else metrics
    with pytest.raises(ValueError, match="'image_id'"):  # noqa: PT012  # either may say so
        ours.merge_state(theirs)
        ours.compute()


def test_a_state_to_merge_may_name_its_parts_in_any_order() -> None:
    metric, other = measured(false_alarms(2)), measured(false_alarms(1, first_id=1))
    metric.merge_state(dict(sorted(other.metric_state.items(), reverse=True)))
    assert metric.compute() == ranking((0, 2), (1, 1))


def test_nothing_merged_changes_nothing() -> None:
    metric = measured(false_alarms(2))
    metric.merge_state(FalsePositives())
    assert metric.compute() == ranking((0, 2))


def test_only_metrics_of_equal_class_and_settings_are_merged() -> None:
    metric = measured(false_alarms(2))
    refused: dict[str, Any] = {
        "equal settings can be merged": measured(false_alarms(1), metric=FalsePositives(score_threshold=0.6)),
        "must be a FalsePositives, but is a TotalFalse": measured(false_alarms(1), metric=TotalFalse()),
        "must have the states": {"image_ids": [], "rows": []},
        "`incoming_state`": None,
    }
    for says, incoming in refused.items():
        with pytest.raises((ValueError, TypeError), match=says):
            metric.merge_state(incoming)
        assert metric.compute() == ranking((0, 2))


def test_results_that_differ_within_one_part_cannot_be_merged() -> None:
    broken = measured(false_alarms(1, first_id=7), false_alarms(2, first_id=7))
    metric = measured(false_alarms(3))
    with pytest.raises(ValueError, match="Image 7 came twice"):
        metric.merge_state(broken)
    assert metric.compute() == ranking((0, 3))


# Memory


@pytest.mark.parametrize("method", ["update", "forward"])
@pytest.mark.parametrize("size", [1, 100])
def test_an_image_costs_at_most_64_bytes_whatever_the_batch_size(
    method: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    metric, number = TotalFalse(), 3000

    def quickly(self: TotalFalse, asked: Any, preds: Any, target: Any) -> Reading:
        ids = torch.tensor([image["image_id"] for image in target])
        return Reading(ids, dict.fromkeys(asked, torch.ones(len(target), 2)))

    monkeypatch.setattr(TotalFalse, "_read", quickly)
    images = [{"image_id": image_id} for image_id in range(number)]
    for start in range(0, number, size):
        getattr(metric, method)([], images[start : start + size])
    chunks = [*metric.image_ids, *metric.errors, *metric.weighted]
    assert sum(chunk.untyped_storage().nbytes() for chunk in chunks) <= 64 * number
    assert len(chunks) <= 3 * number.bit_length()
    assert metric.compute() == Ranking(torch.arange(number), torch.full((number,), 2.0))


def test_the_number_of_boxes_costs_nothing() -> None:
    metric = measured(([detected(*[(0.0, 0.0, 1.0, 1.0)] * 5000)], [labelled(image_id=1)]))
    state = [*metric.image_ids, *metric.errors, *metric.weighted]
    assert sum(chunk.untyped_storage().nbytes() for chunk in state) <= 64


# Pictures


def test_a_plot_counts_images() -> None:
    import matplotlib.pyplot as plt

    for metric in (FalsePositives(), FalsePositives("pixel"), FalsePositives(reduction="mean")):
        metric.update(*false_alarms(0, 3, 1, 0))
        figure, axes = metric.plot()
        assert sum(bar.get_height() for bar in axes.patches) == 4  # type: ignore[attr-defined]
        assert "FalsePositives" in axes.get_xlabel()
        _, same = metric.plot(ax=axes)
        assert same is axes
        figure.canvas.draw()
    plt.close("all")


def test_a_plot_draws_the_ranking_it_is_given_and_leaves_the_metric() -> None:
    import matplotlib.pyplot as plt

    metric = measured(false_alarms(1, 2, 3))
    _, axes = metric.plot(ranking((1, 2.0), (4, 1.0)))
    assert sum(bar.get_height() for bar in axes.patches) == 2
    metric.reset()
    _, axes = metric.plot()
    assert "0 images" in axes.get_title()
    metric.update(*false_alarms(5))
    assert metric.compute() == ranking((0, 5))
    plt.close("all")


def test_a_collection_plots_rankings_and_reductions() -> None:
    import matplotlib.pyplot as plt

    metrics = MetricCollection({"rank": TotalFalse(), "mean": TotalFalse(reduction="mean")})
    metrics.update(*false_alarms(0, 3, 1, 0))
    figures: Any = metrics.plot()
    (_, of_mean), (_, of_rank) = figures
    assert sum(bar.get_height() for bar in of_rank.patches) == 4
    assert not of_mean.patches  # a scalar, drawn as torchmetrics draws one
    assert of_mean.lines
    plt.close("all")


# Trackers and Lightning


def test_a_tracker_finds_the_epoch_of_least_hardness() -> None:
    tracker = MetricTracker(FalsePositives(reduction="mean"), maximize=False)
    for counts in ((3, 1), (1, 0), (2, 2)):
        tracker.increment()
        tracker.update(*false_alarms(*counts))
    assert tracker.compute_all().tolist() == [2, 0.5, 2]
    assert tracker.best_metric(return_step=True) == (0.5, 1)


def test_a_tracker_keeps_a_ranking_of_each_epoch() -> None:
    tracker = MetricTracker(FalsePositives())
    for count in (3, 1):
        tracker.increment()
        tracker(*false_alarms(count, first_id=BIG_ID))
    assert tracker.compute_all() == [ranking((BIG_ID, 3)), ranking((BIG_ID, 1))]


class Detector(lightning.LightningModule):
    """Detects what it is told."""

    def __init__(self, epochs: list[list[Batch]]) -> None:
        super().__init__()
        self.epochs = epochs
        self.layer = nn.Linear(1, 1)
        self.mean = FalsePositives(reduction="mean")
        self.both = MetricCollection({"max": FalsePositives(reduction="max"), "sum": TotalFalse(reduction="sum")})
        self.logged: list[dict[str, float]] = []

    def training_step(self, batch: Tensor) -> Tensor:
        return self.layer(batch).sum()  # type: ignore[no-any-return]

    def validation_step(self, batch: Tensor, index: int) -> None:
        preds, target = self.epochs[self.current_epoch][index]
        self.mean.update(preds, target)
        self.both(preds, target)
        self.log("mean", self.mean)
        self.log_dict(self.both)

    def on_validation_epoch_end(self) -> None:
        assert self.mean.image_ids  # a metric is reset by the trainer, afterwards

    def on_train_epoch_end(self) -> None:
        self.logged.append({name: float(v) for name, v in self.trainer.callback_metrics.items()})

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.ones(1, 1))  # type: ignore[arg-type]

    def val_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.ones(2, 1))  # type: ignore[arg-type]

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters())


@pytest.mark.parametrize("precision", ["32-true", "bf16-true"])
def test_a_reduction_can_be_logged_and_starts_anew_each_epoch(precision: Any) -> None:
    epochs = [
        [false_alarms(4, 1, first_id=BIG_ID), false_alarms(1, first_id=1)],
        [false_alarms(0, first_id=BIG_ID), false_alarms(1, first_id=BIG_ID + 1)],
    ]
    detector = Detector(epochs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the trainer's, on workers and devices
        trainer = lightning.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=2,
            precision=precision,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=1,
        )
        trainer.fit(detector)
    # every image of `false_alarms` also has one missed object
    assert detector.logged == [{"mean": 2, "max": 4, "sum": 9}, {"mean": 0.5, "max": 1, "sum": 3}]
