"""Hardness from the detector's scores: against every possible truth of small images, and against recorded estimates."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hardest_metrics.calibration import Calibration
from hardest_metrics.data import read_coco_annotations, read_hardest_detections
from hardest_metrics.functional import (
    Batch,
    PseudoGroundTruth,
    Query,
    ScoreSampler,
    by_matching,
    error_sums,
    expected_moments,
    no_labels,
    own_detection,
    pack,
    sampled_moments,
)
from hardest_metrics.functional.detection import estimation
from hardest_metrics.functional.detection.weighting import WEIGHTINGS
from tests.scenes import BIG_ID, Image, detected

NAMES: Any = tuple(WEIGHTINGS)

QUERIES = [
    Query(),
    Query(score_threshold=0.3, labels=[1]),
    Query(score_threshold=0.7, iou_threshold=0.3, area_range=(100, 900)),
    Query(score_threshold=0.2, max_detections=1),
    Query(score_threshold=0.4, labels=[2, 3], area_range=(0, 600), max_detections=2),
    Query(score_threshold=0.0),
]


class Squared(Calibration):
    """A calibration."""

    settings = "squared()"

    def __call__(self, scores: Tensor) -> Tensor:
        return scores.double().square()


class EverySubset:
    """A model of the truth: sample number `s` holds the detections of each image whose bits are set in `s`."""

    settings = "every_subset()"

    def __call__(self, batch: Batch, samples: Tensor) -> PseudoGroundTruth:
        boxes = batch.detections
        place = torch.arange(len(boxes)) - torch.searchsorted(boxes.image, boxes.image)
        sample, source = ((samples[:, None] >> place) & 1).nonzero().unbind(1)
        kept = boxes.take(source)
        return PseudoGroundTruth(sample, kept.image, kept.xywh, kept.labels, source)


def crowded(most: int, seed: int, number: int = 6) -> list[Image]:
    """Images of few boxes that overlap a lot, also within a label, some without area, some with scores of 0 and 1."""
    rng = torch.Generator().manual_seed(seed)
    images: list[Image] = []
    for index in range(number):
        n = int(torch.randint(0, most + 1, (), generator=rng))
        corner = torch.randint(0, 4, (n, 2), generator=rng) * 5.0
        size = torch.tensor([0.0, 10, 20, 20, 30, 40])[torch.randint(0, 6, (n, 2), generator=rng)]
        scores = torch.rand(n, generator=rng)
        if index % 2:
            scores = (scores * 5).round() / 5
        labels = torch.randint(1, 4, (n,), generator=rng)
        images.append({
            "boxes": torch.cat((corner, corner + size), 1), "scores": scores, "labels": labels,
            "image_id": BIG_ID + index, "image_size": (60, 50 + index),
        })  # fmt: skip
    return images


def draws(n: int) -> Tensor:
    """``(2**n, n)`` bool, every combination."""
    return torch.tensor(list(itertools.product([False, True], repeat=n)), dtype=torch.bool).reshape(2**n, n)


def moments(values: Tensor, weights: Tensor) -> Tensor:
    """``(3, 2)`` mean and standard deviation of ``(S, 2)`` false positives and false negatives, and of their sum."""
    values = torch.cat((values, values.sum(1, keepdim=True)), 1)
    mean = (weights[:, None] * values).sum(0)
    return torch.stack((mean, (weights[:, None] * (values - mean).square()).sum(0).sqrt()), 1)


def without_association(image: Image, query: Query, weighting: str, probabilities: Tensor) -> Tensor:
    """What :func:`expected_moments` promises, of every combination of draws, box by box."""
    boxes, labels, scores = image["boxes"].double().tolist(), image["labels"].tolist(), image["scores"].tolist()
    area_range: Any = query.area_range or (0, math.inf)
    low, high = area_range
    area: list[float] = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in boxes]
    counted = [query.labels is None or label in query.labels for label in labels]
    best_first = sorted(range(len(boxes)), key=lambda i: -scores[i])
    takes_part: list[int] = []
    for i in best_first:
        same = [j for j in takes_part if labels[j] == labels[i]]
        if image["scores"][i] >= query.score_threshold and counted[i] and len(same) < query.max_detections:
            takes_part.append(i)
    height, width = image["image_size"]
    image_area: float = height * width
    inside = [i for i in range(len(boxes)) if counted[i] and low <= area[i] <= high]
    results: list[list[float]] = []
    for drawn in draws(len(boxes)).tolist():
        positives = [i for i in inside if i in takes_part and drawn[i]]
        wrong = [i for i in inside if i in takes_part and not drawn[i]]
        missed = [i for i in inside if i not in takes_part and drawn[i]]

        def weight(i: int, positives: list[int] = positives) -> float:
            if weighting == "none":
                return 1
            if weighting == "pixel":
                return area[i] / image_area
            shared = 0.0
            for j in positives:
                width = min(boxes[i][2], boxes[j][2]) - max(boxes[i][0], boxes[j][0])
                height = min(boxes[i][3], boxes[j][3]) - max(boxes[i][1], boxes[j][1])
                shared += max(width, 0) * max(height, 0)
            return float(shared / area[i]) if area[i] else 0

        results.append([sum(map(weight, wrong)), sum(map(weight, missed))])
    p = probabilities.double()
    weights = torch.where(draws(len(boxes)), p, 1 - p).prod(1)
    return moments(torch.tensor(results, dtype=torch.float64), weights)


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
@pytest.mark.parametrize("weighting", NAMES)
def test_expected_moments_are_those_of_all_combinations_of_draws(weighting: Any, query: Query) -> None:
    images = crowded(6, seed=1, number=12)
    batch = pack(images, no_labels(len(images)))
    expected = torch.stack([without_association(image, query, weighting, image["scores"]) for image in images])
    assert expected[:, 2].amax(0).amin() > 0
    torch.testing.assert_close(expected_moments(batch, query, weighting), expected, atol=1e-7, rtol=0)


@pytest.mark.parametrize("weighting", NAMES)
def test_calibration_gives_probabilities_and_leaves_the_threshold_to_scores(weighting: Any) -> None:
    images = crowded(6, seed=2)
    batch = pack(images, no_labels(len(images)))
    expected = torch.stack(
        [without_association(image, Query(), weighting, image["scores"].double().square()) for image in images]
    )
    torch.testing.assert_close(expected_moments(batch, Query(), weighting, Squared()), expected, atol=1e-7, rtol=0)


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
@pytest.mark.parametrize("weighting", NAMES)
def test_samples_are_matched_like_labels(weighting: Any, query: Query) -> None:
    images = [image for image in crowded(5, seed=3, number=20) if len(image["labels"]) == 5]
    batch = pack(images, no_labels(len(images)))
    sampled = sampled_moments(batch, query, WEIGHTINGS[weighting], 2**5, EverySubset(), by_matching)
    for image, result in zip(images, sampled, strict=True):
        target = [
            {"boxes": image["boxes"][drawn], "labels": image["labels"][drawn], "image_size": image["image_size"]}
            for drawn in draws(5)
        ]
        sums = error_sums(pack([image] * 2**5, target), query, [WEIGHTINGS[weighting]]).squeeze(2).double()
        expected = moments(sums, torch.full((2**5,), 2.0**-5, dtype=torch.float64))
        torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
@pytest.mark.parametrize("weighting", NAMES)
def test_samples_without_association_are_those_of_the_closed_form(weighting: Any, query: Query) -> None:
    images = [image for image in crowded(5, seed=4, number=20) if len(image["labels"]) == 5]
    batch = pack(images, no_labels(len(images)))
    sampled = sampled_moments(batch, query, WEIGHTINGS[weighting], 2**5, EverySubset(), own_detection)
    half = torch.full((5,), 0.5)
    expected = torch.stack([without_association(image, query, weighting, half) for image in images])
    torch.testing.assert_close(sampled, expected, atol=1e-7, rtol=0)


@pytest.mark.parametrize("weighting", NAMES)
def test_many_samples_without_association_come_near_the_closed_form(weighting: Any) -> None:
    images = crowded(8, seed=5, number=10)
    batch = pack(images, no_labels(len(images)))
    query, number = Query(score_threshold=0.4), 4000
    sampled = sampled_moments(batch, query, WEIGHTINGS[weighting], number, ScoreSampler(), own_detection)
    expected = expected_moments(batch, query, weighting)
    error = expected[..., 1] / math.sqrt(number)
    assert ((sampled[..., 0] - expected[..., 0]).abs() <= 4 * error + 1e-7).all()
    torch.testing.assert_close(sampled[..., 1], expected[..., 1], atol=1e-6, rtol=0.15)


def test_a_duplicate_that_was_not_drawn_takes_the_object_of_another() -> None:
    # both overlap each other by 0.9: whichever is real, the stronger detection finds it
    image = detected((0, 0, 10, 10), (0, 0, 9, 10), score=0.8)
    batch = pack([image], no_labels(1))
    matched = sampled_moments(batch, Query(), WEIGHTINGS["none"], 4, EverySubset(), by_matching)
    assert matched[0, :, 0].tolist() == [1.0, 0.0, 1.0]
    alone = sampled_moments(batch, Query(score_threshold=0.9), WEIGHTINGS["none"], 4, EverySubset(), by_matching)
    assert alone[0, :, 0].tolist() == [0.0, 1.0, 1.0]


# A user's own model of the truth


class Elsewhere:
    """A model of the truth that holds one object of a label that nobody detects, in every second image."""

    settings = "elsewhere()"

    def __call__(self, batch: Batch, samples: Tensor) -> PseudoGroundTruth:
        image = torch.arange(0, len(batch), 2).repeat(len(samples))
        sample = torch.arange(len(samples)).repeat_interleave(len(image) // len(samples))
        xywh = torch.tensor([[1.0, 2, 10, 10]], dtype=torch.float64).expand(len(image), 4)
        return PseudoGroundTruth(sample, image, xywh, torch.full_like(image, 77), torch.full_like(image, -1))


@pytest.mark.parametrize("associate", [by_matching, own_detection])
def test_objects_may_be_of_any_place_and_label(associate: Any) -> None:
    batch = pack([detected((0, 0, 10, 10)), detected(), detected()], no_labels(3))
    sampled = sampled_moments(batch, Query(), WEIGHTINGS["none"], 3, Elsewhere(), associate)
    assert sampled[:, :2, 0].tolist() == [[1, 1], [0, 0], [0, 1]]
    assert (sampled[..., 1] == 0).all()


class Swapped(ScoreSampler):
    """A model of the truth in which every detection's label is wrong."""

    def __call__(self, batch: Batch, samples: Tensor) -> PseudoGroundTruth:
        objects = super().__call__(batch, samples)
        return objects._replace(labels=3 - objects.labels)


