"""What `HardestImages` costs: time of a validation epoch with it and without, time to draw, memory.

    python -m benchmarks.callback

Epochs with the callback and without follow each other, in turns of order, so that what else the machine does slows
both; ratios are medians over such pairs. Where other programs run, the ratio of CPU times, and the share of an epoch
that is spent in the callback, are steadier than the ratio of the times on the clock.
"""

import argparse
import gc
import logging
import os
import statistics
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.models.detection import retinanet_resnet50_fpn

from examples.detector.data import Batch, DigitData, collate
from examples.detector.digits import DigitScenes
from examples.detector.module import DetectorModule
from hardest_metrics import HardestImages, TotalFalse


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=256, help="in an epoch of the small detector (%(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="epochs of each kind (%(default)s)")
    parser.add_argument("--large-images", type=int, default=2, help="in an epoch of RetinaNet (%(default)s)")
    parser.add_argument("--large-rounds", type=int, default=3, help="epochs of each kind (%(default)s)")
    parser.add_argument("--training-steps", type=int, default=60, help="of the small detector before (%(default)s)")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    for package in ("lightning.pytorch", "pytorch_lightning"):
        logging.getLogger(package).setLevel(logging.ERROR)
    seed_everything(0, verbose=False)

    data = DigitData(n_val=options.images)
    small = DetectorModule(data.n_classes)
    trainer(enable_checkpointing=False, max_steps=options.training_steps, limit_val_batches=0).fit(small, data)
    large = RetinaNet()
    scenes = DigitScenes("val", options.large_images, (480, 640), (1, 8), (30, 200), seed=0)
    photos: Any = DataLoader(scenes, 2, collate_fn=collate)  # type: ignore[arg-type]
    runs: list[tuple[str, LightningModule, Any, int, str]] = [
        ("small detector, 128 × 128, mAP too", small, data.val_dataloader(), options.rounds, "1.10"),
        ("small detector, 128 × 128", WithoutMeanAp(small), data.val_dataloader(), options.rounds, "1.10"),
        ("RetinaNet-R50, 480 × 640", large, photos, options.large_rounds, "1.03"),
    ]
    print("A validation epoch with the callback that draws nothing, against one without it\n")
    print("| detector | images | without | with | ratio | limit | ratio of CPU times | in the callback |")
    print("|---|---|---|---|---|---|---|---|")
    for name, module, loader, rounds, limit in runs:
        off, on, own = epochs(module, loader, rounds)
        without, with_it = median(off).clock, median(on).clock
        ratio = median([Seconds(b.clock / a.clock, b.cpu / a.cpu) for a, b in zip(off, on, strict=True)])
        print(
            f"| {name} | {len(loader.dataset)} | {without:.2f} s | {with_it:.2f} s | {ratio.clock:.3f} | {limit}"
            f" | {ratio.cpu:.3f} | {statistics.median(own) / without:.2%} |"
        )

    print("\nWhat an epoch takes longer that draws 16 images and writes (limit: 1 s)\n")
    print("| images | without logger | with TensorBoard | PNG |")
    print("|---|---|---|---|")
    for height, width in ((128, 128), (480, 640)):
        (plain, size), (tensorboard, _) = (drawing(height, width, options.rounds, logs) for logs in (False, True))
        print(f"| {height} × {width} | {plain} | {tensorboard} | {size / 1e6:.1f} MB |")

    print("\nMemory, 128 × 128 images, top_k=16\n")
    print("| images | most snapshots at a time | their tensors | ranking | Python's |")
    print("|---|---|---|---|---|")
    for number in (1_000, 10_000):
        snapshots, pixels, ranking, python = memory(number)
        print(
            f"| {number:,} | {snapshots} | {pixels / 1e6:.2f} MB | {ranking / number:.0f} bytes an image"
            f" | {python / 1e6:.2f} MB |"
        )


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


class Seconds(NamedTuple):
    """On the clock, and of all of the process's threads together."""

    clock: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.clock:.2f} s (CPU {self.cpu:.2f} s)"


def now() -> Seconds:
    """What the clocks say."""
    return Seconds(time.perf_counter(), time.process_time())


