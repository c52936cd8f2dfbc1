"""What COCO's protocol says about every box, and that `match` says the same."""

import contextlib
import io
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchvision.ops import box_convert

from hardest_metrics.functional import Matches, Outcome, Query, match, pack
from hardest_metrics.functional.detection import geometry
from hardest_metrics.functional.detection.matching import AREA_RANGES, rank
from hardest_metrics.functional.detection.packing import no_labels
from tests.scenes import Batch, Image, Scenery, detected, labelled

TP, FP, FN = Outcome.TRUE_POSITIVE, Outcome.FALSE_POSITIVE, Outcome.FALSE_NEGATIVE
IGNORED = Outcome.IGNORED

FAR_APART = (-(2**62), -5, 0, 3 * 2**40, 2**62)

#: What is asked of which random images, 150 of them each.
QUESTIONS: dict[str, tuple[Scenery, Query]] = {
    "as given": (Scenery(), Query()),
    "nothing ignored": (Scenery(crowds=False, areas=False), Query(score_threshold=0.3)),
    "every detection": (Scenery(), Query(score_threshold=0.0)),
    "score equal to threshold": (Scenery(), Query(score_threshold=0.7)),
    "perfect scores only": (Scenery(), Query(score_threshold=1.0)),
    "loose": (Scenery(), Query(iou_threshold=0.05, score_threshold=0.1)),
    "strict": (Scenery(), Query(iou_threshold=0.75, score_threshold=0.1)),
    "perfect boxes only": (Scenery(), Query(iou_threshold=1.0, score_threshold=0.1)),
    "small": (Scenery(), Query(area_range="small")),
    "medium": (Scenery(), Query(area_range="medium", iou_threshold=0.3)),
    "large": (Scenery(), Query(area_range="large", score_threshold=0.0)),
    "areas of one value": (Scenery(), Query(area_range=(400, 400), score_threshold=0.1)),
    "areas below": (Scenery(), Query(area_range=(0, 300), score_threshold=0.1)),
    "one detection": (Scenery(), Query(max_detections=1)),
    "few detections": (Scenery(), Query(max_detections=3, area_range=(100, 1e5))),
    "many detections": (Scenery(labels=(1,)), Query(max_detections=130, score_threshold=0.0)),
    "some labels": (Scenery(), Query(labels=[2, 3, 99])),
    "no label": (Scenery(), Query(labels=[])),
    "labels far apart": (Scenery(labels=FAR_APART), Query(score_threshold=0.3)),
    "some labels far apart": (Scenery(labels=FAR_APART), Query(labels=FAR_APART[::2])),
    "cxcywh": (Scenery(box_format="cxcywh"), Query(score_threshold=0.3)),
    "xywh": (Scenery(box_format="xywh"), Query(score_threshold=0.3)),
    "float16": (Scenery(dtype=torch.float16), Query(score_threshold=0.7)),
    "float16 cxcywh": (Scenery(box_format="cxcywh", dtype=torch.float16), Query(score_threshold=0.1)),
    "float16 xywh": (Scenery(box_format="xywh", dtype=torch.float16), Query(score_threshold=0.1)),
    "float64": (Scenery(dtype=torch.float64), Query(score_threshold=0.7)),
    "float64 xywh": (Scenery(box_format="xywh", dtype=torch.float64), Query(iou_threshold=0.6)),
}


def ours(batch: Batch, query: Query, box_format: Any = "xyxy") -> Matches:
    packed = pack(*batch, box_format)
    return match(packed.detections, packed.ground_truth, query)