def test_an_object_may_have_another_label_than_the_detection_it_came_from() -> None:
    image = detected((0, 0, 10, 10), score=1.0)
    both = [image, {**image, "labels": torch.tensor([2])}]
    sampled = sampled_moments(pack(both, no_labels(2)), Query(), WEIGHTINGS["none"], 2, Swapped())
    assert sampled[:, :, 0].tolist() == [[1, 1, 2]] * 2


# Draws


def drawn_of(images: list[Image], seed: int = 0, number: int = 50) -> dict[int, set[tuple[int, int]]]:
    """Which box of which image is in which sample, by image id."""
    batch = pack(images, no_labels(len(images)))
    objects = ScoreSampler(seed)(batch, torch.arange(number))
    first = torch.searchsorted(batch.detections.image, objects.image)
    found: dict[int, set[tuple[int, int]]] = {image["image_id"]: set() for image in images}
    for sample, image, place in zip(
        objects.sample.tolist(), objects.image.tolist(), (objects.source - first).tolist(), strict=True
    ):
        found[images[image]["image_id"]].add((sample, place))
    return found


def test_draws_depend_on_seed_image_sample_and_place_only() -> None:
    images = crowded(8, seed=6, number=9)
    together = drawn_of(images)
    assert together == drawn_of(images[::-1])
    assert together == {key: value for image in images for key, value in drawn_of([image]).items()}
    assert together != drawn_of(images, seed=1)
    assert {key: {(s, p) for s, p in value if s < 20} for key, value in together.items()} == drawn_of(images, 0, 20)


