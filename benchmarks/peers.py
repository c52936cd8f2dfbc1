"""The programs that hardness is compared with: each gives the errors of every image of a set, as fast as it can.

Detections below the score threshold, which evaluators do not leave out themselves, are left out for them, unmeasured.
Each is driven by the fastest of its public ways to outcomes that are told apart by image, and is given either the
tensors that this package gets, or the arrays and dicts that it reads, made beforehand.
"""

import contextlib
import copy
import importlib.metadata
import io
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.timing import Task
from benchmarks.workloads import Scenes

SCORE_THRESHOLD = 0.5
IOU_THRESHOLD = 0.5

#: How many false positives and false negatives together each image has, by id.
Totals = dict[int, float]


@dataclass(frozen=True)
class Native:
    """A set in the form in which evaluators of the COCO family read it.

    Attributes:
        dataset: COCO's annotations; evaluators write into them.
        results: ``(n, 7)`` float64: image id, left, top, width, height, score, label.
    """

    dataset: dict[str, Any]
    results: np.ndarray[Any, np.dtype[np.float64]]

    @classmethod
    def of(cls, scenes: Scenes) -> "Native":
        """Convert from lists of dicts of tensors."""
        ids = torch.tensor([target["image_id"] for target in scenes.target])
        labels = [target["labels"] for target in scenes.target]
        columns = zip(
            _image_of_box(ids, labels).tolist(),
            torch.cat(labels).tolist(),
            _xywh(torch.cat([target["boxes"] for target in scenes.target])).tolist(),
            torch.cat([target["iscrowd"] for target in scenes.target]).int().tolist(),
            strict=True,
        )
        dataset = {
            "images": [
                {"id": target["image_id"], "height": target["image_size"][0], "width": target["image_size"][1]}
                for target in scenes.target
            ],
            "categories": [{"id": label, "name": str(label)} for label in range(1, _highest_label(scenes) + 1)],
            "annotations": [
                {
                    "id": number,
                    "image_id": image,
                    "category_id": label,
                    "bbox": b,
                    "area": b[2] * b[3],
                    "iscrowd": crowd,
                }
                for number, (image, label, b, crowd) in enumerate(columns, start=1)
            ],
        }
        scores = torch.cat([pred["scores"] for pred in scenes.preds])
        kept = scores >= SCORE_THRESHOLD
        image = _image_of_box(ids, [pred["labels"] for pred in scenes.preds])
        xywh = _xywh(torch.cat([pred["boxes"] for pred in scenes.preds])[kept])
        label = torch.cat([pred["labels"] for pred in scenes.preds])[kept]
        results = torch.cat((image[kept, None], xywh, scores[kept, None].double(), label[:, None]), dim=1)
        return cls(dataset, results.numpy())

    def copy(self) -> "Native":
        """For an evaluator to write into."""
        return Native(copy.deepcopy(self.dataset), self.results)


@dataclass(frozen=True)
class Peer:
    """Another program that finds the errors of images.

    Attributes:
        name: of its distribution.
        way: how it is driven, in words.
        totals: errors by image.
        images: how many it gets at most; the slow ones' times are scaled up.
        from_tensors: whether `totals` takes :class:`Scenes`; else :class:`Native`.
        outcomes: whether it gives them; if not, `totals` gives nothing, and only its evaluation can be timed.
    """

    name: str
    way: str
    totals: Callable[[Any], Totals]
    images: int = 5000
    from_tensors: bool = False
    outcomes: bool = True

    @property
    def version(self) -> str | None:
        """None where it is not installed."""
        try:
            return importlib.metadata.version(self.name)
        except importlib.metadata.PackageNotFoundError:
            return None

    def __str__(self) -> str:
        return f"{self.name} {self.version or '(not installed)'}"

    def task(self, scenes: Scenes) -> Task:
        """From the tensors that this package gets to the errors of each image."""
        if self.from_tensors:
            return Task(self.totals, lambda: confident(scenes))
        return Task(lambda given: self.totals(Native.of(given)), lambda: confident(scenes))

    def native_task(self, native: Native) -> Task:
        """From what it reads, made beforehand, to the errors of each image."""
        return Task(self.totals, native.copy)


