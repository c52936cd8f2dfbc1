"""On a GPU everything comes out as on the CPU, bit by bit, wherever the labels lie."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection

from hardest_metrics import FalseNegatives, FalsePositives, HardnessMetric, Ranking, TotalFalse
from hardest_metrics.detection import (
    CommitteeHardness,
    ExpectedHardness,
    FastScoreSampling,
    ScoreSampling,
    Uncertainty,
    WitnessHardness,
)
from tests.scenes import Batch, Image, Scenery

pytestmark = pytest.mark.gpu

ESTIMATES: dict[str, Callable[[], HardnessMetric]] = {
    f"{name}, {weighting}": lambda make=make, weighting=weighting: make(TotalFalse(weighting=weighting))
    for name, make in {
        "score sampling": lambda definition: ScoreSampling(definition, n_samples=5),
        "fast score sampling": lambda definition: FastScoreSampling(definition, n_samples=5),
        "closed form": ExpectedHardness,
        "deviation": lambda definition: ExpectedHardness(definition, statistic="std"),
    }.items()
    for weighting in ("none", "pixel", "overlap")
} | {
    f"uncertainty, {reduction}": lambda reduction=reduction: Uncertainty("binary_entropy", image_reduction=reduction)  # type: ignore[misc]
    for reduction in ("sum", "max")
}


@pytest.fixture(scope="module")
def batch() -> Batch:
    return Scenery().draw(60, seed=0)


def nine() -> MetricCollection:
    return MetricCollection({
        f"{kind.__name__}_{weighting}": kind(weighting=weighting)
        for kind in (FalsePositives, FalseNegatives, TotalFalse)
        for weighting in ("none", "pixel", "overlap")
    })  # fmt: skip


def moved(images: list[Image], device: str) -> list[Image]:
    return [{key: value.to(device) if isinstance(value, Tensor) else value for key, value in i.items()} for i in images]


def on_cpu(ranking: Any) -> Ranking:
    assert isinstance(ranking, Ranking)
    return Ranking(ranking.image_ids.cpu(), ranking.hardness.cpu())


@pytest.mark.parametrize("metric_device", ["cpu", "cuda"])
@pytest.mark.parametrize("method", ["update", "forward"])
def test_all_definitions_rank_as_on_the_cpu(batch: Batch, method: str, metric_device: str) -> None:
    rankings = []
    for device in ("cpu", "cuda"):
        collection = nine().to("cpu" if device == "cpu" else metric_device)
        (collection.update if method == "update" else collection)(*(moved(side, device) for side in batch))
        rankings.append({name: on_cpu(ranking) for name, ranking in collection.compute().items()})
    assert rankings[0] == rankings[1]


@pytest.mark.parametrize("make", ESTIMATES.values(), ids=ESTIMATES)
def test_estimates_rank_as_on_the_cpu(batch: Batch, make: Callable[[], HardnessMetric]) -> None:
    preds, target = batch
    here, there = make(), make().to("cuda")
    here.update(preds, target)
    there.update(moved(preds, "cuda"), moved(target, "cuda"))
    assert on_cpu(there.compute()) == here.compute()


def test_a_committee_ranks_as_on_the_cpu(batch: Batch) -> None:
    preds, target = batch
    others = [{**pred, "scores": pred["scores"].sqrt()} for pred in preds]
    rankings = []
    for device in ("cpu", "cuda"):
        metric = CommitteeHardness(TotalFalse(), n_samples=5).to(device)
        members = [moved(preds, device), moved(others, device)]
        metric.update(moved(preds, device), moved(target, device), members)
        rankings.append(on_cpu(metric.compute()))
    assert rankings[0] == rankings[1]


def test_witnesses_are_heard_as_on_the_cpu(batch: Batch) -> None:
    preds, target = batch
    others = [{**pred, "scores": pred["scores"].sqrt()} for pred in preds]
    rankings = []
    for device in ("cpu", "cuda"):
        metric = WitnessHardness(TotalFalse()).to(device)
        metric.update(moved(preds, device), moved(target, device), [moved(others, device)])
        rankings.append(on_cpu(metric.compute()))
    assert torch.equal(rankings[0].image_ids.sort().values, rankings[1].image_ids.sort().values)
    by_id = [ranking.hardness[ranking.image_ids.argsort()] for ranking in rankings]
    torch.testing.assert_close(*by_id)


@pytest.mark.parametrize(("of_preds", "of_target"), [("cuda", "cpu"), ("cpu", "cuda")])
def test_labels_follow_the_detections(batch: Batch, of_preds: str, of_target: str) -> None:
    preds, target = batch
    expected = TotalFalse(weighting="overlap")
    expected.update(preds, target)
    metric = TotalFalse(weighting="overlap")
    metric.update(moved(preds, of_preds), moved(target, of_target))
    assert on_cpu(metric.compute()) == expected.compute()


def test_images_of_one_side_lie_on_one_device(batch: Batch) -> None:
    preds, target = batch
    metric = TotalFalse()
    with pytest.raises(ValueError, match="lie on several devices"):
        metric.update([*moved(preds[:30], "cuda"), *preds[30:]], target)
    assert not metric.update_called


def test_deterministic_mode_is_kept_to(batch: Batch) -> None:
    preds, target = batch
    expected = nine()
    expected.update(preds, target)
    torch.use_deterministic_algorithms(True)
    try:
        collection = nine().to("cuda")
        collection.update(moved(preds, "cuda"), moved(target, "cuda"))
        found = collection.compute()
    finally:
        torch.use_deterministic_algorithms(False)
    assert {name: on_cpu(ranking) for name, ranking in found.items()} == expected.compute()


def test_how_often_an_update_waits_does_not_grow_with_the_images() -> None:
    def waits(images: int) -> int:
        preds, target = (moved(side, "cuda") for side in Scenery().draw(images, seed=1))
        metric = TotalFalse(weighting="overlap").to("cuda")
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                metric.update(preds, target)
            finally:
                torch.cuda.set_sync_debug_mode("default")
        return sum("called a synchronizing CUDA operation" in str(warning.message) for warning in said)

    few = waits(16)
    assert few > 0
    assert waits(320) <= few + 10  # five more rounds of matching, at two a round