def test_working_on_few_samples_at_a_time_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = crowded(8, seed=7)
    batch = pack(images, no_labels(len(images)))
    at_once = sampled_moments(batch, Query(), WEIGHTINGS["overlap"], 20, ScoreSampler())
    monkeypatch.setattr(estimation, "_BOXES_AT_ONCE", 3 * len(batch.detections))
    torch.testing.assert_close(
        sampled_moments(batch, Query(), WEIGHTINGS["overlap"], 20, ScoreSampler()), at_once, atol=1e-9, rtol=0
    )


def test_draws_are_uniform_and_unrelated() -> None:
    number = 4096
    axis, least = torch.arange(number), 4 / math.sqrt(number)
    columns = [
        estimation.hash_of(0, 0, 0, axis),
        estimation.hash_of(0, 0, axis, 0),
        estimation.hash_of(0, axis, 0, 0),
        estimation.hash_of(axis, 0, 0, 0),
        estimation.hash_of(0, 0, 1, axis),
        estimation.hash_of(0, 1, 0, axis),
        estimation.hash_of(1, 0, 0, axis),
        estimation.hash_of(0, axis + (1 << 32), 0, 0),
        estimation.hash_of(0, -1 - axis, 0, 0),
    ]
    columns = [column.double() / 2**32 for column in columns]
    for values in columns:
        assert values.min() >= 0
        assert values.max() < 1
        counts = (values * 16).long().bincount(minlength=16)
        assert ((counts - number / 16).square() / (number / 16)).sum() < 45  # chi-square of 15: p = 1e-4
        assert torch.corrcoef(torch.stack((values[1:], values[:-1])))[0, 1].abs() < least
    off_diagonal = torch.corrcoef(torch.stack(columns)) - torch.eye(len(columns))
    assert off_diagonal.abs().max() < least


