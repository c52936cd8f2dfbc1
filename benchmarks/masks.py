"""Masks and keypoints: against pycocotools and torchmetrics, and in how much memory.

    python -m benchmarks.masks 500

measures the memory of so many images in the process that it is, and is what the suite runs.
"""

import contextlib
import importlib
import io
import sys
import warnings
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from benchmarks.memory import in_a_process, peak, reset_peak
from benchmarks.timing import Line, Section, Spread, Task, compared, race
from hardest_metrics import TotalFalse

_HEIGHT, _WIDTH, _OBJECTS, _DETECTIONS, _LABELS = 480, 640, 7, 20, 5

#: Images of dense masks that are held at once; more images are these again, under other ids.
_DISTINCT = 50
_BATCH = 16
_MOST_MB = 50

_Images = list[dict[str, Any]]


def masks(quick: bool) -> Section:
    """Total false of 500 images of 640 x 480, 20 detections and 7 objects each."""
    images = 100 if quick else 500
    scenes, points = _mask_scenes(), _keypoint_scenes(images)
    for iou_type, (preds, target) in (("segm", scenes), ("keypoints", points)):
        ours = _ours(iou_type, preds, target)
        if ours != _evaluated(iou_type, _documents(iou_type, preds, target)):
            sys.exit(f"COCOeval finds other errors of {iou_type}. Nothing wrong is timed.")
    prepared = _documents("keypoints", *points)
    of_masks = race(
        {
            "ours": Task(lambda _: _ours("segm", *scenes)),
            "COCOeval": Task(lambda _: _evaluated("segm", _documents("segm", *scenes))),
            "torchmetrics": Task(lambda _: _torchmetrics(*scenes)),
        },
        rounds=3 if quick else 7,
    )
    of_points = race(
        {
            "ours": Task(lambda _: _ours("keypoints", *points)),
            "COCOeval": Task(lambda _: _evaluated("keypoints", prepared)),
        },
        rounds=3 if quick else 7,
    )
    lines = [
        compared(of_masks, f"masks, {_DISTINCT} images", "ours", "COCOeval", "pycocotools, encoding included",
                 faster=True, limit=4, number=".3g"),
        compared(of_masks, f"masks, {_DISTINCT} images", "ours", "torchmetrics", "torchmetrics, iou_type='segm'",
                 faster=True, limit=6, number=".3g"),
        compared(of_points, f"keypoints, {images} images", "ours", "COCOeval",
                 "pycocotools, its input made beforehand", faster=True, limit=8, number=".3g"),
    ]  # fmt: skip
    for number in (images, 5 * images):
        mb = [float(in_a_process("masks", str(number))) for _ in range(1 if quick else 3)]
        what = f"masks, {number:,} images, memory beyond the input"
        lines.append(Line(what, "", "", Spread.of(mb), "{:.0f} MB", at_most=_MOST_MB))
    note = f"{_DETECTIONS} detections and {_OBJECTS} objects an image of {_WIDTH} x {_HEIGHT} pixels, {_LABELS} labels."
    return Section("Masks and keypoints", lines, [note])


def _metric(iou_type: Any) -> TotalFalse[None]:
    return TotalFalse(iou_type=iou_type, box_format="xywh", score_threshold=0.0)


def _ours(iou_type: str, preds: _Images, target: _Images) -> list[float]:
    """Hardness by ascending id."""
    metric = _metric(iou_type)
    for start in range(0, len(preds), _BATCH):
        metric.update(preds[start : start + _BATCH], target[start : start + _BATCH])
    image_ids, hardness = metric.compute()
    found: list[float] = hardness[image_ids.argsort()].tolist()
    return found


def _documents(iou_type: str, preds: _Images, target: _Images) -> tuple[COCO, COCO]:
    """What pycocotools takes; of masks their encoding is most of the work."""
    return _coco(iou_type, target), _coco(iou_type, preds)


