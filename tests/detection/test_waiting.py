"""Small batches wait to be measured together, and nobody can tell."""

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torchmetrics import MetricCollection

from hardest_metrics import FalseNegatives, FalsePositives, HardnessCollection, Ranking, TotalFalse
from hardest_metrics.detection import error_sums, waiting
from hardest_metrics.detection.waiting import Packed, Waiting, measure_all
from hardest_metrics.functional import Query, match, pack
from hardest_metrics.functional.detection.boxes import Batch as Boxes
from hardest_metrics.functional.detection.shares import share_tables
from tests.scenes import Batch, detected, epoch, false_alarms, labelled


def at_once(batches: list[Batch], weighting: Any = "overlap") -> Ranking:
    metric = TotalFalse(weighting)
    metric.update([image for preds, _ in batches for image in preds], [image for _, t in batches for image in t])
    return metric.compute()


def fed(batches: list[Batch], weighting: Any = "overlap") -> TotalFalse:
    metric = TotalFalse(weighting)
    for batch in batches:
        metric.update(*batch)
    assert metric._waiting.readings
    return metric


def _reloaded(metric: TotalFalse) -> TotalFalse:
    metric.persistent(True)
    file = io.BytesIO()
    torch.save(metric.state_dict(), file)
    file.seek(0)
    other = TotalFalse(metric.weighting)
    other.persistent(True)
    other.update(*false_alarms(1, 2))
    other.update(*false_alarms(3, first_id=7))  # waits, and is forgotten
    other.load_state_dict(torch.load(file))
    return other


def _merged(metric: TotalFalse) -> TotalFalse:
    other = TotalFalse(metric.weighting)
    other.merge_state(metric)
    return other


@pytest.mark.parametrize("weighting", ["none", "pixel", "overlap"])
@pytest.mark.parametrize(
    "through",
    [
        lambda metric: metric,
        copy.copy,
        copy.deepcopy,
        lambda metric: metric.clone(),
        lambda metric: pickle.loads(pickle.dumps(metric)),
        lambda metric: metric.half(),
        lambda metric: metric.to("cpu"),
        _reloaded,
        _merged,
        lambda metric: (metric.newest(5), metric)[1],
        lambda metric: (metric.summary(), metric)[1],
        lambda metric: (metric.metric_state, metric)[1],
    ],
)
def test_what_waits_is_measured_whatever_reads_it(through: Callable[[TotalFalse], TotalFalse], weighting: str) -> None:
    batches = epoch()
    assert through(fed(batches, weighting)).compute() == at_once(batches, weighting)


@pytest.mark.parametrize("methods", ["uuuuuu", "ufuufu", "uuufcu", "fuucuu", "uucfuf"])
def test_the_order_of_batches_stays(methods: str) -> None:
    batches = epoch()
    for _, target in batches:  # numbered by position
        for image in target:
            del image["image_id"]
    metric = TotalFalse("overlap")
    for method, batch in zip(methods, batches, strict=True):
        (metric if method == "f" else metric.update)(*batch)
        if method == "c":
            metric.compute()
    assert metric.compute() == at_once(batches)


def test_the_newest_images_are_those_of_the_last_update() -> None:
    metric = TotalFalse()
    for first_id in (1, 11, 21):
        metric.update(*false_alarms(2, 3, first_id=first_id))
    ids, hardness = metric.newest(2)
    assert (ids.tolist(), hardness.tolist()) == ([21, 22], [3, 4])