def pycocotools(batch: Batch, query: Query, box_format: str = "xyxy") -> Matches:
    """What became of every box according to `COCOeval`, box by box."""
    preds, target = batch
    found = _annotations(preds, box_format)
    objects = _annotations(target, box_format)
    # a detection below the threshold is none, compared as a tensor is with a number: in its own dtype
    passed = torch.cat([image["scores"] for image in preds]) >= query.lowest_score
    evaluation = COCOeval(_coco(objects, len(target)), _coco(found, len(target), passed), "bbox")
    evaluation.params.iouThrs = np.array([query.iou_threshold])
    evaluation.params.maxDets = [query.max_detections]
    evaluation.params.areaRng = [_area_range(query)]
    evaluation.params.areaRngLbl = ["asked"]
    labels = {annotation["category_id"] for annotation in found + objects}
    evaluation.params.catIds = sorted(labels) if query.labels is None else list(query.labels)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()

    matches = Matches(
        torch.full((len(found),), IGNORED, dtype=torch.uint8),
        torch.full((len(objects),), IGNORED, dtype=torch.uint8),
        torch.full((len(found),), -1),
        torch.full((len(objects),), -1),
    )
    for image in filter(None, evaluation.evalImgs):  # None for an image and label without boxes
        # annotations are numbered from 1, since 0 means "no match" to COCOeval
        for det, obj, ignored in zip(image["dtIds"], image["dtMatches"][0], image["dtIgnore"][0], strict=True):
            matches.detections[det - 1] = IGNORED if ignored else TP if obj else FP
            matches.detection_match[det - 1] = int(obj) - 1
        for obj, det, ignored in zip(image["gtIds"], image["gtMatches"][0], image["gtIgnore"], strict=True):
            matches.ground_truth[obj - 1] = IGNORED if ignored else TP if det else FN
            matches.ground_truth_match[obj - 1] = int(det) - 1
        # COCOeval notes the last detection that a crowd absorbed, `match` the best one
        for det, obj in zip(image["dtIds"][::-1], image["dtMatches"][0][::-1], strict=True):
            if obj and objects[int(obj) - 1]["iscrowd"]:
                matches.ground_truth_match[int(obj) - 1] = det - 1
    return matches


def _annotations(images: list[dict[str, Any]], box_format: str) -> list[dict[str, Any]]:
    annotations: list[dict[str, Any]] = []
    for index, image in enumerate(images):
        boxes = image["boxes"]
        if box_format != "xywh":
            boxes = box_convert(boxes, box_format, "xywh")
        number = len(boxes)
        columns = {
            "area": image.get("area", boxes[:, 2].double() * boxes[:, 3].double()),
            "score": image.get("scores", torch.zeros(number)),
            "iscrowd": image.get("iscrowd", torch.zeros(number, dtype=torch.int64)),
            "category_id": image["labels"],
            "bbox": boxes,
        }
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        annotations += [
            {"image_id": index, "id": len(annotations) + number, **dict(zip(columns, row, strict=True))}
            for number, row in enumerate(rows, start=1)
        ]
    return annotations


