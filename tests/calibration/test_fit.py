"""Calibrations learnt from labelled detections."""

import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from hardest_metrics import TotalFalse
from hardest_metrics.calibration import Isotonic, Method, Platt, fit_calibration, right_or_wrong
from hardest_metrics.data import read_coco_annotations, read_hardest_detections
from hardest_metrics.detection import ExpectedHardness
from hardest_metrics.functional import Query
from tests.scenes import Batch, Image, detected, labelled

METHODS: Any = get_args(Method)


def detector(probability: Any, images: int = 60, boxes: int = 50, seed: int = 0) -> Batch:
    """Images in which detections, none overlapping another, are right with the given probability of their score."""
    rng = torch.Generator().manual_seed(seed)
    corner = 20.0 * torch.arange(boxes)
    xyxy = torch.stack((corner, 0 * corner, corner + 10, 0 * corner + 10), 1)
    preds, target = [], []
    for image_id in range(images):
        scores = torch.rand(boxes, generator=rng)
        right = torch.rand(boxes, generator=rng) < probability(scores)
        labels = torch.ones(boxes).long()
        preds.append({"boxes": xyxy, "scores": scores, "labels": labels})
        target.append({"boxes": xyxy[right], "labels": labels[right], "image_id": image_id})
    return preds, target


def judged(preds: list[Image], target: list[Image], **query: Any) -> list[tuple[float, bool]]:
    scores, right = right_or_wrong(preds, target, Query(**query))
    return [(round(score, 3), is_right) for score, is_right in zip(scores.tolist(), right.tolist(), strict=True)]


# What is right


def test_a_duplicate_is_wrong_although_its_score_is_below_the_threshold() -> None:
    preds = detected((0, 0, 10, 10), (0, 0, 10, 10))
    preds["scores"] = torch.tensor([0.2, 0.1])
    assert judged([preds], [labelled((0, 0, 10, 10))], score_threshold=0.9) == [(0.2, True), (0.1, False)]


def test_all_detections_are_judged_however_many() -> None:
    preds = detected(*[(0, 0, 10, 10)] * 120)
    assert judged([preds], [labelled((0, 0, 10, 10))], max_detections=1) == [(0.9, True)] + [(0.9, False)] * 119


def test_the_iou_threshold_decides_what_is_right() -> None:
    preds, target = [detected((0, 0, 10, 8))], [labelled((0, 0, 10, 10))]
    assert judged(preds, target, iou_threshold=0.75) == [(0.9, True)]
    assert judged(preds, target, iou_threshold=0.85) == [(0.9, False)]


def test_what_the_query_ignores_is_left_out() -> None:
    boxes = (0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 140, 100)
    preds = detected(*boxes)
    preds |= {"labels": torch.tensor([1, 2, 1]), "scores": torch.tensor([0.7, 0.8, 0.9])}
    target = labelled(boxes[0])
    assert judged([preds], [target]) == [(0.7, True), (0.8, False), (0.9, False)]
    assert judged([preds], [target], labels=[2]) == [(0.8, False)]
    assert judged([preds], [target], area_range="small") == [(0.7, True), (0.8, False)]
    target["iscrowd"] = torch.tensor([1])
    assert judged([preds], [target]) == [(0.8, False), (0.9, False)]


# What is learnt


@pytest.mark.parametrize("method", METHODS)
def test_a_calibrated_detector_stays_as_it_is(method: Any) -> None:
    curve = fit_calibration(*detector(lambda scores: scores), method)
    scores = torch.linspace(0.05, 0.95, 19)
    assert (curve(scores) - scores).abs().max() < 0.1


def test_platt_s_curve_is_found_again() -> None:
    truth = Platt(0.6, -1.2)
    curve = fit_calibration(*detector(truth), "platt")
    assert isinstance(curve, Platt)
    assert curve.slope == pytest.approx(0.6, abs=0.1)
    assert curve.offset == pytest.approx(-1.2, abs=0.15)


def test_temperature_keeps_one_half() -> None:
    curve = fit_calibration(*detector(Platt(0.4)), "temperature")
    assert isinstance(curve, Platt)
    assert curve.slope == pytest.approx(0.4, abs=0.1)
    assert curve.offset == 0
    assert curve(torch.tensor([0.5])).item() == 0.5


