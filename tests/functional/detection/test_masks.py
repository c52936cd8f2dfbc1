"""Masks are matched and weighed as pycocotools does it, in whichever form they are given."""

import runpy
import warnings
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from hardest_metrics.functional import Query, overlap, pack, pixel
from hardest_metrics.functional.detection import geometry
from hardest_metrics.functional.detection.hardness import weighted_sums
from hardest_metrics.functional.detection.masks import Masks
from hardest_metrics.functional.detection.pixel_runs import runs_of_dense
from tests.functional.detection.shape_scenes import (
    assert_same,
    coco_eval,
    golden_outcomes,
    mask_scenes,
    matched,
    query_of,
)

#: What is asked of which random images, 125 of them each.
QUERIES = {
    "as given": Query(),
    "every detection": Query(score_threshold=0.0),
    "loose": Query(iou_threshold=0.1, score_threshold=0.2),
    "strict": Query(iou_threshold=0.9, score_threshold=0.1),
    "equal masks only": Query(iou_threshold=1.0, score_threshold=0.0),
    "areas": Query(area_range=(50, 200), score_threshold=0.1),
    "few detections": Query(max_detections=2, score_threshold=0.0),
    "some labels": Query(labels=[1, 3], score_threshold=0.3),
}


@pytest.mark.parametrize("name", QUERIES)
def test_masks_are_matched_as_cocoeval_does(name: str) -> None:
    query = QUERIES[name]
    preds, target = mask_scenes(125, seed=len(name))
    assert_same(matched(pack(preds, target, iou_type="segm"), query), coco_eval(preds, target, query, "segm"))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8))
def test_many_more_scenes_are_matched_as_cocoeval_does(seed: int) -> None:
    preds, target = mask_scenes(400, seed=seed)
    batch = pack(preds, target, iou_type="segm")
    for query in QUERIES.values():
        assert_same(matched(batch, query), coco_eval(preds, target, query, "segm"))


def test_outcomes_and_hardness_are_those_of_the_goldens(shared_data: Path) -> None:
    inputs = runpy.run_path(str(shared_data / "goldens" / "masks_inputs.py"))
    kind, parts = inputs["load"](shared_data / "goldens" / "segm.json")
    for part in parts:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of pycocotools' decode under numpy 2
            preds, target, places, objects = inputs["inputs"](part, kind)
        batch = pack(preds, target, iou_type="segm")
        for golden in part["queries"]:
            query = query_of(golden)
            matches = matched(batch, query)
            assert golden_outcomes(matches, list(chain(*places)), list(chain(*objects))) == {
                name: golden[name] for name in ("detections", "ground_truth", "detection_match")
            }
            sums = weighted_sums(batch, matches, [pixel, overlap])
            for weighting, name in enumerate(("pixel", "overlap")):
                theirs = torch.tensor(golden[name], dtype=torch.float64)
                torch.testing.assert_close(sums[:, :, weighting], theirs, rtol=0, atol=1e-8)


@pytest.mark.parametrize("at_once", [1, 50, 1 << 15])
def test_shared_pixels_are_counted_however_many_runs_are_looked_at(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geometry, "_PAIRS_AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    a, b = rng.random((5, 30, 20)) < 0.5, rng.random((7, 30, 20)) < 0.1
    a[0], b[0], b[1] = True, False, True
    one, other = (Masks.of_runs([runs_of_dense(masks.reshape(len(masks), -1))], [(30, 20)]) for masks in (a, b))
    found = np.zeros((5, 7))
    for i, j, shared in one.shared_areas(other, torch.zeros(5).long(), torch.full((5,), 7)):
        found[i, j] = shared
    assert np.array_equal(found, (a[:, None] & b[None]).sum((2, 3)))


def test_a_mask_that_reaches_further_than_any_other_shares_what_it_does() -> None:
    a, b = np.ones((1, 6, 6), bool), np.zeros((2, 6, 6), bool)
    b[:, :2, :2] = True
    one, other = (Masks.of_runs([runs_of_dense(masks.reshape(len(masks), -1))], [(6, 6)]) for masks in (a, b))
    [(_, _, shared)] = one.shared_areas(other, torch.tensor([0]), torch.tensor([2]))
    assert shared.tolist() == [4, 4]


def test_masks_are_taken_and_joined_in_any_order() -> None:
    rng = np.random.default_rng(1)
    dense = rng.random((6, 9, 11)) < 0.4
    dense[2] = False
    masks = Masks.of_runs([runs_of_dense(dense.reshape(6, -1))], [(9, 11)])
    order = [4, 2, 2, 0]
    taken = Masks.joined([masks.take(torch.tensor(order)), masks.take(torch.tensor([]).long())])
    expected = Masks.of_runs([runs_of_dense(dense[order].reshape(4, -1))], [(9, 11)])
    assert all(torch.equal(value, vars(expected)[name]) for name, value in vars(taken).items())


def test_an_empty_mask_weighs_nothing() -> None:
    mask = torch.zeros(1, 4, 5, dtype=torch.bool)
    preds = [{"masks": mask, "scores": torch.tensor([0.9]), "labels": torch.tensor([1])}]
    batch = pack(preds, [{"masks": mask, "labels": torch.tensor([1])}], iou_type="segm")
    matches = matched(batch, Query())
    assert matches.detections.tolist() == [1]
    assert matches.ground_truth.tolist() == [2]
    assert weighted_sums(batch, matches, [pixel, overlap]).eq(0).all()