def _coco(annotations: list[dict[str, Any]], num_images: int, taking_part: torch.Tensor | None = None) -> COCO:
    if taking_part is not None:
        annotations = [a for a, takes_part in zip(annotations, taking_part, strict=True) if takes_part]
    coco = COCO()
    coco.dataset = {
        "images": [{"id": index} for index in range(num_images)],
        "categories": [],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def _area_range(query: Query) -> tuple[float, float]:
    if query.area_range is None:
        return 0, 1e10
    return AREA_RANGES[query.area_range] if isinstance(query.area_range, str) else query.area_range


def assert_same(batch: Batch, ours: Matches, theirs: Matches) -> None:
    preds, target = batch
    for name, our, their in zip(Matches._fields, ours, theirs, strict=True):
        if not torch.equal(our, their):
            box = int((our != their).nonzero()[0])
            images = preds if name.startswith("detection") else target
            ends = torch.tensor([len(image["labels"]) for image in images]).cumsum(0)
            image = int(torch.searchsorted(ends, box, right=True))
            pytest.fail(
                f"{name}[{box}] is {our[box]}, not {their[box]}, in image {image}:\n{preds[image]}\n{target[image]}"
            )


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_box_fares_as_in_pycocotools(name: str) -> None:
    scenery, query = QUESTIONS[name]
    batch = scenery.draw(150, seed=list(QUESTIONS).index(name))
    result = ours(batch, query, scenery.box_format)
    assert_same(batch, result, pycocotools(batch, query, scenery.box_format))
    assert len(result.detections) > 1000  # there was something to go wrong with
    assert result.detections.unique().numel() > 1 or query.labels == ()


@pytest.mark.parametrize("seed", range(8))
def test_queries_drawn_at_random_agree_with_pycocotools(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scenery = Scenery(labels=(4, 9), crowds=bool(seed % 2), box_format=rng.choice(["xyxy", "xywh"]))
    query = Query(
        score_threshold=rng.choice([0.1, 0.3, 0.5, rng.random()]),
        iou_threshold=rng.choice([0.05, 0.5, 0.6, 0.75, 1 - rng.random()]),
        labels=[9] if rng.random() < 0.2 else None,
        area_range=tuple(np.sort(rng.choice([0, 100, 200, 400, 1600, 1e4], 2)).tolist()),
        max_detections=int(rng.choice([1, 2, 5, 100])),
    )
    batch = scenery.draw(60, seed)
    assert_same(batch, ours(batch, query, scenery.box_format), pycocotools(batch, query, scenery.box_format))


@pytest.mark.parametrize("pairs", [1, 3, 50, 1000])
def test_how_many_pairs_are_looked_at_at_once_does_not_matter(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Scenery().draw(40 if pairs < 50 else 150, seed=1)
    query = Query(score_threshold=0.3)
    whole = ours(batch, query)
    monkeypatch.setattr(geometry, "_PAIRS_AT_ONCE", pairs)
    assert_same(batch, ours(batch, query), whole)


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_how_images_are_batched_does_not_matter(size: int) -> None:
    batch = Scenery(labels=FAR_APART).draw(150, seed=2)
    images = list(zip(*batch, strict=True))
    query = Query(score_threshold=0.3, iou_threshold=0.3)
    of_image = _image_by_image(batch, query)
    starts = range(0, len(images), size)
    pieces = [_image_by_image(_batch(images[start : start + size]), query) for start in starts]
    assert [matches for piece in pieces for matches in piece] == of_image


def test_the_order_of_images_does_not_matter() -> None:
    batch = Scenery().draw(150, seed=3)
    images = list(zip(*batch, strict=True))
    of_image = _image_by_image(batch, Query(max_detections=5))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0)).tolist()
    shuffled = _image_by_image(_batch([images[i] for i in order]), Query(max_detections=5))
    assert shuffled == [of_image[i] for i in order]


def _batch(images: list[Any]) -> Batch:
    return [pred for pred, _ in images], [target for _, target in images]


def _image_by_image(batch: Batch, query: Query) -> list[list[Any]]:
    """Outcomes and matches of each image, matches by the place of the box in its image."""
    matches = ours(batch, query)
    counts = [[len(image["labels"]) for image in side] for side in batch]
    starts = [np.cumsum([0, *count[:-1]]).tolist() for count in counts]
    images = []
    for index in range(len(batch[0])):
        d, g = (slice(s[index], s[index] + c[index]) for s, c in zip(starts, counts, strict=True))
        fates = [matches.detections[d].tolist(), matches.ground_truth[g].tolist()]
        first_d, first_g = starts[0][index], starts[1][index]
        took = [m - first_g if m >= 0 else -1 for m in matches.detection_match[d].tolist()]
        taken = [m - first_d if m >= 0 else -1 for m in matches.ground_truth_match[g].tolist()]
        images.append([*fates, took, taken])
    return images


def test_a_chain_of_displacements_ends_where_taking_turns_would() -> None:
    # Object k lies at 8 k; detection k likes object k-1 best and loses it to detection k-1
    number = 300
    objects = [(8.0 * k, 0.0, 8.0 * k + 20, 10.0) for k in range(number)]
    found = [objects[0]] + [(x - 5, y, right - 5, bottom) for x, y, right, bottom in objects[1:]]
    preds = [detected(*found)]
    preds[0]["scores"] = torch.linspace(1, 0.5, number)
    matches = ours((preds, [labelled(*objects)]), Query(max_detections=number))
    assert matches.detection_match.tolist() == list(range(number))
    assert (matches.detections == TP).all()


def test_a_better_scored_detection_takes_the_object_although_another_fits_better() -> None:
    preds = [detected((0, 0, 10, 10), (0, 0, 10, 8))]
    preds[0]["scores"] = torch.tensor([0.6, 0.9])
    matches = ours((preds, [labelled((0, 0, 10, 10))]), Query())
    assert matches.detections.tolist() == [FP, TP]
    assert matches.ground_truth_match.tolist() == [1]


def test_of_equal_scores_the_first_given_takes_the_object() -> None:
    batch = [detected((0, 0, 10, 8), (0, 0, 10, 10))], [labelled((0, 0, 10, 10))]
    assert ours(batch, Query()).detections.tolist() == [TP, FP]


def test_a_score_of_minus_zero_is_zero() -> None:
    for scores in ([0.0, -0.0], [-0.0, 0.0]):
        preds = [{**detected((0, 0, 10, 8), (0, 0, 10, 10)), "scores": torch.tensor(scores)}]
        matches = ours((preds, [labelled((0, 0, 10, 10))]), Query(score_threshold=0))
        assert matches.detections.tolist() == [TP, FP]


def test_scores_and_ious_count_to_the_last_digit() -> None:
    box = torch.tensor([[0.0, 0, 10, 10]], dtype=torch.float64)
    nearly = box + torch.tensor([0, 0, 0, 1e-9])
    twice, once = torch.tensor([1, 1]), torch.tensor([1])
    scores = torch.tensor([0.9, 0.9 + 1e-12], dtype=torch.float64)

    preds = {"boxes": box.repeat(2, 1), "labels": twice, "scores": scores}
    assert ours(([preds], [{"boxes": box, "labels": once}]), Query()).detection_match.tolist() == [-1, 0]
    preds = {"boxes": box, "labels": once, "scores": scores[:1]}
    target = {"boxes": torch.cat((box, nearly)), "labels": twice}
    assert ours(([preds], [target]), Query()).detection_match.tolist() == [0]


def test_of_equal_ious_the_last_object_given_is_taken() -> None:
    batch = [detected((0, 0, 10, 10))], [labelled((0, 0, 10, 10), (0, 0, 10, 10))]
    assert ours(batch, Query()).ground_truth.tolist() == [FN, TP]


@pytest.mark.parametrize("threshold", [0.5, 0.5000001])
def test_an_iou_equal_to_the_threshold_is_a_match(threshold: float) -> None:
    batch = [detected((0, 0, 10, 5))], [labelled((0, 0, 10, 10))]
    found = ours(batch, Query(iou_threshold=threshold)).detections.tolist()
    assert found == [TP if threshold == 0.5 else FP]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_perfect_box_matches_at_threshold_one_although_its_iou_is_rounded(dtype: torch.dtype) -> None:
    objects = torch.rand(500, 4, generator=torch.Generator().manual_seed(0), dtype=dtype) * 100
    sides = [{"boxes": objects[k : k + 1], "labels": torch.tensor([1])} for k in range(len(objects))]
    batch = [{**side, "scores": torch.tensor([0.9])} for side in sides], sides
    matches = ours(batch, Query(iou_threshold=1.0), "xywh")
    assert (matches.detections == TP).all()
    assert_same(batch, matches, pycocotools(batch, Query(iou_threshold=1.0), "xywh"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.6, 0.7, 0.9])
def test_a_score_equal_to_the_threshold_takes_part(threshold: float, dtype: torch.dtype) -> None:
    preds = [detected((0, 0, 10, 10))]
    preds[0]["scores"] = torch.tensor([threshold], dtype=dtype)
    matches = ours((preds, [labelled((0, 0, 10, 10))]), Query(score_threshold=threshold))
    assert matches.detections.tolist() == [TP]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.3, 0.5, 1.0])
