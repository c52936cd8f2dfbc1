"""Evaluators by key: that a batch costs the same whenever it comes, and what it costs to keep a run."""

import contextlib
import io
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import numpy as np

from benchmarks.timing import Line, Section, Task, compared, in_words, race
from hardest_metrics.evaluators import COCOEvaluator, ImageNetEvaluator
from hardest_metrics.results import DataSet, Hardness, Result, Run, RunStore

#: How many times as long the 400th batch may take as the 10th, and seconds that keeping a run may take.
_GROWTH, _SAVE = 1.5, 1.0

_EARLY, _LATE, _MEASURED = 10, 400, 10  # numbers of batches
_PEER = 40  # of the batch from which on it is compared: the 400th takes the peer minutes to come to
_IMAGES_A_BATCH, _RESULTS_AN_IMAGE = 8, 20
_BATCH = 250

Coco = tuple[dict[str, Any], list[list[dict[str, Any]]]]


def by_key(quick: bool) -> Section:
    """Adding to both evaluators, against those that they are after, and saving."""
    lines: list[Line] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        lines += _adding(quick, Path(folder), notes)
        lines += _classifying(quick, Path(folder), notes)
        lines += _saving(quick, Path(folder))
    return Section("Evaluators and their store", lines, notes)


def _adding(quick: bool, folder: Path, notes: list[str]) -> list[Line]:
    late = 40 if quick else _LATE
    annotations, batches = _coco(late + _MEASURED)
    whole = COCOEvaluator(annotations, store=folder / "none.db")

    def ours(number: int) -> COCOEvaluator:
        evaluator = COCOEvaluator(annotations, store=folder / "none.db")
        for batch in batches[:number]:
            evaluator.add(batch)
        return evaluator

    def add(number: int) -> Task:
        def run(evaluator: Any) -> None:
            for batch in batches[number : number + _MEASURED]:
                evaluator.add(batch)

        return Task(run, lambda: ours(number))

    timed = race({"late": add(late), "early": add(_EARLY)}, rounds=5)
    what = f"`COCOEvaluator.add`, {_MEASURED} batches of {_IMAGES_A_BATCH} images"
    lines = [
        compared(
            timed, f"{what}, the {late}th on", "late", "early", f"the {_EARLY}th on", limit=None if quick else _GROWTH
        )
    ]
    try:
        import sotabencheval.object_detection.coco as theirs
    except ModuleNotFoundError as error:
        notes.append(f"sotabencheval's evaluators are left out: {error.name} is not installed here.")
        return lines
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances_val2017.json").write_text(json.dumps(annotations))

    def of_theirs(number: int) -> Any:
        with _silent():
            evaluator = theirs.COCOEvaluator(root=str(folder))
            for batch in batches[:number]:
                evaluator.add([dict(one) for one in batch])
        return evaluator

    def add_theirs(evaluator: Any) -> None:
        with _silent():
            for batch in batches[_PEER : _PEER + _MEASURED]:
                evaluator.add([dict(one) for one in batch])

    for batch in batches[: _PEER + _MEASURED]:
        whole.add(batch)
    with _silent(), patch.object(theirs, "get_max_memory_allocated", lambda: 0):
        expected = of_theirs(_PEER + _MEASURED).get_results()
    found = whole.get_results()
    if any(abs(found[name] - value) > 1e-6 for name, value in expected.items()):
        sys.exit(f"{found} differs from {expected} of sotabencheval. Nothing wrong is timed.")
    timed = race({"ours": add(_PEER), "theirs": Task(add_theirs, lambda: of_theirs(_PEER))}, rounds=3, warm_up=False)
    lines.append(
        compared(timed, f"{what}, the {_PEER}th on", "ours", "theirs", "sotabencheval", faster=True, number=".0f")
    )
    return lines


def _classifying(quick: bool, folder: Path, notes: list[str]) -> list[Line]:
    images, classes = (500, 100) if quick else (5000, 1000)
    rng = np.random.default_rng(0)
    logits = 3 * rng.standard_normal((images, classes), dtype=np.float32)
    keys = [f"ILSVRC2012_val_{number:08d}" for number in range(1, images + 1)]
    target = np.where(rng.random(images) < 0.7, logits.argmax(1), rng.integers(classes, size=images))
    labels = dict(zip(keys, target.tolist(), strict=True))

    def evaluated(evaluator: Any) -> Mapping[str, float]:
        for start in range(0, images, _BATCH):
            batch = slice(start, start + _BATCH)
            evaluator.add(dict(zip(keys[batch], logits[batch], strict=True)))
        results: Mapping[str, float] = evaluator.get_results()
        return results

    try:
        theirs = _their_imagenet(labels)
    except ModuleNotFoundError:  # which is noted already
        return []
    if evaluated(ImageNetEvaluator(labels, store=folder / "none.db")) != evaluated(theirs()):
        sys.exit("Accuracies differ from those of sotabencheval. Nothing wrong is timed.")
    timed = race(
        {
            "ours": Task(evaluated, lambda: ImageNetEvaluator(labels, store=folder / "none.db")),
            "theirs": Task(evaluated, theirs),
        },
        rounds=5,
    )
    what = f"`ImageNetEvaluator`, {images:,} × {classes:,} logits: accuracies, with hardness and digests of all"
    return [compared(timed, what, "ours", "theirs", "sotabencheval, accuracies alone")]


