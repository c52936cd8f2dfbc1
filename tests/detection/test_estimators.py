"""Estimates of hardness as metrics: alone, together, in any batches and processes, and given what makes no sense."""

import functools
import itertools
import pickle
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection

from hardest_metrics import FalseNegatives, FalsePositives, Ranking, TotalFalse
from hardest_metrics.calibration import Calibration, Isotonic, Platt
from hardest_metrics.detection import BoxErrors, Estimator, ExpectedHardness, FastScoreSampling, ScoreSampling
from hardest_metrics.functional import (
    Batch,
    Errors,
    PseudoGroundTruth,
    Query,
    ScoreSampler,
    TruePositives,
    by_matching,
    expected_moments,
    no_labels,
    none,
    own_detection,
    pack,
    sampled_moments,
)
from hardest_metrics.functional.detection.weighting import WEIGHTINGS
from tests.scenes import BIG_ID, Image, Scenery, detected

DEFINITIONS: tuple[type[BoxErrors], ...] = (FalsePositives, FalseNegatives, TotalFalse)
NINE = list(itertools.product(DEFINITIONS, WEIGHTINGS))
SETTINGS: list[dict[str, Any]] = [
    {},
    {"score_threshold": 0.3, "iou_threshold": 0.75, "labels": [1, 2]},
    {"area_range": "medium", "max_detections": 3},
]
ESTIMATORS: dict[str, Callable[..., Estimator]] = {
    "sampling": functools.partial(ScoreSampling, n_samples=5),
    "fast": functools.partial(FastScoreSampling, n_samples=5),
    "expected": ExpectedHardness,
}


@functools.cache
def unlabelled(number: int = 24) -> list[Image]:
    """Images with ids and sizes, but no labels."""
    preds, target = Scenery().draw(number, seed=0)
    return [
        {**pred, "image_id": image["image_id"], "image_size": image["image_size"]}
        for pred, image in zip(preds, target, strict=True)
    ]


def ranking(metric: Estimator, *batches: list[Image]) -> Ranking:
    for batch in batches:
        metric.update(batch)
    result = metric.compute()
    assert isinstance(result, Ranking)
    return result


def nine(estimator: str, **settings: Any) -> dict[str, Any]:
    return {
        f"{definition.__name__}_{weighting}": ESTIMATORS[estimator](definition(weighting=weighting), **settings)
        for definition, weighting in NINE
    }


def ranked(column: Tensor, images: list[Image]) -> Ranking:
    return Ranking.of(torch.tensor([image["image_id"] for image in images]), column.float())


# Classes and functions


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_class_gives_what_its_function_gives(estimator: str, settings: dict[str, Any]) -> None:
    images = unlabelled()
    batch, query = pack(images, no_labels(len(images))), Query(**settings)
    for weighting, function in WEIGHTINGS.items():
        if estimator == "expected":
            moments = expected_moments(batch, query, weighting)
        else:
            associate = by_matching if estimator == "sampling" else own_detection
            moments = sampled_moments(batch, query, function, 5, ScoreSampler(), associate)
        assert moments.amax() > 0
        for column, definition in enumerate(DEFINITIONS):
            make = functools.partial(ESTIMATORS[estimator], definition(weighting=weighting, **settings))
            mean, std = moments[:, column].float().unbind(1)
            assert ranking(make(), images) == ranked(mean, images)
            assert ranking(make(statistic="std"), images) == ranked(std, images)
            assert ranking(make(statistic="bound"), images) == ranked(mean + std, images)
            assert ranking(make(statistic="bound", c=-2.0), images) == ranked(mean - 2 * std, images)


def test_overlapping_detections_of_a_label_make_matching_matter() -> None:
    images = unlabelled()
    assert ranking(ScoreSampling(TotalFalse()), images) != ranking(FastScoreSampling(TotalFalse()), images)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_an_estimate_can_be_reduced(estimator: str) -> None:
    images = unlabelled()
    hardness = ranking(ESTIMATORS[estimator](TotalFalse()), images).hardness.double()
    for reduction in ("mean", "sum", "max"):
        metric = ESTIMATORS[estimator](TotalFalse(), reduction=reduction)
        metric.update(images)
        torch.testing.assert_close(metric.compute(), getattr(hardness, reduction)().float())


def test_labels_are_not_looked_at() -> None:
    preds, target = Scenery().draw(8, seed=1)
    without = [
        {**pred, "image_id": image["image_id"], "image_size": image["image_size"]}
        for pred, image in zip(preds, target, strict=True)
    ]
    for make in ESTIMATORS.values():
        metric = make(TotalFalse(weighting="pixel"))
        metric.update(preds, target)
        assert metric.compute() == ranking(make(TotalFalse(weighting="pixel")), without)