def test_groups_stay_apart_from_the_lowest_score_to_the_highest(threshold: float, dtype: torch.dtype) -> None:
    preds = [detected((0, 0, 10, 10)) for _ in range(2)]
    for image in preds:
        image["labels"] = torch.arange(100) % 10
        image["boxes"] = image["boxes"].repeat(100, 1)
        image["scores"] = torch.where(torch.arange(100) % 3 == 0, threshold, 1.0).to(dtype)
    detections = pack(preds, no_labels(2)).detections
    ranked = rank(detections, Query(threshold))
    group, score = detections.group[ranked], detections.scores[ranked]
    assert len(group) == 200
    assert (group.diff() >= 0).all()
    assert (score.diff()[group.diff() == 0] <= 0).all()


def test_a_score_below_the_threshold_takes_no_part() -> None:
    preds = [detected((0, 0, 10, 10), score=0.4999999)]
    matches = ours((preds, [labelled((0, 0, 10, 10))]), Query(score_threshold=0.5))
    assert matches.detections.tolist() == [IGNORED]
    assert matches.ground_truth.tolist() == [FN]


def test_boxes_of_other_images_and_labels_never_match() -> None:
    box = (0, 0, 10, 10)
    preds = [detected(box, label=1), detected(), detected(box, label=3)]
    target = [labelled(box, label=2), labelled(box, label=1), labelled()]
    matches = ours((preds, target), Query())
    assert matches.detections.tolist() == [FP, FP]
    assert matches.ground_truth.tolist() == [FN, FN]


