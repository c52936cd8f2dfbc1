"""Committees: what other detectors see, as labels in turn or drawn from."""

import itertools
import pickle
from typing import Any

import pytest
import torch
from torchmetrics import MetricCollection

from hardest_metrics import FalseNegatives, FalsePositives, Ranking, TotalFalse
from hardest_metrics.calibration import Isotonic, Platt
from hardest_metrics.detection import BoxErrors, CommitteeHardness, ScoreSampling
from hardest_metrics.functional.detection.weighting import WEIGHTINGS
from tests.scenes import BIG_ID, Image, Scenery, detected

DEFINITIONS: tuple[type[BoxErrors], ...] = (FalsePositives, FalseNegatives, TotalFalse)
NINE = list(itertools.product(DEFINITIONS, WEIGHTINGS))

NEVER, ALWAYS = Platt(0.0, -99.0), Platt(0.0, 99.0)


def unlabelled(seed: int = 0, number: int = 12) -> list[Image]:
    """One detector's predictions, with ids and sizes."""
    preds, target = Scenery().draw(number, seed)
    return [
        {**pred, "image_id": image["image_id"], "image_size": image["image_size"]}
        for pred, image in zip(preds, target, strict=True)
    ]


def plain(images: list[Image]) -> list[Image]:
    """Predictions without ids and sizes."""
    return [{key: image[key] for key in ("boxes", "scores", "labels")} for image in images]


def ranking(metric: CommitteeHardness, *batches: tuple[list[Image], list[list[Image]]]) -> Ranking:
    for preds, members in batches:
        metric.update(preds, members=members)
    result = metric.compute()
    assert isinstance(result, Ranking)
    return result


def by_id(ranking: Ranking) -> dict[int, float]:
    return dict(zip(*(column.tolist() for column in ranking), strict=True))


def against(definition: BoxErrors, preds: list[Image], member: list[Image]) -> dict[int, float]:
    """Hardness where one member's confident detections are the labels."""
    target = []
    for pred, image in zip(preds, member, strict=True):
        sure = image["scores"] >= definition.query.score_threshold
        labels = {key: image[key][sure] for key in ("boxes", "labels")}
        target.append({**labels, "image_id": pred["image_id"], "image_size": pred["image_size"]})
    definition.update(preds, target)
    return by_id(definition.summary().ranking)


# The exact average


@pytest.mark.parametrize(("definition", "weighting"), NINE)
def test_hardness_is_the_average_over_members_as_labels(definition: Any, weighting: str) -> None:
    preds, *members = (unlabelled(seed) for seed in range(4))
    weights = [1.0, 0.0, 3.0]
    found = by_id(ranking(CommitteeHardness(definition(weighting), weights), (preds, [plain(m) for m in members])))
    one_by_one = [against(definition(weighting), preds, member) for member in members]
    expected = {i: (one_by_one[0][i] + 3 * one_by_one[2][i]) / 4 for i in found}
    assert found == pytest.approx(expected, rel=1e-5)
    assert sum(found.values()) > 0


def test_a_detector_agrees_with_itself() -> None:
    preds = [detected((0, 0, 9, 9), (20, 20, 29, 29), image_id=3)]
    assert ranking(CommitteeHardness(TotalFalse()), (preds, [plain(preds)])).hardness.tolist() == [0]


def test_deviation_and_bound_are_over_members() -> None:
    box, other = detected((0, 0, 9, 9)), detected((0, 0, 9, 9), label=2)
    preds = [{**box, "image_id": 3}]
    for statistic, c, expected in (("mean", 1.0, 1.0), ("std", 1.0, 1.0), ("bound", 1.0, 2.0), ("bound", -1.0, 0.0)):
        metric = CommitteeHardness(TotalFalse(), statistic=statistic, c=c)  # type: ignore[arg-type]
        assert ranking(metric, (preds, [[box], [other]])).hardness.tolist() == pytest.approx([expected])


# Samples


def test_samples_of_one_member_are_those_of_its_scores() -> None:
    preds, member = [detected(image_id=BIG_ID)], detected((0, 0, 9, 9), (20, 20, 29, 29), score=0.3)
    metric = CommitteeHardness(TotalFalse(), n_samples=4000)
    assert ranking(metric, (preds, [[member]])).hardness.tolist() == pytest.approx([0.6], abs=0.05)


def test_members_are_drawn_by_weight() -> None:
    sure = detected((0, 0, 9, 9), score=1.0)
    metric = CommitteeHardness(TotalFalse(), [3.0, 1.0], n_samples=4000)
    found = ranking(metric, ([detected(image_id=1)], [[sure], [detected()]]))
    assert found.hardness.tolist() == pytest.approx([0.75], abs=0.03)


@pytest.mark.parametrize("n_samples", [None, 5])
def test_an_image_gets_the_same_estimate_in_any_batch(n_samples: int | None) -> None:
    preds, first, second = (unlabelled(seed) for seed in range(3))
    at_once = ranking(CommitteeHardness(TotalFalse(), n_samples=n_samples), (preds, [first, second]))
    order = torch.randperm(len(preds)).tolist()
    batches = [
        ([preds[i] for i in part], [[member[i] for i in part] for member in (first, second)])
        for part in (order[:5], order[5:6], order[6:])
    ]
    assert ranking(CommitteeHardness(TotalFalse(), n_samples=n_samples), *batches) == at_once


