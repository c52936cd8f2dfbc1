"""Evidence of linear models of labels and boxes."""

import gc
import math
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection

from hardest_metrics.functional.transferability import box_logme, logme, matrices, regression_score, total_logme
from hardest_metrics.transferability import BoxLogME, LogME, TotalLogME
from tests.functional.transferability.objects import drawn

module: Any = import_module("hardest_metrics.functional.transferability.logme")


@pytest.mark.parametrize("scale", [800.0, 0.01])
def test_boxes_in_other_units_score_a_constant_more(scale: float) -> None:
    features, _, boxes = drawn()
    expected = float(box_logme(features, boxes)) - math.log(scale)
    assert float(box_logme(features, boxes * scale)) == pytest.approx(expected, rel=1e-9)


def test_the_total_is_the_mean_of_labels_and_boxes() -> None:
    features, target, boxes = drawn()
    expected = (float(logme(features, target)) + float(box_logme(features, boxes))) / 2
    assert float(total_logme(features, target, boxes)) == pytest.approx(expected, rel=1e-12)


def test_shuffling_leaves_a_label_its_box() -> None:
    features, target, boxes = drawn()
    expected = (float(logme(features, target, shuffled=5)) + float(box_logme(features, boxes, shuffled=5))) / 2
    assert float(total_logme(features, target, boxes, shuffled=5)) == pytest.approx(expected, rel=1e-12)


def test_what_features_explain_exactly_does_not_hang_on_rounding() -> None:
    target = torch.arange(4).repeat(50)
    generator = torch.Generator().manual_seed(0)
    features = torch.eye(4, dtype=torch.float64)[target] @ torch.randn(4, 4, dtype=torch.float64, generator=generator)
    orders = [torch.randperm(200, generator=generator) for _ in range(5)]
    scores = [logme(features[order], target[order]) for order in orders]
    for score in scores:
        assert float(score) == pytest.approx(float(scores[0]), rel=1e-6)


@pytest.mark.filterwarnings("ignore:.*with no more objects than")
def test_empty_directions_count_for_the_prior() -> None:
    """A published shortcut leaves them out of the determinant: far too high with more features than objects."""
    features, target, _ = drawn(30, 80)
    padded = torch.cat((features, torch.zeros(30, 50, dtype=torch.float64)), dim=1)
    assert float(logme(padded, target)) == pytest.approx(float(logme(features, target)), rel=1e-9)


def test_a_coordinate_that_is_always_zero_has_no_evidence() -> None:
    features, _, boxes = drawn()
    boxes[:, 0] = 0
    assert box_logme(features, boxes).isnan()


def test_residuals_scale_with_the_square_of_the_boxes() -> None:
    features, _, boxes = drawn()
    assert float(regression_score(features, boxes / 2)) == pytest.approx(float(regression_score(features, boxes)) / 4)


def test_boxes_that_features_hold_leave_no_residual() -> None:
    features, _, boxes = drawn()
    assert abs(float(regression_score(torch.cat((features, boxes), dim=1), boxes))) < 1e-12


@pytest.fixture
def decomposed(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Every matrix that is decomposed from here on."""
    matrices_seen: list[Tensor] = []

    def eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
        matrices_seen.append(matrix)
        return matrices.eigh(matrix)

    monkeypatch.setattr(module, "eigh", eigh)
    return matrices_seen


def test_members_of_a_collection_decompose_once_after_each_update(decomposed: list[Tensor]) -> None:
    metrics: Any = {"labels": LogME(), "boxes": BoxLogME(), "both": TotalLogME()}
    collection = MetricCollection(metrics, compute_groups=[list(metrics)])
    batches = [drawn(40, 5, seed=seed) for seed in range(3)]
    for number in range(1, 4):
        collection.update(*batches[number - 1])
        found = collection.compute()
        assert len(decomposed) == number
        features, target, boxes = (torch.cat(values[:number]) for values in zip(*batches, strict=True))
        torch.testing.assert_close(found["labels"], logme(features, target), rtol=1e-12, atol=0)
        torch.testing.assert_close(found["boxes"], box_logme(features, boxes), rtol=1e-12, atol=0)
        torch.testing.assert_close(found["both"], total_logme(features, target, boxes), rtol=1e-12, atol=0)
        del decomposed[number:]


def test_no_decomposition_outlives_its_objects() -> None:
    gc.collect()
    before = len(module._Features._known)
    metric = LogME()
    metric.update(*drawn(40, 5))
    metric.compute()
    assert len(module._Features._known) == before + 1
    metric.reset()
    assert len(module._Features._known) == before
