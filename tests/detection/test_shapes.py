"""Metrics of masks and keypoints: what holds for boxes holds for them."""

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
    TotalFalse,
)
from hardest_metrics.detection import ConfusionPairs, KindsByLabel, waiting
from hardest_metrics.detection.errors_of_kind import KINDS
from hardest_metrics.functional import total_false
from tests.functional.detection.shape_scenes import Images, keypoint_scenes, mask_scenes

TYPES: Any = ["segm", "keypoints"]


def scenes(iou_type: str, number: int = 30, seed: int = 0) -> tuple[Images, Images]:
    preds, target = mask_scenes(number, seed) if iou_type == "segm" else keypoint_scenes(number, seed)
    return preds, [{**image, "image_size": (200, 300)} if iou_type != "segm" else image for image in target]


def settings(iou_type: str, **more: Any) -> dict[str, Any]:
    return {"iou_type": iou_type, "box_format": "xywh", "score_threshold": 0.2, **more}


def by_id(metric: Any) -> torch.Tensor:
    ranking = metric.compute()
    hardness: torch.Tensor = ranking.hardness[ranking.image_ids.argsort()]
    return hardness


@pytest.mark.parametrize("iou_type", TYPES)
@pytest.mark.parametrize("weighting", ["none", "pixel", "overlap"])
def test_however_batches_are_cut_the_ranking_is_that_of_the_function(iou_type: str, weighting: Any) -> None:
    preds, target = scenes(iou_type, 80)
    expected = total_false(preds, target, weighting, **settings(iou_type))
    assert expected.sum() > 0
    for size in (1, 7, 80):  # the last one is measured piece by piece
        metric = TotalFalse(weighting, **settings(iou_type))
        for start in range(0, 80, size):
            metric.update(preds[start : start + size], target[start : start + size])
        torch.testing.assert_close(by_id(metric), expected)


