"""Sources are trained from scratch, and transferred: neck and head go on from the source's, over a frozen backbone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn

from examples.detector.assign import TaskAligned
from examples.detector.data import DetectionData, Sample, Samples
from examples.detector.model import Outputs
from examples.detector.module import DetectorModule
from examples.detector.suppress import detections
from examples.transferability.sets import LabelledSet
from hardest_metrics.data import atomic_write
from hardest_metrics.plot.axes import encode_figure

MEASURES = {"map": "mAP", "map_50": "mAP50", "mar_1": "AR1", "mar_10": "AR10"}
"""What every training is judged by, over IoU 0.50 to 0.95 but for mAP50, and what it is called."""
ASSIGNER = TaskAligned(alpha=1, beta=2)  # few steps: with beta = 6 most locations learn nothing of boxes

_BATCH = 50  # images at a time of which a frozen backbone makes maps


@dataclass(frozen=True)
class Schedule:
    """How a detector is trained: one cycle of AdamW.

    Attributes:
        steps: batches.
        batch_size: images in each.
        learning_rate: the highest.
        validations: how often it is judged, the last time at the end.
    """

    steps: int
    batch_size: int = 16
    learning_rate: float = 3e-3
    validations: int = 4


def train_source(data: LabelledSet, schedule: Schedule, seed: int, folder: Path) -> dict[str, float]:
    """Train a detector from scratch; its weights go to ``weights.pt`` in the folder.

    Returns:
        :data:`MEASURES` of the validation images at the end.
    """
    seed_everything(seed, verbose=False)
    module = DetectorModule(len(data.class_names), assigner=ASSIGNER, learning_rate=schedule.learning_rate)
    found = _fitted(module, data.train, data.val, data.class_names, schedule, folder, f"{data.name} from scratch")
    with atomic_write(folder / "weights.pt") as file:
        torch.save(module.detector.state_dict(), file)
    return found


def train_transfer(
    source: str, weights: Path, data: LabelledSet, schedule: Schedule, seed: int, folder: Path
) -> dict[str, float]:
    """Transfer a source to another set: the backbone stays as it is, the layer that tells classes begins anew.

    Args:
        source: its name.
        weights: its file.
        data: the set to transfer to.
        schedule: of the training.
        seed: of the new layer and of batches.
        folder: where log and plot go.

    Returns:
        :data:`MEASURES` of the validation images at the end.
    """
    seed_everything(seed, verbose=False)
    module = OverMaps(len(data.class_names), data.image_size, schedule.learning_rate)
    known = torch.load(weights, weights_only=True)
    module.detector.load_state_dict({k: v for k, v in known.items() if ".classes." not in k}, strict=False)
    train, val = module.freeze_backbone(data.target, data.val)
    return _fitted(module, train, val, data.class_names, schedule, folder, f"{source} → {data.name}")


class OverMaps(DetectorModule):
    """A detector whose frozen backbone looked at all images before: a third of the time of running it in each step.

    Args:
        n_classes: number of classes.
        image_size: height and width of the images.
        learning_rate: highest of the one-cycle schedule.
    """

    def __init__(self, n_classes: int, image_size: tuple[int, int], learning_rate: float) -> None:
        super().__init__(n_classes, assigner=ASSIGNER, learning_rate=learning_rate)
        self.image_size = image_size

    def freeze_backbone(self, *sets: Samples) -> "list[Maps]":
        """Let the detector take maps instead of images from now on; the maps of these sets."""
        backbone = self.detector.backbone.eval()
        maps = [maps_of(samples, backbone) for samples in sets]
        self.detector.backbone = Unfolded(maps[0].shapes)  # type: ignore[assignment]
        return maps

    def detections(self, outputs: Outputs, images: Tensor) -> list[dict[str, Tensor]]:
        """Detections of these outputs of the detector."""
        return detections(outputs, self.image_size, self.suppression)


class Unfolded(nn.Module):
    """Stands for a backbone: the maps of which each row ``(B, P)`` of numbers is made.

    Example:
        >>> [level.shape for level in Unfolded([(2, 3, 3), (4, 1, 1)])(torch.zeros(5, 22))]
        [torch.Size([5, 2, 3, 3]), torch.Size([5, 4, 1, 1])]
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        self.shapes = shapes

    def forward(self, rows: Tensor) -> list[Tensor]:
        """Finest map first."""
        parts = rows.split([math.prod(shape) for shape in self.shapes], dim=1)
        return [part.unflatten(1, shape) for part, shape in zip(parts, self.shapes, strict=True)]


class Maps:
    """Samples with a row of numbers, all maps of an image, in place of the image."""

    def __init__(self, rows: Tensor, shapes: Sequence[tuple[int, ...]], targets: Sequence[dict[str, Any]]) -> None:
        self.rows = rows
        self.shapes = shapes
        self.targets = targets

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample:
        return self.rows[index], self.targets[index]


@torch.no_grad()
def maps_of(samples: Samples, backbone: nn.Module) -> Maps:
    """What a backbone in evaluation mode makes of these samples."""
    images, targets = zip(*(samples[place] for place in range(len(samples))), strict=True)
    levels = [backbone(torch.stack(images[at : at + _BATCH])) for at in range(0, len(images), _BATCH)]
    shapes = [tuple(level.shape[1:]) for level in levels[0]]
    rows = torch.cat([torch.cat([level.flatten(1) for level in batch], dim=1) for batch in levels])
    return Maps(rows, shapes, targets)


def _fitted(
    module: DetectorModule,
    train: Samples,
    val: Samples,
    class_names: Sequence[str],
    schedule: Schedule,
    folder: Path,
    title: str,
) -> dict[str, float]:
    folder.mkdir(parents=True, exist_ok=True)
    data = DetectionData(train, val, class_names, min(schedule.batch_size, len(train)), augment=None)
    trainer = Trainer(
        accelerator="cpu",
        max_steps=schedule.steps,
        check_val_every_n_epoch=None,
        val_check_interval=max(schedule.steps // schedule.validations, 1),
        num_sanity_val_steps=0,
        logger=CSVLogger(folder, name="", version=""),
        log_every_n_steps=max(schedule.steps // 50, 1),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, data)
    found = {name: float(trainer.callback_metrics[f"val/{name}"]) for name in MEASURES}
    with atomic_write(folder / "curve.png") as file:
        file.write(draw_log(pd.read_csv(folder / "metrics.csv"), title))
    return found


def draw_log(log: pd.DataFrame, title: str) -> bytes:
    """The loss of a training and what it was judged by, over its steps; the content of a PNG file."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    figure.suptitle(title)
    loss = log.dropna(subset="train/loss")
    left.plot(loss["step"] + 1, loss["train/loss"], color="0.3")
    left.set(xlabel="step", ylabel="loss", ylim=(0, None))
    judged = log.dropna(subset="val/map")
    for (name, text), marker in zip(MEASURES.items(), "os^D", strict=True):
        right.plot(judged["step"] + 1, judged[f"val/{name}"], marker=marker, label=text)
    right.set(xlabel="step", ylim=(0, 1), title="validation images")
    right.legend()
    try:
        return encode_figure(figure)
    finally:
        plt.close(figure)