def test_a_definition_stays_as_it_is() -> None:
    definition = TotalFalse()
    estimate = ScoreSampling(definition)
    estimate.update(unlabelled())
    assert not definition.image_ids
    definition.update(*Scenery().draw(3, seed=0))
    assert len(estimate.compute().image_ids) == len(unlabelled())


# A seed gives an image the same estimate, come what may


@pytest.mark.parametrize("estimator", ["sampling", "fast"])
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_estimates_do_not_depend_on_batches_or_order(estimator: str, weighting: Any) -> None:
    images = unlabelled()

    def make() -> Estimator:
        return ESTIMATORS[estimator](TotalFalse(weighting=weighting))

    expected = ranking(make(), images)
    assert ranking(make(), *([image] for image in images)) == expected
    assert ranking(make(), images[7:], images[:7]) == expected
    assert ranking(make(), images[::-1]) == expected


def test_another_seed_gives_other_samples() -> None:
    images = unlabelled()
    one, same, other = (ranking(ScoreSampling(TotalFalse(), 3, seed), images) for seed in (0, 0, 1))
    assert one == same
    assert one != other


def test_estimates_do_not_depend_on_the_number_of_processes() -> None:
    images = unlabelled()
    expected = ranking(ScoreSampling(TotalFalse(weighting="overlap")), images)
    for world_size in (2, 3):
        shards = [images[rank::world_size] for rank in range(world_size)]
        shards[-1] = [*shards[-1], images[0]]  # as a sampler pads
        alone = [ScoreSampling(TotalFalse(weighting="overlap")) for _ in shards]
        for metric, shard in zip(alone, shards, strict=True):
            metric.update(shard)
        settings = torch.tensor(list(alone[0].settings.encode()), dtype=torch.uint8)
        everyones = [[settings] * world_size, [m.image_ids[0] for m in alone], [m.moments[0] for m in alone]]
        gathered = iter(everyones)
        together = ScoreSampling(
            TotalFalse(weighting="overlap"),
            dist_sync_fn=lambda tensor, group=None, gathered=gathered: next(gathered),
            distributed_available_fn=lambda: True,
        )
        together.update(shards[0])
        assert together.compute() == expected


def test_images_without_ids_are_told_apart_by_their_place() -> None:
    images = [{key: value for key, value in image.items() if key != "image_id"} for image in unlabelled()]
    same = [images[3]] * 40
    hardness = ranking(ScoreSampling(TotalFalse(), 1), same).hardness
    assert hardness.unique().numel() > 1


# Together in a collection


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("method", ["update", "forward"])
def test_a_collection_of_nine_gives_what_nine_metrics_give(estimator: str, method: str) -> None:
    batches = [unlabelled()[start : start + 8] for start in (0, 8, 16)]
    collection = MetricCollection(nine(estimator))
    for batch in batches:
        (collection.update if method == "update" else collection)(batch)
    alone = {name: ranking(metric, *deepcopy(batches)) for name, metric in nine(estimator).items()}
    assert collection.compute() == alone


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimates_of_one_weighting_share_a_state(estimator: str) -> None:
    collection = MetricCollection(nine(estimator))
    collection.update(unlabelled())
    groups = {frozenset(group) for group in collection.compute_groups.values()}
    assert groups == {frozenset(f"{d.__name__}_{weighting}" for d in DEFINITIONS) for weighting in WEIGHTINGS}


class Everything:
    """A model of the truth in which every detection is right."""

    settings = "everything()"

    def __call__(self, batch: Batch, samples: Tensor) -> PseudoGroundTruth:
        boxes = batch.detections
        sample = samples.new_tensor(range(len(samples))).repeat_interleave(len(boxes))
        source = torch.arange(len(boxes)).repeat(len(samples))
        boxes = boxes.take(source)
        return PseudoGroundTruth(sample, boxes.image, boxes.xywh, boxes.labels, source)