def test_a_crowd_absorbs_any_number_of_detections() -> None:
    inside = [(10.0 * k, 0.0, 10.0 * k + 10, 10.0) for k in range(5)]
    crowd = labelled((0, 0, 100, 100), iscrowd=torch.tensor([1]))
    matches = ours(([detected(*inside)], [crowd]), Query())
    assert matches.detections.tolist() == [IGNORED] * 5
    assert matches.detection_match.tolist() == [0] * 5
    assert matches.ground_truth.tolist() == [IGNORED]
    assert matches.ground_truth_match.tolist() == [0]


def test_the_overlap_with_a_crowd_is_the_share_of_the_detection() -> None:
    crowd = labelled((0, 0, 100, 100), iscrowd=torch.tensor([True]))
    half_in, less_in = (95, 0, 105, 10), (96, 0, 106, 10)
    matches = ours(([detected(half_in, less_in)], [crowd]), Query())
    assert matches.detections.tolist() == [IGNORED, FP]


def test_an_object_that_counts_is_taken_before_an_ignored_one_that_fits_better() -> None:
    ignored: tuple[Image, ...] = ({"iscrowd": torch.tensor([1, 0])}, {"area": torch.tensor([5.0, 50.0])})
    for entries in ignored:
        target = [labelled((0, 0, 10, 10), (0, 0, 10, 9), **entries)]
        matches = ours(([detected((0, 0, 10, 10))], target), Query(area_range=(10, 1000)))
        assert matches.detection_match.tolist() == [1]
        assert matches.detections.tolist() == [TP]


def test_an_ignored_object_excuses_one_detection_only() -> None:
    target = [labelled((0, 0, 10, 10), area=torch.tensor([5.0]))]
    matches = ours(([detected((0, 0, 10, 10), (0, 0, 10, 10))], target), Query(area_range=(10, 1000)))
    assert matches.detections.tolist() == [IGNORED, FP]


def test_an_unmatched_detection_outside_the_area_range_is_ignored() -> None:
    preds, target = [detected((0, 0, 1, 1), (0, 0, 20, 20), (0, 0, 90, 90))], [labelled()]
    matches = ours((preds, target), Query(area_range=(100, 1000)))
    assert matches.detections.tolist() == [IGNORED, FP, IGNORED]


@pytest.mark.parametrize("area", [0.0, 1e6])
def test_the_area_of_an_object_is_the_labelled_one(area: float) -> None:
    box = (0, 0, 20, 20)
    target = [labelled(box, area=torch.tensor([area]))]
    query = Query(area_range=(100, 1000))
    assert ours(([detected()], target), query).ground_truth.tolist() == [IGNORED]
    assert ours(([detected()], [labelled(box)]), query).ground_truth.tolist() == [FN]


def test_both_ends_of_an_area_range_are_in_it() -> None:
    sides = [31.0, 32.0, 96.0, 97.0]
    target = [labelled(*((0, 0, side, side) for side in sides))]
    fates = {
        name: ours(([detected()], target), Query(area_range=name)).ground_truth.tolist()
        for name in ("small", "medium", "large")
    }
    assert fates == {
        "small": [FN, FN, IGNORED, IGNORED],
        "medium": [IGNORED, FN, FN, IGNORED],
        "large": [IGNORED, IGNORED, FN, FN],
    }


def test_detections_past_the_maximum_are_ignored_per_image_and_label() -> None:
    boxes = [(10.0 * k, 0.0, 10.0 * k + 5, 5.0) for k in range(4)]
    preds = [detected(*boxes), detected(*boxes)]
    preds[0]["labels"] = torch.tensor([1, 1, 1, 2])
    preds[0]["scores"] = torch.tensor([0.6, 0.7, 0.8, 0.5])
    matches = ours((preds, [labelled(), labelled()]), Query(max_detections=2))
    assert matches.detections.tolist() == [IGNORED, FP, FP, FP, FP, FP, IGNORED, IGNORED]


def test_a_detection_past_the_maximum_finds_nothing() -> None:
    objects = [labelled((0, 0, 10, 10))]
    preds = [detected((50, 50, 60, 60), (0, 0, 10, 10))]
    matches = ours((preds, objects), Query(max_detections=1))
    assert matches.ground_truth.tolist() == [FN]


def test_an_empty_box_is_found_by_nothing_and_finds_nothing() -> None:
    empty = (5, 5, 5, 9)
    matches = ours(([detected(empty)], [labelled(empty, (0, 0, 10, 10))]), Query(iou_threshold=1e-9))
    assert matches.detections.tolist() == [FP]
    assert matches.ground_truth.tolist() == [FN, FN]


