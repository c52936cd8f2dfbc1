"""Random images with masks or keypoints, and what pycocotools' `COCOeval` makes of them."""

import contextlib
import io
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor

from hardest_metrics.functional import Matches, Outcome, Query, match
from hardest_metrics.functional.detection.matching import AREA_RANGES

Images = list[dict[str, Any]]


def rle_of(mask: Tensor, compressed: bool = True) -> dict[str, Any]:
    """A mask as COCO writes it."""
    size = list(mask.shape)
    if compressed:
        return {"size": size, "counts": coco_mask.encode(np.asfortranarray(mask.byte().numpy()))["counts"].decode()}
    flat = np.concatenate(([0], mask.byte().numpy().reshape(-1, order="F"), [2]))
    lengths = np.diff(np.concatenate(([0], np.flatnonzero(np.diff(flat)))))
    lengths = lengths if flat[1] == 0 else np.concatenate(([0], lengths[lengths > 0]))
    return {"size": size, "counts": lengths.tolist()}


def mask_scenes(number: int, seed: int) -> tuple[Images, Images]:
    """Images of some ten masks each: near one another, equal, empty and noisy ones, with crowds and areas."""
    rng = np.random.default_rng(seed)
    preds, target = [], []
    for image in range(number):
        height, width = (int(extent) for extent in rng.integers(8, 40, 2))
        objects, found = int(rng.integers(0, 6)), int(rng.integers(0, 10))
        truth = np.stack([_mask(rng, height, width) for _ in range(objects)] or [np.zeros((height, width), bool)])
        detected = [
            np.roll(truth[rng.integers(len(truth))], rng.integers(-2, 3, 2), (0, 1)) if rng.random() < 0.7
            else _mask(rng, height, width)
            for _ in range(found)
        ]  # fmt: skip
        area = truth[:objects].sum((1, 2)) * (1 if rng.random() < 0.5 else rng.integers(1, 4, objects))
        preds.append({
            "masks": torch.from_numpy(np.stack(detected) if found else np.zeros((0, height, width), bool)),
            "scores": torch.from_numpy(rng.integers(0, 11, found) / 10),
            "labels": torch.from_numpy(rng.integers(1, 4, found)),
        })  # fmt: skip
        target.append({
            "masks": torch.from_numpy(truth[:objects]),
            "labels": torch.from_numpy(rng.integers(1, 4, objects)),
            "iscrowd": torch.from_numpy((rng.random(objects) < 0.2).astype(np.int64)),
            "area": torch.from_numpy(area.astype(np.float64)),
            "image_id": image + 1,
        })  # fmt: skip
    return preds, target


def _mask(rng: np.random.Generator, height: int, width: int) -> Any:
    kind = rng.random()
    if kind < 0.1:
        return rng.random((height, width)) < rng.choice([0.0, 0.3, 1.0])
    top, left = rng.integers(0, height), rng.integers(0, width)
    mask = np.zeros((height, width), bool)
    mask[top : top + rng.integers(1, height + 1), left : left + rng.integers(1, width + 1)] = True
    return mask & (rng.random((height, width)) < 0.9) if kind < 0.3 else mask


def keypoint_scenes(number: int, seed: int, points: int = 17) -> tuple[Images, Images]:
    """Images of some eight objects each, some without a labelled point; boxes as xywh."""
    rng = np.random.default_rng(seed)
    preds, target = [], []
    for image in range(number):
        objects, found = int(rng.integers(0, 5)), int(rng.integers(0, 9))
        corner, extent = rng.random((objects, 1, 2)) * 200, 5 + rng.random((objects, 1, 2)) * 100
        truth = (corner + rng.random((objects, points, 2)) * extent).round(1)
        visible = rng.integers(0, 3, (objects, points)) * (rng.random((objects, 1)) < 0.8)
        visible = np.where(rng.random((objects, 1)) < 0.3, 2, visible)
        near = truth[rng.integers(0, objects, found)] if objects else rng.random((found, points, 2)) * 200
        area = (extent[:, 0].prod(1) * rng.choice([0.0, 0.5, 1.0], objects, p=[0.05, 0.45, 0.5])).round(2)
        preds.append({
            "keypoints": torch.from_numpy(near + rng.normal(size=near.shape) * rng.choice([0, 2, 10], (found, 1, 1))),
            "scores": torch.from_numpy(rng.integers(0, 11, found) / 10),
            "labels": torch.from_numpy(rng.integers(1, 3, found)),
        })  # fmt: skip
        target.append({
            "keypoints": torch.from_numpy(np.concatenate((truth, visible[..., None]), axis=2)),
            "boxes": torch.from_numpy(np.concatenate((corner, extent), axis=2).reshape(objects, 4).round(1)),
            "labels": torch.from_numpy(rng.integers(1, 3, objects)),
            "iscrowd": torch.from_numpy((rng.random(objects) < 0.15).astype(np.int64)),
            "area": torch.from_numpy(area),
            "num_keypoints": torch.from_numpy((visible > 0).sum(1)),
            "image_id": image + 1,
        })  # fmt: skip
    return preds, target


