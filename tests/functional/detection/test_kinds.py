"""Why a box is an error: as TIDE's own package says, and as the rules say where that package has others."""

import importlib
import json
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools import mask
from torch import Tensor

from hardest_metrics.data import read_annotations, read_detections
from hardest_metrics.functional import (
    ErrorKinds,
    Kind,
    Matches,
    Outcome,
    Query,
    confusions,
    error_kinds,
    match,
    pack,
)
from hardest_metrics.functional.detection import geometry
from tests.scenes import Batch, Image, Scenery, detected, labelled

#: What tidecv's classes of errors are here.
OF_TIDECV = {
    "BoxError": Kind.LOCALISATION,
    "ClassError": Kind.CLASSIFICATION,
    "DuplicateError": Kind.DUPLICATE,
    "BackgroundError": Kind.BACKGROUND,
    "OtherError": Kind.BOTH,
    "MissedError": Kind.MISSED,
}


def ours(batch: Batch, query: Query, box_format: Any = "xyxy", **settings: float) -> tuple[Matches, ErrorKinds]:
    packed = pack(*batch, box_format)
    matches = match(packed.detections, packed.ground_truth, query)
    return matches, error_kinds(packed, matches, query, **settings)


def names(kinds: Tensor) -> list[str]:
    return [Kind(kind).name for kind in kinds.tolist()]


