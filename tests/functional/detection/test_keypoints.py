"""Keypoints are compared as pycocotools does it, to the last bit."""

import runpy
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools.cocoeval import COCOeval

from hardest_metrics.functional import Batch, Query, pack
from hardest_metrics.functional.detection import geometry
from tests.functional.detection.shape_scenes import (
    Images,
    assert_same,
    coco_eval,
    coco_of,
    golden_outcomes,
    keypoint_scenes,
    matched,
    query_of,
)

#: What is asked of which random images, 125 of them each.
QUERIES = {
    "as given": Query(max_detections=20),
    "every detection": Query(score_threshold=0.0, max_detections=20),
    "loose": Query(iou_threshold=0.05, score_threshold=0.2, max_detections=20),
    "strict": Query(iou_threshold=0.95, score_threshold=0.1, max_detections=20),
    "equal points only": Query(iou_threshold=1.0, score_threshold=0.0, max_detections=20),
    "areas": Query(area_range="medium", score_threshold=0.1, max_detections=20),
    "few detections": Query(max_detections=2, score_threshold=0.0),
    "one label": Query(labels=[2], score_threshold=0.3, max_detections=20),
}


def packed(preds: Images, target: Images, sigmas: list[float] | None = None) -> Batch:
    return pack(preds, target, "xywh", iou_type="keypoints", sigmas=sigmas)


@pytest.mark.parametrize("name", QUERIES)
def test_keypoints_are_matched_as_cocoeval_does(name: str) -> None:
    query = QUERIES[name]
    preds, target = keypoint_scenes(125, seed=len(name))
    assert_same(matched(packed(preds, target), query), coco_eval(preds, target, query, "keypoints"))


def test_fewer_points_have_sigmas_of_their_own() -> None:
    sigmas = [0.05, 0.1, 0.2]
    preds, target = keypoint_scenes(60, seed=3, points=3)
    query = Query(score_threshold=0.0, max_detections=20)
    assert_same(matched(packed(preds, target, sigmas), query), coco_eval(preds, target, query, "keypoints", sigmas))


def test_sigmas_by_label_are_those_of_the_object() -> None:
    sigmas = {1: [0.05, 0.1, 0.2], 2: [0.3, 0.01, 0.1], 9: [1.0, 1, 1]}
    preds, target = keypoint_scenes(40, seed=4, points=3)
    batch = pack(preds, target, "xywh", iou_type="keypoints", sigmas=sigmas)
    for label in (1, 2):
        query = Query(score_threshold=0.0, max_detections=20, labels=[label])
        assert_same(matched(batch, query), coco_eval(preds, target, query, "keypoints", sigmas[label]))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8))
def test_many_more_scenes_are_matched_as_cocoeval_does(seed: int) -> None:
    preds, target = keypoint_scenes(400, seed=seed)
    batch = packed(preds, target)
    for query in QUERIES.values():
        assert_same(matched(batch, query), coco_eval(preds, target, query, "keypoints"))


def test_outcomes_are_those_of_the_goldens(shared_data: Path) -> None:
    inputs = runpy.run_path(str(shared_data / "goldens" / "masks_inputs.py"))
    kind, parts = inputs["load"](shared_data / "goldens" / "keypoints.json")
    for part in parts:
        preds, target, places, objects = inputs["inputs"](part, kind)
        batch = packed(preds, target, part.get("sigmas"))
        for golden in part["queries"]:
            assert golden_outcomes(matched(batch, query_of(golden)), list(chain(*places)), list(chain(*objects))) == {
                name: golden[name] for name in ("detections", "ground_truth", "detection_match")
            }


@pytest.mark.parametrize("at_once", [7, 1 << 15])
def test_similarity_equals_pycocotools_to_the_last_bit(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry, "_PAIRS_AT_ONCE", at_once)
    preds, target = keypoint_scenes(40, seed=7)
    for images in (preds, target):
        for one in images:
            one["labels"].fill_(1)
    evaluation = COCOeval(coco_of(target), coco_of(preds), "keypoints")
    evaluation._prepare()
    for image, (pred, objects) in enumerate(zip(preds, target, strict=True)):
        batch = pack([pred], [objects], "xywh", iou_type="keypoints")
        found = np.zeros((len(batch.detections), len(batch.ground_truth)))
        first, count = torch.zeros(found.shape[1]).long(), torch.full((found.shape[1],), found.shape[0])
        similar = batch.ground_truth.geometry.similarities(
            batch.detections.geometry, first, count, batch.ground_truth.crowd, 0.0
        )
        for obj, det, similarity in similar:
            found[det, obj] = similarity
        theirs = evaluation.computeOks(image + 1, 1)
        if len(theirs):
            order = np.argsort(-pred["scores"].numpy(), kind="mergesort")
            assert np.array_equal(found[order], theirs)
