"""How far probabilities are from how often detections are right."""

import math
import pickle
import sys
from typing import Any

import matplotlib.pyplot as plt
import pytest
import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import nn
from torch.utils._pytree import tree_map
from torchmetrics import MetricCollection

from hardest_metrics.calibration import (
    Calibration,
    DetectionCalibration,
    Platt,
    Reliability,
    fit_calibration,
    reliability,
    right_or_wrong,
)
from hardest_metrics.functional import Query
from tests.calibration.test_fit import detector
from tests.scenes import Batch, Image, detected, labelled
from tests.test_distributed import Processes


def example() -> tuple[list[Image], list[Image]]:
    """Scores of 0.9, one of two right; of 0.25, none right; of 1, right; of 0, wrong."""
    boxes = [(20.0 * n, 0.0, 20.0 * n + 10, 10.0) for n in range(5)]
    image = detected(*boxes)
    image["scores"] = torch.tensor([0.9, 0.9, 0.25, 1.0, 0.0])
    return [image], [labelled(boxes[0], boxes[3])]


def test_detections_are_counted_in_bins_of_their_probability() -> None:
    result = reliability(*example(), bins=4)
    assert result.edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert result.number.tolist() == [1, 1, 0, 3]
    assert result.probability.nan_to_num(nan=-1).tolist() == pytest.approx([0, 0.25, -1, 2.8 / 3])
    assert result.precision.nan_to_num(nan=-1).tolist() == pytest.approx([0, 0, -1, 2 / 3])
    assert result.error == pytest.approx((0 + 0.25 + 0.8) / 5)


def test_bins_are_of_what_the_calibration_says() -> None:
    preds, target = example()
    result = reliability(preds, target, Platt(0.0, -20.0), bins=4)
    assert result.number.tolist() == [5, 0, 0, 0]
    assert result.error == pytest.approx(2 / 5)


def test_calibration_makes_reliable_what_was_not() -> None:
    preds, target = example()
    preds, target = preds * 100, target * 100
    before = reliability(preds, target)
    after = reliability(preds, target, fit_calibration(preds, target, "isotonic"))
    assert before.error > 0.2
    assert after.error < 1e-6
    assert before.number.sum() == after.number.sum() == 500


@pytest.mark.parametrize("images", [0, 2])
def test_no_detections_have_no_reliability(images: int) -> None:
    result = reliability([detected()] * images, [labelled((0, 0, 1, 1))] * images)
    assert result.number.tolist() == [0] * 10
    assert result.precision.isnan().all()
    assert result.error != result.error


@pytest.mark.parametrize("bins", [0, -1, 1.5, True])
def test_less_than_one_bin_is_refused(bins: Any) -> None:
    with pytest.raises(ValueError, match="`bins` must be an integer of at least 1"):
        reliability(*example(), bins=bins)


# Batch by batch


def batches() -> list[Batch]:
    rng = torch.Generator().manual_seed(0)
    return [
        detector(lambda scores: scores**2, images=int(n), boxes=7, seed=int(n))
        for n in torch.randperm(4, generator=rng) + 1
    ]


def whole(parts: list[Batch]) -> Batch:
    return [image for preds, _ in parts for image in preds], [image for _, target in parts for image in target]


def equal(result: Reliability, expected: Reliability) -> bool:
    assert torch.equal(result.edges, expected.edges)
    assert torch.equal(result.number, expected.number)
    torch.testing.assert_close(result.probability, expected.probability, equal_nan=True)
    torch.testing.assert_close(result.precision, expected.precision, equal_nan=True)
    return result.error == pytest.approx(expected.error, nan_ok=True)


def measured(parts: list[Batch], **settings: Any) -> DetectionCalibration:
    metric = DetectionCalibration(**settings)
    for part in parts:
        metric.update(*part)
    return metric


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"bins": 1},
        {"bins": 33},
        {"calibration": Platt(0.5, -1.0)},
        {"query": Query(iou_threshold=0.9, labels=[2])},
        {"box_format": "xywh"},
    ],
)
def test_the_metric_is_the_function_batch_by_batch(settings: Any) -> None:
    parts = batches()
    metric = measured(parts, **settings)
    assert equal(metric.compute(), reliability(*whole(parts), **settings))
    metric.reset()
    metric.update([], [])
    assert metric.compute().number.sum() == 0
    for part in parts:
        assert equal(metric(*part), reliability(*part, **settings))
    assert equal(metric.compute(), reliability(*whole(parts), **settings))


@pytest.mark.parametrize("method", ["update", "forward"])
def test_a_batch_that_is_refused_leaves_the_metric_as_it_was(method: str) -> None:
    parts = batches()
    metric = measured(parts)
    preds, target = example()
    preds[0]["scores"] = preds[0]["scores"] + 1
    metric.compute()
    before = dict(vars(metric))
    with pytest.raises(ValueError, match="scores"):
        getattr(metric, method)(preds, target)
    assert vars(metric) == before
    assert metric.update_count == len(parts)
    assert equal(metric.compute(), reliability(*whole(parts)))
    assert equal(metric(*parts[0]), reliability(*parts[0]))
    assert equal(metric.compute(), reliability(*whole([*parts, parts[0]])))


def test_forward_matches_a_batch_once(monkeypatch: pytest.MonkeyPatch) -> None:
    times = []

    def counted(*arguments: Any) -> Any:
        times.append(arguments)
        return right_or_wrong(*arguments)

    monkeypatch.setattr(sys.modules[DetectionCalibration.__module__], "right_or_wrong", counted)
    metric = DetectionCalibration()
    for part in batches():
        metric(*part)
    assert len(times) == len(batches())