@pytest.fixture
def measurements(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images were measured together, each time."""
    counts: list[int] = []

    def counted(batch: Boxes, query: Query, tables: Any) -> Any:
        counts.append(len(batch))
        return share_tables(batch, query, tables)

    monkeypatch.setattr(error_sums, "share_tables", counted)
    return counts


def test_so_many_wait_and_no_more(measurements: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("MOST_IMAGES", "MOST_BOXES"):
        with monkeypatch.context() as patch:
            patch.setattr(waiting, limit, 10)
            measurements.clear()
            hardness = TotalFalse()
            for index in range(30):
                hardness.update(*false_alarms(1, first_id=index))
            assert len(hardness.compute()[0]) == 30
        assert sum(measurements) == 30
        assert 3 < max(measurements) <= 10


def test_later_changes_of_the_tensors_do_not_matter() -> None:
    batches = epoch()
    expected = at_once(batches)
    hardness = TotalFalse("overlap")
    for preds, target in batches:
        hardness.update(preds, target)
        for image in (*preds, *target):
            for value in image.values():
                if isinstance(value, torch.Tensor):
                    value.zero_()
    assert hardness.compute() == expected


def test_a_refused_batch_leaves_those_that_wait() -> None:
    batches = epoch()
    hardness = fed(batches, "pixel")
    preds, target = false_alarms(1, first_id=7)
    without_size = [{key: value for key, value in image.items() if key != "image_size"} for image in target]
    preds[0]["scores"] = preds[0]["scores"] * 9
    for refused in ((preds, target), (false_alarms(1)[0], without_size)):
        with pytest.raises(ValueError, match=r"scores|no size"):
            hardness.update(*refused)
    assert hardness.update_count == len(batches)
    assert hardness.compute() == at_once(batches, "pixel")


def test_scores_are_held_against_the_threshold_in_their_own_dtype() -> None:
    # as float16 it is at the threshold, as float32 it is not
    box, threshold = (0, 0, 10, 10), 0.55
    half = torch.tensor([threshold]).half()
    assert half >= threshold > half.float()
    hardness = FalsePositives(score_threshold=threshold)
    for index, scores in enumerate([torch.tensor([0.9]), half, half.float()]):
        hardness.update([{**detected(box), "scores": scores}], [labelled(image_id=index)])
    assert hardness.compute() == Ranking(torch.tensor([0, 1, 2]), torch.tensor([1.0, 1, 0]))


def test_labels_far_apart_are_told_apart_over_batches() -> None:
    hardness = TotalFalse()
    for index, label in enumerate([1, -(2**62), 2**62, 0]):
        preds = [detected((0, 0, 10, 10), label=label)]
        hardness.update(preds, [labelled((0, 0, 10, 10), label=label, image_id=index)])
        preds = [detected((0, 0, 10, 10), label=label)]
        hardness.update(preds, [labelled((0, 0, 10, 10), label=label - 1, image_id=10 + index)])
    assert hardness.compute() == Ranking.of(
        torch.tensor([0, 1, 2, 3, 10, 11, 12, 13]), torch.tensor([0.0, 0, 0, 0, 2, 2, 2, 2])
    )


@pytest.mark.parametrize("modes", [(True, False), (False, True)])
def test_batches_made_in_inference_mode_may_be_measured_outside_and_the_other_way_round(modes: Any) -> None:
    hardness, batches = TotalFalse("overlap"), epoch()
    with torch.inference_mode(modes[0]):
        for batch in epoch():
            hardness.update(*batch)
    with torch.inference_mode(modes[1]):
        assert hardness.compute() == at_once(batches)


def test_nothing_waits_where_the_state_moves_to_the_cpu() -> None:
    batches, hardness = epoch(), TotalFalse("overlap", compute_on_cpu=True)
    for batch in batches:
        hardness.update(*batch)
        assert not hardness._waiting.readings
    assert hardness.compute() == at_once(batches)


def test_members_of_a_collection_measure_what_waits_once(measurements: list[int]) -> None:
    batches = epoch()
    expected = at_once(batches)
    for kind, counts in ((HardnessCollection, [15]), (MetricCollection, [15] * 3)):
        metrics = kind([FalsePositives("pixel"), FalseNegatives(), TotalFalse("overlap")])
        measurements.clear()
        for batch in batches:
            metrics.update(*batch)
        assert metrics.compute()["TotalFalse"] == expected
        assert measurements == counts


def test_metrics_with_batches_that_wait_are_not_taken_for_equal() -> None:
    first, second, third = (false_alarms(count, first_id=count) for count in (1, 2, 3))
    one, other = TotalFalse(), TotalFalse()
    for hardness, batches in ((one, (first, second)), (other, (first, third))):
        for batch in batches:
            hardness.update(*batch)
    metrics = MetricCollection({"one": one, "other": other})
    metrics.update(*false_alarms(5, first_id=5))
    assert sorted(metrics.compute()["one"].image_ids.tolist()) == [1, 2, 5]
    assert sorted(metrics.compute()["other"].image_ids.tolist()) == [1, 3, 5]


def test_joined_batches_match_as_one() -> None:
    batches = [batch for batch in epoch() if batch[0]]
    joined = Boxes.joined([pack(*batch) for batch in batches])
    whole = pack([image for preds, _ in batches for image in preds], [image for _, t in batches for image in t])
    for side in ("detections", "ground_truth"):
        for name, values in vars(getattr(whole, side)).items():
            if values is None:
                assert getattr(getattr(joined, side), name) is None
                continue
            assert torch.equal(values, getattr(getattr(joined, side), name)), name
    for ours, theirs in zip(
        match(joined.detections, joined.ground_truth, Query()),
        match(whole.detections, whole.ground_truth, Query()),
        strict=True,
    ):
        assert torch.equal(ours, theirs)


def test_readings_count_what_they_keep() -> None:
    def places(batch: Boxes, asked: Any) -> Any:
        return {name: torch.arange(len(batch)) for name in asked}

    readings = [Packed(pack(*batch), ["place"], places) for batch in (false_alarms(2, 3), false_alarms(1))]
    full = Waiting().followed_by(readings[0]).followed_by(readings[1])
    assert (full.images, full.boxes) == (3, 9)
    measure_all(full.readings)
    assert [reading.measured["place"].tolist() for reading in readings] == [[0, 1], [2]]
    assert all(not reading.number_of_boxes for reading in readings)


def test_what_a_member_cannot_use_is_refused_also_where_another_measured_it() -> None:
    batches = epoch()
    sized, other = fed(batches, "pixel"), FalseNegatives()
    preds, target = false_alarms(1, first_id=7, size=None)
    other.update(preds, target)  # measured at once
    with pytest.raises(ValueError, match="no size"):
        sized.update(preds, target)
    assert sized.compute() == at_once(batches, "pixel")


def test_a_measurement_that_fails_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = epoch()
    for owner, broken in ((error_sums, "share_tables"), (TotalFalse, "_append")):
        hardness = fed(batches)
        with monkeypatch.context() as patch:
            patch.setattr(owner, broken, _no_memory)
            with pytest.raises(MemoryError):
                hardness.compute()
            patch.setattr(waiting, "MOST_IMAGES", 1)
            with pytest.raises(MemoryError):
                hardness.update(*false_alarms(1))
        assert hardness.compute() == at_once(batches)


def _no_memory(*args: Any) -> Any:
    raise MemoryError


def test_half_precision_may_be_measured_under_autocast() -> None:
    batches = epoch()
    for preds, _ in batches:
        for image in preds:
            image["scores"] = image["scores"].half()
    expected = at_once(batches)
    hardness = fed(batches)
    with torch.autocast("cpu", torch.bfloat16):
        assert hardness.compute() == expected
        hardness.reset()
        for batch in batches:
            hardness.update(*batch)
        assert hardness.compute() == expected


def test_the_default_device_does_not_matter() -> None:
    batches = epoch()
    hardness = TotalFalse("overlap")
    with torch.device("meta"):
        for batch in batches:
            hardness.update(*batch)
        ranking = hardness.compute()
    assert ranking == at_once(batches)


def test_a_metric_may_be_told_later_to_keep_its_state_on_the_cpu() -> None:
    batches = epoch()
    hardness = TotalFalse("overlap")
    for index, batch in enumerate(batches):
        hardness.compute_on_cpu = index > 3
        hardness.update(*batch)
    assert hardness.compute() == at_once(batches)


def test_the_newest_images_are_copies() -> None:
    hardness = FalsePositives()
    hardness.update(*false_alarms(1, 2))
    for part in hardness.newest(2):
        part.zero_()
    assert hardness.compute() == Ranking(torch.tensor([1, 0]), torch.tensor([2.0, 1]))


def test_a_loaded_state_replaces_what_waits_and_one_of_the_first_release_is_refused_by_name() -> None:
    saved = TotalFalse()
    saved.persistent(True)
    saved.update(*false_alarms(4, first_id=40))
    loaded = TotalFalse()
    for index in range(3):
        loaded.update(*false_alarms(1, first_id=index))
    loaded.load_state_dict(saved.state_dict())
    assert loaded.compute().image_ids.tolist() == [40]
    first_release = f"box_errors({Query()}, box_format='xyxy')"
    state = {"image_ids": [torch.tensor([3])], "rows": [torch.ones(1, 2, 3)], "waiting": [], first_release: []}
    with pytest.raises(RuntimeError, match=r"was measured with box_errors.*, this metric has box_errors.*weighting"):
        loaded.load_state_dict(state)
    with pytest.raises(ValueError, match="must have the states"):
        loaded.merge_state(state)
    assert loaded.compute().image_ids.tolist() == [40]


def test_a_subclass_may_measure_in_its_own_way() -> None:
    class Doubled(TotalFalse):
        def _measure(self, asked: Any, preds: Any, target: Any) -> Any:
            image_ids, measured = super()._measure(asked, preds, target)
            return image_ids, {name: 2 * values for name, values in measured.items()}

    hardness = Doubled(iou_threshold=0.777)
    for index in range(3):
        hardness.update(*false_alarms(1, first_id=index))
    assert hardness.compute()[1].tolist() == [4, 4, 4]