def confident(scenes: Scenes) -> Scenes:
    """The set without detections below the threshold."""
    preds = []
    for pred in scenes.preds:
        kept = pred["scores"] >= SCORE_THRESHOLD
        preds.append({key: value[kept] for key, value in pred.items()})
    return Scenes(preds, scenes.target)


def pycocotools(native: Native, max_detections: int = 100) -> Totals:
    """Evaluate and add up what its records of images say."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with _quiet():
        truth = COCO()
        truth.dataset = native.dataset
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(native.results), "bbox")
        _set(evaluation.params, max_detections)
        evaluation.evaluate()
    return _of_records(native, evaluation.evalImgs)


def faster_coco_eval(native: Native) -> Totals:
    """Evaluate; errors are the boxes that the matched pairs leave over."""
    from faster_coco_eval import COCO, COCOeval_faster

    truth = COCO(native.dataset)
    detected = truth.loadRes(native.results)
    evaluation = COCOeval_faster(truth, detected, "bbox")
    _set(evaluation.params)
    evaluation.evaluate()
    evaluation.accumulate()
    pairs = np.array([pair.split("_") for pair in evaluation.eval["matched"]], dtype=np.int64).reshape(-1, 2)
    # results are numbered from 1 in their order; annotations were, too
    wrong = np.ones(len(native.results), dtype=bool)
    wrong[pairs[:, 0] - 1] = False
    annotations = native.dataset["annotations"]
    missed = np.array([not annotation["iscrowd"] for annotation in annotations])
    missed[pairs[:, 1] - 1] = False
    image = np.array([annotation["image_id"] for annotation in annotations])
    errors = np.concatenate((native.results[wrong, 0].astype(np.int64), image[missed]))
    totals = Counter({image["id"]: 0 for image in native.dataset["images"]})
    totals.update(errors.tolist())
    return dict(totals)


def hotcoco(native: Native) -> Totals:
    """Evaluate and read its diagnostics of images, from arrays."""
    import hotcoco

    annotations = native.dataset["annotations"]
    boxes = np.array([annotation["bbox"] for annotation in annotations])
    truth = hotcoco.COCO.from_arrays(
        [{**image, "file_name": ""} for image in native.dataset["images"]],
        native.dataset["categories"],
        np.array([annotation["image_id"] for annotation in annotations]),
        np.array([annotation["category_id"] for annotation in annotations]),
        boxes,
        iscrowd=np.array([annotation["iscrowd"] for annotation in annotations]),
        area=boxes[:, 2] * boxes[:, 3],
    )
    evaluation = hotcoco.COCOeval(truth, truth.load_res(native.results), "bbox")
    params = evaluation.params
    params.iou_thrs, params.max_dets, params.area_rng, params.area_rng_lbl = (
        [IOU_THRESHOLD],
        [100],
        [[0, 1e10]],
        ["all"],
    )
    evaluation.params = params
    evaluation.evaluate()
    images = evaluation.image_diagnostics(IOU_THRESHOLD, SCORE_THRESHOLD)["img_summary"]
    return {image_id: summary["fp"] + summary["fn"] for image_id, summary in images.items()}


def ultrafast_pycocotools(native: Native) -> Totals:
    """Evaluate and add up what its records of images say."""
    from ultrafast_pycocotools.coco import COCO
    from ultrafast_pycocotools.cocoeval import COCOeval

    truth = COCO(native.dataset, verbose=False)
    with _quiet():
        detected = truth.loadRes(native.results)
    evaluation = COCOeval(truth, detected, "bbox", store_eval_imgs=True, print_function=lambda _: None)
    _set(evaluation.params)
    evaluation.evaluate()
    return _of_records(native, evaluation.evalImgs)


def ultrafast_metrics(scenes: Scenes) -> Totals:
    """Its metric for batches, given an image at a time."""
    from ultrafast_pycocotools.metrics import DetectionMetrics

    metric = DetectionMetrics(iou_thrs=IOU_THRESHOLD, score_thr=SCORE_THRESHOLD, max_dets=100)
    totals: Totals = {}
    for pred, target in zip(scenes.preds, scenes.target, strict=True):
        counts = metric.update([pred], [target])["micro"]
        totals[target["image_id"]] = float(counts["fp"] + counts["fn"])
    return totals


def torchmetrics_map(scenes: Scenes) -> Totals:
    """Its average precision, which is what it gives: outcomes of images it does not."""
    from torchmetrics.detection import MeanAveragePrecision

    metric = MeanAveragePrecision(iou_thresholds=[IOU_THRESHOLD], backend="faster_coco_eval")
    with _quiet():
        metric.update(scenes.preds, scenes.target)
        metric.compute()
    return {}


def hardest(scenes: Scenes) -> Totals:
    """The paper's package."""
    from hardest.hardness_strategies import SupervisedHardnessCalculation
    from hardest.pycocotools import TotalFalse

    targets = [{**target, "iscrowd": target["iscrowd"].float()} for target in scenes.target]
    with _quiet():
        hardness = SupervisedHardnessCalculation(TotalFalse()).eval_dataset(scenes.preds, targets, _images(scenes))
    return dict(zip((target["image_id"] for target in scenes.target), hardness, strict=True))


