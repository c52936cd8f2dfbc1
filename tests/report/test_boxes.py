from typing import Any

import pytest
import torch

from hardest_metrics import FalseNegatives, FalsePositives, TotalFalse
from hardest_metrics.functional import Kind as ErrorKind
from hardest_metrics.functional import Outcome, Query, match, pack
from hardest_metrics.functional.detection.shape_format import ShapeFormat
from hardest_metrics.report.boxes import MOST_BELOW, NO_OBJECT, NO_SCORE, SCALE, Kind, ShownBoxes, shown_boxes
from tests.functional.detection.shape_scenes import keypoint_scenes, mask_scenes
from tests.report.conftest import one_image
from tests.scenes import Scenery


def test_every_box_that_takes_part_is_shown_with_the_outcome_of_its_match() -> None:
    preds, target = Scenery(box_format="xywh", areas=False).draw(60, seed=1)
    query = Query(0.3, area_range=(50.0, 2000.0))
    boxes = shown_boxes(preds, target, query)
    batch = pack(preds, target, "xywh")
    matches = match(batch.detections, batch.ground_truth, query)
    below = batch.detections.scores < query.lowest_score
    for kind in Outcome:
        expected = int((matches.detections[~below] == kind).sum())
        if kind != Outcome.TRUE_POSITIVE:  # an object that was found is shown as the detection that found it
            expected += int((matches.ground_truth == kind).sum())
        assert expected, "the scene has some of each"
        assert int((boxes.kinds == kind).sum()) == expected
    assert int(boxes.counts.sum()) == len(boxes.kinds)


def test_of_detections_of_too_low_a_score_the_best_of_each_image_are_kept() -> None:
    scores = torch.linspace(0.01, 0.49, 50).tolist()
    many = one_image([([1.0, 1, 5, 5], 1)] * 50, scores)
    few = one_image([([1.0, 1, 5, 5], 1)] * 2, [0.1, 0.9])
    boxes = shown_boxes([many, few], [one_image([]), one_image([])], Query(labels=[1]))
    assert boxes.counts.tolist() == [MOST_BELOW, 2]
    assert boxes.kinds.tolist() == [Kind.BELOW_THRESHOLD] * MOST_BELOW + [Kind.FALSE_POSITIVE, Kind.BELOW_THRESHOLD]
    torch.testing.assert_close(boxes.scores[:MOST_BELOW].sort().values, torch.tensor(scores[-MOST_BELOW:]).double())
    assert shown_boxes([many], [one_image([])], Query(labels=[2])).counts.tolist() == [0], "its label does not count"


def test_without_labels_nothing_is_judged() -> None:
    image = one_image([([1.0, 1, 5, 5], 1), ([1.0, 1, 5, 5], 2), ([1.0, 1, 5, 5], 1)], [0.9, 0.8, 0.2])
    boxes = shown_boxes([image], None, Query(labels=[1]))
    assert boxes.kinds.tolist() == [Kind.UNJUDGED, Kind.IGNORED, Kind.BELOW_THRESHOLD]


def test_boxes_are_packed_in_parts_of_their_image_and_cut_at_its_edges() -> None:
    preds = [one_image([([50.0, 10, 100, 10], 7)], [0.625]), one_image([], [])]
    target = [one_image([]), one_image([([-5.0, 0, 10, 50], 3)])]
    boxes = shown_boxes(preds, target, Query())
    packed = boxes.packed(torch.tensor([[100, 40], [10, 50]]), torch.tensor([3, 7]))
    half, quarter = round(SCALE / 2), round(SCALE / 4)
    assert packed.T.tolist() == [
        [half, quarter, SCALE, half, 6250, 1, Kind.FALSE_POSITIVE, ErrorKind.BACKGROUND, NO_OBJECT],
        [0, 0, half, SCALE, NO_SCORE, 0, Kind.FALSE_NEGATIVE, ErrorKind.MISSED, 0],
    ]


def test_the_extent_of_an_image_of_unknown_size_holds_its_boxes() -> None:
    preds = [one_image([([50.0, 10, 100, 10], 1), ([0.0, 0, 5, 60], 1)], [0.9, 0.9]), one_image([], [])]
    assert shown_boxes(preds, None, Query()).least_sizes.tolist() == [[150, 60], [1, 1]]


