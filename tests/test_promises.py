"""What metrics keep beyond what torchmetrics promises: TorchScript, and processes that never wait for each other."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection
from torchmetrics.detection import MeanAveragePrecision

from hardest_metrics import (
    CommitteeHardness,
    CrossEntropy,
    ExpectedHardness,
    FalsePositives,
    HardnessCollection,
    ScoreSampling,
    TopKMiss,
    TotalFalse,
    Uncertainty,
    WitnessHardness,
    WrongLabels,
)
from hardest_metrics.agreement import NDCG
from hardest_metrics.calibration import DetectionCalibration
from hardest_metrics.retrieval import HierarchicalAP
from hardest_metrics.transferability import LEEP, LogME, TransRate
from tests.scenes import false_alarms
from tests.test_distributed import Processes
from tests.test_distributed import processes as processes


class Model(LightningModule):
    """A detector that measures itself as it is validated."""

    def __init__(self, metric: Metric | MetricCollection) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.metric = metric
        self.example_input_array = torch.ones(2, 3)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.layer(images)
        return scores

    def validation_step(self, batch: Any, index: int) -> None:
        self.metric.update(*batch)


HELD: dict[str, Callable[[], Metric | MetricCollection]] = {
    "torchmetrics' mAP": lambda: MeanAveragePrecision(),
    "a definition": lambda: TotalFalse("pixel", labels=[1], reduction="mean"),
    "a function as weighting": lambda: TotalFalse(lambda errors, _: errors.scores.nan_to_num(1.0)),
    "an estimate": lambda: ExpectedHardness(TotalFalse()),
    "samples": lambda: ScoreSampling(TotalFalse()),
    "a committee": lambda: CommitteeHardness(TotalFalse()),
    "witnesses": lambda: WitnessHardness(TotalFalse()),
    "uncertainty": Uncertainty,
    "calibration": DetectionCalibration,
    "agreement": lambda: NDCG(3),
    "transferability": LogME,
    "transferability by classes": lambda: TransRate(projection=2),
    "transferability by probabilities": LEEP,
    "a collection": lambda: HardnessCollection([TotalFalse(), FalsePositives("pixel"), Uncertainty()]),
    "a plain collection": lambda: MetricCollection([TotalFalse(), FalsePositives("pixel")]),
    "a definition of classifiers": CrossEntropy,
    "one that keeps a rank": lambda: TopKMiss(2),
    "several labels": WrongLabels,
    "retrieval": lambda: HierarchicalAP(reduction="mean"),
    "a composition": lambda: TotalFalse(reduction="sum") + FalsePositives(reduction="sum"),
}


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("method", ["script", "trace"])
@pytest.mark.parametrize("used", [False, True])
def test_a_model_that_holds_a_metric_goes_through_torchscript(held: str, method: str, used: bool) -> None:
    model = Model(HELD[held]())
    if used and isinstance(model.metric, TotalFalse | ExpectedHardness | HardnessCollection):
        model.metric.update(*false_alarms(1, 2))
        model.metric.compute()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        scripted = model.to_torchscript(method=method)
    images = torch.rand(4, 3)
    assert torch.equal(scripted(images), model(images))  # type: ignore[operator]
    if used and isinstance(model.metric, TotalFalse | ExpectedHardness | HardnessCollection):
        model.metric.update(*false_alarms(3, first_id=2))
        model.metric.compute()


@pytest.mark.parametrize("kind", ["hardness", "collection", "summary"])
def test_a_process_to_which_nothing_came_computes_with_the_others_again(processes: Processes[Any], kind: str) -> None:
    def work(rank: int) -> Any:
        metric: Any = HardnessCollection([FalsePositives()]) if kind == "collection" else FalsePositives()
        compute = metric.summary if kind == "summary" else metric.compute
        metric.update(*false_alarms(rank, first_id=rank))
        results = [str(compute()), str(compute())]
        if rank == 1:
            metric.update(*false_alarms(5, first_id=7))
        metric.compute()
        return [*results, str(compute())]

    first, second = processes(2, work)
    assert first == second
    assert first[0] == first[1]
    assert "Ranking(2 images, hardest first: 1 (1), 0 (0))" in first[0]
    assert "Ranking(3 images, hardest first: 7 (5), 1 (1), 0 (0))" in first[2]


def test_other_metrics_compute_with_the_others_again_too(processes: Processes[Any]) -> None:
    def work(rank: int) -> Any:
        reliable, transferable = DetectionCalibration(), LogME()
        rng = torch.Generator().manual_seed(rank)
        objects = torch.randn(9, 3, generator=rng), torch.randint(0, 2, (9,), generator=rng)
        reliable.update(*false_alarms(3))
        transferable.update(*objects)
        before = int(reliable.compute().number.sum()), float(transferable.compute())
        if rank == 0:
            reliable.update(*false_alarms(4))
            transferable.update(*objects)
        return before, (int(reliable.compute().number.sum()), float(transferable.compute()))

    first, second = processes(2, work)
    assert first == second
    assert (first[0][0], first[1][0]) == (6, 10)
    assert first[0][1] != first[1][1]


def test_a_process_alone_keeps_what_it_computed() -> None:
    metric = FalsePositives()
    metric.update(*false_alarms(1, 2))
    assert metric.compute() is metric.compute()
    alone = FalsePositives(sync_on_compute=False, distributed_available_fn=lambda: True)
    alone.update(*false_alarms(1, 2))
    assert alone.compute() is alone.compute()
