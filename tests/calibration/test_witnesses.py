"""Models of witnesses learnt from labelled images, and their files."""

import math
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from hardest_metrics.calibration import (
    Platt,
    Residuals,
    WitnessModel,
    fit_witness_model,
    read_calibration,
    read_residuals,
    read_witness_model,
    write_calibration,
    write_witness_model,
)
from hardest_metrics.functional import Query, match, no_labels, pack, propose
from hardest_metrics.functional.detection.residuals import Residual
from hardest_metrics.functional.detection.witnesses import log_odds
from hardest_metrics.input_warning import InputWarning
from tests.scenes import Image, Scenery, detected, labelled

TRUTH = WitnessModel(own=(0.8, 0.6, 0.4), alone=(0.9, -0.5))


def witnessed(images: int, seed: int = 0, boxes: int = 40) -> tuple[list[Image], list[Image], list[Image]]:
    """A detector, a witness that has half of its boxes and others, and labels by :data:`TRUTH`."""
    rng = torch.Generator().manual_seed(seed)
    corner = 20.0 * torch.arange(2 * boxes)
    xyxy = torch.stack((corner, 0 * corner, corner + 10, 0 * corner + 10), 1)
    preds, witness, target = [], [], []
    for _ in range(images):
        scores, said = torch.rand(2, 2 * boxes, generator=rng).double()
        own = torch.arange(2 * boxes) < boxes
        has = torch.rand(2 * boxes, generator=rng) < torch.where(own, 0.5, 1.0)
        odds = log_odds(torch.where(has, said, torch.tensor(0.02).double()))
        right = torch.rand(2 * boxes, generator=rng) < TRUTH.probabilities(scores, odds, own)
        labels = torch.ones(2 * boxes).long()
        preds.append({"boxes": xyxy[own], "scores": scores[own], "labels": labels[own]})
        witness.append({"boxes": xyxy[has], "scores": said[has], "labels": labels[has]})
        target.append({"boxes": xyxy[right], "labels": labels[right], "image_size": (10, 20)})
    return preds, witness, target


def test_the_model_that_made_the_labels_is_found_again() -> None:
    preds, witness, target = witnessed(60)
    model = fit_witness_model(preds, [witness], target)
    assert model.own == pytest.approx(TRUTH.own, abs=0.12)
    assert model.alone == pytest.approx(TRUTH.alone, abs=0.12)
    assert model.unseen["none"] == (0, 0)


def test_it_is_ridge_regression_by_newton() -> None:
    preds, witness, target = witnessed(12)
    model = fit_witness_model(preds, [witness], target)
    found = propose(pack(preds, target), [pack(witness, no_labels(12))], Query())
    boxes = found.batch.detections
    right = match(boxes, found.batch.ground_truth, Query().of_any_score()).detections == 0
    features = torch.stack((log_odds(boxes.scores), found.witness), 1)[found.own]
    y = right[found.own].double()
    scaled = (features - features.mean(0)) / features.std(0)
    design, penalty = torch.cat((scaled, torch.ones(len(y), 1)), 1), torch.tensor([1.0, 1.0, 0.0]).double()
    beta = torch.zeros(3).double()
    for _ in range(30):
        p = (design @ beta).sigmoid()
        curvature = (design.T * (p * (1 - p))) @ design + penalty.diag()
        beta += torch.linalg.solve(curvature, design.T @ (y - p) - penalty * beta)
    slopes = beta[:2] / features.std(0)
    expected = [*slopes.tolist(), float(beta[2] - slopes @ features.mean(0))]
    assert model.own == pytest.approx(expected, rel=1e-4)


def test_objects_that_nobody_proposes_are_counted_by_weighting() -> None:
    preds = [detected((0, 0, 10, 10), image_size=(100, 100))] * 20
    target = [labelled((0, 0, 10, 10), (0, 5, 10, 25))] * 10 + [labelled((0, 0, 10, 10))] * 10
    with pytest.warns(InputWarning, match="all of the detector's boxes are right"):
        model = fit_witness_model(preds, [[detected((0, 0, 10, 10))] * 20], target)
    assert {name: mean for name, (mean, _) in model.unseen.items()} == {
        "none": pytest.approx(0.5), "pixel": pytest.approx(0.01), "overlap": pytest.approx(0.125)
    }  # fmt: skip
    assert model.unseen["none"][1] == pytest.approx(5 / 19)


