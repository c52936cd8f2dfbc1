"""From scores at every location to a list of detections: one box an object, or nearly."""

from typing import Literal

import torch
from torch import Tensor
from torchvision.ops import batched_nms, box_iou

from examples.detector.model import Outputs

Suppression = Literal["nms", "soft", "weighted"]


def rivals(boxes: Tensor, labels: Tensor) -> Tensor:
    """IoU ``(n, n)`` between boxes of the same label, 0 between others."""
    return box_iou(boxes, boxes) * (labels[:, None] == labels)


def soft_nms(boxes: Tensor, scores: Tensor, labels: Tensor, sigma: float = 0.5) -> tuple[Tensor, Tensor]:
    """Soft-NMS with the Gaussian decay: nothing is dropped, overlapped boxes lose score.

    The box of highest score is taken; each other box of its label is multiplied by
    ``exp(-IoU² / sigma)``; then the highest of the rest is taken, and so on.

    Args:
        boxes: ``(n, 4)`` xyxy.
        scores: ``(n,)``.
        labels: ``(n,)``.
        sigma: the higher, the milder.

    Returns:
        Indices ``(n,)`` in the order in which the boxes were taken, and their new scores ``(n,)``.

    Example:
        >>> boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 9.0]])
        >>> soft_nms(boxes, torch.tensor([0.5, 0.9]), torch.tensor([1, 1]))
        (tensor([1, 0]), tensor([0.9000, 0.0677]))
    """
    decay = (-rivals(boxes, labels).square() / sigma).exp()
    remaining, left = scores.clone(), torch.ones_like(scores, dtype=torch.bool)
    order = torch.empty_like(labels)
    for place in range(len(boxes)):
        best = torch.where(left, remaining, -torch.inf).argmax()
        order[place] = best
        left[best] = False
        remaining = torch.where(left, remaining * decay[best], remaining)
    return order, remaining[order]


def weighted_nms(boxes: Tensor, scores: Tensor, labels: Tensor, iou_threshold: float) -> tuple[Tensor, Tensor]:
    """NMS whose survivors take the mean of the boxes they suppress, weighted by score times IoU.

    Args:
        boxes: ``(n, 4)`` xyxy.
        scores: ``(n,)``.
        labels: ``(n,)``.
        iou_threshold: boxes of the same label that overlap a survivor by more count towards it.

    Returns:
        Indices ``(m,)`` of the survivors, highest score first, and their new boxes ``(m, 4)``.
    """
    keep = batched_nms(boxes, scores, labels, iou_threshold)
    iou = rivals(boxes, labels)[keep]
    weights = torch.where(iou > iou_threshold, iou, 0) * scores
    weights[torch.arange(len(keep)), keep] = scores[keep]
    return keep, weights @ boxes / weights.sum(1, keepdim=True)


def suppress(
    boxes: Tensor, scores: Tensor, labels: Tensor, kind: Suppression, iou_threshold: float = 0.6
) -> dict[str, Tensor]:
    """Detections of one image, highest score first: dict of ``boxes``, ``scores`` and ``labels``.

    Args:
        boxes: ``(n, 4)`` xyxy.
        scores: ``(n,)``.
        labels: ``(n,)``; boxes of different labels leave each other alone.
        kind: ``"nms"``, ``"soft"`` or ``"weighted"``.
        iou_threshold: of ``"nms"`` and ``"weighted"``.

    Raises:
        ValueError: for another kind.
    """
    if kind == "nms":
        keep = batched_nms(boxes, scores, labels, iou_threshold)
        return {"boxes": boxes[keep], "scores": scores[keep], "labels": labels[keep]}
    if kind == "soft":
        keep, scores = soft_nms(boxes, scores, labels)
        return {"boxes": boxes[keep], "scores": scores, "labels": labels[keep]}
    if kind == "weighted":
        keep, boxes = weighted_nms(boxes, scores, labels, iou_threshold)
        return {"boxes": boxes, "scores": scores[keep], "labels": labels[keep]}
    raise ValueError(f"suppression={kind!r}: choose nms, soft or weighted")


def detections(
    outputs: Outputs,
    image_size: tuple[int, int],
    kind: Suppression,
    score_threshold: float = 0.01,
    max_candidates: int = 300,
    max_detections: int = 100,
) -> list[dict[str, Tensor]]:
    """Detections of a batch in the format of torchmetrics: one dict an image.

    Args:
        outputs: of the detector.
        image_size: height and width, to which boxes are clipped.
        kind: see :func:`suppress`.
        score_threshold: lower scores are dropped, before suppression and after.
        max_candidates: highest scores of an image that are considered at all.
        max_detections: highest scores of an image that are returned.
    """
    height, width = image_size
    limits = outputs.boxes.new_tensor([width, height, width, height])
    result = []
    for boxes, scores in zip(outputs.boxes, outputs.scores(), strict=True):
        top = scores.flatten().topk(min(max_candidates, scores.numel()))
        keep = top.indices[top.values >= score_threshold]
        location, label = keep // scores.shape[1], keep % scores.shape[1]
        found = suppress(boxes[location], scores[location, label], label, kind)
        # Last, since the means of weighted NMS may pass the limits by a rounding error.
        found["boxes"] = found["boxes"].clamp(min=0).minimum(limits)
        high = found["scores"] >= score_threshold
        result.append({name: value[high][:max_detections] for name, value in found.items()})
    return result