def variants() -> dict[str, Any]:
    definition = TotalFalse()
    return {
        "sampling": ScoreSampling(definition),
        "std": ScoreSampling(definition, statistic="std"),
        "bound": ScoreSampling(definition, statistic="bound", c=2.0),
        "reduced": ScoreSampling(definition, reduction="mean"),
        "more": ScoreSampling(definition, 11),
        "seed": ScoreSampling(definition, seed=1),
        "calibrated": ScoreSampling(definition, calibration=Platt(0.5)),
        "otherwise calibrated": ScoreSampling(definition, calibration=Platt(0.5, -1e-9)),
        "step by step": ScoreSampling(definition, calibration=Isotonic([0.1, 0.9], [0.1, 0.9])),
        "other steps": ScoreSampling(definition, calibration=Isotonic([0.1, 0.9], [0.1, 0.8])),
        "sampler": ScoreSampling(definition, sampler=Everything()),
        "fast": FastScoreSampling(definition),
        "expected": ExpectedHardness(definition),
        "expected, calibrated": ExpectedHardness(definition, Platt(0.5)),
        "sharper": ScoreSampling(TotalFalse(score_threshold=0.6)),
        "plain": TotalFalse(),
    }


def test_only_statistics_of_equal_settings_share_a_state() -> None:
    empty = [{**detected(), "image_id": 5 + place, "image_size": (9, 9)} for place in range(2)]
    images = unlabelled()
    no_target = [
        {"boxes": torch.empty(0, 4), "labels": torch.empty(0).long(), "image_id": i["image_id"]} for i in images
    ]
    collection = MetricCollection(variants())
    # on the first batch everything is 0
    collection.update(empty, no_labels(2))
    collection.update(images, no_target)
    groups = {frozenset(group) for group in collection.compute_groups.values()}
    assert frozenset({"sampling", "std", "bound", "reduced"}) in groups
    assert sum(map(len, groups)) - len(groups) == 3
    for name, metric in variants().items():
        metric.update(empty, no_labels(2))
        metric.update(images, no_target)
        assert torch.equal(torch.as_tensor(_values(collection[name])), torch.as_tensor(_values(metric)))


def _values(metric: Any) -> Tensor:
    result = metric.compute()
    return result.hardness if isinstance(result, Ranking) else result


# A model of the truth of one's own, a weighting of one's own, a calibration


def test_a_user_s_sampler_models_the_truth() -> None:
    images = unlabelled()
    metric = ScoreSampling(FalseNegatives(score_threshold=0.8), n_samples=2, sampler=Everything())
    ids, hardness = ranking(metric, images)
    batch = pack(images, no_labels(len(images)))
    truth = [{"boxes": image["boxes"], "labels": image["labels"], "image_id": image["image_id"]} for image in images]
    labelled = FalseNegatives(score_threshold=0.8)
    labelled.update(images, truth)
    assert labelled.compute() == Ranking(ids, hardness)
    assert hardness.sum() > 0
    assert len(batch.detections) > hardness.sum()


class HalfScore:
    """A weighting."""

    def __call__(self, errors: Errors, true_positives: TruePositives) -> Tensor:
        return errors.scores.nan_to_num(nan=0.0) / 2


@pytest.mark.parametrize("estimator", ["sampling", "fast"])
def test_a_user_s_function_weighs_errors(estimator: str) -> None:
    image = detected((0, 0, 10, 10), score=0.5, image_id=3)
    metric = ESTIMATORS[estimator](FalsePositives(weighting=HalfScore()))
    drawn = ranking(ESTIMATORS[estimator](FalsePositives()), [image]).hardness
    assert ranking(metric, [image]).hardness == drawn / 4
    assert drawn > 0


def test_metrics_with_users_functions_never_share() -> None:
    first, second = (ScoreSampling(TotalFalse(weighting=function)) for function in (HalfScore(), none))
    collection = MetricCollection({"first": first, "second": second})
    collection.update([{**detected(), "image_id": 1}])
    collection.update([unlabelled()[1]])
    assert len(collection.compute_groups) == 2


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_calibration_gives_the_probabilities(estimator: str) -> None:
    sure = Isotonic([0.5, 0.6], [0.0, 1.0])  # right from 0.6 on, wrong up to 0.5
    image = detected((0, 0, 9, 9), (20, 20, 29, 29), (40, 40, 49, 49), image_id=3)
    image["scores"] = torch.tensor([0.9, 0.5, 0.4])
    metric = ESTIMATORS[estimator](FalsePositives(), calibration=sure)
    assert ranking(metric, [image]).hardness.tolist() == [1]  # the threshold is one of scores
    metric = ESTIMATORS[estimator](FalseNegatives(score_threshold=0.95), calibration=sure)
    assert ranking(metric, [image]).hardness.tolist() == [1]


# Copies and states


