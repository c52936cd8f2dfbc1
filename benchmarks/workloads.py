"""Seeded sets of labelled boxes and detections, of the size and shape of the field's own."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_HEIGHT, _WIDTH = 480, 640


@dataclass(frozen=True)
class Scenes:
    """Detections and labels of a set of images, as torchmetrics takes them (xyxy, float32).

    Attributes:
        preds: one dict an image, of tensors of their own memory, as a detector gives them.
        target: likewise, with the image's id and size.
    """

    preds: list[dict[str, Tensor]]
    target: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.preds)

    def first(self, number: int) -> "Scenes":
        """The first images."""
        return Scenes(self.preds[:number], self.target[:number])

    def batches(self, size: int) -> list["Scenes"]:
        """All images, so many at a time."""
        starts = range(0, len(self), size)
        return [Scenes(self.preds[i : i + size], self.target[i : i + size]) for i in starts]

    def anew(self) -> "Scenes":
        """The same numbers in new tensors, as a detector gives them, not ones that lie in the caches."""
        return Scenes([_copied(image) for image in self.preds], [_copied(image) for image in self.target])

    def pairs(self, score_threshold: float = 0.5) -> int:
        """How many pairs there are of a detection above the threshold and a box of the same image and label."""
        pairs = 0
        for pred, target in zip(self.preds, self.target, strict=True):
            labels = pred["labels"][pred["scores"] >= score_threshold]
            pairs += int((labels[:, None] == target["labels"]).sum())
        return pairs

    def __str__(self) -> str:
        boxes = sum(len(target["labels"]) for target in self.target)
        detections = sum(len(pred["labels"]) for pred in self.preds)
        confident = sum(int((pred["scores"] >= 0.5).sum()) for pred in self.preds)
        return (
            f"{len(self):,} images, {boxes:,} boxes, {detections:,} detections, {confident:,} of score 0.5 or more,"
            f" {self.pairs():,} pairs of equal image and label among these"
        )


def coco_sized(images: int = 5000, seed: int = 0) -> Scenes:
    """A set of the size of COCO's val2017: 80 labels, 7.3 boxes and 100 detections an image.

    Two detections a box lie near it and most often carry its label and a high score; the others lie anywhere, with
    mostly low scores. About 17 detections an image have a score of at least 0.5.
    """
    rng = torch.Generator().manual_seed(seed)
    # a few images with many objects, many with few, some with none
    rate = torch.empty(images).exponential_(1 / 7.23, generator=rng)
    counts = torch.poisson(rate, generator=rng).long().clamp_(max=60)
    return _scenes(counts, 100, 80, far_exponent=7.6, rng=rng)


def lvis_like(images: int = 5000, seed: int = 0) -> Scenes:
    """1,200 labels, most of them rare; 12 boxes and 300 detections an image."""
    rng = torch.Generator().manual_seed(seed)
    rate = torch.empty(images).exponential_(1 / 12, generator=rng)
    counts = torch.poisson(rate, generator=rng).long().clamp_(max=140)
    return _scenes(counts, 300, 1200, far_exponent=20, rng=rng)


def dense(images: int = 8, boxes: int = 2000, seed: int = 0) -> Scenes:
    """One label, and so many boxes an image that each overlaps many others; two detections a box."""
    rng = torch.Generator().manual_seed(seed)
    return _scenes(torch.full((images,), boxes), 2 * boxes, 1, far_exponent=6, rng=rng)


def _scenes(counts: Tensor, detections: int, labels: int, far_exponent: float, rng: torch.Generator) -> Scenes:
    """Images with so many boxes each, and `detections` detections."""
    boxes, box_labels = _boxes(int(counts.sum()), rng), _labels(int(counts.sum()), labels, rng)
    crowd = torch.rand(len(boxes), generator=rng) < 0.01
    # of each image's detections the first two thirds or so lie near a box, two near each
    near_counts = (2 * counts).clamp(max=detections)
    image = torch.arange(len(counts)).repeat_interleave(detections)
    place = torch.arange(detections).repeat(len(counts))
    near = place < near_counts[image]
    first = counts.cumsum(0) - counts
    source = first[image[near]] + place[near] % counts[image[near]]

    found, found_labels = _boxes(len(image), rng), _labels(len(image), labels, rng)
    size = (boxes[source, 2:] - boxes[source, :2]).repeat(1, 2)
    found[near] = _ordered(boxes[source] + 0.08 * torch.randn(len(source), 4, generator=rng) * size)
    right = torch.rand(len(source), generator=rng) < 0.85
    found_labels[near] = torch.where(right, box_labels[source], box_labels[source] % labels + 1)
    scores = torch.rand(len(image), generator=rng)
    scores = torch.where(near, 0.2 + 0.8 * scores, scores**far_exponent)
    order = scores.argsort(descending=True)
    order = order[image[order].argsort(stable=True)]

    preds: list[dict[str, Tensor]] = [
        {"boxes": box.clone(), "scores": score.clone(), "labels": label.clone()}
        for box, score, label in zip(
            found[order].split(detections),
            scores[order].split(detections),
            found_labels[order].split(detections),
            strict=True,
        )
    ]
    sizes = counts.tolist()
    target: list[dict[str, Any]] = [
        {
            "boxes": box.clone(),
            "labels": label.clone(),
            "iscrowd": is_crowd.clone(),
            "image_id": number,
            "image_size": (_HEIGHT, _WIDTH),
        }
        for number, (box, label, is_crowd) in enumerate(
            zip(boxes.split(sizes), box_labels.split(sizes), crowd.split(sizes), strict=True), start=1
        )
    ]
    return Scenes(preds, target)


def _boxes(number: int, rng: torch.Generator) -> Tensor:
    """``(number, 4)`` xyxy boxes inside the image, small ones more often than large ones."""
    extent = torch.tensor([_WIDTH, _HEIGHT]) * (0.02 + 0.9 * torch.rand(number, 2, generator=rng) ** 3)
    corner = (torch.tensor([_WIDTH, _HEIGHT]) - extent) * torch.rand(number, 2, generator=rng)
    return torch.cat((corner, corner + extent), dim=1)


def _labels(number: int, labels: int, rng: torch.Generator) -> Tensor:
    """``(number,)`` of 1, ..., `labels`; above a hundred the first ones often, the last ones rarely."""
    uniform = torch.rand(number, generator=rng)
    return ((uniform**3 if labels > 100 else uniform) * labels).long().clamp_(max=labels - 1) + 1


def _ordered(xyxy: Tensor) -> Tensor:
    """Boxes whose corners are in order."""
    return torch.cat((torch.minimum(xyxy[:, :2], xyxy[:, 2:]), torch.maximum(xyxy[:, :2], xyxy[:, 2:])), dim=1)


def _copied(image: dict[str, Any]) -> dict[str, Any]:
    return {key: value.clone() if isinstance(value, Tensor) else value for key, value in image.items()}
