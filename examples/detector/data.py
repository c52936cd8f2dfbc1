"""Data sets and their loaders, and the data module of the digit scenes.

What comes out of every loader is ``(images, targets)``: uint8 ``(B, 3, H, W)``, and one dict an image
in the format of torchmetrics, its boxes xyxy in pixels and its labels counted from 0.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from examples.detector.augment import Augment
from hardest_metrics.demo.digits import DigitScenes, Split

Sample = tuple[Tensor, dict[str, Any]]
Batch = tuple[Tensor, list[dict[str, Any]]]


class Samples(Protocol):
    """A sequence of images ``(3, H, W)`` uint8 and their targets."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


class Kept(Dataset[Sample]):
    """Samples that are made when first asked for, and then kept in memory."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples
        self._kept: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        if index not in self._kept:
            self._kept[index] = self.samples[index]
        return self._kept[index]


class ForTraining(Dataset[Sample]):
    """Samples to learn from: only ``boxes`` and ``labels``, no crowds, augmented anew each time."""

    def __init__(self, samples: Samples, augment: Augment | None) -> None:
        self.samples = samples
        self.augment = augment

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        image, target = self.samples[index]
        single = torch.ones_like(target["labels"], dtype=torch.bool)
        if "iscrowd" in target:
            single = target["iscrowd"] == 0
        lesson = {"boxes": target["boxes"][single], "labels": target["labels"][single]}
        return (image, lesson) if self.augment is None else self.augment(image, lesson)


def collate(samples: Sequence[Sample]) -> Batch:
    """Images stacked, targets listed."""
    images, targets = zip(*samples, strict=True)
    return torch.stack(images), list(targets)


class DetectionData(LightningDataModule):
    """Loaders over a training and a validation set, and over a test set where there is one.

    Args:
        train: samples to learn from.
        val: samples to be judged by.
        class_names: of labels 0, 1, ...
        batch_size: images in a batch.
        augment: augmentation of the training images; None for none.
        test: samples to be judged by once, at the end; None for none.
    """

    def __init__(
        self,
        train: Samples,
        val: Samples,
        class_names: Sequence[str],
        batch_size: int,
        augment: Augment | None,
        test: Samples | None = None,
    ) -> None:
        super().__init__()
        self.train = ForTraining(Kept(train), augment)
        self.val = Kept(val)
        self.test = None if test is None else Kept(test)
        self.class_names = tuple(class_names)
        self.n_classes = len(self.class_names)
        self.batch_size = batch_size

    def train_dataloader(self) -> DataLoader[Sample]:
        """Shuffled; a last, smaller batch is left out."""
        return DataLoader(self.train, self.batch_size, shuffle=True, drop_last=True, collate_fn=collate)

    def val_dataloader(self) -> DataLoader[Sample]:
        """In order, all of it."""
        return DataLoader(self.val, self.batch_size, collate_fn=collate)

    def test_dataloader(self) -> DataLoader[Sample]:
        """In order, all of it.

        Raises:
            ValueError: when there is no test set.
        """
        if self.test is None:
            raise ValueError("test=None: there is no test split; name one")
        return DataLoader(self.test, self.batch_size, collate_fn=collate)


class DigitData(DetectionData):
    """Digit scenes; validation scenes hold other handwriting than training scenes.

    Args:
        n_train: training scenes.
        n_val: validation scenes.
        image_size: height and width in pixels.
        n_digits: fewest and most digits in a scene.
        digit_height: lowest and highest digit in pixels.
        seed: of everything random in the scenes.
        batch_size: images in a batch.
        augment: augmentation of the training images; None for none.
    """

    def __init__(
        self,
        n_train: int = 2000,
        n_val: int = 500,
        image_size: tuple[int, int] = (128, 128),
        n_digits: tuple[int, int] = (1, 8),
        digit_height: tuple[int, int] = (14, 48),
        seed: int = 0,
        batch_size: int = 16,
        augment: Augment | None = None,
    ) -> None:
        def scenes(split: Split, n_scenes: int) -> DigitScenes:
            return DigitScenes(split, n_scenes, image_size, n_digits, digit_height, seed=seed)

        train, val = scenes("train", n_train), scenes("val", n_val)
        super().__init__(train, val, DigitScenes.class_names, batch_size, augment)