def hardest_score_sampling(scenes: Scenes, n_samples: int) -> None:
    """The paper's package, without labels."""
    from hardest.hardness_strategies import ScoreSamplingHardnessCalculation
    from hardest.pycocotools import TotalFalse

    with _quiet():
        ScoreSamplingHardnessCalculation(TotalFalse(), n_samples).eval_dataset(scenes.preds, _images(scenes))


HARDEST = Peer("hardest", "`SupervisedHardnessCalculation`", hardest, images=500, from_tensors=True)
EVALUATORS = [
    Peer("pycocotools", "`COCOeval.evalImgs`", pycocotools, images=1000),
    Peer("faster-coco-eval", "`COCOeval_faster.eval['matched']`", faster_coco_eval, images=1000),
    Peer("hotcoco", "`COCOeval.image_diagnostics`", hotcoco),
    Peer("ultrafast-pycocotools", "`COCOeval.evalImgs`", ultrafast_pycocotools),
    Peer("ultrafast-pycocotools", "`DetectionMetrics` by image", ultrafast_metrics, from_tensors=True),
    Peer(
        "torchmetrics",
        "`MeanAveragePrecision` alone (it gives no outcomes)",
        torchmetrics_map,
        images=500,
        from_tensors=True,
        outcomes=False,
    ),
]


def _set(params: Any, max_detections: int = 100) -> None:
    """One IoU threshold, all areas."""
    params.iouThrs = np.array([IOU_THRESHOLD])
    params.maxDets = [max_detections]
    params.areaRng, params.areaRngLbl = [[0, 1e10]], ["all"]


def _of_records(native: Native, records: list[dict[str, Any] | None]) -> Totals:
    """From pycocotools' records, one an image and category."""
    totals: Totals = dict.fromkeys((image["id"] for image in native.dataset["images"]), 0)
    for record in filter(None, records):
        wrong = (np.asarray(record["dtMatches"])[0] == 0) & (np.asarray(record["dtIgnore"])[0] == 0)
        missed = (np.asarray(record["gtMatches"])[0] == 0) & (np.asarray(record["gtIgnore"]) == 0)
        totals[record["image_id"]] += int(wrong.sum()) + int(missed.sum())
    return totals


def _image_of_box(ids: Tensor, of_images: list[Tensor]) -> Tensor:
    return ids.repeat_interleave(torch.tensor(list(map(len, of_images))))


def _xywh(xyxy: Tensor) -> Tensor:
    return torch.cat((xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]), dim=1).double()


def _highest_label(scenes: Scenes) -> int:
    return max(int(image["labels"].max()) for image in (*scenes.preds, *scenes.target) if len(image["labels"]))


def _images(scenes: Scenes) -> list[Tensor]:
    """Pictures that take no memory; only their size is looked at."""
    return [torch.empty(1).expand(3, *target["image_size"]) for target in scenes.target]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without progress bars and reports."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield
