"""Images of boxes for tests: a few by hand, many at random with all that is hard about matching."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_convert

Image = dict[str, Any]
Batch = tuple[list[Image], list[Image]]

#: Above 2**53 float64 no longer tells neighbouring integers apart.
BIG_ID = 2**53 + 1


def detected(*boxes: Sequence[float], score: float = 0.9, label: int = 1, **entries: Any) -> Image:
    """One image's predictions: `boxes` of equal score and label."""
    image: Image = {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "scores": torch.full((len(boxes),), score),
        "labels": torch.full((len(boxes),), label, dtype=torch.int64),
    }
    return {**image, **entries}


def labelled(*boxes: Sequence[float], label: int = 1, **entries: Any) -> Image:
    """One image's ground truth: `boxes` of equal label."""
    image = detected(*boxes, label=label)
    del image["scores"]
    return {**image, **entries}


def false_alarms(*counts: int, first_id: int | None = 0, size: Any = (100, 200)) -> Batch:
    """Images with that many false positives each, numbered from `first_id`, or without ids."""
    preds, target = [], []
    for index, count in enumerate(counts):
        boxes = [(10.0 * n, 0.0, 10.0 * n + 5, 5.0) for n in range(count)]
        preds.append(detected(*boxes))
        entries = {} if first_id is None else {"image_id": first_id + index}
        target.append(labelled((50, 50, 90, 90), label=2, **entries, image_size=size))
    return preds, target


@dataclass(frozen=True)
class Scenery:
    """What random images are like.

    Attributes:
        labels: to draw labels from.
        box_format: of the boxes.
        dtype: of boxes and scores.
        crowds: whether some ground truth is a crowd.
        areas: whether some images give areas that differ from the box areas.
    """

    labels: tuple[int, ...] = (1, 2, 3)
    box_format: str = "xyxy"
    dtype: torch.dtype = torch.float32
    crowds: bool = True
    areas: bool = True

    def draw(self, number: int, seed: int) -> Batch:
        """That many images, with ids and sizes."""
        rng = np.random.default_rng(seed)
        kinds = [_on_a_grid, _jittered, _piled, _in_a_row, _crammed]
        preds, target = [], []
        for image_id in range(number):
            kind = kinds[rng.choice(len(kinds), p=[0.4, 0.4, 0.07, 0.07, 0.06])]
            objects, found = kind(rng)
            one_sided = rng.random()
            found = found[: 0 if one_sided < 0.05 else None]
            objects = objects[: 0 if one_sided > 0.95 else None]
            entries: Image = {"image_id": BIG_ID + image_id, "image_size": (240, 320 + image_id)}
            if self.crowds and rng.random() < 0.5:
                entries["iscrowd"] = torch.from_numpy(rng.random(len(objects)) < 0.3).long()
            if self.areas and rng.random() < 0.5:
                share = rng.choice([0.0, 0.5, 1.0, 40.0], len(objects))
                entries["area"] = torch.from_numpy(share * objects[:, 2] * objects[:, 3])
            # boxes that are to compete for objects are of one label, others of any
            one_label = kind is not _on_a_grid and kind is not _jittered
            labels = self.labels[: 1 if one_label else None]
            scores = self._scores(len(found), rng)
            if one_label and rng.random() < 0.5:
                scores = scores.sort(descending=True).values
            preds.append(
                {
                    "boxes": self._boxes(found),
                    "scores": scores,
                    "labels": torch.from_numpy(rng.choice(labels, len(found))),
                }
            )
            target.append(
                {
                    "boxes": self._boxes(objects),
                    "labels": torch.from_numpy(rng.choice(labels, len(objects))),
                    **entries,
                }
            )
        return preds, target

    def _boxes(self, xywh: np.ndarray) -> Tensor:
        boxes = torch.from_numpy(xywh).to(self.dtype)
        return boxes if self.box_format == "xywh" else box_convert(boxes, "xywh", self.box_format)

    def _scores(self, number: int, rng: np.random.Generator) -> Tensor:
        some = np.array([0.1, 0.3, 0.5, 0.7, 0.7, 0.9, 1.0])  # often equal, often at a threshold
        scores = np.where(rng.random() < 0.5, rng.choice(some, number), rng.random(number))
        return torch.from_numpy(scores).to(self.dtype)


def _on_a_grid(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Boxes with few different corners: equal IoUs, IoUs of exactly 1/2, 3/4, 1, empty boxes."""

    def boxes(number: int) -> np.ndarray:
        corners = rng.integers(0, 3, (number, 2)) * 10
        sides = rng.choice([0, 5, 10, 20, 20, 40], (number, 2))
        return np.concatenate([corners, sides], axis=1).astype(float)

    return boxes(int(rng.integers(0, 8))), boxes(int(rng.integers(0, 12)))


def _jittered(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Detections near objects of all of COCO's sizes, and some elsewhere."""
    number = int(rng.integers(0, 9))
    objects = np.concatenate([rng.random((number, 2)) * 100, 4 * 50 ** rng.random((number, 2))], axis=1)
    near = objects[rng.integers(0, max(number, 1), 2 * number)] if number else objects
    sides = np.tile(near[:, 2:], 2)
    near = np.abs(near + rng.normal(0, 0.1, near.shape) * sides)
    elsewhere = rng.random((rng.integers(0, 3), 4)) * 100
    return objects, np.concatenate([near, elsewhere])


def _piled(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Equal detections that all like the same objects best, in the same order."""
    number = int(rng.integers(2, 15))
    objects = np.tile([10.0, 10, 40, 40], (number, 1))
    objects[:, 0] += rng.permutation(number)
    return objects, np.tile([10.0, 10, 40, 40], (int(rng.integers(2, 15)), 1))


def _in_a_row(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Objects in a row, each detection a little nearer to the one before its own.

    So every detection that loses its object to a better one takes the next one's in turn.
    """
    number = int(rng.integers(3, 25))
    objects = np.tile([0.0, 10, 20, 10], (number, 1))
    objects[:, 0] = 8 * np.arange(number)
    found = objects.copy()
    found[1:, 0] -= 5
    return objects[rng.permutation(number)], found


def _crammed(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """More than 100 detections of few objects."""
    objects, _ = _on_a_grid(rng)
    if not len(objects):
        objects = np.array([[0.0, 0, 20, 20]])
    found = objects[rng.integers(0, len(objects), rng.integers(101, 160))]
    return objects, found + rng.integers(0, 6, found.shape)


def epoch(sizes: tuple[int, ...] = (3, 1, 0, 4, 2, 5), seed: int = 0) -> list[Batch]:
    """Batches of so many images, with ids from 100 on and sizes."""
    batches, first_id = [], 100
    for index, size in enumerate(sizes):
        preds, target = Scenery().draw(size, seed=seed + index) if size else ([], [])
        for image in target:
            image.update(image_id=first_id, image_size=(480, 640))
            first_id += 1
        batches.append((preds, target))
    return batches
