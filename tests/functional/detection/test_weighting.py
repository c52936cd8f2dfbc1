"""What an error weighs, against the slow and obvious way to say it."""

from typing import Any

import pytest
import torch

from hardest_metrics.functional import (
    Batch,
    Matches,
    Outcome,
    Query,
    errors_of,
    match,
    none,
    overlap,
    pack,
    pixel,
)
from hardest_metrics.functional.detection import geometry
from tests.scenes import Scenery, detected, labelled


def _obvious_weights(batch: Batch, matches: Matches, weighting: str) -> list[float]:
    """The weight of every false positive, then of every false negative, box by box."""
    found, objects = batch.detections, batch.ground_truth
    finders = [
        (image, corners)
        for image, corners, fate in zip(
            found.image.tolist(), found.xyxy.tolist(), matches.detections.tolist(), strict=True
        )
        if fate == Outcome.TRUE_POSITIVE
    ]
    sizes = batch.image_sizes.tolist()
    weights = []
    for side, fates, wrong in (
        (found, matches.detections, Outcome.FALSE_POSITIVE),
        (objects, matches.ground_truth, Outcome.FALSE_NEGATIVE),
    ):
        columns = side.image.tolist(), side.xywh.tolist(), fates.tolist()
        for image, (left, top, width, height), fate in zip(*columns, strict=True):
            if fate != wrong:
                continue
            if weighting == "none":
                weights.append(1.0)
            elif weighting == "pixel":
                image_height, image_width = sizes[image]
                weights.append(width * height / (image_height * image_width))
            else:
                right, bottom, covered = left + width, top + height, 0.0
                for finder_image, (x1, y1, x2, y2) in finders:
                    if finder_image == image:
                        across = max(min(right, x2) - max(left, x1), 0)
                        covered += across * max(min(bottom, y2) - max(top, y1), 0)
                area = width * height
                weights.append(covered / area if area else 0.0)
    return weights


@pytest.mark.parametrize("weighting", [none, pixel, overlap])
@pytest.mark.parametrize(
    "query",
    [
        Query(),
        Query(score_threshold=0.1, iou_threshold=0.3, area_range=(50, 2000)),
        Query(labels=[2], max_detections=5),
    ],
)
def test_every_error_weighs_what_it_obviously_should(weighting: Any, query: Query) -> None:
    batch = pack(*Scenery().draw(40, seed=0))
    matches = match(batch.detections, batch.ground_truth, query)
    weights = weighting(*errors_of(batch, matches))
    expected = torch.tensor(_obvious_weights(batch, matches, weighting.__name__)).double()
    assert len(expected) > 50
    torch.testing.assert_close(weights, expected, rtol=1e-6, atol=1e-6)


def test_errors_are_the_false_positives_and_then_the_false_negatives() -> None:
    batch = pack(*Scenery().draw(60, seed=1))
    matches = match(batch.detections, batch.ground_truth, Query())
    errors, finders = errors_of(batch, matches)
    wrong = matches.detections == Outcome.FALSE_POSITIVE
    missed = matches.ground_truth == Outcome.FALSE_NEGATIVE
    split = int(wrong.sum())
    assert errors.missed.tolist() == [False] * split + [True] * int(missed.sum())
    assert torch.equal(errors.xywh[:split], batch.detections.xywh[wrong])
    assert torch.equal(errors.xyxy[split:], batch.ground_truth.xyxy[missed])
    assert torch.equal(errors.scores[:split], batch.detections.scores[wrong])
    assert torch.equal(errors.labels[split:], batch.ground_truth.labels[missed])
    assert errors.scores[split:].isnan().all()
    assert torch.equal(errors.image_size, batch.image_sizes[errors.image])
    found = matches.detections == Outcome.TRUE_POSITIVE
    assert len(finders) == int(found.sum())
    for column in ("xywh", "xyxy", "box_area", "labels", "image", "scores"):
        assert torch.equal(getattr(finders, column), getattr(batch.detections, column)[found]), column
    assert errors.num_images == finders.num_images == 60


@pytest.mark.parametrize("at_once", [1, 20])
def test_how_many_pairs_are_looked_at_at_once_does_not_matter(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = pack(*Scenery().draw(20, seed=2))
    errors, finders = errors_of(batch, match(batch.detections, batch.ground_truth, Query()))
    whole = overlap(errors, finders)
    assert whole.max() > 0
    monkeypatch.setattr(geometry, "_PAIRS_AT_ONCE", at_once)
    torch.testing.assert_close(overlap(errors, finders), whole)


def _weights(weighting: Any, preds: Any, target: Any, **query: Any) -> list[float]:
    batch = pack([preds], [target])
    matches = match(batch.detections, batch.ground_truth, Query(**query))
    weights: list[float] = weighting(*errors_of(batch, matches)).tolist()
    return weights


def test_true_positives_of_any_label_cover_an_error() -> None:
    finder, wrong = (0, 0, 10, 10), (5, 0, 15, 10)
    preds = detected(finder, wrong)
    preds["labels"] = torch.tensor([1, 2])
    assert _weights(overlap, preds, labelled(finder)) == [0.5]


def test_a_missed_object_is_covered_by_the_true_positives_on_it() -> None:
    finder, missed = (0, 0, 10, 10), (0, 0, 10, 40)
    assert _weights(overlap, detected(finder), labelled(finder, missed)) == [0.25]


def test_a_box_smaller_than_a_pixel_is_covered_by_its_share() -> None:
    finder, tiny = (0, 0, 10, 10), (9.75, 1, 10.25, 1.5)
    assert _weights(overlap, detected(finder, tiny), labelled(finder)) == [0.5]


def test_cover_adds_up_beyond_one() -> None:
    finder = (0, 0, 10, 10)
    preds = detected(finder, finder, (2, 2, 4, 4))
    assert _weights(overlap, preds, labelled(finder, finder)) == [2.0]


@pytest.mark.parametrize("ignored", [{"iscrowd": torch.tensor([1])}, {"area": torch.tensor([1e9])}])
def test_ignored_detections_cover_nothing(ignored: dict[str, Any]) -> None:
    on_ignored = (0, 0, 10, 10)
    target = labelled(on_ignored, **ignored)
    preds = detected(on_ignored, (0, 0, 10, 40))
    assert _weights(overlap, preds, target, area_range=(0, 1e6)) == [0.0]


def test_false_positives_cover_nothing() -> None:
    assert _weights(overlap, detected((0, 0, 10, 10), (0, 0, 10, 10)), labelled()) == [0.0, 0.0]


def test_true_positives_of_other_images_cover_nothing() -> None:
    finder = (0, 0, 10, 10)
    batch = pack([detected(finder), detected(finder)], [labelled(finder), labelled()])
    matches = match(batch.detections, batch.ground_truth, Query())
    assert overlap(*errors_of(batch, matches)).tolist() == [0.0]


def test_an_empty_box_weighs_nothing_but_one_error() -> None:
    finder, empty = (0, 0, 10, 10), (5, 5, 5, 9)
    preds, target = detected(finder, empty), labelled(finder, image_size=(100, 100))
    weights = [_weights(weighting, preds, target) for weighting in (none, pixel, overlap)]
    assert weights == [[1.0], [0.0], [0.0]]


def test_a_box_larger_than_its_image_weighs_more_than_one() -> None:
    target = labelled((0, 0, 30, 20), image_size=(10, 20))
    assert _weights(pixel, detected(), target) == [3.0]


def test_the_share_of_an_image_of_unknown_size_is_unknown() -> None:
    (weight,) = _weights(pixel, detected((0, 0, 1, 1)), labelled())
    assert weight != weight
