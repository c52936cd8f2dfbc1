"""Kinds of errors and classes: what they cost beside one definition, and how others find kinds."""

import importlib
import importlib.metadata
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.peers import IOU_THRESHOLD, Native, confident
from benchmarks.timing import Section, Task, compared, race
from benchmarks.workloads import Scenes, coco_sized
from hardest_metrics import ErrorsOfKind, HardnessCollection, HardnessMetric, TotalFalse
from hardest_metrics.detection.errors_of_kind import KINDS

_LABELS = 80

#: What others call kinds.
_OF_TIDECV = {"BoxError": "localisation", "ClassError": "classification", "DuplicateError": "duplicate",
              "BackgroundError": "background", "OtherError": "both", "MissedError": "missed"}  # fmt: skip
_OF_HOTCOCO = {"Loc": "localisation", "Cls": "classification", "Dupe": "duplicate", "Bkg": "background",
               "Both": "both", "Miss": "missed"}  # fmt: skip

_TIDECV_IMAGES = 500

_Metric = HardnessMetric | HardnessCollection


def kinds(quick: bool) -> Section:
    """All kinds, and all classes, against `TotalFalse` alone and against other programs."""
    scenes = _without_crowds(coco_sized(1000 if quick else 5000))
    part = scenes.first(_TIDECV_IMAGES)
    notes = [f"{scenes}; without crowds, which tidecv takes otherwise."]
    made: dict[str, Callable[[], _Metric]] = {"one": TotalFalse, "six": _six, "with": _with_total, "labels": _by_label}
    lines = []
    for size, how in ((len(scenes), "one call"), (16, "batches of 16")):
        timed = race({name: _epoch(make, size, scenes) for name, make in made.items()}, 15, budget=60)
        for name, what, limit in (
            ("six", "all six kinds in a `HardnessCollection`", 1.5),
            ("with", "the same and `TotalFalse`", 1.5),
            ("labels", f"`TotalFalse` by {_LABELS} labels", 2.0),
        ):
            lines.append(compared(timed, f"{what}, {how}", name, "one", "`TotalFalse`", limit=limit))
    for name, task in {"tidecv": _tidecv, "hotcoco": _hotcoco}.items():
        try:
            peer = f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            notes.append(f"{name} is not installed here and is left out.")
            continue
        shown = part if name == "tidecv" else scenes
        theirs, ours = task(Native.of(confident(shown))), _counts(shown)
        if name == "tidecv" and theirs != ours:
            sys.exit(f"tidecv finds {theirs}, but we {ours}. Nothing wrong is timed.")
        if theirs != ours:
            notes.append(f"{peer} gives numbers of the whole set only, and others: {theirs} instead of {ours}.")
        timed = race(
            {"ours": _epoch(_six, len(scenes), scenes), name: Task(task, Native.of(confident(shown)).copy)},
            rounds=9, budget=60,
        )  # fmt: skip
        scale = len(scenes) / len(shown)
        note = f" ({len(shown)} images scaled up)" if scale > 1 else ""
        lines.append(
            compared(timed, f"all six kinds, {len(scenes):,} images in one call", "ours", name,
                     f"{peer}, its input made beforehand", faster=True, scale=scale, note=note, number=".3g")
        )  # fmt: skip
    return Section("Kinds of errors, and classes", lines, notes)


def _six() -> HardnessCollection:
    return HardnessCollection({kind: ErrorsOfKind(kind) for kind in KINDS})


def _with_total() -> HardnessCollection:
    return HardnessCollection({"total": TotalFalse(), **{kind: ErrorsOfKind(kind) for kind in KINDS}})


def _by_label() -> HardnessCollection:
    return HardnessCollection.by_label(TotalFalse(), {label: str(label) for label in range(1, _LABELS + 1)})


def _epoch(make: Callable[[], _Metric], size: int, scenes: Scenes) -> Task:
    """Of metrics that are there already: these are made once a training."""

    def run(given: tuple[_Metric, Scenes]) -> None:
        metric, images = given
        for batch in images.batches(size):
            metric.update(batch.preds, batch.target)
        metric.compute()

    return Task(run, lambda: (make(), scenes.anew()))


def _counts(scenes: Scenes) -> dict[str, int]:
    """How many errors of each kind there are."""
    metrics: Any = _six()
    metrics.update(scenes.preds, scenes.target)
    return {kind: int(ranking.hardness.sum()) for kind, ranking in metrics.compute().items()}


def _without_crowds(scenes: Scenes) -> Scenes:
    target = [{**image, "iscrowd": image["iscrowd"] & False} for image in scenes.target]
    return Scenes(scenes.preds, target)


def _tidecv(native: Native) -> dict[str, int]:
    """Its classes of errors, counted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package: Any = importlib.import_module("tidecv")
    truth, found = package.Data("truth", max_dets=10**6), package.Data("found")
    for image in native.dataset["images"]:
        truth.add_image(image["id"], str(image["id"]))
    for annotation in native.dataset["annotations"]:
        truth.add_ground_truth(annotation["image_id"], annotation["category_id"], annotation["bbox"])
    for image_id, *box, score, label in native.results.tolist():
        found.add_detection(int(image_id), int(label), score, box)
    run = package.TIDE(IOU_THRESHOLD).evaluate(truth, found)
    return _named(Counter(type(error).__name__ for error in run.errors), _OF_TIDECV)


def _hotcoco(native: Native) -> dict[str, int]:
    """Its errors of the whole set, from arrays."""
    package: Any = importlib.import_module("hotcoco")
    annotations = native.dataset["annotations"]
    boxes = np.array([annotation["bbox"] for annotation in annotations])
    truth = package.COCO.from_arrays(
        [{**image, "file_name": ""} for image in native.dataset["images"]],
        native.dataset["categories"],
        np.array([annotation["image_id"] for annotation in annotations]),
        np.array([annotation["category_id"] for annotation in annotations]),
        boxes,
        area=boxes[:, 2] * boxes[:, 3],
    )
    evaluation = package.COCOeval(truth, truth.load_res(native.results), "bbox")
    params = evaluation.params
    params.iou_thrs, params.max_dets = [IOU_THRESHOLD], [100]
    params.area_rng, params.area_rng_lbl = [[0, 1e10]], ["all"]
    evaluation.params = params
    evaluation.evaluate()
    return _named(evaluation.tide_errors(IOU_THRESHOLD)["counts"], _OF_HOTCOCO)


def _named(counts: Any, names: dict[str, str]) -> dict[str, int]:
    return {name: int(counts.get(theirs, 0)) for theirs, name in sorted(names.items(), key=lambda item: item[1])}
