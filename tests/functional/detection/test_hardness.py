"""From boxes to the hardness of images."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from hardest_metrics.functional import (
    Errors,
    Outcome,
    Query,
    TruePositives,
    error_sums,
    errors_of,
    false_negatives,
    false_positives,
    match,
    none,
    overlap,
    pack,
    pixel,
    total_false,
)
from tests.scenes import BIG_ID, Scenery, detected, false_alarms, labelled

NAMES = ("none", "pixel", "overlap")


def test_an_image_s_hardness_is_the_sum_over_its_errors() -> None:
    batch = pack(*Scenery().draw(60, seed=0))
    query = Query(score_threshold=0.3)
    errors, finders = errors_of(batch, match(batch.detections, batch.ground_truth, query))
    sums = error_sums(batch, query, [none, pixel, overlap])
    assert sums.shape == (60, 2, 3)
    assert sums.dtype == torch.float32
    for column, weighting in enumerate((none, pixel, overlap)):
        weights = weighting(errors, finders).tolist()
        expected = [[0.0, 0.0] for _ in range(60)]
        for weight, image, missed in zip(weights, errors.image.tolist(), errors.missed.tolist(), strict=True):
            expected[image][missed] += weight
        torch.testing.assert_close(sums[:, :, column], torch.tensor(expected))


def test_unweighted_hardness_counts_errors() -> None:
    preds, target = Scenery().draw(60, seed=1)
    batch = pack(preds, target)
    matches = match(batch.detections, batch.ground_truth, Query())
    wrong = batch.detections.image[matches.detections == Outcome.FALSE_POSITIVE].bincount(minlength=60)
    missed = batch.ground_truth.image[matches.ground_truth == Outcome.FALSE_NEGATIVE].bincount(minlength=60)
    assert torch.equal(false_positives(preds, target), wrong.float())
    assert torch.equal(false_negatives(preds, target), missed.float())
    assert torch.equal(total_false(preds, target), (wrong + missed).float())


@pytest.mark.parametrize("weighting", NAMES)
def test_total_is_false_positives_plus_false_negatives(weighting: Any) -> None:
    preds, target = Scenery().draw(60, seed=2)
    settings: dict[str, Any] = {"weighting": weighting, "iou_threshold": 0.6, "labels": [1, 3]}
    parts = false_positives(preds, target, **settings) + false_negatives(preds, target, **settings)
    assert torch.equal(total_false(preds, target, **settings), parts)


@pytest.mark.parametrize("size", [1, 7])
def test_an_image_s_hardness_does_not_depend_on_its_batch(size: int) -> None:
    preds, target = Scenery().draw(60, seed=3)
    for weighting in NAMES:
        whole = total_false(preds, target, weighting)  # type: ignore[arg-type]
        pieces = [
            total_false(preds[start : start + size], target[start : start + size], weighting)  # type: ignore[arg-type]
            for start in range(0, 60, size)
        ]
        assert torch.equal(torch.cat(pieces), whole)


def test_the_hardness_of_no_images_is_empty() -> None:
    assert total_false([], []).shape == (0,)
    assert total_false([], [], "pixel").shape == (0,)


def test_an_image_without_boxes_is_not_hard() -> None:
    assert total_false([detected()], [labelled()]).tolist() == [0.0]


def test_labels_may_be_far_apart_where_no_box_takes_part() -> None:
    preds = detected((0, 0, 1, 1), (2, 2, 3, 3), score=0.1)
    preds["labels"] = torch.tensor([-(2**62), 2**62])
    assert total_false([preds], [labelled()]).tolist() == [0.0]


def by_score(errors: Errors, true_positives: TruePositives) -> Tensor:
    """A detection's score, 10 for a missed object."""
    return errors.scores.nan_to_num(10)


def test_a_user_s_weighting_weighs_each_error() -> None:
    preds, target = false_alarms(2, 0, 1)
    assert total_false(preds, target, by_score).tolist() == pytest.approx([11.8, 10, 10.9])
    assert false_positives(preds, target, by_score).tolist() == pytest.approx([1.8, 0, 0.9])


def test_a_user_s_weighting_may_be_an_object_that_has_no_hash() -> None:
    @dataclass
    class Times:
        factor: float

        def __call__(self, errors: Errors, true_positives: TruePositives) -> Tensor:
            assert len(true_positives) < len(errors), "given all detections"
            return self.factor * none(errors, true_positives)

    preds, target = false_alarms(2, 1)
    assert total_false(preds, target, Times(3.0)).tolist() == (3 * total_false(preds, target)).tolist()