def test_boxes_are_drawn_as_often_as_they_score_and_independently() -> None:
    scores = torch.linspace(0, 1, 21)
    image = {"boxes": torch.rand(21, 4).cumsum(1), "scores": scores, "labels": torch.ones(21).long()}
    number = 10_000
    objects = ScoreSampler()(pack([image], no_labels(1)), torch.arange(number))
    drawn = torch.zeros(number, 21, dtype=torch.float64)
    drawn[objects.sample, objects.source] = 1
    error = (scores * (1 - scores) / number).sqrt()
    assert ((drawn.mean(0) - scores).abs() <= 4 * error).all()  # exactly never at 0 and always at 1
    related = torch.corrcoef(drawn[:, 1:-1].T) - torch.eye(19)
    assert related.abs().max() < 4 / math.sqrt(number)


# Extremes


def test_certain_detections_have_moments_without_spread() -> None:
    image = {**detected((0, 0, 10, 10), (0, 0, 10, 20), score=1.0), "image_size": (100, 100)}
    none_of_it = {**image, "scores": torch.zeros(2)}
    batch = pack([image, none_of_it], no_labels(2))
    for weighting in NAMES:
        moments = expected_moments(batch, Query(), weighting)
        assert (moments == 0).all()
        assert (moments == sampled_moments(batch, Query(), WEIGHTINGS[weighting], 3, ScoreSampler())).all()


@pytest.mark.parametrize("images", [[], [{**detected(), "image_size": (9, 9)}] * 2])
def test_images_without_detections_are_easy(images: list[Image]) -> None:
    batch = pack(images, no_labels(len(images)))
    for weighting in NAMES:
        for associate in (by_matching, own_detection):
            sampled = sampled_moments(batch, Query(), WEIGHTINGS[weighting], 5, ScoreSampler(), associate)
            assert sampled.tolist() == torch.zeros(len(images), 3, 2).tolist()
        assert expected_moments(batch, Query(), weighting).tolist() == torch.zeros(len(images), 3, 2).tolist()


@pytest.mark.parametrize("number", [0, -1, 1.5, True, None])
def test_less_than_one_sample_is_refused(number: Any) -> None:
    with pytest.raises(ValueError, match="`n_samples` must be an integer of at least 1, but is "):
        sampled_moments(pack([], []), Query(), WEIGHTINGS["none"], number, ScoreSampler())


# Recorded estimates of a real detector


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> tuple[Batch, dict[str, Any]]:
    folder = shared_data / "voc100"
    annotations = read_coco_annotations(folder / "instances.json")
    preds = read_hardest_detections(folder / "fastestdet_torchvision.json.gz", annotations)
    references = json.loads((folder / "reference_fastestdet.json").read_text())
    assert references["image_ids"] == annotations.image_ids
    return pack(preds, no_labels(len(preds)), "xywh"), references


def agree(mean: Tensor, error: Tensor, reference: dict[str, Any]) -> None:
    """98 % of images within 4 combined standard errors, and no bias."""
    difference = mean - torch.tensor(reference["mean"])
    combined = (error.square() + torch.tensor(reference["standard_error"]).square()).sqrt()
    assert (difference.abs() <= 4 * combined + 1e-6).double().mean() >= 0.98
    z = (difference / combined)[combined > 1e-9]
    assert len(z) > 20
    assert z.mean().abs() < 0.3


@pytest.mark.parametrize("weighting", NAMES)
@pytest.mark.parametrize("name", ["score_sampling", "fast_score_sampling"])
def test_sampling_agrees_with_recorded_means(recorded: Any, name: str, weighting: Any) -> None:
    batch, references = recorded
    associate = {"score_sampling": by_matching, "fast_score_sampling": own_detection}[name]
    number = 400
    sampled = sampled_moments(batch, Query(), WEIGHTINGS[weighting], number, ScoreSampler(), associate)
    for column, kind in enumerate(("fp", "fn", "total_false")):
        mean, std = sampled[:, column].unbind(1)
        agree(mean, std / math.sqrt(number), references[name][f"{kind}/{weighting}"])


@pytest.mark.parametrize("weighting", NAMES)
def test_the_closed_form_agrees_with_recorded_means_of_many_samples(recorded: Any, weighting: Any) -> None:
    batch, references = recorded
    expected = expected_moments(batch, Query(), weighting)
    for column, kind in enumerate(("fp", "fn", "total_false")):
        mean = expected[:, column, 0]
        agree(mean, torch.zeros_like(mean), references["fast_score_sampling"][f"{kind}/{weighting}"])