def coco_eval(preds: Images, target: Images, query: Query, iou_type: str, sigmas: Any = None) -> Matches:
    """What became of every detection and object according to `COCOeval`, in the order of the images."""
    found, objects = _all_entries(preds), _all_entries(target)
    kept = [entry for entry in found if entry["score"] >= query.lowest_score]
    evaluation = COCOeval(_coco(objects, len(target)), _coco(kept, len(target)), iou_type)
    evaluation.params.iouThrs = np.array([query.iou_threshold])
    evaluation.params.maxDets = [query.max_detections]
    area = AREA_RANGES[query.area_range] if isinstance(query.area_range, str) else query.area_range
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [(0, 1e10) if area is None else area], ["asked"]
    evaluation.params.catIds = [1, 2, 3] if query.labels is None else list(query.labels)
    if sigmas is not None:
        evaluation.params.kpt_oks_sigmas = np.array(sigmas)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
    ignored = int(Outcome.IGNORED)
    matches = Matches(
        torch.full((len(found),), ignored, dtype=torch.uint8), torch.full((len(objects),), ignored, dtype=torch.uint8),
        torch.full((len(found),), -1), torch.full((len(objects),), -1),
    )  # fmt: skip
    for image in filter(None, evaluation.evalImgs):
        for det, obj, is_ignored in zip(image["dtIds"], image["dtMatches"][0], image["dtIgnore"][0], strict=True):
            outcome = Outcome.TRUE_POSITIVE if obj else Outcome.FALSE_POSITIVE
            matches.detections[det - 1] = ignored if is_ignored else outcome
            matches.detection_match[det - 1] = int(obj) - 1
        for obj, det, is_ignored in zip(image["gtIds"], image["gtMatches"][0], image["gtIgnore"], strict=True):
            outcome = Outcome.TRUE_POSITIVE if det else Outcome.FALSE_NEGATIVE
            matches.ground_truth[obj - 1] = ignored if is_ignored else outcome
    return matches


def coco_of(images: Images) -> COCO:
    """Images as pycocotools has them."""
    return _coco(_all_entries(images), len(images))


def _all_entries(images: Images) -> list[dict[str, Any]]:
    entries = [entry for index, image in enumerate(images) for entry in _entries(image, index)]
    return [{**entry, "id": number} for number, entry in enumerate(entries, start=1)]  # 0 means "no match" to COCOeval


def _entries(image: dict[str, Any], index: int) -> list[dict[str, Any]]:
    entries = []
    for place, label in enumerate(image["labels"].tolist()):
        entry: dict[str, Any] = {"image_id": index + 1, "category_id": label, "iscrowd": 0, "bbox": [0, 0, 1, 1]}
        if "masks" in image:
            entry["segmentation"] = rle_of(image["masks"][place])
            entry["area"] = float(image["masks"][place].sum())
        else:
            points = image["keypoints"][place].double()
            low, high = points[:, :2].amin(0), points[:, :2].amax(0)
            entry["area"] = float((high - low).prod())
            entry["keypoints"] = torch.cat((points[:, :2], points[:, 2:] if points.shape[1] > 2 else points[:, :1]), 1)
            entry["keypoints"] = entry["keypoints"].reshape(-1).tolist()
        for key, name in (("area", "area"), ("iscrowd", "iscrowd"), ("scores", "score"), ("boxes", "bbox")):
            if key in image:
                entry[name] = image[key][place].tolist()
        if "num_keypoints" in image:
            entry["num_keypoints"] = int(image["num_keypoints"][place])
        entries.append(entry)
    return entries


def _coco(entries: list[dict[str, Any]], images: int) -> COCO:
    coco = COCO()
    coco.dataset = {
        "images": [{"id": index + 1} for index in range(images)],
        "annotations": entries,
        "categories": [{"id": label} for label in (1, 2, 3)],
    }
    for entry in entries:
        if "segmentation" in entry:
            height, width = entry["segmentation"]["size"]
            coco.dataset["images"][entry["image_id"] - 1] |= {"height": height, "width": width}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def matched(batch: Any, query: Query) -> Matches:
    return match(batch.detections, batch.ground_truth, query)


def assert_same(ours: Matches, theirs: Matches) -> None:
    for name in ("detections", "ground_truth", "detection_match"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name


def query_of(golden: dict[str, Any]) -> Query:
    area = golden["area_range"]
    settings = {name: golden[name] for name in ("score_threshold", "iou_threshold", "labels", "max_detections")}
    area_range: Any = area if isinstance(area, str | None) else tuple(area)
    return Query(**settings, area_range=area_range)


def golden_outcomes(matches: Matches, places: list[int], objects: list[int]) -> dict[str, Any]:
    """Outcomes in the order of a golden file, in its words."""
    found, truth, taken = ["3"] * len(places), ["3"] * len(objects), [-1] * len(places)
    for place, outcome, match_ in zip(
        places, matches.detections.tolist(), matches.detection_match.tolist(), strict=True
    ):
        found[place], taken[place] = str(outcome), objects[match_] if match_ >= 0 else -1
    for place, outcome in zip(objects, matches.ground_truth.tolist(), strict=True):
        truth[place] = str(outcome)
    return {"detections": "".join(found), "ground_truth": "".join(truth), "detection_match": taken}