def tidecv(batch: Batch, query: Query, background: float) -> list[Kind]:
    """What its package says of every detection of enough score, then of every object; no kind if it says nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its docstrings hold escapes that Python warns of
        package = importlib.import_module("tidecv")
    truth, found = package.Data("truth", max_dets=10**6), package.Data("found")
    for index, (preds, target) in enumerate(zip(*batch, strict=True)):
        truth.add_image(index, str(index))
        for box, label in zip(_xywh(target), target["labels"].tolist(), strict=True):
            truth.add_ground_truth(index, label, box)
        columns = zip(_xywh(preds), preds["labels"].tolist(), preds["scores"].tolist(), strict=True)
        for box, label, score in columns:
            if score >= query.lowest_score:
                found.add_detection(index, label, score, box)
    run = package.TIDE(query.iou_threshold, background).evaluate(truth, found)
    kinds = {"pred": [Kind.NONE] * len(found.annotations), "gt": [Kind.NONE] * len(truth.annotations)}
    for error in run.errors:
        side = "pred" if hasattr(error, "pred") else "gt"
        kinds[side][getattr(error, side)["_id"]] = OF_TIDECV[type(error).__name__]
    return kinds["pred"] + kinds["gt"]


def _xywh(image: Image) -> list[list[float]]:
    corners = image["boxes"]
    return torch.cat((corners[:, :2], corners[:, 2:] - corners[:, :2]), 1).tolist()


def plain(batch: Batch, query: Query, background: float) -> tuple[list[str], list[str], list[int]]:
    """The rules of the docstring, box by box; matches are those of `match`, of all labels."""
    packed = pack(*batch)
    matches = match(packed.detections, packed.ground_truth, replace(query, labels=None))
    counted = match(packed.detections, packed.ground_truth, query)
    found, objects = packed.detections, packed.ground_truth
    of_found, meant = ["NONE"] * len(found), [-1] * len(found)
    of_objects = ["MISSED" if outcome == Outcome.FALSE_NEGATIVE else "NONE" for outcome in counted.ground_truth]
    for det in range(len(found)):
        if matches.detections[det] != Outcome.FALSE_POSITIVE:
            continue
        overlaps: dict[bool, list[tuple[float, int]]] = {True: [(0.0, 1)], False: [(0.0, 1)]}
        for obj in range(len(objects)):
            if objects.image[obj] == found.image[det] and matches.ground_truth[obj] != Outcome.IGNORED:
                (iou,) = mask.iou([found.xywh[det].tolist()], [objects.xywh[obj].tolist()], [0])[0]
                overlaps[bool(objects.labels[obj] == found.labels[det])].append((float(iou), -obj))
        (own, own_object), (other, other_object) = max(overlaps[True]), max(overlaps[False])
        if background <= own <= query.iou_threshold:
            kind, meant[det] = "LOCALISATION", -own_object
        elif other >= query.iou_threshold:
            kind, meant[det] = "CLASSIFICATION", -other_object
        elif own >= query.iou_threshold:
            kind = "DUPLICATE"
        else:
            kind = "BACKGROUND" if max(own, other) <= background else "BOTH"
        of_found[det] = kind
        if meant[det] >= 0 and of_objects[meant[det]] == "MISSED":
            of_objects[meant[det]] = "EXPLAINED"
        if counted.detections[det] != Outcome.FALSE_POSITIVE:
            of_found[det], meant[det] = "NONE", -1
    return of_found, of_objects, meant


def without_ties(number: int, seed: int) -> Batch:
    """Images of boxes that lie near each other, no two pairs of which overlap alike: these the package takes otherwise.

    Scores may be equal.
    """
    rng = np.random.default_rng(seed)
    preds: list[Image] = []
    target: list[Image] = []
    for _ in range(number):
        count = rng.integers(0, 9)
        truth = np.concatenate([rng.random((count, 2)) * 60, 5 + 60 * rng.random((count, 2))], 1)
        near = truth[rng.integers(0, count, 2 * count)] if count else truth
        near = near + rng.normal(0, rng.choice([0.05, 0.2, 0.5]), near.shape) * np.tile(near[:, 2:], 2)
        found = np.abs(np.concatenate([near, rng.random((rng.integers(0, 4), 4)) * 80]))
        for images, xywh in ((preds, found), (target, truth)):
            corners = torch.from_numpy(np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], 1))
            images.append({"boxes": corners, "labels": torch.from_numpy(rng.integers(1, 4, len(xywh)))})
        preds[-1]["scores"] = torch.from_numpy(rng.choice(np.round(rng.random(8), 2), len(found)))
    return preds, target


@pytest.mark.parametrize("seed", range(4))
def test_kinds_are_those_of_tidecv_on_random_images(seed: int) -> None:
    query = Query(score_threshold=(0.0, 0.3)[seed % 2], iou_threshold=(0.5, 0.5, 0.75, 0.3)[seed])
    background = (0.1, 0.1, 0.2, 0.05)[seed]
    batch = without_ties(550, seed)
    kept = torch.cat([image["scores"] for image in batch[0]]) >= query.lowest_score
    _, kinds = ours(batch, query, background_threshold=background)
    found, objects = kinds.detections[kept], kinds.ground_truth
    theirs = torch.tensor(tidecv(batch, query, background), dtype=torch.uint8)
    assert torch.equal(found, theirs[: len(found)])
    assert torch.equal(objects.where(objects != Kind.EXPLAINED, 0), theirs[len(found) :])
    assert len(kinds.detections.unique()) == 6
    assert len(kinds.ground_truth.unique()) == 3


def test_kinds_of_a_real_detector_are_those_of_tidecv(shared_data: Path) -> None:
    annotations = read_annotations(shared_data / "voc100" / "instances.json")
    preds = read_detections(shared_data / "voc100" / "fastestdet_results.json", annotations)
    packed = pack(preds, annotations.target, "xywh")
    query = Query()
    kinds = error_kinds(packed, match(packed.detections, packed.ground_truth, query), query)
    by_image: dict[str, Counter[str]] = {str(image_id): Counter() for image_id in annotations.image_ids}
    for side, boxes_ in ((kinds.detections, packed.detections), (kinds.ground_truth, packed.ground_truth)):
        for kind, place in zip(side.tolist(), boxes_.image.tolist(), strict=True):
            by_image[str(annotations.image_ids[place])][Kind(kind).name] += 1
    golden = json.loads((shared_data / "goldens" / "error_kinds.json").read_text())["by_image"]
    for image_id, found in by_image.items():
        theirs = {OF_TIDECV[name].name: number for name, number in golden.get(image_id, {}).items()}
        assert {name: n for name, n in found.items() if name not in ("NONE", "EXPLAINED")} == theirs
    total = sum(by_image.values(), Counter())
    assert [total[kind] for kind in OF_NAMES] == [66, 24, 6, 67, 34, 68]
    assert total["EXPLAINED"] == 102 - 68


OF_NAMES = ("LOCALISATION", "CLASSIFICATION", "DUPLICATE", "BACKGROUND", "BOTH", "MISSED")

QUERIES = {
    "as given": Query(),
    "every detection": Query(score_threshold=0.0),
    "strict": Query(iou_threshold=0.75, score_threshold=0.1),
    "perfect boxes only": Query(iou_threshold=1.0, score_threshold=0.1),
    "small": Query(area_range="small", score_threshold=0.1),
    "few detections": Query(max_detections=2, score_threshold=0.1),
    "one label": Query(labels=[2], score_threshold=0.1),
    "no label": Query(labels=[]),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_kinds_follow_the_rules_whatever_is_ignored(query: Query) -> None:
    batch = Scenery(labels=(1, 2, 3)).draw(25, seed=3)
    matches, kinds = ours(batch, query)
    of_found, of_objects, meant = plain(batch, query, 0.1)
    assert names(kinds.detections) == of_found
    assert names(kinds.ground_truth) == of_objects
    assert kinds.meant.tolist() == meant
    # every error has one kind, and nothing else has any
    assert torch.equal(kinds.detections != Kind.NONE, matches.detections == Outcome.FALSE_POSITIVE)
    assert torch.equal(kinds.ground_truth != Kind.NONE, matches.ground_truth == Outcome.FALSE_NEGATIVE)


def test_kinds_do_not_depend_on_how_many_pairs_are_looked_at_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Scenery().draw(40, seed=1)
    _, whole = ours(batch, Query(score_threshold=0.0))
    monkeypatch.setattr(geometry, "_PAIRS_AT_ONCE", 7)
    _, pieces = ours(batch, Query(score_threshold=0.0))
    assert all(map(torch.equal, whole, pieces))


OBJECT = (0.0, 0.0, 10.0, 10.0)


def kinds_of(*found: Image, objects: Image, query: Query = Query()) -> tuple[list[str], list[str]]:  # noqa: B008
    preds = {key: torch.cat([image[key] for image in found]) for key in ("boxes", "scores", "labels")}
    _, kinds = ours(([preds], [objects]), query)
    return names(kinds.detections), names(kinds.ground_truth)


def test_a_detection_on_a_crowd_has_no_kind_and_a_crowd_explains_none() -> None:
    objects = labelled(OBJECT, iscrowd=torch.tensor([1]))
    assert kinds_of(detected(OBJECT), objects=objects) == (["NONE"], ["NONE"])
    # of another label it is on nothing, as the crowd is left out
    assert kinds_of(detected(OBJECT, label=2), objects=objects) == (["BACKGROUND"], ["NONE"])
    # nor does overlapping a crowd too little make it an error of localisation
    assert kinds_of(detected((8, 0, 40, 10)), objects=objects) == (["BACKGROUND"], ["NONE"])


def test_objects_outside_the_area_range_are_left_out() -> None:
    small = Query(area_range=(0, 150))
    large = labelled((0, 0, 20, 20))
    assert kinds_of(detected((0, 0, 12, 12)), objects=large, query=small) == (["BACKGROUND"], ["NONE"])
    # a detection that is itself outside is ignored
    assert kinds_of(detected((5, 5, 25, 25)), objects=large, query=small) == (["NONE"], ["NONE"])


def test_an_overlap_of_just_the_threshold_is_a_localisation_error_only_where_the_object_is_taken() -> None:
    half = detected((0, 0, 10, 5), score=0.6)
    assert kinds_of(half, objects=labelled(OBJECT)) == (["NONE"], ["NONE"])
    assert kinds_of(detected(OBJECT), half, objects=labelled(OBJECT))[0] == ["NONE", "LOCALISATION"]
    assert kinds_of(detected(OBJECT), detected((0, 0, 10, 6), score=0.6), objects=labelled(OBJECT))[0] == [
        "NONE", "DUPLICATE",
    ]  # fmt: skip


def test_overlap_of_just_the_background_threshold() -> None:
    tenth = (0, 0, 1, 10)
    assert kinds_of(detected(tenth), objects=labelled(OBJECT))[0] == ["LOCALISATION"]
    assert kinds_of(detected(tenth, label=2), objects=labelled(OBJECT))[0] == ["BACKGROUND"]
    assert kinds_of(detected((0, 0, 1.1, 10), label=2), objects=labelled(OBJECT))[0] == ["BOTH"]


def test_of_objects_that_overlap_alike_the_first_is_meant() -> None:
    _, objects = kinds_of(detected((0, 0, 10, 3)), objects=labelled(OBJECT, OBJECT))
    assert objects == ["EXPLAINED", "MISSED"]


def test_an_object_that_was_found_is_meant_but_not_explained() -> None:
    found, objects = kinds_of(detected(OBJECT), detected((0, 0, 10, 3)), objects=labelled(OBJECT))
    assert (found, objects) == (["NONE", "LOCALISATION"], ["NONE"])


def test_labels_that_do_not_count_are_looked_at() -> None:
    people = Query(labels=[1])
    dog = labelled(OBJECT, label=2)
    assert kinds_of(detected(OBJECT), objects=dog, query=people) == (["CLASSIFICATION"], ["NONE"])
    person = labelled(OBJECT)
    assert kinds_of(detected(OBJECT, label=2), objects=person, query=people) == (["NONE"], ["EXPLAINED"])


def test_nothing_has_no_kinds() -> None:
    for batch in (([], []), ([detected()], [labelled()]), ([detected()], [labelled(OBJECT)])):
        _, kinds = ours(batch, Query())
        assert kinds.detections.tolist() == []
    assert names(kinds.ground_truth) == ["MISSED"]


def test_confusions_name_what_was_detected_and_what_is_there() -> None:
    preds = [detected(OBJECT, label=2), detected(OBJECT, (50, 0, 60, 10), label=7)]
    target = [labelled(OBJECT, label=3), labelled(OBJECT, label=7)]
    packed = pack(preds, target)
    kinds = error_kinds(packed, match(packed.detections, packed.ground_truth, Query()), Query())
    found = confusions(packed, kinds)
    assert [column.tolist() for column in found] == [[0], [2], [3]]


@pytest.mark.parametrize("threshold", [0.0, -0.1, 0.6, float("nan"), "low"])
def test_a_background_threshold_that_makes_no_sense_is_refused(threshold: Any) -> None:
    with pytest.raises(ValueError, match=r"`background_threshold` must be above 0 and at most `iou_threshold`, 0\.5"):
        ours(([detected()], [labelled()]), Query(), background_threshold=threshold)
