"""What `HardestImages` costs: time of a validation epoch with it and without, time to draw, memory.

Where other programs run, the ratio of CPU times, and the share of an epoch that is spent in the callback, are steadier
than the ratio of the times on the clock.
"""

import gc
import logging
import statistics
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.models.detection import retinanet_resnet50_fpn

from benchmarks.timing import Line, Seconds, Section, Spread, Task, compared, in_words, race
from examples.detector.data import Batch, DigitData, collate
from examples.detector.module import DetectorModule
from hardest_metrics import HardestImages, TotalFalse
from hardest_metrics.demo.digits import DigitScenes


def validation(quick: bool) -> Section:
    """Epochs with the callback and without, drawing, memory."""
    packages = [logging.getLogger(package) for package in ("lightning.pytorch", "pytorch_lightning")]
    for package in packages:
        package.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Section("`HardestImages` in a validation epoch", [*_epochs(quick), *_drawing(quick)], [_memory(quick)])


def _epochs(quick: bool) -> Iterator[Line]:
    seed_everything(0, verbose=False)
    data = DigitData(n_val=64 if quick else 256)
    small = DetectorModule(data.n_classes)
    trainer(max_steps=30 if quick else 60, limit_val_batches=0).fit(small, data)
    scenes = DigitScenes("val", 2, (480, 640), (1, 8), (30, 200), seed=0)
    photos: Any = DataLoader(scenes, 2, collate_fn=collate)  # type: ignore[arg-type]
    runs: list[tuple[str, LightningModule, Any, float]] = [
        ("small detector, 128 × 128, with mAP", small, data.val_dataloader(), 1.10),
        ("small detector, 128 × 128", WithoutMeanAp(small), data.val_dataloader(), 1.10),
        ("RetinaNet-R50, 480 × 640", RetinaNet(), photos, 1.03),
    ]
    for name, module, loader, limit in runs:
        callback = DrawingNothing(TotalFalse(weighting="pixel"), dirpath=tempfile.mkdtemp())
        tasks = {
            "without": _epoch(trainer(), module, loader),
            "with": _epoch(trainer(None, callback), module, loader),
        }
        timed = race(tasks, rounds=3 if quick else 9, budget=60)
        what = f"an epoch that draws nothing, {name}, {len(loader.dataset)} images"
        yield compared(timed, what, "with", "without", "without the callback", limit=limit, number=".3f")
        # the first epoch warms up
        own = Spread.of(callback.own[1:]).times(100 / timed.clock("without").median)
        yield Line(
            "of it, in the callback", in_words(statistics.median(callback.own[1:])), "the epoch", own, "{:.2f} %"
        )


def _epoch(run: Trainer, module: LightningModule, loader: Any) -> Task:
    return Task(lambda _: run.validate(module, loader, verbose=False))


def _drawing(quick: bool) -> Iterator[Line]:
    for height, width in ((128, 128), (480, 640)):
        for tensorboard in (False, True):
            longer, size = drawing(height, width, 3 if quick else 9, tensorboard)
            logger = "with TensorBoard" if tensorboard else "without logger"
            yield Line(
                f"what an epoch takes longer that draws 16 images of {height} × {width}, {logger}",
                "",
                f"an epoch that draws nothing; the PNG has {size / 1e6:.1f} MB",
                Spread.of([passed.clock for passed in longer]),
                "{:.2f} s",
                at_most=1,
                by_cpu=statistics.median(passed.cpu for passed in longer),
            )


def _memory(quick: bool) -> str:
    rows = [
        "| images | most snapshots at a time | their tensors | ranking | Python's |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for number in (100, 1000) if quick else (1000, 10_000):
        most, pixels, ranking, python = memory(number)
        rows.append(f"| {number:,} | {most} | {pixels / 1e6:.2f} MB | {ranking / 1e6:.2f} MB | {python / 1e6:.2f} MB |")
    return "Memory that the callback holds, 128 × 128 images, `top_k=16`:\n\n" + "\n".join(rows)


def trainer(folder: Path | None = None, *callbacks: Callback, **arguments: Any) -> Trainer:
    """A trainer that is quiet and writes only where it is told to."""
    quiet: dict[str, Any] = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }
    return Trainer(default_root_dir=folder, callbacks=list(callbacks), **(quiet | arguments))


class WithoutMeanAp(LightningModule):
    """A detector of which nothing but detections is wanted, so that the callback weighs most."""

    def __init__(self, detector: DetectorModule) -> None:
        super().__init__()
        self.detector = detector

    def validation_step(self, batch: Batch, batch_idx: int) -> Any:
        """Detections."""
        return self.detector(batch[0])


class RetinaNet(LightningModule):
    """torchvision's, of random weights, with as many detections an image as COCO counts."""

    def __init__(self) -> None:
        super().__init__()
        self.model = retinanet_resnet50_fpn(
            weights=None, weights_backbone=None, num_classes=10, score_thresh=0.0, detections_per_img=100
        )

    def validation_step(self, batch: Batch, batch_idx: int) -> Any:
        """Detections."""
        return self.model(list(batch[0] / 255))


