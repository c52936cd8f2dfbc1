"""The nine definitions: alone, together in a collection, and given what makes no sense."""

import copy
import functools
import math
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchvision.tv_tensors import BoundingBoxes

from hardest_metrics import FalseNegatives, FalsePositives, Ranking, TotalFalse
from hardest_metrics.detection import BoxErrors
from hardest_metrics.functional import (
    Errors,
    Query,
    TruePositives,
    error_sums,
    false_negatives,
    false_positives,
    none,
    overlap,
    pack,
    pixel,
    total_false,
)
from tests.scenes import BIG_ID, Batch, Scenery, detected, false_alarms, labelled

FUNCTIONS: dict[type[BoxErrors], Any] = {
    FalsePositives: false_positives,
    FalseNegatives: false_negatives,
    TotalFalse: total_false,
}
WEIGHTINGS: Any = ("none", "pixel", "overlap")
EMPTY: Batch = ([], [])


def nine(**settings: Any) -> dict[str, Any]:
    return {
        f"{definition.__name__}_{weighting}": definition(weighting=weighting, **settings)
        for definition in FUNCTIONS
        for weighting in WEIGHTINGS
    }


@functools.cache
def epoch(seed: int = 0, number: int = 4) -> list[Batch]:
    """Batches of eight images each, with different ids."""
    batches = [Scenery().draw(8, seed=100 * seed + index) for index in range(number)]
    for index, (_, target) in enumerate(batches):
        for image in target:
            image["image_id"] += 8 * index
    return batches


def separately(batches: list[Batch], **settings: Any) -> dict[str, Any]:
    """What nine metrics give that know nothing of each other: each sees tensors of its own."""
    results = {}
    for name, metric in nine(**settings).items():
        for batch in copy.deepcopy(batches):
            metric.update(*batch)
        results[name] = metric.compute()
    return results


def expected(batches: list[Batch], **settings: Any) -> dict[str, Ranking]:
    """What nine definitions give, by way of functions."""
    weightings = [none, pixel, overlap]
    parts = [error_sums(pack(*batch), Query(**settings), weightings) for batch in batches]
    sums = torch.cat([torch.empty(0, 2, 3), *parts])
    ids = torch.tensor([image["image_id"] for _, target in batches for image in target])
    return {
        f"{definition}_{weighting}": Ranking.of(ids, sums[:, errors, column].sum(1))
        for definition, errors in (("FalsePositives", [0]), ("FalseNegatives", [1]), ("TotalFalse", [0, 1]))
        for column, weighting in enumerate(WEIGHTINGS)
    }