def test_pixels_are_unknown_of_images_without_size() -> None:
    preds, witness, target = witnessed(10)
    for image in target:
        del image["image_size"]
    assert set(fit_witness_model(preds, [witness], target).unseen) == {"none", "overlap"}


@pytest.mark.parametrize("box_format", ["xyxy", "xywh", "cxcywh"])
def test_the_format_of_boxes_makes_no_difference(box_format: Any) -> None:
    from torchvision.ops import box_convert

    images = [*Scenery(dtype=torch.float64).draw(20, 0), Scenery(dtype=torch.float64).draw(20, 1)[0]]
    preds, target, witness = (
        [{**image, "boxes": box_convert(image["boxes"], "xyxy", box_format)} for image in side] for side in images
    )
    expected = fit_witness_model(images[0], [images[2]], images[1])
    model = fit_witness_model(preds, [witness], target, box_format=box_format)
    assert model.own == pytest.approx(expected.own, rel=1e-6)
    assert model.alone == pytest.approx(expected.alone, rel=1e-6)


# Little to learn from


def numbers(model: WitnessModel) -> list[float]:
    return [*model.own, *model.alone, *(value for moments in model.unseen.values() for value in moments)]


def test_few_images_are_said_and_give_finite_numbers() -> None:
    preds, witness, target = witnessed(3)
    with pytest.warns(InputWarning, match="`preds`: 3 labelled images are few"):
        model = fit_witness_model(preds, [witness], target)
    assert all(map(math.isfinite, numbers(model)))
    with pytest.warns(InputWarning, match="are few"):
        assert all(map(math.isfinite, numbers(fit_witness_model(preds[:1], [witness[:1]], target[:1]))))


def test_a_witness_without_boxes_is_said_and_changes_no_order() -> None:
    preds, _, target = witnessed(20)
    with pytest.warns(InputWarning, match=r"`witnesses\[0\]` holds no box in 20 images"):
        model = fit_witness_model(preds, [[detected()] * 20], target)
    assert model.own[0] > 0
    assert model.own[1] == 0
    assert model.alone == WitnessModel().alone


def test_a_label_that_the_witness_never_has_is_said() -> None:
    preds, witness, target = witnessed(20)
    for image in witness:
        image["labels"] = image["labels"] + 1
    with pytest.warns(
        InputWarning, match=r"`witnesses\[0\]` never has a box of label 1, of which there are \d+ objects"
    ):
        model = fit_witness_model(preds, [witness], target)
    assert all(map(math.isfinite, numbers(model)))


def test_perfect_separation_makes_no_certainty() -> None:
    preds = [detected((0, 0, 9, 9), (20, 0, 29, 9)) | {"scores": torch.tensor([0.9, 0.2])}] * 20
    target = [labelled((0, 0, 9, 9))] * 20
    model = fit_witness_model(preds, [[detected((0, 0, 9, 9))] * 20], target)
    right = model.probabilities(torch.tensor([0.9, 0.2]), log_odds(torch.tensor([0.9, 0.02])), torch.ones(2).bool())
    assert all(map(math.isfinite, numbers(model)))
    assert 0.9 < right[0] < 0.999
    assert 0.001 < right[1] < 0.1


@pytest.mark.parametrize("right", [True, False])
def test_boxes_of_one_kind_give_a_constant(right: bool) -> None:
    preds, target = [detected((0, 0, 9, 9))] * 20, [labelled((0, 0, 9, 9) if right else (80, 0, 89, 9))] * 20
    with pytest.warns(InputWarning, match="`target`: all of" if right else "`target`: none of"):
        model = fit_witness_model(preds, [[detected((50, 0, 59, 9))] * 20], target)
    assert model.own[:2] == (0, 0)
    assert abs(model.own[2]) == pytest.approx(math.log(41))


