"""The sets that the experiment transfers between: glyph families, sets on disk, and sets drawn from a collection."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Subset

from examples.detector.data import Kept, Samples
from examples.detector.folders import LabelledImages
from examples.transferability.families import FAMILIES, FamilyScenes
from hardest_metrics.data import Annotations, read_annotations
from hardest_metrics.detectors.image_files import find_image


@dataclass(frozen=True)
class LabelledSet:
    """A set to learn from as a source, and to be transferred to.

    Attributes:
        name: of the set.
        class_names: of labels 0, 1, ...
        image_size: height and width of all images.
        train: what sources learn from.
        target: the part of it that transfers learn from, and that scores look at.
        val: what both are judged by.
    """

    name: str
    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    train: Samples
    target: Samples
    val: Samples


@dataclass(frozen=True)
class Sizes:
    """How many images sets have, where there are so many.

    Attributes:
        train: that sources learn from.
        target: of these, that transfers learn from.
        val: that both are judged by.
        image: height and width in pixels.
    """

    train: int = 700
    target: int = 300
    val: int = 150
    image: tuple[int, int] = (96, 96)


def family_sets(sizes: Sizes, seed: int) -> Iterator[LabelledSet]:
    """A set of scenes of each family of glyphs; of another seed, of other scenes."""
    for family in FAMILIES:
        train = Kept(FamilyScenes(family, "train", sizes.train, sizes.image, seed))
        val = Kept(FamilyScenes(family, "val", sizes.val, sizes.image, seed))
        names = tuple(FamilyScenes.class_names)
        yield LabelledSet(family, names, sizes.image, train, Subset(train, range(min(sizes.target, sizes.train))), val)


def set_on_disk(name: str, annotations: Path, images: Path, sizes: Sizes, seed: int) -> LabelledSet:
    """A set in any format that `hardest_metrics` reads, its images divided at random.

    Args:
        name: what to call it.
        annotations: see :func:`hardest_metrics.data.read_annotations`.
        images: the folder of the image files.
        sizes: at the most; of fewer images a fifth is to be judged by.
        seed: of the division.

    Raises:
        OSError: when a file cannot be read.
        ValueError: when a file is not as it should be, or there are fewer than two images with objects.
    """
    return _divided(name, read_annotations(annotations), images, sizes, seed)


def drawn_sets(
    annotations: Path, images: Path, number: int, n_classes: int, sizes: Sizes, seed: int
) -> Iterator[LabelledSet]:
    """Sets of a few classes that occur together, drawn from a large collection such as Open Images.

    The first class is drawn by how many images it is in; each further one is that which most often occurs with those
    that there are, of a few drawn at random so that sets differ. Other classes are not labelled in the set.

    Args:
        annotations: of the collection.
        images: the folder of the image files.
        number: of sets.
        n_classes: of each.
        sizes: of each, at the most.
        seed: of everything drawn.

    Raises:
        OSError: when a file cannot be read.
        ValueError: when a file is not as it should be, or there are too few classes or images.
    """
    known = read_annotations(annotations)
    labels = sorted(known.categories)
    if not 1 <= n_classes <= len(labels):
        raise ValueError(f"{annotations}: has {len(labels)} classes, which make no sets of {n_classes}.")
    there = np.array([[label in set(image["labels"].tolist()) for label in labels] for image in known.target], float)
    together = there.T @ there  # images that hold both
    for place in range(number):
        random = np.random.default_rng((seed, place))
        chosen = [int(random.choice(len(labels), p=together.diagonal() / together.diagonal().sum()))]
        while len(chosen) < n_classes:
            left = np.setdiff1d(np.arange(len(labels)), chosen)
            some = random.choice(left, max(len(left) // 2, 1), replace=False)
            chosen.append(int(some[together[chosen][:, some].sum(0).argmax()]))
        kept = _of_classes(known, [labels[one] for one in chosen])
        yield _divided(f"set{place + 1:02}", kept, images, sizes, seed + place)


def _of_classes(known: Annotations, labels: Sequence[int]) -> Annotations:
    """The same images, with objects of these classes only."""
    target = []
    for image in known.target:
        of_classes = torch.isin(image["labels"], torch.tensor(labels))
        per_box = [name for name in ("boxes", "labels", "iscrowd", "area") if name in image]
        target.append(image | {name: image[name][of_classes] for name in per_box})
    return replace(known, categories={label: known.categories[label] for label in sorted(labels)}, target=target)


def _divided(name: str, known: Annotations, images: Path, sizes: Sizes, seed: int) -> LabelledSet:
    """Images with objects, at random some to learn from and others to be judged by."""
    filled = [place for place, image in enumerate(known.target) if (image["iscrowd"] == 0).any()]
    if len(filled) < 2:
        raise ValueError(f"{name}: has {len(filled)} images with objects, of which none can be judged by.")
    order = [filled[place] for place in np.random.default_rng(seed).permutation(len(filled))]
    n_val = min(sizes.val, max(len(order) // 5, 1))
    n_train = min(sizes.train, len(order) - n_val)

    def samples(places: Sequence[int]) -> Kept:
        part = replace(
            known,
            image_ids=[known.image_ids[place] for place in places],
            file_names=[known.file_names[place] for place in places],
            image_sizes=[known.image_sizes[place] for place in places],
            target=[known.target[place] for place in places],
            source_ids=None if known.source_ids is None else [known.source_ids[place] for place in places],
        )
        files = [find_image(images, *named) for named in zip(part.file_names, part.shown_ids, strict=True)]
        return Kept(LabelledImages(files, part, sizes.image))

    train, val = samples(order[n_val : n_val + n_train]), samples(order[:n_val])
    names = tuple(known.categories[label] for label in sorted(known.categories))
    return LabelledSet(name, names, sizes.image, train, Subset(train, range(min(sizes.target, n_train))), val)