def test_any_rising_curve_is_found_again_by_isotonic_regression() -> None:
    def steps(scores: Tensor) -> Tensor:
        return 0.1 + 0.7 * (scores > 0.5)

    curve = fit_calibration(*detector(steps, images=100), "isotonic")
    assert isinstance(curve, Isotonic)
    found = curve(torch.tensor([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9]))
    torch.testing.assert_close(found, torch.tensor([0.1] * 4 + [0.8] * 4).double(), atol=0.08, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_a_detector_whose_better_scores_are_worse_gets_a_level_curve(method: Any) -> None:
    curve = fit_calibration(*detector(lambda scores: 0.6 - 0.5 * scores), method)
    probabilities = curve(torch.linspace(0, 1, 11))
    assert (probabilities.diff() >= 0).all()
    assert probabilities[8] - probabilities[2] < 0.02
    if method != "temperature":
        assert probabilities[5].item() == pytest.approx(0.35, abs=0.03)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["all right", "separable", "one"])
def test_one_sided_examples_make_a_sound_curve(method: Any, kind: str) -> None:
    probability = {"all right": lambda s: s + 1, "separable": lambda s: s > 0.5}
    preds, target = detector(probability.get(kind, lambda s: s + 1), images=1, boxes=1 if kind == "one" else 20)
    if kind == "separable":
        preds[0]["scores"] = torch.tensor([0.0, 1.0]).repeat(10)
        target[0] = {key: preds[0][key][1::2] for key in ("boxes", "labels")}
    probabilities = fit_calibration(preds, target, method)(torch.linspace(0, 1, 11))
    assert probabilities.isfinite().all()
    assert (probabilities.diff() >= 0).all()
    if method == "platt":
        assert 0 < probabilities[0] <= probabilities[-1] < 1  # few examples make no certainties


@pytest.mark.parametrize("method", METHODS)
def test_images_that_nobody_labelled_make_no_curve(method: Any) -> None:
    with pytest.raises(ValueError, match="none of its 20 detections that count finds an object"):
        fit_calibration(*detector(lambda scores: scores - 2, images=1, boxes=20), method)


@pytest.mark.parametrize("method", METHODS)
def test_order_and_batches_of_images_do_not_matter(method: Any) -> None:
    preds, target = detector(Platt(0.6, -1.2), images=10)
    curve = fit_calibration(preds, target, method)
    scores = torch.linspace(0, 1, 101)
    torch.testing.assert_close(
        fit_calibration(preds[::-1], target[::-1], method)(scores), curve(scores), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("method", METHODS)
def test_real_detections_can_be_calibrated_for_images_left_out(shared_data: Path, method: Any) -> None:
    annotations = read_coco_annotations(shared_data / "voc100" / "instances.json")
    preds = read_hardest_detections(shared_data / "voc100" / "fastestdet_torchvision.json.gz", annotations)
    curve = fit_calibration(preds[::2], annotations.target[::2], method, box_format="xywh")
    metrics = [ExpectedHardness(TotalFalse(box_format="xywh"), calibration) for calibration in (None, curve)]
    truth = TotalFalse(box_format="xywh", reduction="mean")
    truth.update(preds[1::2], annotations.target[1::2])
    errors = []
    for metric in metrics:
        metric.update(preds[1::2])
        ranking: Any = metric.compute()
        errors.append(abs(float(ranking.hardness.mean() - truth.compute())))
    assert errors[1] < errors[0] / 2


# What makes no sense


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`method` must be one of .*'platt'.*, but is 'magic'"):
        fit_calibration([], [], "magic")  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
def test_images_without_detections_teach_nothing(method: Any) -> None:
    with pytest.raises(ValueError, match="`preds` holds no detection that counts in its 2 images"):
        fit_calibration([detected()] * 2, [labelled((0, 0, 1, 1))] * 2, method)


def test_scores_outside_their_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`preds\[0\]\['scores'\]` holds 2.0"):
        fit_calibration([detected((0, 0, 1, 1), score=2.0)], [labelled((0, 0, 1, 1))])


def test_without_scikit_learn_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.isotonic", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "hardest_metrics\[calibration\]"'):
        fit_calibration(*detector(lambda scores: scores, images=1))