SETTINGS: list[dict[str, Any]] = [
    {},
    {"score_threshold": 0.3, "iou_threshold": 0.75, "labels": [1, 2]},
    {"area_range": "medium", "max_detections": 3},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_class_gives_what_its_function_gives(settings: dict[str, Any]) -> None:
    batches = epoch()
    for definition, function in FUNCTIONS.items():
        for weighting in WEIGHTINGS:
            metric = definition(weighting=weighting, **settings)
            for batch in batches:
                metric.update(*batch)
            ids = [image["image_id"] for _, target in batches for image in target]
            hardness = torch.cat([function(*batch, weighting, **settings) for batch in batches])
            assert hardness.max() > 0
            assert metric.compute() == Ranking.of(torch.tensor(ids), hardness)


# Together in a collection


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_collection_of_nine_gives_what_nine_metrics_give(settings: dict[str, Any]) -> None:
    batches = epoch()
    alone = separately(batches, **settings)
    assert alone == expected(batches, **settings)
    for method in ("update", "forward"):
        metrics = MetricCollection(nine(**settings))
        for batch in batches:
            getattr(metrics, method)(*batch)
        assert metrics.compute() == alone


@pytest.mark.parametrize("methods", ["ufuf", "fuuf", "fffu", "ucuc", "uucf"])
def test_a_collection_may_be_fed_by_update_and_by_forward(methods: str) -> None:
    batches = epoch()
    metrics = MetricCollection(nine())
    for number, (method, batch) in enumerate(zip(methods, batches, strict=True), start=1):
        if method == "f":
            assert metrics(*batch) == expected([batch])
        else:
            metrics.update(*batch)
        if method == "c":
            assert metrics.compute() == expected(batches[:number])
    assert metrics.compute() == expected(batches)


def test_definitions_of_equal_weighting_share_a_state() -> None:
    metrics = MetricCollection(nine())
    for batch in epoch():
        metrics.update(*batch)
    assert sorted(map(len, metrics.compute_groups.values())) == [3, 3, 3]
    for group in metrics.compute_groups.values():
        members = [dict(metrics.items(copy_state=False))[name] for name in group]
        assert all(member.weighted is members[0].weighted for member in members)


def test_a_collection_can_be_reset_and_used_again() -> None:
    metrics = MetricCollection(nine())
    for seed in range(2):
        batches = epoch(seed, 3)
        for index, batch in enumerate(batches):
            metrics(*batch) if (index + seed) % 3 == 0 else metrics.update(*batch)
        assert metrics.compute() == expected(batches)
        metrics.reset()


@pytest.mark.parametrize("through", [copy.deepcopy, MetricCollection.clone, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copied_collection_goes_its_own_way(through: Callable[[Any], Any]) -> None:
    batches = epoch()
    metrics = MetricCollection(nine())
    for batch in batches[:2]:
        metrics.update(*batch)
    other = through(metrics)
    other.update(*batches[2])
    metrics.update(*batches[3])
    assert other.compute() == expected(batches[:3])
    assert metrics.compute() == expected([*batches[:2], batches[3]])


@pytest.mark.parametrize("first", [EMPTY, None], ids=["empty batch", "batch"])
@pytest.mark.parametrize(("early", "late"), [("A", "B"), ("B", "A")])
@pytest.mark.parametrize("before", [1, 2])
def test_a_metric_added_later_counts_from_then_on(early: str, late: str, first: Batch | None, before: int) -> None:
    batches = epoch()
    metrics = MetricCollection({early: FalsePositives(), early + "2": FalseNegatives()})
    for batch in batches[:before]:
        metrics.update(*batch)
    metrics.add_metrics({late: FalsePositives()})
    rest = batches[before:] if first is None else [first, *batches[before:]]
    for batch in rest:
        metrics.update(*batch)
    results = metrics.compute()
    assert results[early] == expected(batches)["FalsePositives_none"]
    assert results[early + "2"] == expected(batches)["FalseNegatives_none"]
    assert results[late] == expected(batches[before:])["FalsePositives_none"]


def test_rankings_and_reductions_stand_in_one_collection() -> None:
    batches = epoch()
    metrics = MetricCollection({"rank": TotalFalse(), "mean": TotalFalse(reduction="mean")}, prefix="val/")
    for batch in batches:
        metrics.update(*batch)
    total = expected(batches)["TotalFalse_none"]
    assert len(metrics.compute_groups) == 1
    result = metrics.compute()
    assert result["val/rank"] == total
    torch.testing.assert_close(result["val/mean"], total.hardness.mean())


def by_size(errors: Errors, true_positives: TruePositives) -> Tensor:
    """Of two functions of this name, this one weighs by area ..."""
    return errors.box_area


def _another() -> Any:
    def by_size(errors: Errors, true_positives: TruePositives) -> Tensor:
        """... and this one by width."""
        return errors.xywh[:, 2]

    by_size.__qualname__ = "by_size"
    return by_size


#: Settings that never share a state.
DIFFERENT: list[dict[str, Any]] = [
    {},
    {"score_threshold": 0.50001},
    {"iou_threshold": 0.50001},
    {"iou_threshold": 0.75},
    {"labels": [1]},
    {"labels": [1, 2]},
    {"labels": []},
    {"area_range": "small"},
    {"area_range": (0, 32**2)},
    {"area_range": (0, 1e10)},
    {"max_detections": 99},
    {"box_format": "xywh"},
    {"box_format": "cxcywh"},
    {"weighting": by_size},
    {"weighting": _another()},
]


@pytest.mark.parametrize("first", [EMPTY, ([detected()], [labelled(image_id=1)])], ids=["no", "empty"])
def test_definitions_of_different_settings_never_share_a_state(first: Batch) -> None:
    metrics = MetricCollection({str(i): TotalFalse(**DIFFERENT[i]) for i in range(len(DIFFERENT))})
    metrics.update(*first)
    metrics.update(*false_alarms(1, 1))
    assert len(metrics.compute_groups) == len(DIFFERENT)


@pytest.mark.parametrize("first", [EMPTY, ([detected()], [labelled(image_id=1)])], ids=["no", "empty"])
@pytest.mark.parametrize("method", ["update", "forward"])
def test_definitions_that_agree_on_the_first_batch_differ_on_the_next(first: Batch, method: str) -> None:
    metrics = MetricCollection(
        {
            "loose": FalsePositives(),
            "strict": FalsePositives(iou_threshold=0.75),
            "sure": FalsePositives(score_threshold=0.95),
            "other": FalsePositives(labels=[2]),
            "area": FalsePositives(weighting=by_size),
            "width": FalsePositives(weighting=_another()),
        }
    )
    getattr(metrics, method)(*first)
    batch = [detected((0, 0, 10, 6))], [labelled((0, 0, 10, 10), image_id=2)]
    getattr(metrics, method)(*batch)
    hardest = {name: result.hardness[0].item() for name, result in metrics.compute().items()}
    assert hardest == {"loose": 0, "strict": 1, "sure": 0, "other": 0, "area": 0, "width": 0}
    batch = [detected((50, 50, 60, 56))], [labelled(image_id=3)]
    getattr(metrics, method)(*batch)
    hardest = {name: result.hardness[0].item() for name, result in metrics.compute().items()}
    assert hardest == {"loose": 1, "strict": 1, "sure": 0, "other": 0, "area": 60, "width": 10}


def test_settings_that_ask_the_same_share_a_state() -> None:
    same: list[dict[str, Any]] = [{"labels": [2, 1]}, {"labels": (1, 2, 2), "iou_threshold": 0.5}, {"labels": {1, 2}}]
    metrics = MetricCollection({str(i): TotalFalse(**settings) for i, settings in enumerate(same)})
    metrics.update(*false_alarms(1))
    assert len(metrics.compute_groups) == 1


# A user's own weighting


def test_a_user_s_function_weighs_errors() -> None:
    batches = epoch()
    for definition, function in FUNCTIONS.items():
        metric = definition(weighting=by_size)
        for batch in batches:
            metric(*batch)
        hardness = torch.cat([function(*batch, by_size) for batch in batches])
        ids = torch.tensor([image["image_id"] for _, target in batches for image in target])
        assert metric.compute() == Ranking.of(ids, hardness)


@pytest.mark.parametrize("through", [copy.deepcopy, Metric.clone, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_metric_with_a_user_s_function_can_be_copied(through: Callable[[Any], Any]) -> None:
    metric = FalsePositives(weighting=by_size)
    metric.update(*false_alarms(1, first_id=BIG_ID))
    other = through(metric)
    other.update(*false_alarms(2, first_id=0))
    assert other.compute() == Ranking(torch.tensor([0, BIG_ID]), torch.tensor([50.0, 25]))


def test_a_state_weighed_by_a_user_s_function_can_be_loaded() -> None:
    saved = FalsePositives(weighting=by_size)
    saved.update(*false_alarms(1, 3))
    saved.persistent(True)
    loaded = FalsePositives(weighting=by_size)  # of another process, say
    loaded.load_state_dict(saved.state_dict())
    assert loaded.compute() == saved.compute()
    with pytest.raises(RuntimeError, match="by_size"):
        FalsePositives().load_state_dict(saved.state_dict())


def test_metrics_with_the_same_user_s_function_can_be_merged() -> None:
    ours, theirs = FalsePositives(weighting=by_size), FalsePositives(weighting=by_size)
    ours.update(*false_alarms(1))
    theirs.update(*false_alarms(2, first_id=1))
    ours.merge_state(theirs)
    assert ours.compute() == Ranking(torch.tensor([1, 0]), torch.tensor([50.0, 25]))
    with pytest.raises(ValueError, match="equal settings"):
        ours.merge_state(FalsePositives(weighting=_another()))


def by_power(errors: Errors, true_positives: TruePositives, power: float) -> Tensor:
    return errors.box_area**power


@pytest.mark.parametrize("through", [copy.deepcopy, Metric.clone, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_metric_can_be_merged_with_its_copy_whatever_weighs_its_errors(through: Callable[[Any], Any]) -> None:
    metric = FalsePositives(weighting=functools.partial(by_power, power=2))
    metric.update(*false_alarms(1))
    other = through(metric)
    other.update(*false_alarms(2, first_id=1))
    metric.merge_state(other)
    assert metric.compute() == Ranking(torch.tensor([1, 0]), torch.tensor([1250.0, 625]))


# What makes no sense


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("weighting", "size"),
        ("box_format", "yxyx"),
        ("score_threshold", 50),
        ("iou_threshold", 0),
        ("labels", ["cat"]),
        ("area_range", "tiny"),
        ("max_detections", 0),
        ("reduction", "median"),
    ],
)
@pytest.mark.parametrize("definition", FUNCTIONS)
def test_an_argument_that_makes_no_sense_is_refused_at_once(definition: Any, argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"`{argument}`.*{value!r}".replace("[", r"\[")):
        definition(**{argument: value})


def _change(side: int, **entries: Any) -> Callable[[Batch], Batch]:
    """The second image differs; None leaves the entry out."""

    def change(batch: Batch) -> Batch:
        images = list(batch[side])
        images[1] = {key: value for key, value in {**images[1], **entries}.items() if value is not None}
        return (images, batch[1]) if side == 0 else (batch[0], images)

    return change


WRONG: dict[str, Callable[[Batch], Any]] = {
    "lengths differ": lambda batch: (batch[0], batch[1][:1]),
    "boxes and scores differ in length": _change(0, scores=torch.ones(3)),
    "boxes and labels differ in length": _change(1, labels=torch.ones(3).long()),
    "boxes missing": _change(0, boxes=None),
    "scores missing": _change(0, scores=None),
    "labels missing": _change(1, labels=None),
    "NaN box": _change(0, boxes=torch.full((2, 4), torch.nan)),
    "infinite box": _change(1, boxes=torch.tensor([[0, 0, torch.inf, 1]])),
    "NaN score": _change(0, scores=torch.tensor([torch.nan, 0.5])),
    "infinite score": _change(0, scores=torch.tensor([0.5, torch.inf])),
    "x2 < x1": _change(0, boxes=torch.tensor([[9.0, 0, 3, 3], [0, 0, 1, 1]])),
    "score above 1": _change(0, scores=torch.tensor([0.5, 1.1])),
    "float id": _change(1, image_id=1.0),
    "float tensor as id": _change(1, image_id=torch.tensor(1.0)),
    "id missing": _change(1, image_id=None),
    "size missing": _change(1, image_size=None),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("method", ["update", "forward"])
@pytest.mark.parametrize("early", [False, True], ids=["", "at first"])
def test_a_refused_batch_names_the_image_and_leaves_the_metric_as_it_was(wrong: str, method: str, early: bool) -> None:
    good = epoch(0, 2)
    metric = TotalFalse(weighting="pixel")
    if not early:
        metric.update(*good[0])
        metric(*good[1])
        before = metric.compute()
    bad = WRONG[wrong](false_alarms(1, 2, 1))
    with pytest.raises((ValueError, TypeError)) as refusal:
        getattr(metric, method)(*bad)
    named = "images" if wrong == "lengths differ" else r"\[1\]|image 1"
    assert refusal.match(named)
    assert metric.update_count == (0 if early else 2)
    if early:
        assert metric.metric_state == TotalFalse(weighting="pixel").metric_state
        for batch in good:
            metric(*batch)
        assert metric.compute() == expected(good)["TotalFalse_pixel"]
    else:
        assert metric.compute() == before
    later = false_alarms(3, first_id=-9)
    metric.update(*later)
    assert metric.compute() == expected([*good, later])["TotalFalse_pixel"]


@pytest.mark.parametrize("method", ["update", "forward"])
def test_a_user_s_function_that_fails_leaves_the_metric_as_it_was(method: str) -> None:
    weights: Any = torch.ones(1)
    metric = FalsePositives(weighting=lambda errors, _: weights)
    metric.update([detected((0, 0, 1, 1))], [labelled(image_id=3)])
    for wrong in (torch.ones(2), -torch.ones(1), torch.tensor([torch.nan]), None):
        weights = wrong
        with pytest.raises(ValueError, match="`weighting`"):
            getattr(metric, method)([detected((0, 0, 1, 1))], [labelled(image_id=4)])
    assert metric.compute() == Ranking(torch.tensor([3]), torch.tensor([1.0]))


def test_pixel_weighting_is_refused_without_sizes_although_another_metric_leads() -> None:
    metrics = MetricCollection({"a": FalsePositives(), "b": FalsePositives(weighting="pixel")})
    metrics.update(*false_alarms(1))
    preds, target = false_alarms(2, first_id=BIG_ID)
    del target[0]["image_size"]
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"image {BIG_ID} has no size.*'image_size' \(height, width\)"):
            metrics.update(preds, target)
    metrics.reset()
    metrics.update(*false_alarms(2))
    assert metrics.compute()["b"].hardness.tolist() == pytest.approx([50 / 20000])


def test_other_weightings_do_without_sizes() -> None:
    preds, target = false_alarms(2, 1)
    for image in target:
        del image["image_size"]
    metrics = MetricCollection({"a": FalsePositives(), "b": TotalFalse("overlap")})
    for _ in range(2):
        metrics.update(preds, target)
    assert metrics.compute()["a"].hardness.tolist() == [2, 1]


def test_torchvision_boxes_bring_sizes() -> None:
    preds, target = false_alarms(2)
    given = BoundingBoxes(target[0]["boxes"], format="XYXY", canvas_size=target[0].pop("image_size"))
    target[0]["boxes"] = given
    assert FalsePositives(weighting="pixel")(preds, target).hardness.tolist() == pytest.approx([50 / 20000])
    with pytest.raises(ValueError, match="box_format"):
        FalsePositives(box_format="xywh").update(preds, target)


def test_weak_detections_are_no_error() -> None:
    preds = [detected((0, 0, 1, 1), score=0.2), detected((0, 0, 1, 1), score=0.7)]
    metric = FalsePositives(score_threshold=0.7)
    assert metric(preds, [labelled()] * 2).hardness.tolist() == [1, 0]


def test_each_definition_counts_its_own_errors() -> None:
    batch = [detected((0, 0, 10, 10), (50, 50, 60, 60))], [labelled((0, 0, 10, 10), (80, 80, 90, 90), (0, 80, 9, 90))]
    found = {definition.__name__: definition()(*batch).hardness.item() for definition in FUNCTIONS}
    assert found == {"FalsePositives": 1, "FalseNegatives": 2, "TotalFalse": 3}


# What once went wrong in silence


@pytest.mark.parametrize("most", [2**40, sys.maxsize, 10**20])
def test_no_limit_of_detections_is_as_large_as_one_likes(most: int) -> None:
    batch = false_alarms(5, 5, 3)
    metric = FalsePositives(max_detections=most)
    metric.update(*batch)
    assert metric.summary().ranking.hardness.tolist() == [5, 5, 3]


def test_a_weighting_with_a_name_is_the_same_given_as_a_function() -> None:
    by_function = TotalFalse(weighting=pixel)
    assert by_function.settings == TotalFalse(weighting="pixel").settings
    preds, target = false_alarms(2)
    del target[0]["image_size"]
    with pytest.raises(ValueError, match="has no size"):
        by_function.update(preds, target)


def test_weights_too_large_for_a_sum_are_refused() -> None:
    metric = FalsePositives(weighting=lambda errors, _: torch.full_like(errors.box_area, 1e300))
    with pytest.raises(ValueError, match="below 1e30"):
        metric.update(*false_alarms(2))


def test_a_batch_whose_memory_was_refilled_is_measured_again() -> None:
    array = np.array([[0, 0, 10, 10]], dtype=np.float32)
    preds = [detected((0, 0, 10, 10)) | {"boxes": torch.from_numpy(array), "image_id": 1}]
    target = [labelled((0, 0, 10, 10), image_id=1)]
    metric = FalsePositives()
    metric.update(preds, target)
    metric.reset()
    array[:] = [[50, 50, 60, 60]]  # past torch, which counts no change
    metric.update(preds, target)
    assert metric.summary().ranking.hardness.tolist() == [1]


@pytest.mark.parametrize("value", [2, -1, math.nan])
def test_what_is_neither_a_crowd_nor_none_is_refused(value: float) -> None:
    target = [labelled((0, 0, 10, 10), image_id=7, iscrowd=torch.tensor([value]))]
    with pytest.raises(ValueError, match=r"`target\[0\]\['iscrowd'\]` \(image_id 7\).*crowd \(1\) or not \(0\)"):
        TotalFalse().update([detected()], target)


@pytest.mark.parametrize("dtype", [torch.bool, torch.complex64])
def test_boxes_are_numbers_on_a_line(dtype: torch.dtype) -> None:
    target = [labelled((0, 0, 1, 1))]
    target[0]["boxes"] = target[0]["boxes"].to(dtype)
    with pytest.raises(TypeError, match=r"`target\[0\]\['boxes'\]` are torch"):
        TotalFalse().update([detected()], target)


def test_boxes_whose_area_is_no_number_are_refused() -> None:
    target = [labelled((0, 0, 1, 1))]
    target[0]["boxes"] = torch.tensor([[0, 0, 1e200, 1e200]], dtype=torch.float64)
    with pytest.raises(ValueError, match=r"`target\[0\]\['boxes'\]` holds"):
        TotalFalse().update([detected()], target)


@pytest.mark.parametrize("array_first", [True, False])
@pytest.mark.parametrize("id_first", [True, False])
def test_equal_images_of_sizes_in_other_types_have_equal_hardness(array_first: bool, id_first: bool) -> None:
    box = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1])}
    sizes: list[Any] = [np.array([20, 20]), (20, 20)]
    for size in sizes if array_first else reversed(sizes):
        metric = TotalFalse("pixel")
        target = {"image_id": 3, **box, "image_size": size} if id_first else {"image_size": size, **box, "image_id": 3}
        metric.update([{**box, "scores": torch.tensor([0.9])}], [target])
        assert metric.compute() == Ranking(torch.tensor([3]), torch.tensor([0.0]))
