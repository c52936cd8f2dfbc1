"""Of a set however large, only snapshots of the images that can still be among the hardest are kept."""

from typing import Any

import pytest
import torch
from torch import Tensor

from hardest_metrics import FalseNegatives, FalsePositives, HardnessMetric, TotalFalse
from hardest_metrics.adapter import Examples
from hardest_metrics.callbacks import Inputs
from hardest_metrics.callbacks.top_images import TopImages
from hardest_metrics.detection.adapter import DetectionAdapter
from tests.scenes import Batch, Scenery, false_alarms


def to_uint8(image: Tensor) -> Tensor:
    return (image * 255).to(torch.uint8)


def metrics_() -> dict[str, HardnessMetric]:
    return {"fp": FalsePositives(), "fn": FalseNegatives(), "both": TotalFalse(weighting="pixel")}


def examples(preds: Any, target: Any, images: Tensor) -> Examples:
    return DetectionAdapter().examples(Inputs(preds, target, images))


def batches(number: int, size: int = 8) -> list[Batch]:
    made = [Scenery().draw(size, seed) for seed in range(number)]
    for index, (_, target) in enumerate(made):
        for image in target:
            image["image_id"] += size * index
    return made


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("backwards", [False, True])
def test_at_the_end_the_hardest_images_of_every_metric_are_there(k: int, backwards: bool) -> None:
    metrics, top = metrics_(), TopImages(k, to_uint8)
    for preds, target in batches(12)[:: -1 if backwards else 1]:
        for metric in metrics.values():
            metric.update(preds, target)
        top.add(metrics, examples(preds, target, torch.rand(len(preds), 3, 4, 5)))
        assert len(top._snapshots) <= k * len(metrics)  # at any time
    rankings = [metric.summary().ranking for metric in metrics.values()]
    wanted = {image_id for ranking in rankings for image_id in ranking.top(k).image_ids.tolist()}
    assert set(top.gather(rankings)) == wanted


def test_a_snapshot_is_of_its_own_memory_on_the_cpu() -> None:
    """A view would keep the whole batch alive."""
    metric, top = TotalFalse(), TopImages(2, to_uint8)
    preds, target = Scenery().draw(50, seed=0)
    everything = torch.rand(50, 3, 40, 50)
    flat = torch.cat([image["boxes"] for image in preds])
    for image, boxes in zip(preds, flat.split([len(image["boxes"]) for image in preds]), strict=True):
        image["boxes"] = boxes
    metric.update(preds, target)
    top.add({"": metric}, examples(preds, target, everything))
    for snapshot in top.gather([metric.summary().ranking]).values():
        assert snapshot.image.dtype == torch.uint8
        for tensor in (snapshot.image, *snapshot.about.preds.values(), *snapshot.about.target.values()):
            assert tensor.device.type == "cpu"
            assert tensor.untyped_storage().nbytes() == tensor.nbytes


def test_a_snapshot_stays_as_it_was_when_the_batch_is_changed() -> None:
    metric, top = TotalFalse(), TopImages(1, lambda image: image.clone())
    preds, target = false_alarms(2)
    images = torch.full((1, 3, 4, 5), 7, dtype=torch.uint8)
    metric.update(preds, target)
    top.add({"": metric}, examples(preds, target, images))
    boxes = preds[0]["boxes"].clone()
    images.zero_()
    preds[0]["boxes"].zero_()
    (snapshot,) = top.gather([metric.summary().ranking]).values()
    assert (snapshot.image == 7).all()
    assert torch.equal(snapshot.about.preds["boxes"], boxes)


def test_inference_tensors_are_taken() -> None:
    metric, top = TotalFalse(), TopImages(2, to_uint8)
    with torch.inference_mode():
        preds, target = Scenery().draw(5, seed=0)
        metric.update(preds, target)
        top.add({"": metric}, examples(preds, target, torch.rand(5, 3, 4, 5)))
    assert len(top.gather([metric.summary().ranking])) == 2


def test_only_images_that_matter_are_converted() -> None:
    converted: list[Any] = []

    def counting(image: Tensor) -> Tensor:
        converted.append(image)
        return to_uint8(image)

    metric, top = TotalFalse(), TopImages(2, counting)
    for first_id, counts in ((0, (5, 4)), (2, (1, 0, 3)), (5, (6, 2))):
        preds, target = false_alarms(*counts, first_id=first_id)
        metric.update(preds, target)
        top.add({"": metric}, examples(preds, target, torch.rand(len(counts), 3, 4, 5)))
    assert len(converted) == 3
    assert set(top.gather([metric.summary().ranking])) == {0, 5}


def test_an_image_met_again_is_kept_once_as_it_was_hardest() -> None:
    """As a distributed sampler repeats images, with results that may differ in the last digits."""
    top = TopImages(2, lambda image: image)
    for value, count in ((1, 2), (2, 5), (3, 3)):
        metric = TotalFalse()
        preds, target = false_alarms(count, first_id=9)
        metric.update(preds, target)
        top.add({"": metric}, examples(preds, target, torch.full((1, 3, 2, 2), value, dtype=torch.uint8)))
    ((image_id, snapshot),) = top.gather([metric.summary().ranking]).items()
    assert image_id == 9
    assert (snapshot.image == 2).all()


def test_of_images_equally_hard_those_of_the_lowest_ids_are_kept() -> None:
    metric, top = TotalFalse(), TopImages(2, to_uint8)
    for first_id in (8, 4, 0):
        preds, target = false_alarms(1, 1, first_id=first_id)
        metric.update(preds, target)
        top.add({"": metric}, examples(preds, target, torch.rand(2, 3, 2, 2)))
    assert set(top.gather([metric.summary().ranking])) == {0, 1}
