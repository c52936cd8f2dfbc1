"""Metrics fed the same batch one after the other measure it once, and never a batch that is not the same."""

import gc
import pickle
import weakref
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor

from hardest_metrics import FalseNegatives, FalsePositives, TotalFalse
from hardest_metrics._memory import BatchMemory
from hardest_metrics.detection import box_errors
from hardest_metrics.functional import pack
from tests.scenes import Batch, Image, Scenery, detected, false_alarms, labelled


class Counter:
    """Counts how often it measures."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, preds: Sequence[Any], target: Sequence[Any]) -> tuple[Tensor, Tensor]:
        self.calls += 1
        return torch.zeros(len(preds), dtype=torch.int64), torch.zeros(len(preds))


def calls(batch: Batch, change: Callable[[list[Image], list[Image]], Any] | None = None) -> int:
    """How often a batch is measured that is given twice, changed in between."""
    counter, memory = Counter(), BatchMemory()
    memory.get("settings", *batch, counter)
    if change is not None:
        change(*batch)
    memory.get("settings", *batch, counter)
    return counter.calls


def test_the_same_batch_is_measured_once() -> None:
    assert calls(Scenery().draw(20, seed=0)) == 1


def test_the_same_tensors_in_other_lists_and_dicts_are_the_same_batch() -> None:
    counter, memory = Counter(), BatchMemory()
    preds, target = Scenery().draw(20, seed=0)
    memory.get("settings", preds, target, counter)
    memory.get("settings", tuple(map(dict, preds)), tuple(map(dict, target)), counter)
    assert counter.calls == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda preds, target: preds[0]["boxes"].add_(1),
        lambda preds, target: preds[0]["boxes"][0].zero_(),
        lambda preds, target: preds[0]["boxes"][0, 2:].mul_(3),
        lambda preds, target: preds[0]["scores"].fill_(0.5),
        lambda preds, target: preds[0]["labels"].copy_(torch.tensor([2])),
        lambda preds, target: target[0]["iscrowd"].__setitem__(0, 1),
        lambda preds, target: target[0]["area"].zero_(),
        lambda preds, target: target[0]["boxes"].add_(1),
        lambda preds, target: target[0].update(boxes=target[0]["boxes"].clone()),
        lambda preds, target: target[0].update(image_id=8),
        lambda preds, target: target[0].update(image_size=(5, 5)),
        lambda preds, target: target[0]["image_size"].__setitem__(0, 5),
        lambda preds, target: target[0].pop("iscrowd"),
        lambda preds, target: target[0].pop("image_id"),
        lambda preds, target: preds[0].update(image_id=7),
        lambda preds, target: preds.reverse(),
        lambda preds, target: (preds.pop(), target.pop()),
        lambda preds, target: (preds.append(preds[0]), target.append(target[0])),
    ],
)
@pytest.mark.parametrize("inference", [False, True], ids=["", "inference"])
def test_a_changed_batch_is_measured_again(change: Callable[[list[Image], list[Image]], Any], inference: bool) -> None:
    with torch.inference_mode(inference):
        box = (0, 0, 10, 10)
        preds = [detected(box), detected(box, score=0.8)]
        crowd, area = torch.tensor([0]), torch.tensor([50.0])
        target = [
            labelled(box, image_id=7, image_size=[20, 40], iscrowd=crowd, area=area),
            labelled(box, image_id=8, image_size=[20, 40], iscrowd=crowd.clone(), area=area.clone()),
        ]
        assert calls((preds, target), change) == 2


def test_a_change_of_ordinary_tensors_in_inference_mode_is_seen() -> None:
    def change(preds: list[Image], target: list[Image]) -> None:
        with torch.inference_mode():
            preds[0]["boxes"].add_(1)

    assert calls(false_alarms(1, 2), change) == 2


def test_the_same_inference_tensors_unchanged_are_measured_once() -> None:
    with torch.inference_mode():
        assert calls(Scenery().draw(20, seed=0)) == 1


def test_other_tensors_of_equal_values_are_another_batch() -> None:
    counter, memory = Counter(), BatchMemory()
    for _ in range(2):  # the first batch is freed, its memory may be used again for the second
        memory.get("settings", *false_alarms(1, 2), counter)
    assert counter.calls == 2


def test_other_settings_measure_anew() -> None:
    counter, memory = Counter(), BatchMemory()
    batch = false_alarms(1)
    for settings in ("a", "b", "a", "b"):
        memory.get(settings, *batch, counter)
    assert counter.calls == 2


def test_only_so_many_settings_are_remembered() -> None:
    counter, memory = Counter(), BatchMemory(size=2)
    batch = false_alarms(1)
    for settings in ("a", "b", "c", "b", "c", "a"):
        memory.get(settings, *batch, counter)
    assert counter.calls == 4


def test_a_refused_batch_is_refused_again() -> None:
    memory = BatchMemory()
    preds, target = false_alarms(1)
    preds[0]["scores"] = torch.tensor([2.0])
    for _ in range(2):
        with pytest.raises(ValueError, match="scores"):
            memory.get("settings", preds, target, pack)


def test_a_remembered_batch_does_not_stay_alive() -> None:
    memory = BatchMemory()
    preds, target = false_alarms(1)
    boxes = weakref.ref(preds[0]["boxes"])
    memory.get("settings", preds, target, Counter())
    del preds, target
    gc.collect()
    assert boxes() is None


def test_masks_are_neither_copied_nor_kept() -> None:
    with torch.inference_mode():
        preds, target = false_alarms(1, 2)
        for image in target:
            image["masks"] = torch.zeros(10, 123, 457, dtype=torch.uint8)
        TotalFalse().update(preds, target)
    del preds, target, image
    gc.collect()
    # not isinstance, which wakes what merely looks like a tensor
    tensors = [thing for thing in gc.get_objects() if issubclass(type(thing), Tensor)]
    assert not [tensor.shape for tensor in tensors if tensor.numel() % 457 == 0 and tensor.numel()]


def test_a_change_in_place_between_two_metrics_is_seen() -> None:
    for inference in (False, True):
        with torch.inference_mode(inference):
            preds, target = [detected((0, 0, 10, 10))], [labelled((0, 0, 10, 10))]
            before, after = FalsePositives(reduction="sum"), FalsePositives(reduction="sum")
            before.update(preds, target)
            preds[0]["boxes"].add_(50)
            after.update(preds, target)
        assert before.compute() == 0
        assert after.compute() == 1


def test_a_batch_given_to_nine_definitions_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    rows_of = TotalFalse._rows_of

    def counted(self: TotalFalse, *batch: Any) -> Tensor:
        measured.append(self)
        return rows_of(self, *batch)

    definitions = (FalsePositives, FalseNegatives, TotalFalse)
    for definition in definitions:
        monkeypatch.setattr(definition, "_rows_of", counted)
    batch = false_alarms(1, 2)
    nine = [definition(weighting) for definition in definitions for weighting in ("none", "pixel", "overlap")]
    for metric in nine:
        metric.update(*batch)
    assert len(measured) == 1


def test_overlap_is_measured_while_somebody_asks_for_it() -> None:
    batch = Scenery().draw(10, seed=0)
    plain = TotalFalse(iou_threshold=0.123)
    plain.update(*batch)
    assert (plain.rows[0][..., 2] == -1).all()
    covered = TotalFalse("overlap", iou_threshold=0.123)
    covered.update(*batch)  # not what was measured without
    assert covered.compute()[1].max() > 0
    merged = TotalFalse("overlap", iou_threshold=0.123)
    merged.merge_state(plain)
    with pytest.raises(ValueError, match="measured without overlap"):
        merged.compute()
    del merged
    plain.reset()
    plain.update(*batch)
    assert torch.equal(plain.rows[0], covered.rows[0])
    copied = pickle.loads(pickle.dumps(covered))
    del covered
    gc.collect()
    plain.reset()
    plain.update(*batch)
    assert (plain.rows[0][..., 2] >= 0).all()
    del copied
    gc.collect()
    plain.reset()
    plain.update(*batch)
    assert (plain.rows[0][..., 2] == -1).all()


@pytest.mark.parametrize("images", [10, 1300], ids=["waits", "in pieces"])
def test_overlap_s_last_asker_may_die_while_a_batch_is_read(images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dying = [TotalFalse("overlap", iou_threshold=0.234)]

    def pack_late(*args: Any, **kwargs: Any) -> Any:
        dying.clear()
        gc.collect()
        return pack(*args, **kwargs)

    monkeypatch.setattr(box_errors, "pack", pack_late)
    preds, target = Scenery().draw(10, seed=0)
    batch = (preds * (images // 10), [{**image, "image_id": i} for i, image in enumerate(target * (images // 10))])
    plain = TotalFalse(iou_threshold=0.234)
    plain.update(*batch)
    covered = TotalFalse("overlap", iou_threshold=0.234)
    covered.update(*batch)
    assert not dying
    assert covered.compute()[1].max() > 0


def test_an_asker_at_the_address_of_a_dead_one_is_not_taken_for_it() -> None:
    counter, memory = Counter(), BatchMemory()
    batch = false_alarms(1)
    addresses = set()
    for _ in range(20):
        asker = Counter()  # small, so that the next one gets its memory
        addresses.add(id(asker))
        memory.get("settings", *batch, counter, asker=asker)
        del asker
    assert len(addresses) < 20  # else this shows nothing
    assert counter.calls == 1


def test_a_metric_alone_is_spared_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, counter, batch = BatchMemory(), Counter(), false_alarms(1, 2, 3)
    monkeypatch.setattr("hardest_metrics.metric._last_batches", memory)
    metric = TotalFalse()
    memory.get(metric.settings, *batch, counter, asker=metric)
    for copied in (deepcopy(metric), pickle.loads(pickle.dumps(metric)), FalsePositives()):  # may ask too
        calls_before = counter.calls
        memory.get(metric.settings, *batch, counter, asker=metric)
        memory.get(metric.settings, *batch, counter, asker=copied)
        assert counter.calls == calls_before + 1
        del copied
        gc.collect()
        memory.get(metric.settings, *batch, counter, asker=metric)
        assert counter.calls == calls_before + 2


def test_a_weighting_that_has_changed_weighs_anew() -> None:
    factor = 1.0
    metric = FalsePositives(lambda errors, _: torch.full((len(errors),), factor), reduction="sum")
    batch = false_alarms(1)
    metric.update(*batch)
    assert metric.compute() == 1
    factor = 3.0
    metric.reset()
    metric.update(*batch)
    assert metric.compute() == 3
