"""Loaders of hierarchical image sets: batches of a few images a class to learn from, all images to be judged by."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import LightningDataModule
from pytorch_metric_learning.samplers import HierarchicalSampler, MPerClassSampler
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from hardest_metrics.data import DyML, HierarchicalImage, HierarchicalImages, INaturalist2018, OnlineProducts

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Loader = DataLoader[HierarchicalImage]


class RetrievalData(LightningDataModule):
    """Loaders over a training set and what is judged by.

    Args:
        train: images to learn from; their classes are numbered anew.
        val: by name the sets to be judged by.
        batch_size: images in a batch.
        per_class: images of each class in a training batch.
        super_classes: of each training batch, how many classes of the next coarser level its classes are of; None for
            any.
        batches_per_super_tuple: with ``super_classes``, how many batches an epoch has of each combination of them.
        num_workers: processes that read images.
    """

    def __init__(
        self,
        train: HierarchicalImages,
        val: Mapping[str, HierarchicalImages],
        batch_size: int,
        per_class: int,
        super_classes: int | None = None,
        batches_per_super_tuple: int = 5,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        self.train = train.renumber()
        self.val = dict(val)
        self.num_classes = self.train.num_classes
        self.batch_size = batch_size
        self.per_class = per_class
        self.super_classes = super_classes
        self.batches_per_super_tuple = batches_per_super_tuple
        self.num_workers = num_workers

    def train_dataloader(self) -> Loader:
        """Batches of ``per_class`` images a class."""
        labels = self.train.labels.numpy()
        if self.super_classes is None:
            sampler = MPerClassSampler(labels[:, 0], self.per_class, self.batch_size, max(len(labels), self.batch_size))
            return DataLoader(self.train, self.batch_size, sampler=sampler, num_workers=self.num_workers)
        batches = HierarchicalSampler(
            labels,
            self.batch_size,
            self.per_class,
            batches_per_super_tuple=self.batches_per_super_tuple,
            super_classes_per_batch=self.super_classes,
        )
        return DataLoader(self.train, batch_sampler=batches, num_workers=self.num_workers)

    def val_dataloader(self) -> Sequence[Loader]:
        """All images, in order, set by set."""
        return [DataLoader(images, self.batch_size, num_workers=self.num_workers) for images in self.val.values()]


def train_transform(size: int = 224, resize: int | None = None) -> Callable[[Any], Tensor]:
    """A part of the image at random, mirrored at random: ``(3, size, size)``.

    Args:
        size: in pixels.
        resize: the shorter side before a part is cut out; None for as it is.
    """
    first = [] if resize is None else [v2.Resize(resize)]
    crop = v2.RandomResizedCrop(size, scale=(0.16, 1), ratio=(0.75, 1.33))
    return v2.Compose([*first, crop, v2.RandomHorizontalFlip(), *_TO_TENSOR])


def val_transform(size: int = 224, resize: int | Sequence[int] = 256) -> Callable[[Any], Tensor]:
    """The middle of the image: ``(3, size, size)``.

    Args:
        size: in pixels.
        resize: the shorter side before, or both sides.
    """
    return v2.Compose([v2.Resize(resize), v2.CenterCrop(size), *_TO_TENSOR])


_TO_TENSOR = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)]


class OnlineProductsData(RetrievalData):
    """Stanford Online Products, batches of two kinds of product.

    Args:
        folder: the data set.
        image_size: of what the network sees.
        batch_size: images in a batch.
        per_class: images of each product in a training batch.
        batches_per_super_tuple: how many batches an epoch has of each two kinds.
        num_workers: processes that read images.
    """

    def __init__(
        self,
        folder: Path,
        image_size: int = 224,
        batch_size: int = 256,
        per_class: int = 4,
        batches_per_super_tuple: int = 5,
        num_workers: int = 10,
    ) -> None:
        larger = image_size * 256 // 224
        train = OnlineProducts(folder, "train", train_transform(image_size, larger))
        val = {"test": OnlineProducts(folder, "test", val_transform(image_size, [larger, larger]))}
        super().__init__(train, val, batch_size, per_class, 2, batches_per_super_tuple, num_workers)


class INaturalistData(RetrievalData):
    """iNaturalist 2018.

    Args:
        folder: the data set.
        levels: ``"base"`` for two, ``"full"`` for seven.
        image_size: of what the network sees.
        batch_size: images in a batch.
        per_class: images of each species in a training batch.
        num_workers: processes that read images.
    """

    def __init__(
        self,
        folder: Path,
        levels: Literal["base", "full"] = "full",
        image_size: int = 224,
        batch_size: int = 256,
        per_class: int = 4,
        num_workers: int = 10,
    ) -> None:
        train = INaturalist2018(folder, "train", levels, train_transform(image_size))
        transform = val_transform(image_size, image_size * 256 // 224)
        val = {"test": INaturalist2018(folder, "test", levels, transform)}
        super().__init__(train, val, batch_size, per_class, num_workers=num_workers)


class DyMLData(RetrievalData):
    """DyML.

    Args:
        folder: the data set.
        benchmarks: what it is judged by: fine, middle and coarse for Vehicle and Animal, all for Product.
        image_size: of what the network sees.
        batch_size: images in a batch.
        per_class: images of each class in a training batch.
        num_workers: processes that read images.
    """

    def __init__(
        self,
        folder: Path,
        benchmarks: Sequence[Literal["fine", "middle", "coarse", "all"]],
        image_size: int = 224,
        batch_size: int = 256,
        per_class: int = 4,
        num_workers: int = 10,
    ) -> None:
        transform = val_transform(image_size, image_size * 256 // 224)
        val = {str(part): DyML(folder, part, transform) for part in benchmarks}
        train = DyML(folder, "train", train_transform(image_size))
        super().__init__(train, val, batch_size, per_class, num_workers=num_workers)
