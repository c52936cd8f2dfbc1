"""A large batch is measured in pieces and on several threads, and nobody can tell."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from hardest_metrics import FalsePositives, HardnessMetric, TotalFalse
from hardest_metrics.detection import (
    BoxErrors,
    CommitteeHardness,
    DetectionMetric,
    ExpectedHardness,
    FastScoreSampling,
    ScoreSampling,
)
from hardest_metrics.detection.pieces import in_pieces
from hardest_metrics.functional import pack
from hardest_metrics.functional.detection.packing import ImageDict
from hardest_metrics.image_rows import Column
from tests.scenes import Scenery, detected, false_alarms


@pytest.fixture(autouse=True, params=[1, 3], ids=["one thread", "three threads"])
def small_pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for kind in (DetectionMetric, BoxErrors):
        monkeypatch.setattr(kind, "_images_at_once", 7)
    threads = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    assert torch.get_num_threads() == request.param, "a measurement keeps threads of torch to itself"
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    "metric",
    [
        TotalFalse("overlap"),
        TotalFalse(lambda errors, _: errors.box_area / 1e6),
        ScoreSampling(TotalFalse("pixel"), n_samples=3),
        ExpectedHardness(TotalFalse("overlap")),
    ],
)
@pytest.mark.parametrize("inference", [False, True], ids=["", "inference"])
def test_a_large_batch_ranks_as_its_images_one_by_one(metric: HardnessMetric[Any], inference: bool) -> None:
    preds, target = Scenery().draw(40, seed=1)
    for image_id, image in enumerate(target):
        image.update(image_id=image_id, image_size=(480, 640))
    with torch.inference_mode(inference):
        for index in range(40):
            metric.update(preds[index : index + 1], target[index : index + 1])
        one_by_one = metric.compute()
        metric.reset()
        metric.update(preds, target)
        at_once = metric.compute()
    assert torch.equal(at_once[0], one_by_one[0])
    assert torch.equal(at_once[1], one_by_one[1])


def test_pieces_are_of_the_stated_size() -> None:
    sizes: list[int] = []

    def measure(preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> tuple[Tensor, dict[Any, Tensor]]:
        sizes.append(len(preds))
        return torch.arange(len(preds)), {"number": torch.zeros(len(preds))}

    assert len(in_pieces(measure, *false_alarms(*range(30)), 7, 4)[0]) == 30
    assert sum(sizes) == 30
    assert max(sizes) <= 7
    assert max(sizes) - min(sizes) <= 3


def test_a_refusal_names_the_place_in_the_whole_batch() -> None:
    preds, target = false_alarms(*range(30))
    preds[23]["scores"] = torch.tensor([2.0])
    with pytest.raises(ValueError, match=r"preds\[23\]\['scores'\]"):
        TotalFalse().update(preds, target)
    with pytest.raises(ValueError, match="`preds` holds 30 images and `target` 29"):
        TotalFalse().update(preds, target[:-1])


def test_ids_for_some_images_alone_are_refused_in_pieces_too() -> None:
    preds, target = false_alarms(*range(30))
    for image in target[14:]:
        image.pop("image_id", None)
    with pytest.raises(ValueError, match=r"target\[14\].*lacks the key 'image_id'"):
        TotalFalse().update(preds, target)


@pytest.mark.parametrize("estimator", [ScoreSampling, FastScoreSampling])
def test_images_without_ids_are_told_apart_in_large_batches_too(estimator: type[ScoreSampling]) -> None:
    preds = [detected((0, 0, 10, 10), score=0.6)] * 30
    metric = estimator(TotalFalse(), n_samples=16)
    metric.update(preds)
    assert len(metric.compute()[1].unique()) > 7  # as many as a piece holds


def test_a_metric_that_keeps_something_of_its_own_sees_the_whole_batch() -> None:
    class Counting(DetectionMetric[Any]):
        columns: ClassVar = {"number": Column()}
        by_image = False

        def __init__(self) -> None:
            super().__init__("counting()")

        def _measure(self, asked: Any, preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> Any:
            self.batch = pack(preds, target)
            return self.batch.image_ids, {"number": torch.full((len(self.batch),), float(len(preds)))}

        def _hardness(self, columns: Any) -> Tensor:
            return columns["number"]  # type: ignore[no-any-return]

    metric = Counting()
    metric.update(*false_alarms(*range(30)))
    assert metric.compute()[1].tolist() == [30] * 30


def test_a_function_weighs_whole_batches() -> None:
    batch = Scenery().draw(40, seed=3)
    for image_id, image in enumerate(batch[1]):
        image["image_id"] = image_id
    metric = FalsePositives(lambda errors, _: errors.box_area / errors.box_area.max())
    metric.update(*batch)
    assert metric.compute()[1].max() >= 1


def test_a_committee_is_asked_about_the_whole_batch() -> None:
    preds, target = Scenery().draw(20, seed=2)
    metric, alone = CommitteeHardness(TotalFalse()), CommitteeHardness(TotalFalse())
    metric.update(preds, target, members=[preds[::-1]])
    for index in range(20):
        alone.update(preds[index : index + 1], target[index : index + 1], members=[[preds[19 - index]]])
    assert torch.equal(metric.compute()[1], alone.compute()[1])


def test_torch_keeps_its_threads_when_several_threads_measure() -> None:
    """One may begin while another one is at it, and end later: what threads find that are started then is the same."""
    before = torch.get_num_threads()
    first_is_in, second_is_in, first_is_out = Event(), Event(), Event()

    def measure(preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> tuple[Tensor, dict[Any, Tensor]]:
        ids = torch.tensor([image["image_id"] for image in target])
        if ids[0] == 0:
            first_is_in.set()
            second_is_in.wait(9)
        elif ids[0] == 100:
            second_is_in.set()
            first_is_out.wait(9)
        return ids, {"number": torch.zeros(len(ids))}

    def first() -> None:
        in_pieces(measure, *false_alarms(*range(30)), 29, 1)
        first_is_out.set()

    def second() -> None:
        first_is_in.wait(9)
        in_pieces(measure, *false_alarms(*range(30), first_id=100), 29, 1)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(first), pool.submit(second)]:
            done.result()
    with ThreadPoolExecutor(1) as later:
        assert later.submit(torch.get_num_threads).result() == before