def test_another_seed_draws_other_samples() -> None:
    preds, member = unlabelled(0), unlabelled(1)
    first, again, other = (
        ranking(CommitteeHardness(TotalFalse(), n_samples=5, seed=seed), (preds, [member])) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


# Calibrations


def test_each_member_has_its_own_calibration() -> None:
    preds = [detected(image_id=1)]
    members = [[detected((0, 0, 9, 9))], [detected((0, 0, 9, 9), (20, 20, 29, 29))]]
    for calibration, expected in (
        ([NEVER, NEVER], 0),
        ([ALWAYS, NEVER], 0.5),
        ([NEVER, ALWAYS], 1.0),
        ([ALWAYS, ALWAYS], 1.5),
        (ALWAYS, 1.5),
        ([ALWAYS, None], 0.5 + 0.9),
    ):
        metric = CommitteeHardness(TotalFalse(), n_samples=4000, calibration=calibration)
        assert ranking(metric, (preds, members)).hardness.tolist() == pytest.approx([expected], abs=0.05)


def test_one_calibration_for_all_is_that_calibration_for_each() -> None:
    preds, first, second = (unlabelled(seed) for seed in range(3))
    curve = Isotonic([0.2, 0.8], [0.0, 0.5])
    one, each = (
        ranking(CommitteeHardness(TotalFalse(), n_samples=5, calibration=c), (preds, [first, second]))
        for c in (curve, [curve, curve])
    )
    assert one == each


def test_other_calibrations_are_other_settings() -> None:
    calibrations: list[Any] = [None, NEVER, ALWAYS, [NEVER, ALWAYS], [ALWAYS, NEVER], [None, NEVER]]
    metrics = [CommitteeHardness(TotalFalse(), n_samples=5, calibration=c) for c in calibrations]
    assert len({metric.settings for metric in metrics}) == len(metrics)


# With others, and apart


def test_a_collection_passes_members_to_committees_alone() -> None:
    preds, member = unlabelled(0), unlabelled(1)
    metrics: Any = {"committee": CommitteeHardness(TotalFalse()), "scores": ScoreSampling(TotalFalse())}
    collection = MetricCollection(metrics)
    for batch in (slice(0, 5), slice(5, None)):
        collection.update(preds[batch], members=[member[batch]])
    found = collection.compute()
    assert found["committee"] == ranking(CommitteeHardness(TotalFalse()), (preds, [member]))
    alone = ScoreSampling(TotalFalse())
    alone.update(preds)
    assert found["scores"] == alone.compute()


def test_a_metric_survives_pickling() -> None:
    preds, member = unlabelled(0), unlabelled(1)
    metric = CommitteeHardness(TotalFalse(), n_samples=5, calibration=[NEVER])
    metric.update(preds[:4], members=[member[:4]])
    copy = pickle.loads(pickle.dumps(metric))
    for each in (metric, copy):
        each.update(preds[4:], members=[member[4:]])
    assert copy.compute() == metric.compute()


# What makes no sense


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": [1.0, -1.0]}, "`weights` must be finite, at least 0 and not all 0"),
        ({"weights": [0.0, 0.0]}, "`weights` must be finite, at least 0 and not all 0"),
        ({"weights": [float("nan")]}, "`weights` must be finite"),
        ({"n_samples": 0}, "`n_samples` must be an integer of at least 1"),
        ({"seed": 2**62}, "`seed` must be an integer between"),
        ({"calibration": NEVER}, "`calibration` gives probabilities to draw samples with: give `n_samples`"),
        (
            {"calibration": [NEVER], "n_samples": 5, "weights": [1.0, 1.0]},
            "`calibration` holds 1 calibrations, but `weights` 2 numbers",
        ),
        ({"statistic": "median"}, "`statistic` must be one of"),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused_at_once(settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CommitteeHardness(TotalFalse(), **settings)


@pytest.mark.parametrize(
    ("settings", "members", "message"),
    [
        ({}, [], "`members` must be a list with the predictions of each member"),
        ({}, [[detected()]], r"`members\[0\]` holds 1 images, but `preds` 2"),
        ({}, [[detected()] * 2, [detected()] * 3], r"`members\[1\]` holds 3 images, but `preds` 2"),
        ({"weights": [1.0]}, [[detected()] * 2] * 2, "`weights` holds 1 numbers, but there are 2 members"),
        (
            {"calibration": [NEVER], "n_samples": 5},
            [[detected()] * 2] * 2,
            "`calibration` holds 1 calibrations, but there are 2 members",
        ),
        ({}, [[detected(image_id=2), detected(image_id=1)]], r"`members\[0\]\[0\]` is of image 2, but `preds\[0\]` of"),
        (
            {},
            [[detected()] * 2, [detected(), detected((0, 0, 1, 1), score=1.5)]],
            r"`members\[1\]\[1\]\['scores'\]` holds .*: a score lies in \[0, 1\]",
        ),
    ],
)
def test_members_that_do_not_fit_are_refused_and_the_metric_is_as_it_was(
    settings: Any, members: Any, message: str
) -> None:
    metric = CommitteeHardness(TotalFalse(), **settings)
    with pytest.raises(ValueError, match=message):
        metric.update([detected(image_id=1), detected(image_id=2)], members=members)
    assert len(metric.summary().ranking.image_ids) == 0
