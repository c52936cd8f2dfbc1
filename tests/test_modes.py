"""What surrounds a metric in a training program: `torch.compile`, autocast, inference mode, deterministic mode."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from hardest_metrics import FalseNegatives, FalsePositives, HardnessMetric, Ranking, TotalFalse
from hardest_metrics.detection import CommitteeHardness, ExpectedHardness, ScoreSampling, Uncertainty
from hardest_metrics.functional import total_false
from tests.scenes import Batch, Scenery

METRICS: dict[str, Callable[[], HardnessMetric]] = {
    "false positives": lambda: FalsePositives(weighting="pixel"),
    "false negatives": lambda: FalseNegatives(weighting="none", area_range="medium"),
    "total": lambda: TotalFalse(weighting="overlap"),
    "a function as weighting": lambda: TotalFalse(weighting=lambda errors, _: errors.box_area),
    "score sampling": lambda: ScoreSampling(TotalFalse(weighting="overlap"), n_samples=3),
    "closed form": lambda: ExpectedHardness(TotalFalse(weighting="overlap")),
    "uncertainty": lambda: Uncertainty("binary_entropy"),
}


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


MODES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "inference": torch.inference_mode,
    "no_grad": torch.no_grad,
    "autocast to bfloat16": lambda: torch.autocast("cpu", torch.bfloat16),
    "deterministic": deterministic,
}


@pytest.fixture(scope="module")
def batches() -> list[Batch]:
    drawn = [Scenery().draw(12, seed) for seed in range(2)]
    for image in drawn[1][1]:
        image["image_id"] += 100
    return drawn


def ranked(metric: HardnessMetric, batches: list[Batch], method: str = "update") -> Ranking:
    for preds, target in batches:
        (metric.update if method == "update" else metric)(preds, target)
    ranking = metric.compute()
    assert isinstance(ranking, Ranking)
    return ranking


@pytest.mark.parametrize("method", ["update", "forward"])
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("make", METRICS.values(), ids=METRICS)
def test_a_mode_changes_no_bit(
    batches: list[Batch], make: Callable[[], HardnessMetric], mode: Callable[[], Any], method: str
) -> None:
    expected = ranked(make(), batches)
    with mode():
        ranking = ranked(make(), batches, method)
    assert ranking == expected
    assert ranking.hardness.dtype == torch.float32


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_a_committee_is_asked_in_any_mode(batches: list[Batch], mode: Callable[[], Any]) -> None:
    preds, target = batches[0]
    others = [{**pred, "scores": pred["scores"].sqrt()} for pred in preds]
    rankings = []
    for context in (nullcontext, mode):
        metric = CommitteeHardness(TotalFalse(), n_samples=3)
        with context():
            metric.update(preds, target, [preds, others])
            rankings.append(metric.compute())
    assert rankings[0] == rankings[1]


def test_tensors_made_in_inference_mode_can_be_measured_in_it_and_ranked_outside(batches: list[Batch]) -> None:
    expected = ranked(TotalFalse(), batches)
    with torch.inference_mode():
        made = [tuple([_copied(image) for image in side] for side in batch) for batch in batches]
        collection = MetricCollection([TotalFalse(), FalsePositives()])
        for preds, target in made:
            collection.update(preds, target)
    assert collection.compute()["TotalFalse"] == expected


def test_boxes_that_require_gradients_leave_no_graph_behind(batches: list[Batch]) -> None:
    preds, target = batches[0]
    metric = TotalFalse(weighting="overlap")
    metric.update([{**p, "boxes": p["boxes"].detach().clone().requires_grad_()} for p in preds], target)
    assert metric.compute() == ranked(TotalFalse(weighting="overlap"), batches[:1])
    assert not any(rows.requires_grad for rows in metric.weighted)


# Compiling. What hardness computes has no shape that is known beforehand, so nothing of it can become one graph: a
# compiled program has to leave for it and come back, with the same result.


class Step(nn.Module):
    """A step of a validation loop."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 2)
        self.metric = TotalFalse()

    def forward(self, features: Tensor, preds: Any, target: Any) -> Tensor:
        scale = self.head(features).relu()
        self.metric.update(preds, target)
        result: Tensor = 2 * scale
        return result


@pytest.fixture
def compiled() -> Iterator[Callable[[Any], Any]]:
    torch.compiler.reset()
    # the backend that runs graphs as they are: what is traced does not depend on it, and others take minutes
    yield lambda function: torch.compile(function, backend="eager")
    torch.compiler.reset()


# Dynamo says both of them of programs that leave a graph, whatever for.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf", "ignore:Dynamo does not know")
@pytest.mark.parametrize("mode", [nullcontext, torch.no_grad], ids=["training", "validation"])
def test_a_compiled_step_may_update_a_metric(
    batches: list[Batch], compiled: Callable[[Any], Any], mode: Callable[[], Any]
) -> None:
    step = Step()
    run = compiled(step)
    features = torch.arange(6.0).reshape(3, 2)
    with mode():
        for preds, target in batches:
            torch.testing.assert_close(run(features, preds, target), 2 * step.head(features).relu())
    assert step.metric.compute() == ranked(TotalFalse(), batches)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf", "ignore:Dynamo does not know")
def test_a_compiled_program_may_call_the_functions(batches: list[Batch], compiled: Callable[[Any], Any]) -> None:
    preds, target = batches[0]

    def mean_hardness(preds: Any, target: Any) -> Tensor:
        return total_false(preds, target).mean()

    assert compiled(mean_hardness)(preds, target) == mean_hardness(preds, target)


def _copied(image: dict[str, Any]) -> dict[str, Any]:
    return {key: value.clone() if isinstance(value, Tensor) else value for key, value in image.items()}