def test_no_warning_where_there_is_enough() -> None:
    preds, witness, target = witnessed(10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_witness_model(preds, [witness], target)


def test_what_cannot_be_fitted_is_refused() -> None:
    preds, witness, target = witnessed(10)
    with pytest.raises(ValueError, match="`preds` holds no images"):
        fit_witness_model([], [[]], [])
    with pytest.raises(ValueError, match=r"`witnesses\[1\]` holds 9 images, but `preds` 10"):
        fit_witness_model(preds, [witness, witness[:9]], target)
    with pytest.raises(ValueError, match="`witnesses` must be a list"):
        fit_witness_model(preds, [], target)
    with pytest.raises(ValueError, match=r"`witnesses\[0\]\[2\]\['scores'\]"):
        fit_witness_model(
            preds, [[*witness[:2], {**witness[2], "scores": witness[2]["scores"] + 1}, *witness[3:]]], target
        )
    with pytest.raises(ValueError, match="`preds` holds no detection that counts in its 10 images"):
        fit_witness_model(preds, [witness], target, Query(labels=[7]))


# Files

MODEL = WitnessModel((0.1 + 0.2, 1 / 3, -1.0), (0.5, -2 / 3), {"none": (0.5, 1 / 7)})
RESIDUALS = Residuals("witness", "Query()", {"total_false/none": Residual((-1 / 3, 0.1 + 0.2), 0.5, -0.25, 1 / 7)})


@pytest.mark.parametrize("residuals", [None, RESIDUALS])
def test_a_model_is_read_back_exactly(residuals: Residuals | None, tmp_path: Path) -> None:
    path = tmp_path / "witnesses.json"
    write_witness_model(MODEL, path, residuals)
    assert read_witness_model(path) == MODEL
    assert read_residuals(path) == residuals


def test_residuals_lie_beside_a_calibration(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    write_calibration(Platt(0.5), path, RESIDUALS)
    assert read_calibration(path).settings == Platt(0.5).settings
    assert read_residuals(path) == RESIDUALS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "must be an object, but is a list"),
        ('{"calibration": "platt"}', "'witness_model' must be 1, but is None"),
        ('{"witness_model": 2}', "'witness_model' must be 1, but is 2"),
        ('{"witness_model": 1, "own": [1, 2, 3]}', "'unseen' must be an object, but is null"),
        ('{"witness_model": 1, "own": [1, "2", 3], "alone": [1, 2], "unseen": {}}', "'own' must be a list of numbers"),
        ('{"witness_model": 1, "own": [1, 2, 3], "unseen": {}}', "'alone' must be a list of numbers, but is None"),
        ('{"witness_model": 1, "own": [1, 2], "alone": [1, 2], "unseen": {}}', "`own` must hold 3 finite numbers"),
        ('{"witness_model": 1, "own": [1, 2, 3], "alone": [1, 2], "unseen": {"x": [1, 2]}}', "`unseen` must give"),
        ('{"witness_model": 1, "own": [1, 2, NaN], "alone": [1, 2], "unseen": {}}', "`own` must hold 3 finite"),
        ('{"witness_mod', "truncated"),
    ],
)
def test_what_is_no_model_is_refused_by_name(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"wrong.json: .*{message}"):
        read_witness_model(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "must be an object"),
        ('{"residuals": 3}', "'residuals' must hold an object 'by_definition', but is 3"),
        ('{"residuals": {"by_definition": {}, "query": "q"}}', "'estimator' of 'residuals' must be text"),
        ('{"residuals": {"by_definition": {"a": 1}, "query": "", "estimator": ""}}', "of 'a' must be an object"),
        (
            '{"residuals": {"by_definition": {"a": {"scaled": [1], "floor": "1"}}, "query": "", "estimator": ""}}',
            "of 'a': 'floor' must be a number, but is '1'",
        ),
        (
            '{"residuals": {"by_definition": {"a": {"scaled": [true], "floor": 1, "mean": 1, "deviation": 1}},'
            ' "query": "", "estimator": ""}}',
            "of 'a': 'scaled' must be a list of numbers",
        ),
        (
            '{"residuals": {"by_definition": {"a": {"scaled": [2, 1], "floor": 1, "mean": 1, "deviation": 1}},'
            ' "query": "", "estimator": ""}}',
            "of 'a': `scaled` must be finite and ascend",
        ),
    ],
)
def test_what_are_no_residuals_is_refused_by_name(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"wrong.json: .*{message}"):
        read_residuals(path)