def test_weights_of_errors_add_up_to_the_hardness_of_their_image() -> None:
    preds, target = Scenery(box_format="xywh").draw(60, seed=2)
    query = Query(0.3)
    boxes = shown_boxes(preds, target, query, ["pixel", "overlap"])
    is_error = (boxes.kinds == Kind.FALSE_POSITIVE) | (boxes.kinds == Kind.FALSE_NEGATIVE)
    image = torch.arange(60).repeat_interleave(boxes.counts)[is_error]
    of_kind = {
        FalsePositives: boxes.kinds[is_error] == Kind.FALSE_POSITIVE,
        FalseNegatives: boxes.kinds[is_error] == Kind.FALSE_NEGATIVE,
        TotalFalse: torch.ones(len(image), dtype=torch.bool),
    }
    for weighting, weights in boxes.weights.items():
        for definition, chosen in of_kind.items():
            metric = definition(weighting, score_threshold=0.3, box_format="xywh")
            metric.update(preds, [one | {"image_id": i} for i, one in enumerate(target)])
            added_up = torch.zeros(60, dtype=torch.float64).index_add_(0, image[chosen], weights[chosen])
            ranking = metric.compute()
            torch.testing.assert_close(added_up[ranking.image_ids].float(), ranking.hardness)


def test_detections_and_missed_objects_say_which_object_of_their_image_they_are_of() -> None:
    left, right = ([0.0, 0, 10, 10], 1), ([50.0, 0, 10, 10], 1)
    target = [one_image([left, right]), one_image([right, left])]
    boxes = shown_boxes([one_image([right], [0.9]), one_image([right], [0.9])], target, Query())
    assert boxes.kinds.tolist() == [Kind.TRUE_POSITIVE, Kind.FALSE_NEGATIVE] * 2
    assert boxes.objects.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("iou_type", ["segm", "keypoints"])
def test_masks_and_keypoints_are_judged_as_such_and_drawn_in_their_boxes(iou_type: Any) -> None:
    preds, target = mask_scenes(12, seed=3) if iou_type == "segm" else keypoint_scenes(12, seed=3)
    shapes = ShapeFormat("xywh", iou_type)
    query = Query(0.3)
    boxes = shown_boxes(preds, target, query, ["overlap"], shapes)
    metric = TotalFalse("overlap", score_threshold=0.3, max_detections=100, box_format="xywh", iou_type=iou_type)
    metric.update(preds, target)
    image = torch.arange(12).repeat_interleave(boxes.counts)
    is_error = (boxes.kinds == Kind.FALSE_POSITIVE) | (boxes.kinds == Kind.FALSE_NEGATIVE)
    added_up = torch.zeros(12, dtype=torch.float64).index_add_(0, image[is_error], boxes.weights["overlap"])
    ranking = metric.compute()
    torch.testing.assert_close(added_up[ranking.image_ids - 1].float(), ranking.hardness)

    assert boxes.lines is not None
    assert len(boxes.lines.counts) == len(boxes.xyxy)
    box = torch.arange(len(boxes.xyxy)).repeat_interleave(boxes.lines.counts)
    x = boxes.lines.points[:, 0].split(boxes.lines.lengths.tolist())
    for part, place in enumerate(box.tolist()):
        inside = x[part][~x[part].isnan()]
        left, right = boxes.xyxy[place, 0] - 1e-6, boxes.xyxy[place, 2] + 1e-6
        if iou_type == "segm" or boxes.scores[place] >= 0:  # objects have boxes of their own
            assert bool(((inside >= left) & (inside <= right)).all())

    parts = [shown_boxes(preds[i : i + 5], target[i : i + 5], query, ["overlap"], shapes) for i in (0, 5, 10)]
    joined = ShownBoxes.joined(parts)
    assert joined.kinds.tolist() == boxes.kinds.tolist()
    assert joined.lines is not None
    torch.testing.assert_close(joined.lines.points, boxes.lines.points, equal_nan=True)