class Timed(HardestImages):
    """Knows how long its hooks took in each epoch, and in the end of the last one."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.own: list[float] = []
        self.end = Seconds(0.0, 0.0)

    def on_validation_epoch_start(self, *arguments: Any) -> None:
        """Timed."""
        start = time.perf_counter()
        super().on_validation_epoch_start(*arguments)
        self.own.append(time.perf_counter() - start)

    def on_validation_batch_end(self, *arguments: Any) -> None:
        """Timed."""
        start = time.perf_counter()
        super().on_validation_batch_end(*arguments)
        self.own[-1] += time.perf_counter() - start

    def on_validation_epoch_end(self, *arguments: Any) -> None:
        """Timed."""
        clock, cpu = time.perf_counter(), time.process_time()
        super().on_validation_epoch_end(*arguments)
        self.end = Seconds(time.perf_counter() - clock, time.process_time() - cpu)
        self.own[-1] += self.end.clock


class DrawingNothing(Timed):
    """Ranks, logs and keeps the hardest images, but draws and writes nothing."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._showing.show = lambda *arguments: None  # type: ignore[method-assign]


class Drawn(Dataset[tuple[Tensor, dict[str, Any]]]):
    """Digit scenes, each repeated as often as needed, of ids of their own."""

    def __init__(self, number: int, height: int, width: int) -> None:
        self.number = number
        sizes = (height // 9, height // 3)
        scenes = DigitScenes("val", 32, (height, width), (1, 8), sizes, seed=0)
        self.scenes = [scenes[index] for index in range(32)]

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        image, target = self.scenes[index % len(self.scenes)]
        return image, {**target, "image_id": index}


class Guessing(LightningModule):
    """Detects some of the objects there are, in no time."""

    def validation_step(self, batch: Batch, batch_idx: int) -> Any:
        """Detections."""
        generator = torch.Generator().manual_seed(batch_idx)
        preds = []
        for target in batch[1]:
            found = torch.rand(len(target["labels"]), generator=generator) < 0.7
            scores = torch.rand(int(found.sum()), generator=generator)
            preds.append({"boxes": target["boxes"][found], "labels": target["labels"][found], "scores": scores})
        return preds


def drawing(height: int, width: int, rounds: int, tensorboard: bool) -> tuple[list[Seconds], int]:
    """What the end of an epoch takes longer that draws, round by round, and bytes of the picture."""
    loader = DataLoader(Drawn(64, height, width), 16, collate_fn=collate)
    longer = []
    with tempfile.TemporaryDirectory() as folder:
        logger = TensorBoardLogger(folder) if tensorboard else False
        drawn, kept = (kind(TotalFalse(weighting="pixel"), dirpath=folder) for kind in (Timed, DrawingNothing))
        runs = trainer(Path(folder), drawn, logger=logger), trainer(Path(folder), kept, logger=logger)
        for _ in range(rounds):
            for run in runs:
                run.validate(Guessing(), loader, verbose=False)
            longer.append(Seconds(drawn.end.clock - kept.end.clock, drawn.end.cpu - kept.end.cpu))
        (picture,) = Path(folder).glob("*.png")
        return longer, picture.stat().st_size


def memory(number: int) -> tuple[int, int, int, int]:
    """Most snapshots held at a time, bytes of their tensors, bytes of the ranking, Python's bytes for the callback."""
    loader = DataLoader(Drawn(number, 128, 128), 16, collate_fn=collate)
    python, most, pixels, ranking = [], 0, 0, 0

    class Watch(Callback):
        def on_validation_batch_end(self, *arguments: Any) -> None:
            nonlocal most, pixels
            for held in callback._collecting._loaders.values():
                kept = [snapshot for _, snapshot in held.top._snapshots.values()]
                most, pixels = max(most, len(kept)), max(pixels, sum(map(_nbytes, kept)))

        def on_validation_epoch_end(self, *arguments: Any) -> None:
            nonlocal ranking
            gc.collect()
            python.append(tracemalloc.get_traced_memory()[0])
            for held in callback._collecting._loaders.values():
                ranking = sum(
                    _nbytes([metric.image_ids, metric.errors, metric.weighted]) for metric in held.metrics.values()
                )

    with tempfile.TemporaryDirectory() as folder:
        callback = DrawingNothing(TotalFalse(weighting="pixel"), dirpath=folder)
        for callbacks in ([Watch()], [Watch(), callback]):
            run = trainer(Path(folder), *callbacks)
            tracemalloc.start()
            run.validate(Guessing(), loader, verbose=False)
            tracemalloc.stop()
    return most, pixels, ranking, python[1] - python[0]


def _nbytes(value: Any) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in _tensors(value))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Sequence | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)