def _coco(iou_type: str, images: _Images) -> COCO:
    entries: _Images = []
    for number, image in enumerate(images):
        if iou_type == "segm":
            pixels = np.asfortranarray(image["masks"].numpy().transpose(1, 2, 0).view(np.uint8))
            shapes = [{"segmentation": rle, "area": float(coco_mask.area(rle))} for rle in coco_mask.encode(pixels)]
        else:
            shapes = [{"keypoints": points} for points in image["keypoints"].reshape(len(image["labels"]), -1).tolist()]
            for shape, points in zip(shapes, image["keypoints"], strict=True):
                low, high = points[:, :2].amin(0), points[:, :2].amax(0)
                shape |= {"bbox": [*low.tolist(), *(high - low).tolist()], "num_keypoints": 17}
        for place, (shape, label) in enumerate(zip(shapes, image["labels"].tolist(), strict=True)):
            entry = {**shape, "id": len(entries) + 1, "image_id": number, "category_id": label, "iscrowd": 0}
            entry["area"] = float(image["area"][place]) if "area" in image else entry.get("area", 0.0)
            entry["score"] = float(image["scores"][place]) if "scores" in image else 1.0
            entries.append(entry)
    coco = COCO()
    coco.dataset = {
        "images": [{"id": number, "height": _HEIGHT, "width": _WIDTH} for number in range(len(images))],
        "annotations": entries,
        "categories": [{"id": label} for label in range(1, _LABELS + 1)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def _evaluated(iou_type: str, documents: tuple[COCO, COCO]) -> list[float]:
    """False positives and false negatives of each image, as COCOeval matches them."""
    evaluation = COCOeval(*documents, iou_type)
    evaluation.params.iouThrs = np.array([0.5])
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [(0, 1e10)], ["all"]
    evaluation.params.maxDets = [20 if iou_type == "keypoints" else 100]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
    errors = [0.0] * len(documents[0].imgs)
    for image in filter(None, evaluation.evalImgs):
        wrong = (image["dtMatches"][0] == 0) & ~image["dtIgnore"][0].astype(bool)
        missed = (image["gtMatches"][0] == 0) & ~np.asarray(image["gtIgnore"]).astype(bool)
        errors[image["image_id"]] += float(wrong.sum() + missed.sum())
    return errors


def _torchmetrics(preds: _Images, target: _Images) -> None:
    package: Any = importlib.import_module("torchmetrics.detection")
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        metric = package.MeanAveragePrecision(iou_type="segm", iou_thresholds=[0.5])
        for start in range(0, len(preds), _BATCH):
            metric.update(preds[start : start + _BATCH], target[start : start + _BATCH])
        metric.compute()


def _mask_scenes() -> tuple[_Images, _Images]:
    """Ellipses: two thirds of the detections near an object, the others anywhere."""
    rng = np.random.default_rng(0)
    preds, target = [], []
    for number in range(_DISTINCT):
        objects, labels = _ellipses(rng, _OBJECTS), rng.integers(1, _LABELS + 1, _OBJECTS)
        source = np.arange(_DETECTIONS) % _OBJECTS
        near = objects[source] + 0.05 * rng.normal(size=(_DETECTIONS, 4)) * objects[source][:, [2, 3, 2, 3]]
        far = np.arange(_DETECTIONS) >= 2 * _OBJECTS
        found = np.where(far[:, None], _ellipses(rng, _DETECTIONS), near)
        preds.append({
            "masks": _drawn(found), "labels": torch.from_numpy(labels[source]),
            "scores": torch.from_numpy(rng.random(_DETECTIONS)).float(),
        })  # fmt: skip
        target.append({"masks": _drawn(objects), "labels": torch.from_numpy(labels), "image_id": number})
    return preds, target


def _ellipses(rng: np.random.Generator, number: int) -> Any:
    """``(number, 4)``: centre and half axes."""
    return rng.random((number, 4)) ** [1, 1, 3, 3] * [_WIDTH, _HEIGHT, 150, 150] + [0, 0, 8, 8]


def _drawn(ellipses: Any) -> torch.Tensor:
    y, x = np.ogrid[:_HEIGHT, :_WIDTH]
    masks = [((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1 for cx, cy, rx, ry in ellipses]
    return torch.from_numpy(np.stack(masks))


def _keypoint_scenes(images: int) -> tuple[_Images, _Images]:
    rng = np.random.default_rng(0)
    preds, target = [], []
    for number in range(images):
        extent = 20 + 150 * rng.random((_OBJECTS, 1, 2))
        objects = rng.random((_OBJECTS, 1, 2)) * [_WIDTH, _HEIGHT] + rng.random((_OBJECTS, 17, 2)) * extent
        source, labels = np.arange(_DETECTIONS) % _OBJECTS, rng.integers(1, _LABELS + 1, _OBJECTS)
        found = objects[source] + rng.normal(size=(_DETECTIONS, 17, 2)) * rng.choice([3, 30], (_DETECTIONS, 1, 1))
        visible = np.full((_OBJECTS, 17, 1), 2.0)
        preds.append({
            "keypoints": torch.from_numpy(np.concatenate((found, np.ones((_DETECTIONS, 17, 1))), axis=2)),
            "labels": torch.from_numpy(labels[source]), "scores": torch.from_numpy(rng.random(_DETECTIONS)),
        })  # fmt: skip
        target.append({
            "keypoints": torch.from_numpy(np.concatenate((objects, visible), axis=2)), "image_id": number,
            "labels": torch.from_numpy(labels), "area": torch.from_numpy(extent[:, 0].prod(1)),
        })  # fmt: skip
    return preds, target


def _memory(images: int) -> float:
    """MB that the peak lies above what was in use before, in batches."""
    preds, target = _mask_scenes()
    _ours("segm", preds[:2], target[:2])  # what is imported and allocated once
    before = reset_peak()
    metric = _metric("segm")
    for start in range(0, images, _DISTINCT):
        for first in range(0, _DISTINCT, _BATCH):
            part = slice(first, first + _BATCH)
            numbered = [{**image, "image_id": image["image_id"] + start} for image in target[part]]
            metric.update(preds[part], numbered)
    metric.compute()
    return peak() - before


if __name__ == "__main__":
    print(_memory(int(sys.argv[1])))
