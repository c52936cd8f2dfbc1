"""Rankings by kind of error: what they add up to, and that nobody who asks for none pays for them."""

import copy
import pickle
from typing import Any

import pytest
import torch

from hardest_metrics import (
    ErrorsOfKind,
    ExpectedHardness,
    FalseNegatives,
    FalsePositives,
    HardnessCollection,
    Ranking,
    TotalFalse,
)
from hardest_metrics.detection.errors_of_kind import KINDS
from hardest_metrics.functional import Kind, Query, error_kinds, match, pack
from hardest_metrics.functional.detection import shares
from tests.scenes import Batch, Scenery, detected, epoch, labelled

OF_FALSE_POSITIVES = [kind for kind in KINDS if kind != "missed"]


def together(batches: list[Batch], weighting: Any, **settings: Any) -> dict[str, Ranking]:
    metrics = HardnessCollection({
        "false positives": FalsePositives(weighting, **settings),
        "false negatives": FalseNegatives(weighting, **settings),
        **{kind: ErrorsOfKind(kind, weighting, **settings) for kind in KINDS},
    })  # fmt: skip
    for batch in batches:
        metrics.update(*batch)
    return metrics.compute()


def hardness(ranking: Ranking) -> torch.Tensor:
    """By ascending id."""
    return ranking.hardness[ranking.image_ids.argsort()]


@pytest.mark.parametrize("weighting", ["none", "pixel", "overlap"])
@pytest.mark.parametrize("settings", [{}, {"score_threshold": 0.1, "area_range": "medium"}, {"labels": [1, 2]}])
def test_kinds_add_up_to_false_positives_of_every_image(weighting: Any, settings: dict[str, Any]) -> None:
    found = together(epoch(), weighting, **settings)
    total = torch.stack([hardness(found[kind]) for kind in OF_FALSE_POSITIVES]).sum(0)
    torch.testing.assert_close(total, hardness(found["false positives"]))
    assert (hardness(found["missed"]) <= hardness(found["false negatives"]) + 1e-6).all()


def test_in_a_collection_each_kind_is_what_it_is_alone_and_what_the_function_says() -> None:
    batches = epoch()
    found = together(batches, "none")
    for kind in KINDS:
        metric = ErrorsOfKind(kind)
        for batch in batches:
            metric.update(*batch)
        assert metric.compute() == found[kind]
        counts = []
        for batch in batches:
            packed = pack(*batch)
            kinds = error_kinds(packed, match(packed.detections, packed.ground_truth, Query()), Query())
            sides = ((kinds.detections, packed.detections.image), (kinds.ground_truth, packed.ground_truth.image))
            counts += [
                sum(int(((side == Kind[kind.upper()]) & (image == place)).sum()) for side, image in sides)
                for place in range(len(packed))
            ]
        assert hardness(found[kind]).tolist() == counts


def test_who_asks_for_no_kinds_pays_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "error_kinds", lambda *_: pytest.fail("kinds were looked for"))
    metrics = HardnessCollection([FalsePositives("overlap"), FalseNegatives()])
    for batch in epoch():
        metrics.update(*batch)
    metrics.compute()


def test_an_image_is_in_error_also_where_its_error_weighs_nothing() -> None:
    metric = ErrorsOfKind("background", weighting="overlap")
    metric.update([detected((0, 0, 5, 5), image_id=3)], [labelled()])
    assert metric.summary().share_in_error == 1
    assert metric.compute().hardness.tolist() == [0]


def test_settings_that_differ_keep_states_apart() -> None:
    metrics = [
        ErrorsOfKind("missed"),
        ErrorsOfKind("background"),
        ErrorsOfKind("missed", background_threshold=0.2),
        ErrorsOfKind("missed", iou_threshold=0.6),
        ErrorsOfKind("missed", "pixel"),
        FalseNegatives(),
    ]
    assert len({metric.settings for metric in metrics}) == len(metrics)
    assert len({metric.reads for metric in metrics}) == 2  # the query alone tells whether they are measured together
    with pytest.raises(ValueError, match="only metrics of equal settings can be merged"):
        metrics[0].merge_state(metrics[1])