@pytest.mark.parametrize("dtype", [torch.float16, torch.int64, torch.float64])
def test_a_user_s_weights_may_be_of_any_dtype(dtype: torch.dtype) -> None:
    preds, target = false_alarms(2, 0)
    weights = total_false(preds, target, lambda errors, _: torch.full((len(errors),), 2, dtype=dtype))
    assert weights.dtype == torch.float32
    assert weights.tolist() == [6, 2]


@pytest.mark.parametrize(
    ("weighting", "says"),
    [
        (lambda errors, _: torch.ones(len(errors) + 1), r"shape \(5,\).*shape \(6,\)"),
        (lambda errors, _: torch.ones(len(errors), 1), r"shape \(5,\).*shape \(5, 1\)"),
        (lambda errors, _: torch.tensor(1.0), r"shape \(5,\).*shape \(\)"),
        (lambda errors, _: [1.0] * len(errors), r"shape \(5,\).*list"),
        (lambda errors, _: None, r"shape \(5,\).*NoneType"),
        (lambda errors, _: -torch.ones(len(errors)), f"-1.0 for a box of image {BIG_ID}.*at least 0"),
        (lambda errors, _: errors.scores, f"nan for a box of image {BIG_ID}.*finite"),
        (lambda errors, _: torch.full((len(errors),), torch.inf), f"inf .*image {BIG_ID}.*finite"),
    ],
    ids=["too many", "columns", "one number", "list", "None", "negative", "NaN", "infinite"],
)
def test_a_weighting_that_makes_no_sense_is_refused_by_name(weighting: Any, says: str) -> None:
    with pytest.raises(ValueError, match=f"`weighting`.*lambda.*{says}"):
        total_false(*false_alarms(2, 1, first_id=BIG_ID), weighting)


def test_the_image_of_a_wrong_weight_is_named_by_position_where_it_has_no_id() -> None:
    def negative_in_second(errors: Errors, true_positives: TruePositives) -> Tensor:
        return 0.5 - errors.image

    with pytest.raises(ValueError, match=r"-0\.5 for a box of image 1 of the batch"):
        total_false(*false_alarms(1, 1, first_id=None), negative_in_second)


def test_an_unknown_weighting_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`weighting` must be one of.*pixel.*function, but is 'size'"):
        total_false([], [], "size")  # type: ignore[arg-type]


@pytest.mark.parametrize("function", [false_positives, false_negatives, total_false])
def test_pixel_weighting_needs_the_size_of_every_image(function: Any) -> None:
    preds, target = false_alarms(1, 0, first_id=BIG_ID)
    del target[1]["image_size"]
    with pytest.raises(ValueError, match=rf"image {BIG_ID + 1} has no size.*'image_size' \(height, width\)"):
        function(preds, target, "pixel")
    del target[1]["image_id"], target[0]["image_id"]
    with pytest.raises(ValueError, match=r"image 1 of the batch has no size"):
        function(preds, target, "pixel")
    assert function(preds, target, "overlap").shape == (2,)


@pytest.mark.parametrize("weighting", NAMES)
def test_boxes_of_a_model_in_training_have_a_hardness_too(weighting: Any) -> None:
    preds, target = false_alarms(1, 2)
    expected = total_false(preds, target, weighting)
    for image in preds:
        image["boxes"].requires_grad_()
        image["scores"].requires_grad_()
    assert torch.equal(total_false(preds, target, weighting).detach(), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_default_dtype_changes_nothing(dtype: torch.dtype) -> None:
    preds, target = Scenery().draw(30, seed=4)
    expected = [total_false(preds, target, weighting) for weighting in NAMES]  # type: ignore[arg-type]
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        found = [total_false(preds, target, weighting) for weighting in NAMES]  # type: ignore[arg-type]
    finally:
        torch.set_default_dtype(before)
    assert all(map(torch.equal, found, expected))


@pytest.mark.parametrize("preds_in", ["xyxy", "xywh", "cxcywh"])
def test_a_format_is_that_of_all_boxes(preds_in: Any) -> None:
    batch = Scenery(box_format=preds_in, dtype=torch.float64).draw(40, seed=5)
    same_boxes = Scenery(box_format="xywh", dtype=torch.float64).draw(40, seed=5)
    expected = total_false(*same_boxes, "pixel", "xywh")
    torch.testing.assert_close(total_false(*batch, "pixel", preds_in), expected)