def _their_imagenet(labels: Mapping[str, int]) -> Callable[[], Any]:
    import sotabencheval.image_classification.imagenet as theirs

    class Evaluator(theirs.ImageNetEvaluator):  # type: ignore[misc]
        def load_targets(self) -> None:
            self.targets = {key: np.array([label]) for key, label in labels.items()}

        def get_results(self) -> Any:
            # without its progress bar, and the memory of a GPU, which it cannot do without one
            with _silent(), patch.object(theirs, "get_max_memory_allocated", lambda: 0):
                return super().get_results()

    return Evaluator


def _saving(quick: bool, folder: Path) -> list[Line]:
    images = 2_000 if quick else 50_000
    rng = np.random.default_rng(0)
    keys = [f"ILSVRC2012_val_{number:08d}" for number in range(1, images + 1)]
    dataset = DataSet({key: str(number % 1000) for number, key in enumerate(keys)})
    loss = rng.exponential(size=images).astype(np.float32)
    hardness = {
        "CrossEntropy": Hardness(loss, loss > 1),
        "TopKMiss(k=5)": Hardness((loss > 3).astype(np.float32), loss > 3),
    }
    said = rng.integers(1000, size=images).astype(np.int32)
    probe = {key: rng.standard_normal((1, 1000), dtype=np.float32) for key in keys[:64]}
    run = Run("ImageNetEvaluator", {"Top 1 Accuracy": Result(0.7, True), "Top 5 Accuracy": Result(0.9, True)}, images)

    def save(store: Any) -> None:
        store.save(replace(run, id=uuid4().hex), dataset, hardness, said, probe)

    def write(path: Any) -> None:
        """The same numbers as JSON, on the disk when it returns."""
        rows = {"loss": loss.tolist(), "said": said.tolist(), "labels": dict(zip(keys, dataset.labels, strict=True))}
        with path.open("w") as file:
            json.dump(rows, file)
            file.flush()
            os.fsync(file.fileno())

    old = RunStore(folder / "runs.db")
    save(old)
    lines = []
    for what, store in (
        ("the first over its images", lambda: RunStore(folder / f"{uuid4().hex}.db")),
        ("a later one", lambda: old),
    ):
        timed = race({"ours": Task(save, store), "theirs": Task(write, lambda: folder / "run.json")}, rounds=5)
        ours, theirs = timed.clock("ours"), in_words(timed.clock("theirs").median)
        lines.append(
            Line(
                f"a save of {images:,} images, {what}", in_words(ours.median),
                f"numbers of the run and labels as one JSON file: {theirs}", ours, "{:.2f} s",
                at_most=None if quick else _SAVE,
            )
        )  # fmt: skip
    return lines


def _coco(batches: int) -> Coco:
    """Annotations, and results on them in batches."""
    rng = random.Random(0)
    images = batches * _IMAGES_A_BATCH
    annotations: list[dict[str, Any]] = []
    results = []
    for image in range(1, images + 1):
        of_image = []
        for number in range(_RESULTS_AN_IMAGE):
            box = [rng.random() * 500, rng.random() * 400, 20 + 100 * rng.random(), 20 + 60 * rng.random()]
            if number < 7:
                area, identity = box[2] * box[3], len(annotations) + 1
                label = rng.randint(1, 80)
                annotations.append(
                    {"id": identity, "image_id": image, "category_id": label, "bbox": box, "area": area, "iscrowd": 0}
                )
                box = [value + rng.random() * 9 for value in box]
            of_image.append(
                {"image_id": image, "category_id": label, "bbox": box, "score": rng.random()},
            )
        results.append(of_image)
    document = {
        "images": [{"id": image, "width": 640, "height": 480} for image in range(1, images + 1)],
        "annotations": annotations,
        "categories": [{"id": label, "name": f"c{label}"} for label in range(1, 81)],
    }
    by_batch = [
        [one for of_image in results[start : start + _IMAGES_A_BATCH] for one in of_image]
        for start in range(0, images, _IMAGES_A_BATCH)
    ]
    return document, by_batch


@contextlib.contextmanager
def _silent() -> Any:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