@pytest.mark.parametrize("limit", ["MOST_IMAGES", "MOST_BYTES"])
def test_what_waits_is_bounded_by_its_bytes(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    preds, target = scenes("segm", 12)
    expected = total_false(preds, target, **settings("segm"))
    monkeypatch.setattr(waiting, limit, 1)
    metric = TotalFalse(**settings("segm"))
    for pred, image in zip(preds, target, strict=True):
        metric.update([pred], [image])
        assert not metric._waiting.bytes
    assert torch.equal(by_id(metric), expected)


@pytest.mark.parametrize("iou_type", TYPES)
def test_kinds_and_labels_add_up(iou_type: str) -> None:
    preds, target = scenes(iou_type)
    whole = TotalFalse("overlap", **settings(iou_type))
    parts = whole.of_labels({label: str(label) for label in (1, 2, 3)})
    kinds = {kind: ErrorsOfKind(kind, **settings(iou_type)) for kind in KINDS}
    others = {"fp": FalsePositives(**settings(iou_type)), "fn": FalseNegatives(**settings(iou_type))}
    metrics = HardnessCollection({"whole": whole, **parts, **kinds, **others})
    metrics.update(preds, target)
    torch.testing.assert_close(by_id(metrics["whole"]), torch.stack([by_id(metrics[label]) for label in parts]).sum(0))
    wrong = torch.stack([by_id(metrics[kind]) for kind in KINDS if kind != "missed"]).sum(0)
    torch.testing.assert_close(wrong, by_id(metrics["fp"]))
    counted = {name: ErrorsOfKind(name, **settings(iou_type), reduction="sum") for name in KINDS}
    for metric in counted.values():
        metric.update(preds, target)
    table = KindsByLabel(**settings(iou_type))
    table.update(preds, target)
    assert table.compute().counts.sum(0).tolist() == [float(metric.compute()) for metric in counted.values()]
    pairs = ConfusionPairs(**settings(iou_type))
    pairs.update(preds, target)
    assert pairs.compute().counts.sum() == counted["classification"].compute()
    assert set(whole.kinds) == set(KINDS)
    assert all(kind.iou_type == iou_type for kind in whole.kinds.values())


def test_twenty_detections_of_keypoints_count_and_a_hundred_of_others() -> None:
    assert [TotalFalse(iou_type=each).query.max_detections for each in ("bbox", "segm", "keypoints")] == [100, 100, 20]
    assert TotalFalse(iou_type="keypoints", max_detections=7).query.max_detections == 7
    assert KindsByLabel(iou_type="keypoints").query.max_detections == 20
    assert repr(TotalFalse()) == "TotalFalse()"
    assert repr(TotalFalse(iou_type="segm", max_detections=9)) == "TotalFalse(max_detections=9, iou_type='segm')"


@pytest.mark.parametrize("iou_type", TYPES)
def test_metrics_are_cloned_pickled_and_moved_while_batches_wait(iou_type: str) -> None:
    preds, target = scenes(iou_type)
    metric = TotalFalse("overlap", **settings(iou_type, sigmas=[0.1] * 17 if iou_type == "keypoints" else None))
    metric.update(preds[:15], target[:15])
    for other in (pickle.loads(pickle.dumps(metric)), metric.clone(), metric.to("cpu")):
        other.update(preds[15:], target[15:])
        expected = total_false(preds, target, "overlap", **settings(iou_type, sigmas=metric.sigmas))
        torch.testing.assert_close(by_id(other), expected)


def test_what_is_compared_belongs_to_the_settings() -> None:
    metrics = {each: TotalFalse(iou_type=each) for each in ("bbox", "segm", "keypoints")}
    of_sigmas = TotalFalse(iou_type="keypoints", sigmas=[0.1] * 17)
    assert len({metric.settings for metric in (*metrics.values(), of_sigmas)}) == 4
    with pytest.raises(ValueError, match="equal settings"):
        metrics["bbox"].merge_state(metrics["segm"])
    assert TotalFalse(iou_type="bbox").settings == TotalFalse().settings


def test_collections_of_several_types_rank_each_by_its_own() -> None:
    preds, target = scenes("segm", 10)
    boxed = [[{**image, "boxes": torch.zeros(len(image["labels"]), 4)} for image in side] for side in (preds, target)]
    metrics = HardnessCollection({"boxes": TotalFalse(box_format="xywh"), "masks": TotalFalse(iou_type="segm")})
    metrics.update(*boxed)
    assert torch.equal(by_id(metrics["masks"]), total_false(preds, target, iou_type="segm"))


def test_a_user_s_own_weighting_sees_areas_of_masks() -> None:
    preds, target = scenes("segm", 10)

    def area(errors: Any, finders: Any) -> torch.Tensor:
        found: torch.Tensor = errors.area / errors.image_area
        return found

    torch.testing.assert_close(
        total_false(preds, target, area, iou_type="segm"), total_false(preds, target, "pixel", iou_type="segm")
    )


def test_a_refused_batch_leaves_everything_as_it_was() -> None:
    preds, target = scenes("segm", 10)
    metric = TotalFalse(iou_type="segm")
    metric.update(preds[:5], target[:5])
    with pytest.raises(ValueError, match="Resize"):
        metric.update(preds[5:7], [{**image, "masks": image["masks"].repeat(1, 2, 1)} for image in target[5:7]])
    assert torch.equal(by_id(metric), total_false(preds[:5], target[:5], iou_type="segm"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"iou_type": "mask"}, "`iou_type` must be one of"),
        ({"sigmas": [0.1]}, "`sigmas` are of keypoints"),
        ({"iou_type": "keypoints", "sigmas": [0.0]}, "finite number above 0"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(wrong: Any, message: str) -> None:
    for cls in (TotalFalse, KindsByLabel):
        with pytest.raises(ValueError, match=message):
            cls(**wrong)


def test_estimates_are_of_boxes() -> None:
    with pytest.raises(ValueError, match="`definition` compares segm, but estimates are of boxes"):
        ExpectedHardness(TotalFalse(iou_type="segm"))