def test_no_images_and_no_boxes_have_no_outcomes() -> None:
    for batch in (([], []), ([detected()], [labelled()])):
        assert [len(part) for part in ours(batch, Query())] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("score_threshold", -0.1),
        ("score_threshold", 1.1),
        ("score_threshold", float("nan")),
        ("iou_threshold", 0.0),
        ("iou_threshold", 1.01),
        ("iou_threshold", float("nan")),
        ("max_detections", 0),
        ("max_detections", -1),
        ("max_detections", 2.5),
        ("max_detections", True),
        ("labels", "12"),
        ("labels", [1.0]),
        ("labels", ["cat"]),
        ("labels", [True]),
        ("labels", 3),
        ("iou_threshold", "0.5"),
        ("score_threshold", None),
        ("area_range", "tiny"),
        ("area_range", (10, 1)),
        ("area_range", (-1, 1)),
        ("area_range", (0, float("nan"))),
        ("area_range", (1, 2, 3)),
        ("area_range", (1,)),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_by_the_argument_s_name(argument: str, value: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=f"`{argument}`"):
        Query(**{argument: value})


def test_queries_that_ask_the_same_are_equal() -> None:
    assert Query(labels=[3, 1, 3], area_range=(0, 9)) == Query(labels=(1, 3), area_range=(0.0, 9.0))
    assert repr(Query(score_threshold=1, iou_threshold=1)) == repr(Query(1.0, 1.0))
    assert Query(area_range="small") == Query(area_range="small")


# A threshold for each label


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_a_threshold_for_each_label_is_that_of_a_query_of_the_label_alone(dtype: torch.dtype) -> None:
    thresholds = {3: 0.7, 1: 0.3, 2: 0.5}
    batch = Scenery(dtype=dtype).draw(60, seed=9)
    together = ours(batch, Query(thresholds))
    labels = [torch.cat([image["labels"] for image in side]) for side in batch]
    for label, threshold in thresholds.items():
        alone = ours(batch, Query(threshold, labels=[label]))
        for side, (found, expected) in enumerate(zip(together, alone, strict=True)):
            own = labels[side % 2] == label
            assert torch.equal(found[own], expected[own])


def test_thresholds_by_label_hold_in_the_dtype_that_each_score_was_given_in() -> None:
    exact = torch.tensor([0.7, 0.3], dtype=torch.float16)  # a little below 0.7 and above 0.3 in other dtypes
    preds = [
        {"boxes": torch.rand(2, 4).cumsum(1), "scores": scores, "labels": torch.tensor([1, 2])}
        for scores in (exact, torch.tensor([0.7, 0.3], dtype=torch.float64))
    ]
    packed = pack(preds, no_labels(2))
    assert packed.detections.given_as is not None
    assert rank(packed.detections, Query({1: 0.7, 2: 0.3})).sort().values.tolist() == [0, 1, 2, 3]
    assert rank(packed.detections, Query({1: 0.71, 2: 0.3})).sort().values.tolist() == [1, 3]


def test_labels_without_a_threshold_are_refused_where_they_count() -> None:
    thresholds = {1: 0.5, 2: 0.5}
    both = [detected((0, 0, 9, 9), label=7)], [labelled()]
    for batch in (both, ([detected()], [labelled((0, 0, 9, 9), label=7)])):
        with pytest.raises(ValueError, match="`score_threshold` has no threshold for label 7, which counts"):
            ours(batch, Query(thresholds))
    assert ours(both, Query(thresholds, labels=[1])).detections.tolist() == [IGNORED]
    with pytest.raises(ValueError, match="no threshold for label 3, which counts: add it, or leave it out of `labels`"):
        Query(thresholds, labels=[1, 3])


@pytest.mark.parametrize("thresholds", [{}, {1: 1.5}, {1: "0.5"}, {"a": 0.5}, {True: 0.5}, {1: float("nan")}])
def test_thresholds_by_label_that_make_no_sense_are_refused(thresholds: Any) -> None:
    with pytest.raises(ValueError, match="`score_threshold`"):
        Query(thresholds)


def test_queries_of_thresholds_by_label_are_equal_whatever_their_order() -> None:
    one, other = Query({2: 0.5, 1: 0.25}), Query({1: 0.25, 2: 0.5})
    assert one == other
    assert hash(one) == hash(other)
    assert repr(one).startswith("Query(score_threshold={1: 0.25, 2: 0.5}, ")