@pytest.mark.parametrize("through", [deepcopy, lambda m: pickle.loads(pickle.dumps(m)), lambda m: m.clone()])
@pytest.mark.parametrize("name", [name for name in variants() if name != "plain"])
def test_a_copied_metric_goes_its_own_way(name: str, through: Callable[[Any], Any]) -> None:
    images = unlabelled()
    metric = variants()[name]
    metric.update(images[:8])
    copy = through(metric)
    metric.update(images[8:])
    copy.update(images[8:])
    assert torch.equal(_values(copy), _values(metric))
    copy.reset()
    assert len(metric.image_ids) > 0


def test_metrics_of_equal_settings_can_be_merged() -> None:
    images = unlabelled()
    first, second = ScoreSampling(TotalFalse()), ScoreSampling(TotalFalse())
    first.update(images[:8])
    second.update(images[8:])
    first.merge_state(second)
    assert first.compute() == ranking(ScoreSampling(TotalFalse()), images)
    with pytest.raises(ValueError, match="only metrics of equal settings can be merged"):
        first.merge_state(ScoreSampling(TotalFalse(), seed=1))


def test_metrics_that_weigh_with_other_functions_are_not_merged() -> None:
    images = [{**detected((0, 0, 9, 9), score=0.75), "image_id": number} for number in range(4)]
    for make in (ScoreSampling, FastScoreSampling):
        first, second = make(TotalFalse(HalfScore())), make(TotalFalse(lambda errors, _: errors.scores))
        first.update(images[:2])
        second.update(images[2:])
        with pytest.raises(ValueError, match=r"weighs with .*: only metrics of equal settings can be merged"):
            first.merge_state(second)
        assert len(first.compute().image_ids) == 2
        same = first.clone()
        same.reset()
        same.update(images[2:])
        first.merge_state(same)
        assert first.compute() == ranking(make(first.definition), images)


# Extremes


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(("definition", "weighting"), NINE)
def test_certain_scores_and_empty_images_have_hardness_zero(estimator: str, definition: Any, weighting: str) -> None:
    sure = {**detected((0, 0, 9, 9), (0, 0, 9, 9), score=1.0), "image_id": 1, "image_size": (50, 50)}
    images = [sure, {**sure, "scores": torch.zeros(2), "image_id": 2}, {**detected(), "image_id": 3}]
    images[2]["image_size"] = (50, 50)
    result = ranking(ESTIMATORS[estimator](definition(weighting=weighting)), images)
    assert result == Ranking(torch.tensor([1, 2, 3]), torch.zeros(3))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_set_of_no_images_has_an_empty_ranking(estimator: str) -> None:
    metric = ESTIMATORS[estimator](TotalFalse())
    metric.update([])
    assert len(metric.compute().image_ids) == 0


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_scores_may_be_of_any_precision(estimator: str, dtype: torch.dtype) -> None:
    image = detected(*[(0, 0, 9, 9)] * 9, score=0.75, image_id=3)
    expected = ranking(ESTIMATORS[estimator](TotalFalse()), [image])
    image["scores"] = image["scores"].to(dtype)
    assert ranking(ESTIMATORS[estimator](TotalFalse()), [image]) == expected
    assert expected.hardness > 0


# What makes no sense


@pytest.mark.parametrize("make", [ScoreSampling, FastScoreSampling])
@pytest.mark.parametrize("number", [0, -3, 2.0, True, "ten"])
def test_less_than_one_sample_is_refused(make: Any, number: Any) -> None:
    with pytest.raises(ValueError, match="`n_samples` must be an integer of at least 1, but is"):
        make(TotalFalse(), n_samples=number)


@pytest.mark.parametrize("make", [ScoreSampling, FastScoreSampling])
@pytest.mark.parametrize("seed", [2**62, -(2**62), 2**64, 1.5, True, None, "today"])
def test_what_is_no_seed_is_refused(make: Any, seed: Any) -> None:
    with pytest.raises(ValueError, match="`seed` must be an integer between"):
        make(TotalFalse(), seed=seed)


def test_the_largest_seeds_draw() -> None:
    largest = 2**62 - 1
    image = detected(*[(0, 0, 9, 9)] * 9, score=0.5, image_id=1)
    found = [ranking(ScoreSampling(TotalFalse(), seed=seed), [image]).hardness for seed in (largest, -largest)]
    assert found[0] != found[1]