def test_a_loaded_metric_forgets_what_it_computed_before() -> None:
    first, second = batches()[:2]
    saved = measured([first])
    saved.persistent(True)
    metric = measured([second])
    metric.compute()
    metric.load_state_dict(saved.state_dict())
    assert equal(metric.compute(), reliability(*first))


class Raised(Calibration):
    settings = "raised()"

    def __init__(self, by: float) -> None:
        self.by = by

    def __call__(self, scores: torch.Tensor) -> torch.Tensor:
        return scores + self.by


@pytest.mark.parametrize("by", [-0.5, 0.5, math.nan])
def test_what_is_no_probability_is_refused(by: float) -> None:
    with pytest.raises(ValueError, match=r"`calibration` must give probabilities in \[0, 1\], but raised\(\) gives"):
        reliability(*example(), Raised(by))
    metric = DetectionCalibration(Raised(by))
    with pytest.raises(ValueError, match="`calibration` must give probabilities"):
        metric.update(*example())
    assert metric.update_count == 0


def test_metrics_of_different_settings_never_share_what_they_counted() -> None:
    # what these find in the first batch is equal, by chance
    queries = {f"{threshold:.0%}": Query(iou_threshold=threshold) for threshold in (0.5, 0.6, 0.7)}
    collection = MetricCollection({name: DetectionCalibration(query=query) for name, query in queries.items()})
    first = [detected((0, 0, 10, 10), score=0.95)], [labelled((0, 0, 10, 10))]
    second = [detected((0, 0, 10, 10), score=0.95)], [labelled((0, 0, 10, 6.5))]
    for batch in (first, second):
        collection.update(*batch)
    assert {name: result.precision[-1].item() for name, result in collection.compute().items()} == {
        "50%": 1.0,
        "60%": 1.0,
        "70%": 0.5,
    }


def test_a_metric_can_be_copied_pickled_saved_and_merged() -> None:
    first, *rest = batches()
    expected = reliability(*whole([first, *rest]))
    metric = measured([first], calibration=None)
    copies = [metric.clone(), pickle.loads(pickle.dumps(metric))]
    metric.persistent(True)
    loaded = DetectionCalibration()
    loaded.load_state_dict(metric.state_dict())
    for one in (*copies, loaded):
        for part in rest:
            one.update(*part)
        assert equal(one.compute(), expected)
    merged = measured(rest)
    assert merged.compute().number.sum() < expected.number.sum()
    merged.merge_state(metric)
    assert equal(merged.compute(), expected)


@pytest.mark.parametrize("other", [DetectionCalibration(bins=1), DetectionCalibration(Platt(2.0)), {"sums": 0}, 3])
def test_metrics_of_different_settings_are_not_merged(other: Any) -> None:
    with pytest.raises(ValueError, match="only metrics of equal settings can be merged"):
        DetectionCalibration().merge_state(other)


def test_what_was_counted_outlives_a_change_of_dtype() -> None:
    parts = batches()
    metric = measured(parts)
    nn.ModuleList([metric]).half()
    metric.set_dtype(torch.bfloat16)
    metric.update(*parts[0])
    assert equal(metric.compute(), reliability(*whole([*parts, parts[0]])))


@pytest.mark.parametrize("shares", [(slice(0, 1), slice(1, 4)), (slice(0, 4), slice(0, 0))])
def test_processes_count_together_what_one_does(processes: Processes[Any], shares: tuple[slice, ...]) -> None:
    parts = batches()

    def work(rank: int) -> Any:
        return measured(parts[shares[rank]]).compute()

    expected = reliability(*whole(parts))
    assert all(equal(result, expected) for result in processes(2, work))


@pytest.mark.parametrize(
    ("settings", "message"), [({"bins": 0}, "`bins` must be an integer"), ({"box_format": "yxyx"}, "`box_format` must")]
)
def test_settings_that_make_no_sense_are_refused_when_they_are_given(settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DetectionCalibration(**settings)


def test_the_metric_draws_its_diagram() -> None:
    metric = measured(batches())
    figure, ax = metric.plot(label="all")
    same, same_ax = metric.plot(metric.compute(), ax, "again")
    assert (same, same_ax) == (figure, ax)
    names = [text.get_text().split(" (")[0] for text in ax.get_legend().get_texts()]  # type: ignore[union-attr]
    assert names == ["as stated", "all", "again"]
    plt.close(figure)


def test_several_results_are_a_line_each() -> None:
    metric = DetectionCalibration()
    results = [metric(*example()) for _ in range(3)]
    _, ax = metric.plot(results)
    legend = [text.get_text() for text in ax.get_legend().get_texts()]  # type: ignore[union-attr]
    assert [text.split(" (")[0] for text in legend] == ["as stated", "step 0", "step 1", "step 2"]
    _, again = metric.plot(results[:1], ax, label="epoch")
    assert again is ax
    assert ax.get_legend().get_texts()[-1].get_text().startswith("epoch 0 (5)")  # type: ignore[union-attr]
    plt.close("all")
    with pytest.raises(ValueError, match="`val` is an empty list"):
        metric.plot([])


@pytest.mark.parametrize("bins", [1, 4])
def test_functions_that_give_no_tensors_can_be_mapped(bins: int) -> None:
    result = reliability(*example(), bins=bins)
    for mapped in (
        apply_to_collection(result, torch.Tensor, len),
        tree_map(lambda value: value.numel() if isinstance(value, torch.Tensor) else value, result),
    ):
        assert type(mapped) is Reliability
        assert tuple(mapped) == (bins + 1, bins, bins, bins, result.error)
    squeezed = apply_to_collection(result, torch.Tensor, torch.squeeze)
    assert [part.shape for part in squeezed[:4]] == [part.shape for part in result[:4]]
    doubled = tree_map(lambda value: value * 2, result)
    assert torch.equal(doubled.number, result.number * 2)
    assert doubled.error == result.error * 2
