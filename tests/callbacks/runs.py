"""Small runs of Lightning for tests: scenes of boxes, a module whose detections depend on image and epoch alone."""

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import pytorch_lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Sample = tuple[Tensor, dict[str, Any]]
Batch = tuple[Tensor, list[dict[str, Any]]]

SIZE = (48, 64)


class Scenes(Dataset[Sample]):
    """That many images of two colours with up to four boxes, numbered from `first_id`."""

    def __init__(self, number: int, first_id: int = 0) -> None:
        self.ids = range(first_id, first_id + number)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        generator = torch.Generator().manual_seed(self.ids[index])
        number = int(torch.randint(0, 5, (1,), generator=generator))
        # quarters of pixels: exact in every format and every precision of boxes
        corners = torch.randint(0, 120, (number, 2), generator=generator) / 4
        sides = torch.randint(16, 72, (number, 2), generator=generator) / 4
        labels = torch.randint(1, 4, (number,), generator=generator)
        target = {"boxes": torch.cat((corners, corners + sides), 1), "labels": labels, "image_id": self.ids[index]}
        image = torch.rand(3, 1, 1, generator=generator).repeat(1, *SIZE)
        image[:, :20, :10] = torch.rand(3, 1, 1, generator=generator)
        return image, target


def collate(samples: Sequence[Sample]) -> Batch:
    """Images stacked, targets listed."""
    images, targets = zip(*samples, strict=True)
    return torch.stack(images), list(targets)


def scenes(number: int = 12, first_id: int = 0, batch_size: int = 4) -> DataLoader[Sample]:
    """A loader of scenes."""
    return DataLoader(Scenes(number, first_id), batch_size, collate_fn=collate)


def detections(target: dict[str, Any], epoch: int = 0) -> dict[str, Tensor]:
    """Some of an image's objects, found more or less, and some that are not there."""
    generator = torch.Generator().manual_seed(target["image_id"] % 2**40 + 1000 * epoch)
    # drawn in one precision, whatever a trainer's is: older torch draws other numbers in half precision
    draw = partial(torch.rand, generator=generator, dtype=torch.float32)
    found = draw(len(target["labels"])) < 0.8
    false = torch.randint(8, 80, (int(torch.randint(0, 3, (1,), generator=generator)), 4), generator=generator) / 4
    false[:, 2:] += false[:, :2]
    boxes = torch.cat((target["boxes"][found].float(), false))
    scores = (draw(len(boxes)) * 0.6 + 0.4).to(torch.get_default_dtype())
    labels = torch.cat((target["labels"][found], torch.ones(len(false), dtype=torch.int64)))
    return {"boxes": boxes, "scores": scores, "labels": labels}


class _Behaviour:
    """What the module does, for the LightningModule of either package."""

    def training_step(self: Any, batch: Batch, batch_idx: int) -> Tensor:
        loss: Tensor = self.weight.square().sum()
        return loss

    def validation_step(self: Any, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> Any:
        return [detections(target, self.current_epoch) for target in batch[1]]

    def test_step(self: Any, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> Any:
        return self.validation_step(batch, batch_idx, dataloader_idx)

    def configure_optimizers(self: Any) -> Any:
        return torch.optim.SGD([self.weight], lr=0.1)


class Module(_Behaviour, lightning.LightningModule):
    """For `lightning.pytorch`."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))


class OtherModule(_Behaviour, pytorch_lightning.LightningModule):
    """For `pytorch_lightning`."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))


def trainer(folder: Path, *callbacks: Any, **arguments: Any) -> lightning.Trainer:
    """A quiet trainer of two batches an epoch that writes to a folder."""
    quiet: dict[str, Any] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "accelerator": "cpu",
        "limit_train_batches": 2,
        "max_epochs": 1,
        "log_every_n_steps": 1,
    }
    return lightning.Trainer(default_root_dir=folder, callbacks=list(callbacks), **(quiet | arguments))


def rows(file: Path) -> list[dict[str, str]]:
    """The rows of a ranking's file."""
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def files(folder: Path, suffix: str = "csv") -> list[str]:
    """The names of the files that a run wrote, without suffix."""
    return sorted(path.stem for path in (folder / "hardest_images").glob(f"*.{suffix}"))


def ranked(file: Path) -> list[tuple[int, float]]:
    """Ids and hardness in the file of a ranking, hardest first."""
    return [(int(row["image_id"]), float(np.float32(row["hardness"]))) for row in rows(file)]
