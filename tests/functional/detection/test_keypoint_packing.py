"""Keypoints are packed with boxes or without, and what makes no sense is refused by name."""

from typing import Any

import pytest
import torch

from hardest_metrics.functional import Query, match, pack
from hardest_metrics.functional.detection.keypoint_packing import checked_sigmas
from tests.functional.detection.shape_scenes import keypoint_scenes

SIGMAS = [0.1, 0.2]
POINTS = torch.tensor([[[1.0, 2], [5, 9]]])


def _found(**changed: Any) -> dict[str, Any]:
    return {"keypoints": POINTS, "scores": torch.ones(1), "labels": torch.ones(1).long(), **changed}


def _labelled(**changed: Any) -> dict[str, Any]:
    return {"keypoints": POINTS, "labels": torch.ones(1).long(), "area": torch.ones(1), "image_id": 7, **changed}


@pytest.mark.parametrize("box_format", ["xyxy", "xywh", "cxcywh"])
def test_without_boxes_an_object_fills_the_extent_of_its_points(box_format: Any) -> None:
    batch = pack([_found()], [_labelled()], box_format, iou_type="keypoints", sigmas=SIGMAS)
    for side in (batch.detections, batch.ground_truth):
        assert side.xywh.tolist() == [[1, 2, 4, 7]]
        assert side.geometry.area.tolist() == [28]


def test_boxes_that_are_given_decide_what_errors_weigh() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10]])
    batch = pack([_found(boxes=boxes)], [_labelled(boxes=boxes)], iou_type="keypoints", sigmas=SIGMAS)
    assert batch.detections.counted_area.tolist() == batch.ground_truth.geometry.area.tolist() == [100]
    batch = pack([_found(area=torch.tensor([3.0]))], [_labelled()], iou_type="keypoints", sigmas=SIGMAS)
    assert batch.detections.counted_area.tolist() == [3]


@pytest.mark.parametrize("number", [None, 0, 1])
def test_objects_without_a_labelled_point_are_ignored(number: int | None) -> None:
    unseen = torch.cat((POINTS, torch.zeros(1, 2, 1)), dim=2)
    given = {} if number is None else {"num_keypoints": torch.tensor([number])}
    batch = pack([_found()], [_labelled(keypoints=unseen, **given)], iou_type="keypoints", sigmas=SIGMAS)
    matches = match(batch.detections, batch.ground_truth, Query())
    assert matches.ground_truth.tolist() == [0 if number else 3]
    assert matches.detections.tolist() == [0 if number else 3]


def test_what_was_ignored_is_taken_once_and_a_crowd_by_any_number() -> None:
    unseen = torch.cat((POINTS, torch.zeros(1, 2, 1)), dim=2)
    twice = {key: torch.cat((value, value)) for key, value in _found().items()}
    for crowd, outcomes in ((0, [3, 1]), (1, [3, 3])):
        target = _labelled(keypoints=unseen, iscrowd=torch.tensor([crowd]))
        batch = pack([twice], [target], iou_type="keypoints", sigmas=SIGMAS)
        assert match(batch.detections, batch.ground_truth, Query()).detections.tolist() == outcomes


def test_the_order_of_images_does_not_matter() -> None:
    preds, target = keypoint_scenes(12, seed=1)
    whole = pack(preds, target, "xywh", iou_type="keypoints")
    one = match(whole.detections, whole.ground_truth, Query())
    turned = pack(preds[::-1], target[::-1], "xywh", iou_type="keypoints")
    other = match(turned.detections, turned.ground_truth, Query())
    for image in range(12):
        of_one = one.detections[whole.detections.image == image]
        assert torch.equal(of_one, other.detections[turned.detections.image == 11 - image])


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], type[Exception], str]] = {
    "another number": ({"keypoints": torch.ones(1, 3, 2)}, {}, ValueError, "holds 3 keypoints an object, but .* 2"),
    "flat": ({"keypoints": torch.ones(1, 6)}, {}, ValueError, r"must have shape \(n, K, 2\)"),
    "four numbers": ({"keypoints": torch.ones(1, 2, 4)}, {}, ValueError, r"must have shape \(n, K, 2\)"),
    "a list": ({"keypoints": [[1, 2]]}, {}, TypeError, "must be a tensor"),
    "nan": ({"keypoints": POINTS * torch.nan}, {}, ValueError, "not finite"),
    "more boxes": ({"boxes": torch.ones(2, 4)}, {}, ValueError, "are of 1 objects, but there are 2 'boxes'"),
    "no area": ({}, {"area": None}, ValueError, r"`target\[0\]` \(image_id 7\) lacks the key 'area'"),
    "keypoints below 0": ({}, {"num_keypoints": torch.tensor([-1])}, ValueError, "'num_keypoints'.*at least 0"),
    "no keypoints": ({}, {"keypoints": None}, ValueError, "lacks the key 'keypoints'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused(name: str) -> None:
    of_preds, of_target, error, message = REFUSED[name]
    target = {key: value for key, value in _labelled(**of_target).items() if value is not None}
    with pytest.raises(error, match=message):
        pack([_found(**of_preds)], [target], iou_type="keypoints", sigmas=SIGMAS)


@pytest.mark.parametrize("sigmas", [[], [0.0], [-1.0], [torch.inf], "12", 3, {}, {1: []}, {1: [0.1], 2: [0.1, 0.2]}])
def test_sigmas_that_make_no_sense_are_refused(sigmas: Any) -> None:
    with pytest.raises(ValueError, match="`sigmas`"):
        checked_sigmas(sigmas)


def test_a_label_without_sigmas_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`target\[0\]` \(image_id 7\) has an object of label 1.*add them"):
        pack([_found()], [_labelled()], iou_type="keypoints", sigmas={2: SIGMAS})


def test_messages_about_what_goes_with_keypoints_speak_of_objects() -> None:
    with pytest.raises(ValueError, match=r"\['labels'\].* one value for each object, but"):
        pack([_found(labels=torch.ones(2).long())], [_labelled()], iou_type="keypoints", sigmas=SIGMAS)
    with pytest.raises(TypeError, match=r"\['iscrowd'\].* one number for each object, but"):
        pack([_found()], [_labelled(iscrowd=["x"])], iou_type="keypoints", sigmas=SIGMAS)
