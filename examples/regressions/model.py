"""A classifier of handwritten digits that trains in seconds, and its data."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate
from torch.utils.data import DataLoader, TensorDataset

from hardest_metrics.data import Indexed

N_TEST = 600  # of 1,797


class DigitClassifier(LightningModule):
    """Two convolutions and two layers on 8×8 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(),
            nn.Linear(32 * 16, 64), nn.ReLU(), nn.Linear(64, 10),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """``(N, 1, 8, 8)`` pixels to ``(N, 10)`` logits."""
        logits: Tensor = self.layers(images)
        return logits

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        return cross_entropy(self(batch[0]), batch[1])

    def test_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        """All that HardestImages needs of a batch ``(images, labels, ids)``."""
        logits = self(batch[0])
        self.log("test/accuracy", (logits.argmax(1) == batch[1]).float().mean())
        return {"logits": logits}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=2e-3)


def digits() -> tuple[TensorDataset, TensorDataset]:
    """Images and labels to train with and, of other handwriting, to test with."""
    loaded = load_digits()
    images = torch.tensor(loaded.images / 16, dtype=torch.float32)[:, None]
    labels = torch.tensor(loaded.target, dtype=torch.int64)
    return TensorDataset(images[N_TEST:], labels[N_TEST:]), TensorDataset(images[:N_TEST], labels[:N_TEST])


def test_loader(test: TensorDataset) -> DataLoader[Any]:
    """Of ``(images, labels, ids)``."""
    return DataLoader(Indexed(test), batch_size=50)


def key_of(number: int) -> str:
    """What a test image is called."""
    return f"digit-{number:03d}"


def save_images(test: TensorDataset, folder: Path) -> None:
    """Write the test images as files, to be looked at."""
    folder.mkdir(parents=True, exist_ok=True)
    large = interpolate(1 - test.tensors[0], scale_factor=12)[:, 0]
    for number, pixels in enumerate((255 * large).byte().numpy()):
        Image.fromarray(pixels).save(folder / f"{key_of(number)}.png")
