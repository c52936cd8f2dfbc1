"""From scores at every location to a list of detections: one box an object, or nearly."""

from typing import Literal

import torch
from torch import Tensor
from torchvision.ops import batched_nms, box_iou

from examples.detector.model import Outputs

Suppression = Literal["nms", "soft", "weighted", "fusion"]


def rivals(boxes: Tensor, labels: Tensor) -> Tensor:
    """IoU ``(n, n)`` between boxes of the same label, 0 between others and of two boxes without area."""
    return box_iou(boxes, boxes).nan_to_num(0) * (labels[:, None] == labels)


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

    Each suppressed box belongs to one survivor: of those of its label and of higher score, the one of highest IoU.
    The rule is that of CAD ([Zhou et al., 2017](
    https://openaccess.thecvf.com/content_ICCV_2017_workshops/w14/html/Zhou_CAD_Scale_Invariant_ICCV_2017_paper.html)).

    Args:
        boxes: ``(n, 4)`` xyxy.
        scores: ``(n,)``, all above 0.
        labels: ``(n,)``.
        iou_threshold: boxes of the same label that overlap a survivor by more are suppressed.

    Returns:
        Indices ``(m,)`` of the survivors, highest score first, and their new boxes ``(m, 4)``.

    Example:
        >>> boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 8.0]])  # IoU 0.8
        >>> weighted_nms(boxes, torch.tensor([0.8, 0.5]), torch.tensor([1, 1]), 0.6)
        (tensor([0]), tensor([[ 0.0000,  0.0000, 10.0000,  9.3333]]))
    """
    keep = batched_nms(boxes, scores, labels, iou_threshold)
    if not len(keep):
        return keep, boxes
    place = scores.argsort(descending=True, stable=True).argsort()
    iou = rivals(boxes, labels)[keep]
    earlier = place[keep, None] < place
    # No second look at the threshold: of a box that NMS suppressed, the best survivor is beyond it.
    best = torch.where(earlier, iou, -1).max(0)
    owner = best.indices.index_put((keep,), torch.arange(len(keep), device=keep.device))
    weights = scores * best.values.index_put((keep,), iou.new_ones(()))
    totals = weights.new_zeros(len(keep)).index_add(0, owner, weights)
    moments = boxes.new_zeros(len(keep), 4).index_add(0, owner, weights[:, None] * boxes)
    return keep, moments / totals[:, None]


def weighted_box_fusion(
    boxes: Tensor, scores: Tensor, labels: Tensor, iou_threshold: float, n_models: int = 1
) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted box fusion: clusters of boxes become their mean, weighted by score.

    The boxes come highest score first. Each joins the cluster of its label whose mean *so far* it overlaps most, where
    that is by more than the threshold, and begins a cluster of its own otherwise. A cluster of ``c`` boxes gets the
    mean of their scores, times ``min(c, n_models) / n_models``: what few of the models saw is less sure
    ([Solovyev et al., 2021](https://arxiv.org/abs/1910.13302)). It is made for the few boxes that each of several
    models is left with after NMS; among all boxes of one, the weak neighbours of a strong one halve its score.

    Args:
        boxes: ``(n, 4)`` xyxy, of one model or of several together.
        scores: ``(n,)``, all above 0.
        labels: ``(n,)``.
        iou_threshold: a box joins a cluster whose mean it overlaps by more.
        n_models: how many models the boxes come from.

    Returns:
        Boxes ``(m, 4)``, scores ``(m,)`` and labels ``(m,)`` of the clusters, highest score first.

    Example:
        >>> boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 8.0]])
        >>> weighted_box_fusion(boxes, torch.tensor([0.6, 0.2]), torch.tensor([1, 1]), 0.6)
        (tensor([[ 0.0000,  0.0000, 10.0000,  9.5000]]), tensor([0.4000]), tensor([1]))
    """
    order = scores.argsort(descending=True, stable=True)
    boxes, scores, labels = boxes[order], scores[order], labels[order]
    # The first rows are the clusters so far: sums of score times box and of scores, sizes, and the label of each.
    moments, totals, sizes = torch.zeros_like(boxes), torch.zeros_like(scores), torch.zeros_like(scores)
    means, cluster_labels = torch.zeros_like(boxes), torch.zeros_like(labels)
    n_clusters = 0
    for box, score, label in zip(boxes, scores, labels, strict=True):
        cluster = n_clusters
        if n_clusters:
            iou = box_iou(box[None], means[:n_clusters])[0].nan_to_num(0)
            best = (iou * (cluster_labels[:n_clusters] == label)).max(0)
            if best.values > iou_threshold:
                cluster = int(best.indices)
        n_clusters = max(n_clusters, cluster + 1)
        cluster_labels[cluster] = label
        moments[cluster] += score * box
        totals[cluster] += score
        sizes[cluster] += 1
        means[cluster] = moments[cluster] / totals[cluster]
    fused = (totals / sizes * sizes.clamp(max=n_models) / n_models)[:n_clusters]
    order = fused.argsort(descending=True, stable=True)
    return means[order], fused[order], cluster_labels[order]


def suppress(
    boxes: Tensor, scores: Tensor, labels: Tensor, kind: Suppression, iou_threshold: float = 0.6
) -> dict[str, Tensor]:
    """Detections of one image, highest score first: dict of ``boxes``, ``scores`` and ``labels``.

    Args:
        boxes: ``(n, 4)`` xyxy.
        scores: ``(n,)``.
        labels: ``(n,)``; boxes of different labels leave each other alone.
        kind: ``"nms"``, ``"soft"``, ``"weighted"`` or ``"fusion"``.
        iou_threshold: of all kinds but ``"soft"``.

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
    if kind == "fusion":
        boxes, scores, labels = weighted_box_fusion(boxes, scores, labels, iou_threshold)
        return {"boxes": boxes, "scores": scores, "labels": labels}
    raise ValueError(f"suppression={kind!r}: choose nms, soft, weighted or fusion")


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
        # Last, since means of boxes may pass the limits by a rounding error.
        found["boxes"] = found["boxes"].clamp(min=0).minimum(limits)
        high = found["scores"] >= score_threshold
        result.append({name: value[high][:max_detections] for name, value in found.items()})
    return result
