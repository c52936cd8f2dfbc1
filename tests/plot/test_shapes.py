"""Pictures show masks where they are, and skeletons whose points are labelled."""

from typing import Any

import numpy as np
import torch

from hardest_metrics.functional import Query
from hardest_metrics.plot import draw_image, outcome_boxes
from tests.functional.detection.shape_scenes import keypoint_scenes, mask_scenes

GREEN, BLUE, RED = (40, 200, 90), (40, 110, 255), (225, 30, 45)


def drawn(preds: Any, target: Any, size: tuple[int, int], **settings: Any) -> Any:
    """The picture of one black image, as high and wide as it is."""
    (boxes,) = outcome_boxes([preds], [target], Query(), **settings)
    picture = draw_image(torch.zeros(3, *size, dtype=torch.uint8), boxes, size=max(size))
    return np.asarray(picture).astype(int)


def test_masks_are_filled_in_the_colour_of_their_outcome() -> None:
    masks = torch.zeros(3, 200, 300, dtype=torch.bool)
    masks[0, 20:80, 20:80], masks[1, 120:180, 20:80], masks[2, 20:80, 150:280] = True, True, True
    labels = torch.ones(2).long()
    preds = {"masks": masks[:2], "scores": torch.ones(2), "labels": labels}
    picture = drawn(preds, {"masks": masks[::2], "labels": labels}, (200, 300), iou_type="segm")
    for color, (y, x) in ((GREEN, (60, 50)), (RED, (160, 50)), (BLUE, (60, 200))):
        assert np.allclose(picture[y, x], 0.4 * np.array(color), atol=2)
    assert (picture[85:100] == 0).all()
    assert tuple(picture[79, 50]) == GREEN  # the outline


def test_every_mask_of_many_images_is_drawn_with_its_box() -> None:
    preds, target = mask_scenes(6, seed=5)
    for boxes, pred in zip(outcome_boxes(preds, target, Query(), iou_type="segm"), preds, strict=True):
        assert boxes.shapes is not None
        assert len(boxes.shapes.geometry) == len(boxes.labels)
        if not len(boxes.labels):
            continue
        assert boxes.shapes.size == tuple(pred["masks"].shape[1:]) or not len(pred["masks"])
        for place, (left, top, right, bottom) in enumerate(boxes.xyxy.int().tolist()):
            mask: Any = boxes.shapes.geometry
            dense = mask.dense(boxes.shapes.size, place)
            assert not dense.any() or dense.nonzero().amin(0).tolist() == [top, left]
            assert not dense.any() or dense.nonzero().amax(0).tolist() == [bottom - 1, right - 1]
        draw_image(torch.zeros(3, *boxes.shapes.size, dtype=torch.uint8), boxes)


def test_points_that_are_not_labelled_are_not_drawn() -> None:
    points = torch.tensor([[[50.0, 50, 2], [150, 150, 0]]])
    target = {"keypoints": points, "labels": torch.ones(1).long(), "area": torch.ones(1)}
    nothing = {"keypoints": torch.empty(0), "labels": torch.empty(0).long(), "scores": torch.empty(0)}
    picture = drawn(nothing, target, (200, 200), iou_type="keypoints", sigmas=[0.1, 0.1])
    assert tuple(picture[50, 50]) == BLUE
    assert (picture[150, 150] == 0).all()


def test_limbs_of_a_person_join_the_points() -> None:
    preds, target = keypoint_scenes(3, seed=1)
    for boxes in outcome_boxes(preds, target, Query(score_threshold=0.0), "xywh", "keypoints"):
        picture = np.asarray(draw_image(torch.zeros(3, 300, 300, dtype=torch.uint8), boxes))
        assert not len(boxes.labels) or picture.any()