def test_a_background_threshold_of_its_own_tells_kinds_apart() -> None:
    batch = [detected((0, 0, 2, 10), image_id=1)], [labelled((0, 0, 10, 10))]
    metrics = HardnessCollection({
        "loose": ErrorsOfKind("localisation", reduction="sum"),
        "strict": ErrorsOfKind("localisation", background_threshold=0.3, reduction="sum"),
    })  # fmt: skip
    metrics.update(*batch)
    assert {name: value.item() for name, value in metrics.compute().items()} == {"loose": 1, "strict": 0}


def test_it_shows_what_it_was_built_with_and_survives_copies() -> None:
    metric: Any = ErrorsOfKind("both", "pixel", iou_threshold=0.6, background_threshold=0.2, reduction="mean")
    text = "ErrorsOfKind('both', weighting='pixel', iou_threshold=0.6, reduction='mean', background_threshold=0.2)"
    assert repr(metric) == text
    for batch in epoch():
        metric.update(*batch)
    for other in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric)), metric.clone()):
        assert repr(other) == text
        assert torch.equal(other.compute(), metric.compute())


def test_of_no_images_and_of_images_without_boxes() -> None:
    metric = ErrorsOfKind("missed")
    metric.update([], [])
    assert not len(metric.compute().image_ids)
    metric.update([detected(image_id=4)], [labelled()])
    assert metric.compute() == Ranking(torch.tensor([4]), torch.tensor([0.0]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_of_other_precisions(dtype: torch.dtype) -> None:
    preds, target = Scenery(dtype=dtype).draw(8, seed=2)
    found = together([(preds, target)], "overlap")
    assert any(len(found[kind].hardness) and found[kind].hardness[0] > 0 for kind in KINDS)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"kind": "explained"}, "`kind` must be one of .*'missed'.*but is 'explained'"),
        ({"kind": 3}, "`kind` must be one of"),
        ({"kind": "both", "background_threshold": 0.0}, "`background_threshold` must be above 0"),
        ({"kind": "both", "iou_threshold": 0.05}, "at most `iou_threshold`, 0.05, but is 0.1"),
        ({"kind": "both", "weighting": "area"}, "`weighting` must be one of"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ErrorsOfKind(**settings)


def test_it_has_no_estimate_without_labels() -> None:
    with pytest.raises(TypeError, match="`definition` must be one of hardness, such as TotalFalse"):
        ExpectedHardness(ErrorsOfKind("missed"))  # type: ignore[arg-type]


def test_thresholds_by_label_hold_for_definitions_kinds_and_estimates() -> None:
    thresholds = {1: 0.3, 2: 0.5, 3: 0.8}
    batches = epoch()
    metrics: Any = HardnessCollection({
        "total": TotalFalse(score_threshold=thresholds),
        "kind": ErrorsOfKind("background", score_threshold=thresholds),
        "estimate": ExpectedHardness(FalsePositives(score_threshold=thresholds, max_detections=1000)),
        **HardnessCollection.by_label(TotalFalse(score_threshold=thresholds), {1: "1", 2: "2", 3: "3"}),
    })  # fmt: skip
    for batch in batches:
        metrics.update(*batch)
    found = metrics.compute()
    for name, label in (("1", 1), ("2", 2), ("3", 3)):
        alone = TotalFalse(score_threshold=thresholds[label], labels=[label])
        for batch in batches:
            alone.update(*batch)
        assert found[name] == alone.compute()
    total = torch.stack([hardness(found[name]) for name in "123"]).sum(0)
    assert torch.equal(total, hardness(found["total"]))
    assert repr(metrics["total"]) == "TotalFalse(score_threshold={1: 0.3, 2: 0.5, 3: 0.8})"
    by_score = sum(
        (1 - image["scores"][(image["scores"] >= threshold) & (image["labels"] == label)].double()).sum()
        for preds, _ in batches for image in preds for label, threshold in thresholds.items()
    )  # fmt: skip
    assert float(found["estimate"].hardness.double().sum()) == pytest.approx(float(by_score), rel=1e-5)
