"""Seeded sets of labelled boxes and detections, of the size and shape of the field's own."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Scenes:
    """Detections and labels of a set of images, as torchmetrics takes them (xyxy, float32)."""

    preds: list[dict[str, Tensor]]
    target: list[dict[str, Any]]  # tensors, and the image's id and size


def coco_sized(num_images: int = 5000, seed: int = 0) -> Scenes:
    """A set of the size of COCO's val2017: 80 labels, 7.3 boxes and 100 detections an image.

    Two detections an object lie near it and most often carry its label and a high score; the others lie
    anywhere, with mostly low scores. About 17 detections an image have a score of at least 0.5.
    """
    rng = torch.Generator().manual_seed(seed)
    height, width = 480, 640
    num_detections = 100
    # a few images with many objects, many with few, some with none; the mean is COCO's
    rate = torch.empty(num_images).exponential_(1 / 7.3, generator=rng)
    counts = torch.poisson(rate, generator=rng).long().clamp_(max=60)
    preds: list[dict[str, Tensor]] = []
    target: list[dict[str, Any]] = []
    for image_id, count in enumerate(counts.tolist(), start=1):
        boxes = _boxes(count, height, width, rng)
        labels = torch.randint(1, 81, (count,), generator=rng)
        near = torch.arange(count).repeat(2)[:num_detections]
        jitter = 0.08 * torch.randn(len(near), 4, generator=rng)
        size = (boxes[near, 2:] - boxes[near, :2]).repeat(1, 2)
        near_boxes = _ordered(boxes[near] + jitter * size)
        near_labels = torch.where(torch.rand(len(near), generator=rng) < 0.85, labels[near], labels[near] % 80 + 1)
        near_scores = 0.2 + 0.8 * torch.rand(len(near), generator=rng)
        far = num_detections - len(near)
        far_scores = torch.rand(far, generator=rng) ** 6
        scores = torch.cat((near_scores, far_scores))
        order = scores.argsort(descending=True)
        preds.append(
            {
                "boxes": torch.cat((near_boxes, _boxes(far, height, width, rng)))[order],
                "scores": scores[order],
                "labels": torch.cat((near_labels, torch.randint(1, 81, (far,), generator=rng)))[order],
            }
        )
        target.append({
            "boxes": boxes,
            "labels": labels,
            "iscrowd": torch.rand(count, generator=rng) < 0.01,
            "image_id": image_id,
            "image_size": (height, width),
        })  # fmt: skip
    return Scenes(preds, target)


def _boxes(count: int, height: int, width: int, rng: torch.Generator) -> Tensor:
    """``(count, 4)`` xyxy boxes inside the image, small ones more often than large ones."""
    size = torch.tensor([width, height]) * (0.02 + 0.9 * torch.rand(count, 2, generator=rng) ** 3)
    corner = (torch.tensor([width, height]) - size) * torch.rand(count, 2, generator=rng)
    return torch.cat((corner, corner + size), dim=1)


def _ordered(xyxy: Tensor) -> Tensor:
    """Boxes whose corners are in order."""
    return torch.cat((torch.minimum(xyxy[:, :2], xyxy[:, 2:]), torch.maximum(xyxy[:, :2], xyxy[:, 2:])), dim=1)
