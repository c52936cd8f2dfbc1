"""How fast hardness is: ratios to `hardest` and to itself, measured in one run.

    make bench

Absolute times are of the machine that ran this; what carries over are the ratios.
"""

import argparse
import contextlib
import io
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # a busy neighbour costs less; read when torch is imported

import torch
from torchmetrics import MetricCollection

from benchmarks.coco_sized import Scenes, coco_sized
from hardest_metrics import FalseNegatives, FalsePositives, Ranking, TotalFalse
from hardest_metrics.detection import BoxErrors

_DEFINITIONS = {"fp": FalsePositives, "fn": FalseNegatives, "total": TotalFalse}
_WEIGHTINGS = ("none", "pixel", "overlap")


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5000, help="images in the set (default: 5000)")
    parser.add_argument("--peer-images", type=int, default=500, help="of these, how many `hardest` gets (default: 500)")
    parser.add_argument("--repetitions", type=int, default=7, help="timings of each, the median counts (default: 7)")
    args = parser.parse_args()

    scenes = coco_sized(args.images)
    boxes = sum(len(target["labels"]) for target in scenes.target)
    confident = sum(int((pred["scores"] >= 0.5).sum()) for pred in scenes.preds)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, Python {platform.python_version()}"
    )
    print(f"{args.images} images, {boxes} boxes, {100 * args.images} detections, {confident} of score 0.5 or more\n")
    rows = [
        *one_call(scenes, args.peer_images, args.repetitions),
        *streaming(scenes, args.repetitions),
        *nine_definitions(scenes, args.repetitions),
    ]
    print("| what | time | compared with | ratio |\n| --- | --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def one_call(scenes: Scenes, peer_images: int, repetitions: int) -> list[tuple[str, str, str, str]]:
    """The whole set in one `update`, then `compute`, against `hardest` on its first images."""
    number = len(scenes.preds)
    theirs, their_seconds = _hardest(scenes, min(peer_images, number))

    def ours() -> Ranking:
        metric = TotalFalse()
        metric.update(scenes.preds, scenes.target)
        return metric.compute()  # type: ignore[return-value]

    hardness = dict(zip(*(part.tolist() for part in ours()), strict=True))
    for target, expected in zip(scenes.target, theirs, strict=False):
        if hardness[target["image_id"]] != expected:
            sys.exit(f"Image {target['image_id']}: `hardest` says {expected}, we say {hardness[target['image_id']]}.")
    seconds = _median_seconds(ours, repetitions)
    ratio = their_seconds / len(theirs) / (seconds / number)
    return [
        (
            f"`TotalFalse`, {number} images in one call",
            f"{seconds:.3f} s",
            f"`hardest`: {their_seconds / len(theirs) * number:.1f} s ({len(theirs)} images scaled up)",
            f"{ratio:.0f}× faster",
        )
    ]


def streaming(scenes: Scenes, repetitions: int) -> list[tuple[str, str, str, str]]:
    """Batches of a validation epoch, an image's share of an update."""
    rows = []
    for size in (16, 1):
        batches = _batches(scenes, size, most=100)

        def epoch(batches: list[Scenes] = batches) -> None:
            metric = TotalFalse()
            for batch in batches:
                metric.update(batch.preds, batch.target)

        seconds = _median_seconds(epoch, repetitions) / len(batches) / size
        rows.append((f"`update` with batches of {size}", f"{seconds * 1e3:.3f} ms an image", "", ""))
    return rows


def nine_definitions(scenes: Scenes, repetitions: int) -> list[tuple[str, str, str, str]]:
    """All definitions in a `MetricCollection` against one metric, over an epoch of batches of 16."""
    batches = _batches(scenes, 16, most=100)
    rows = []
    for method in ("update", "forward"):

        def epoch(metric: BoxErrors | MetricCollection, method: str = method) -> None:
            for batch in batches:
                (metric.update if method == "update" else metric)(batch.preds, batch.target)
            metric.compute()

        ratios, seconds = [], []
        for _ in range(repetitions):  # interleaved, so that a busy moment hits both
            one, nine = _seconds(lambda: epoch(TotalFalse())), _seconds(lambda: epoch(_nine()))
            ratios.append(nine / one)
            seconds.append(nine)
        rows.append(
            (
                f"nine definitions in a `MetricCollection`, by `{method}`",
                f"{statistics.median(seconds) / len(batches) / 16 * 1e3:.3f} ms an image",
                "one definition",
                f"{statistics.median(ratios):.2f}× as long",
            )
        )
    return rows


def _hardest(scenes: Scenes, number: int) -> tuple[list[float], float]:
    """Hardness of the first images by the package `hardest`, and the seconds that took."""
    try:
        from hardest.hardness_strategies import SupervisedHardnessCalculation
        from hardest.pycocotools import TotalFalse as TheirTotalFalse
    except ModuleNotFoundError as error:
        sys.exit(f"{error}: `make bench` installs the peers.")
    preds = scenes.preds[:number]
    targets = [{**target, "iscrowd": target["iscrowd"].float()} for target in scenes.target[:number]]
    image = torch.empty(1).expand(3, 480, 640)
    strategy = SupervisedHardnessCalculation(TheirTotalFalse())
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():  # its progress bar
        warnings.simplefilter("ignore")
        strategy.eval_dataset(preds[:10], targets[:10], [image] * 10)
        start = time.perf_counter()
        hardness = strategy.eval_dataset(preds, targets, [image] * number)
        return hardness, time.perf_counter() - start


def _nine() -> MetricCollection:
    return MetricCollection({
        f"{name}_{weighting}": definition(weighting=weighting)  # type: ignore[arg-type]
        for name, definition in _DEFINITIONS.items()
        for weighting in _WEIGHTINGS
    })  # fmt: skip


def _batches(scenes: Scenes, size: int, most: int) -> list[Scenes]:
    starts = range(0, min(len(scenes.preds) - size + 1, most * size), size)
    return [Scenes(scenes.preds[i : i + size], scenes.target[i : i + size]) for i in starts]


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _median_seconds(function: Callable[[], object], repetitions: int) -> float:
    function()  # warm up
    return statistics.median(_seconds(function) for _ in range(repetitions))


if __name__ == "__main__":
    main()