def test_a_function_has_no_closed_form() -> None:
    with pytest.raises(ValueError, match="estimate it with FastScoreSampling"):
        ExpectedHardness(TotalFalse(weighting=HalfScore()))


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("definition", [None, "total_false", TotalFalse])
def test_what_is_no_definition_is_refused(estimator: str, definition: Any) -> None:
    with pytest.raises(TypeError, match="`definition` must be one of hardness"):
        ESTIMATORS[estimator](definition)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(("name", "value"), [("statistic", "median"), ("reduction", "median")])
def test_an_argument_that_makes_no_sense_is_refused_at_once(estimator: str, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be one of"):
        ESTIMATORS[estimator](TotalFalse(), **{name: value})


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("score", [-0.1, 1.5, float("nan")])
@pytest.mark.parametrize("method", ["update", "forward"])
def test_a_refused_batch_names_the_image_and_leaves_the_metric_as_it_was(
    estimator: str, score: float, method: str
) -> None:
    metric = ESTIMATORS[estimator](TotalFalse())
    before = ranking(metric, unlabelled())
    wrong = [
        {**detected((0, 0, 1, 1)), "image_id": 1},
        {**detected((0, 0, 1, 1), score=score), "image_id": BIG_ID + 99},
    ]
    with pytest.raises(ValueError, match=rf"`preds\[1\]\['scores'\]` \(image_id {BIG_ID + 99}\) holds .* \[0, 1\]"):
        (metric.update if method == "update" else metric)(wrong)
    assert metric.compute() == before


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_pixel_weighting_is_refused_without_sizes(estimator: str) -> None:
    metric = ESTIMATORS[estimator](TotalFalse(weighting="pixel"))
    with pytest.raises(ValueError, match="image 4 has no size, which pixel weighting needs"):
        metric.update([{**detected((0, 0, 1, 1)), "image_id": 4}])


# What once went wrong in silence


def unsure(score: float = 0.3, **entries: Any) -> dict[str, Any]:
    """An image with one detection."""
    return {
        "boxes": torch.tensor([[0.0, 0, 10, 10]]),
        "scores": torch.tensor([score]),
        "labels": torch.tensor([1]),
        **entries,
    }


@pytest.mark.parametrize("score", [0.3, 1.0])
@pytest.mark.parametrize("definition", [FalsePositives, FalseNegatives, TotalFalse])
def test_pixel_weighting_needs_sizes_whatever_was_drawn(definition: Any, score: float) -> None:
    for estimator in (ScoreSampling, FastScoreSampling, ExpectedHardness):
        with pytest.raises(ValueError, match="image 7 has no size"):
            estimator(definition(weighting="pixel")).update([unsure(score, image_id=7)])


def test_what_does_not_vary_has_no_deviation() -> None:
    metric = ScoreSampling(TotalFalse(lambda errors, _: errors.box_area / 7), n_samples=30, statistic="std")
    metric.update([unsure(0.0, image_id=1), unsure(1.0, image_id=2)])
    assert metric.summary().ranking.hardness.tolist() == [0, 0]


def test_of_a_target_ids_and_sizes_are_looked_at_alone() -> None:
    target = [{"image_id": 5, "image_size": (10, 20), "boxes": "not looked at"}]
    metric = ExpectedHardness(TotalFalse(weighting="pixel"))
    metric.update([unsure(0.25)], target)
    ids, hardness = metric.summary().ranking
    assert ids.tolist() == [5]
    assert hardness.tolist() == pytest.approx([0.25 * 100 / 200])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_calibration_may_keep_the_dtype_of_scores(dtype: torch.dtype) -> None:
    class Halved(Calibration):
        settings = "halved()"

        def __call__(self, scores: torch.Tensor) -> torch.Tensor:
            return scores / 2

    image = unsure(0.4, image_id=1)
    image["scores"] = image["scores"].to(dtype)
    expected = ExpectedHardness(FalseNegatives(), calibration=Halved())
    sampled = ScoreSampling(FalseNegatives(), n_samples=3000, calibration=Halved())
    for metric in (expected, sampled):
        metric.update([image])
        assert metric.summary().ranking.hardness.tolist() == pytest.approx([0.2], abs=0.03)


def test_a_calibration_gives_probabilities() -> None:
    class Linear(Calibration):
        settings = "linear()"

        def __call__(self, scores: Tensor) -> Tensor:
            return scores * 2 - 1

    preds = [detected((0, 0, 10, 10), score=0.25)]
    for metric in (ExpectedHardness(TotalFalse(), Linear()), ScoreSampling(TotalFalse(), calibration=Linear())):
        with pytest.raises(ValueError, match=r"`calibration` .* must give each score a probability in \[0, 1\]"):
            metric.update(preds)
