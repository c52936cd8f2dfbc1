"""What the detector is trained to lower."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from examples.detector.assign import Assigner
from examples.detector.model import Outputs

BoxLoss = Literal["smooth_l1", "diou", "ciou"]
BOX_WEIGHT = 2.0
EPS = 1e-7
"""Keeps what is divided by away from 0, as in torchvision."""


class Losses(NamedTuple):
    """The parts of the loss, each a scalar; their sum is what is minimised."""

    classes: Tensor
    confidence: Tensor
    box: Tensor


def distance_iou(boxes: Tensor, truth_boxes: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and DIoU of pairs: ``DIoU = IoU - d² / c²``.

    d is the distance between the two centres, and c the diagonal of the smallest box around both, so that boxes apart
    still tell which way to go ([Zheng et al., 2020](https://arxiv.org/abs/1911.08287)).

    Args:
        boxes: ``(n, 4)`` xyxy.
        truth_boxes: ``(n, 4)`` likewise.

    Returns:
        IoU ``(n,)`` in [0, 1] and DIoU ``(n,)`` in (-1, 1].

    Example:
        >>> distance_iou(torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([[2.0, 0, 6, 4]]))  # 8 / 24 and 4 / 52 less
        (tensor([0.3333]), tensor([0.2564]))
    """
    (low, high), (truth_low, truth_high) = boxes.split(2, -1), truth_boxes.split(2, -1)
    shared = (torch.minimum(high, truth_high) - torch.maximum(low, truth_low)).clamp(min=0).prod(-1)
    union = (high - low).prod(-1) + (truth_high - truth_low).prod(-1) - shared
    iou = shared / (union + EPS)
    distance = ((low + high - truth_low - truth_high) / 2).square().sum(-1)
    diagonal = (torch.maximum(high, truth_high) - torch.minimum(low, truth_low)).square().sum(-1)
    return iou, iou - distance / (diagonal + EPS)


def complete_iou(boxes: Tensor, truth_boxes: Tensor) -> Tensor:
    """CIoU of pairs ``(n,)``: ``DIoU - α v``, where v tells how far the two shapes are apart.

    ``v = (2 / π)² (atan(w / h) - atan(w' / h'))²`` and ``α = v / (1 - IoU + v)``, through which no gradient flows
    ([Zheng et al., 2020](https://arxiv.org/abs/1911.08287)).

    Args:
        boxes: ``(n, 4)`` xyxy.
        truth_boxes: ``(n, 4)`` likewise.

    Example:
        >>> complete_iou(torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([[0.0, 0, 4, 2]]))
        tensor([0.4655])
    """
    iou, diou = distance_iou(boxes, truth_boxes)
    width, height = (boxes[:, 2:] - boxes[:, :2]).unbind(-1)
    truth_width, truth_height = (truth_boxes[:, 2:] - truth_boxes[:, :2]).unbind(-1)
    v = ((truth_width / truth_height).atan() - (width / height).atan()).square() * (2 / math.pi) ** 2
    alpha = (v / (1 - iou + v + EPS)).detach()
    return diou - alpha * v


def box_losses(kind: BoxLoss, boxes: Tensor, truth_boxes: Tensor, strides: Tensor) -> Tensor:
    """Loss of each of ``n`` boxes: ``(n,)``.

    Args:
        kind: ``"smooth_l1"`` (of the four sides, in strides), ``"diou"`` or ``"ciou"``.
        boxes: ``(n, 4)`` xyxy in pixels.
        truth_boxes: ``(n, 4)`` likewise.
        strides: ``(n,)`` of the levels that the boxes come from.

    Raises:
        ValueError: for another kind.

    Example:
        >>> box = torch.tensor([[0.0, 0.0, 8.0, 8.0]])
        >>> box_losses("smooth_l1", box, box + 8, torch.tensor([8.0]))
        tensor([0.5000])
    """
    if kind == "smooth_l1":
        scale = strides[:, None]
        return F.smooth_l1_loss(boxes / scale, truth_boxes / scale, reduction="none").mean(-1)
    if kind == "diou":
        return 1 - distance_iou(boxes, truth_boxes)[1]
    if kind == "ciou":
        return 1 - complete_iou(boxes, truth_boxes)
    raise ValueError(f"box_loss={kind!r}: choose smooth_l1, diou or ciou")


def quality_focal_loss(logits: Tensor, quality: Tensor) -> Tensor:
    """Binary cross-entropy with soft targets, weighted by the squared distance from them; the sum.

    Args:
        logits: any shape.
        quality: likewise, the probabilities to predict.
    """
    distance = (logits.detach().sigmoid() - quality).square()
    return (distance * F.binary_cross_entropy_with_logits(logits, quality, reduction="none")).sum()


def detection_losses(
    outputs: Outputs, targets: Sequence[dict[str, Tensor]], assigner: Assigner, box_loss: BoxLoss
) -> Losses:
    """Losses of a batch, each divided by the sum of the positive locations' qualities.

    A head without a confidence score learns the quality in the score of the class, at every
    location. One with a confidence score learns the quality there, at every location, and the class
    at positive locations only.

    Args:
        outputs: of the detector.
        targets: one dict an image; ``boxes`` ``(G, 4)`` xyxy in pixels and ``labels`` ``(G,)``.
        assigner: decides which locations answer for which ground truth.
        box_loss: see :func:`box_losses`.
    """
    scores, boxes = outputs.scores().detach(), outputs.boxes.detach()
    truth_boxes = torch.cat([target["boxes"] for target in targets]).to(boxes.dtype)
    truth_labels = torch.cat([target["labels"] for target in targets])
    truths, qualities, first = [], [], 0
    for image, target in enumerate(targets):
        own = slice(first, first + len(target["boxes"]))
        truth, quality = assigner(
            scores[image],
            boxes[image],
            outputs.centres,
            outputs.strides,
            truth_boxes[own],
            truth_labels[own],
        )
        truths.append(torch.where(truth >= 0, truth + first, -1))
        qualities.append(quality)
        first = own.stop
    truth, quality = torch.stack(truths), torch.stack(qualities)
    positive = truth >= 0
    index, weight = truth[positive], quality[positive]
    total = quality.sum().clamp(min=1)

    labels = F.one_hot(truth_labels[index], outputs.class_logits.shape[-1]).to(quality.dtype)
    if outputs.confidence_logits is None:
        wanted = torch.zeros_like(outputs.class_logits)
        wanted[positive] = labels * weight[:, None]
        class_loss = quality_focal_loss(outputs.class_logits, wanted)
        confidence_loss = class_loss.new_zeros(())
    else:
        entropy = F.binary_cross_entropy_with_logits(outputs.class_logits[positive], labels, reduction="none")
        class_loss = (entropy.sum(-1) * weight).sum()
        confidence_loss = quality_focal_loss(outputs.confidence_logits, quality)
    strides = outputs.strides.expand_as(truth)[positive]
    each = box_losses(box_loss, outputs.boxes[positive], truth_boxes[index], strides)
    return Losses(class_loss / total, confidence_loss / total, BOX_WEIGHT * (each * weight).sum() / total)
