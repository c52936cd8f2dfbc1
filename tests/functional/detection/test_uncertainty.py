"""Measures of uncertainty: their extremes, what they have in common, and recorded values of a real detector."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hardest_metrics.data import read_coco_annotations, read_hardest_detections
from hardest_metrics.functional import no_labels, pack
from hardest_metrics.functional.detection.uncertainty import (
    OF_LOGITS,
    OF_SCORES,
    binary_entropy,
    binary_evidential,
    entropy,
    evidential,
    image_uncertainty,
    one_minus_score,
)

INF = math.inf


def softmax_logits(number: int = 50, classes: int = 5) -> Tensor:
    return 3 * torch.randn(number, classes, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("threshold", ["0.0", "0.5"])
@pytest.mark.parametrize("name", [*OF_SCORES, *OF_LOGITS])
def test_recorded_values_are_reproduced(shared_data: Path, name: str, threshold: str) -> None:
    folder = shared_data / "voc100"
    annotations = read_coco_annotations(folder / "instances.json")
    preds = read_hardest_detections(folder / "fastestdet_torchvision.json.gz", annotations)
    reference = json.loads((folder / "reference_fastestdet.json").read_text())["uncertainty"]
    boxes = pack(preds, no_labels(len(preds)), "xywh").detections
    if name in OF_SCORES:
        values = OF_SCORES[name](boxes.scores)
    else:
        values = OF_LOGITS[name](torch.cat([pred["logits"] for pred in preds]))
    kept = boxes.scores >= float(threshold)
    reduction: Any = "max" if name == "max_uncertainty" else "sum"
    result = image_uncertainty(values[kept], boxes.image[kept], len(preds), reduction)
    expected = torch.tensor(reference[f"score_threshold={threshold}"][name], dtype=torch.float64)
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("measure", OF_SCORES.values())
def test_certain_scores_have_finite_uncertainty(measure: Any) -> None:
    values = measure(torch.tensor([0.0, 0.5, 1.0]))
    assert values.dtype == torch.float64
    assert values.isfinite().all()
    assert values[2] == 0  # of a detection that is surely right
    assert values[1] > 0


@pytest.mark.parametrize("measure", [binary_entropy, binary_evidential])
def test_a_score_and_its_complement_are_equally_unsure(measure: Any) -> None:
    scores = torch.linspace(0, 1, 101, dtype=torch.float64)
    torch.testing.assert_close(measure(scores), measure(1 - scores))
    assert measure(scores).argmax() == 50
    assert (measure(scores)[:51].diff() > 0).all()


def test_binary_entropy_is_the_entropy_over_two_classes() -> None:
    scores = torch.rand(50, dtype=torch.float64)
    torch.testing.assert_close(binary_entropy(scores), entropy(torch.stack((scores.logit(), 0 * scores), 1)))
    assert binary_entropy(torch.tensor([0.5])).item() == pytest.approx(math.log(2))


def test_binary_evidential_takes_odds_for_evidence() -> None:
    p = torch.linspace(0.01, 0.99, 50, dtype=torch.float64)
    torch.testing.assert_close(binary_evidential(p), 2 / (2 + p / (1 - p) + (1 - p) / p))


def test_maximum_uncertainty_is_what_the_score_lacks() -> None:
    assert one_minus_score(torch.tensor([0.25, 1.0])).tolist() == [0.75, 0]


def test_entropy_lies_between_none_and_that_of_equal_classes() -> None:
    values = entropy(softmax_logits())
    assert values.dtype == torch.float64
    assert values.min() > 0
    assert values.max() < math.log(5)
    assert entropy(torch.full((1, 5), -7.0)).item() == pytest.approx(math.log(5))


def test_entropy_is_of_probabilities_and_evidence_is_of_logits() -> None:
    logits = softmax_logits().double()
    torch.testing.assert_close(entropy(logits + 9), entropy(logits))
    assert (evidential(logits + 9) < evidential(logits)).all()


def test_evidential_is_the_share_of_belief_without_evidence() -> None:
    logits = softmax_logits()
    torch.testing.assert_close(evidential(logits), 5 / (5 + logits.double().exp().sum(1)))


@pytest.mark.parametrize("measure", OF_LOGITS.values())
@pytest.mark.parametrize("row", [[0.0, -INF], [-INF, 300.0], [1e4, -1e4], [800.0, 800.0], [0.0], [-1e4, -1e4]])
def test_extreme_logits_have_finite_uncertainty(measure: Any, row: list[float]) -> None:
    value = measure(torch.tensor([row]))
    assert 0 <= value.item() <= max(math.log(len(row)), 1)


@pytest.mark.parametrize("measure", OF_LOGITS.values())
def test_half_precision_is_widened_first(measure: Any) -> None:
    logits = softmax_logits().half()
    assert torch.equal(measure(logits), measure(logits.double()))


def test_an_image_s_detections_are_added_averaged_or_the_largest_taken() -> None:
    values, image = torch.tensor([1.0, 3.0, 5.0]).double(), torch.tensor([0, 2, 2])
    assert image_uncertainty(values, image, 4, "sum").tolist() == [1, 0, 8, 0]
    assert image_uncertainty(values, image, 4, "mean").tolist() == [1, 0, 4, 0]
    assert image_uncertainty(values, image, 4, "max").tolist() == [1, 0, 5, 0]


@pytest.mark.parametrize("reduction", ["sum", "mean", "max"])
@pytest.mark.parametrize("number", [0, 3])
def test_images_without_detections_have_none(reduction: Any, number: int) -> None:
    values = torch.empty(0, dtype=torch.float64)
    assert image_uncertainty(values, torch.empty(0).long(), number, reduction).tolist() == [0] * number
