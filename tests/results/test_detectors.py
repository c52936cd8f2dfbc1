from pathlib import Path

import pytest
import torch

from hardest_metrics import FalseNegatives, FalsePositives, TotalFalse
from hardest_metrics.data import Annotations, read_annotations, read_detections
from hardest_metrics.functional import match, pack
from hardest_metrics.functional.detection.matching import Outcome
from hardest_metrics.results import diff
from tests.scenes import Image, detected, labelled


def annotated(*target: Image) -> Annotations:
    ids = [3 * place + 1 for place in range(len(target))]
    listed = [{**image, "image_id": image_id} for image, image_id in zip(target, ids, strict=True)]
    return Annotations(ids, [f"{image_id}.jpg" for image_id in ids], [None] * len(ids), {1: "cat"}, listed)


def test_objects_that_one_found_are_named_each_way() -> None:
    annotations = annotated(
        labelled((0, 0, 10, 10), (50, 50, 10, 10)), labelled((0, 0, 10, 10), (30, 30, 5, 5)), labelled()
    )
    old = [detected((50, 50, 10, 10)), detected((0, 0, 10, 10), (30, 30, 5, 5)), detected()]
    new = [detected((0, 0, 10, 10), (50, 50, 10, 9)), detected((0, 0, 10, 10)), detected((5, 5, 5, 5))]
    found = diff(annotations, old, new)
    assert [(one.image, one.object, one.xywh, one.lost) for one in found.objects] == [
        (0, 0, (0, 0, 10, 10), False),
        (1, 1, (30, 30, 5, 5), True),
    ]
    assert (found.before, found.now) == ([1, 0, 0], [0, 1, 1])
    assert (found.flips.became_wrong, found.flips.became_right) == ([4, 7], [1])
    assert found.ranking.image_ids.tolist() == [4, 7, 1]
    assert found.ranking.hardness.tolist() == [1, 1, -1]


@pytest.mark.parametrize("definition", [TotalFalse, FalsePositives, FalseNegatives])
def test_of_real_detectors_it_is_what_each_is_by_itself(shared_data: Path, definition: type[TotalFalse[None]]) -> None:
    voc = shared_data / "voc100"
    annotations = read_annotations(voc / "instances.json")
    old, new = [read_detections(voc / f"{name}_results.json", annotations) for name in ("yolo_fastestv2", "fastestdet")]
    rankings = []
    for one in (old, new):
        metric = definition(weighting="none", box_format="xywh", score_threshold=0.3)
        metric.update(one, annotations.target)
        rankings.append(dict(zip(*(column.tolist() for column in metric.compute()), strict=True)))
    found = diff(annotations, old, new, definition(box_format="xywh", score_threshold=0.3))
    for image_id, rise in zip(*(column.tolist() for column in found.ranking), strict=True):
        assert rise == rankings[1][image_id] - rankings[0][image_id]
    # one image at a time
    query, lost, gained = definition(score_threshold=0.3).query, 0, 0
    for target, *both in zip(annotations.target, old, new, strict=True):
        batches = [pack([one], [target], "xywh") for one in both]
        before, now = (match(one.detections, one.ground_truth, query).ground_truth for one in batches)
        lost += int(((before == Outcome.TRUE_POSITIVE) & (now == Outcome.FALSE_NEGATIVE)).sum())
        gained += int(((now == Outcome.TRUE_POSITIVE) & (before == Outcome.FALSE_NEGATIVE)).sum())
    assert lost + gained == len(found.objects) > 20
    assert sum(one.lost for one in found.objects) == lost


def test_a_detector_is_no_worse_than_itself(shared_data: Path) -> None:
    voc = shared_data / "voc100"
    annotations = read_annotations(voc / "instances.json")
    preds = read_detections(voc / "fastestdet_results.json", annotations)
    found = diff(annotations, preds, preds)
    assert (found.objects, found.flips.p, float(found.ranking.hardness.abs().max())) == ([], 1, 0)


def test_what_does_not_fit_is_refused() -> None:
    annotations = annotated(labelled((0, 0, 10, 10)))
    with pytest.raises(ValueError, match="`new` has detections of 0 images, but `annotations` have 1"):
        diff(annotations, [detected()], [])
    with pytest.raises(ValueError, match="`definition` must take boxes as 'xywh'"):
        diff(annotations, [detected()], [detected()], TotalFalse())


def test_crowds_and_labels_that_do_not_count_are_no_objects() -> None:
    crowd = labelled((0, 0, 10, 10), (50, 50, 10, 10))
    crowd["iscrowd"] = torch.tensor([1, 0])
    found = diff(annotated(crowd), [detected((0, 0, 10, 10), (50, 50, 10, 10))], [detected()])
    assert [one.object for one in found.objects] == [1]
    assert not diff(
        annotated(crowd), [detected((50, 50, 10, 10))], [detected()], TotalFalse(box_format="xywh", labels=[2])
    ).objects