def since(start: Seconds) -> Seconds:
    """What has passed."""
    return Seconds(*(after - before for after, before in zip(now(), start, strict=True)))


def median(measured: Sequence[Seconds]) -> Seconds:
    """Of each by itself."""
    return Seconds(*map(statistics.median, zip(*measured, strict=True)))


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
    """Knows how long its hooks took, by name."""

    batches: float
    end: Seconds

    def on_validation_epoch_start(self, *arguments: Any) -> None:
        """Start from nothing."""
        self.batches = 0.0
        super().on_validation_epoch_start(*arguments)

    def on_validation_batch_end(self, *arguments: Any) -> None:
        """Timed."""
        start = now()
        super().on_validation_batch_end(*arguments)
        self.batches += since(start).clock

    def on_validation_epoch_end(self, *arguments: Any) -> None:
        """Timed."""
        start = now()
        super().on_validation_epoch_end(*arguments)
        self.end = since(start)


class NeverDue(Timed):
    """Ranks and logs, but draws and writes nothing, as in the epochs between those of `every_n_epochs`."""

    def _is_due(self, trainer: Trainer) -> bool:
        return False


def epochs(module: LightningModule, loader: Any, rounds: int) -> tuple[list[Seconds], list[Seconds], list[float]]:
    """What each epoch takes without the callback, with it, and on the clock in it."""

    def seconds(run: Trainer) -> Seconds:
        start = now()
        run.validate(module, loader, verbose=False)
        return since(start)

    off: list[Seconds] = []
    on: list[Seconds] = []
    own: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        callback = NeverDue(TotalFalse(weighting="pixel"), dirpath=folder)
        without, with_it = trainer(), trainer(None, callback)
        seconds(with_it)  # warm up
        for number in range(rounds):
            for kind in (off, on) if number % 2 else (on, off):
                kind.append(seconds(with_it if kind is on else without))
            own.append(callback.batches + callback.end.clock)
    return off, on, own


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


def drawing(height: int, width: int, rounds: int, tensorboard: bool) -> tuple[Seconds, int]:
    """Median time that the end of an epoch takes longer when pictures are due, and bytes of the picture."""
    loader = DataLoader(Drawn(64, height, width), 16, collate_fn=collate)
    longer = []
    with tempfile.TemporaryDirectory() as folder:
        logger = TensorBoardLogger(folder) if tensorboard else False
        due, not_due = (kind(TotalFalse(weighting="pixel"), dirpath=folder) for kind in (Timed, NeverDue))
        runs = trainer(Path(folder), due, logger=logger), trainer(Path(folder), not_due, logger=logger)
        for _ in range(rounds):
            for run in runs:
                run.validate(Guessing(), loader, verbose=False)
            longer.append(Seconds(due.end.clock - not_due.end.clock, due.end.cpu - not_due.end.cpu))
        (picture,) = Path(folder).glob("*.png")
        return median(longer), picture.stat().st_size


def memory(number: int) -> tuple[int, int, int, int]:
    """Most snapshots held at a time, bytes of their tensors, bytes of the ranking, Python's bytes for the callback."""
    loader = DataLoader(Drawn(number, 128, 128), 16, collate_fn=collate)
    python, most, pixels, ranking = [], 0, 0, 0

    class Watch(Callback):
        def on_validation_batch_end(self, *arguments: Any) -> None:
            nonlocal most, pixels
            for held in callback._loaders.values():
                kept = [snapshot for _, snapshot in held.top._snapshots.values()]
                most, pixels = max(most, len(kept)), max(pixels, sum(map(_nbytes, kept)))

        def on_validation_epoch_end(self, *arguments: Any) -> None:
            nonlocal ranking
            gc.collect()
            python.append(tracemalloc.get_traced_memory()[0])
            for held in callback._loaders.values():
                ranking = sum(_nbytes([metric.image_ids, metric.rows]) for metric in held.metrics.values())

    with tempfile.TemporaryDirectory() as folder:
        callback = NeverDue(TotalFalse(weighting="pixel"), dirpath=folder)
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


if __name__ == "__main__":
    main()
