"""Assigners: which locations answer for which ground truth, and how good an answer each is.

All work on one image. ``P`` locations, ``G`` ground-truth boxes, ``K`` classes.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torchvision.ops import box_area, box_iou

from examples.detector.model import ANCHOR_SCALE


class Assignment(NamedTuple):
    """What each location should say.

    Attributes:
        truth: ``(P,)`` int64, the ground truth that the location answers for; -1 for background.
        quality: ``(P,)`` float in [0, 1], the score that it should give; 0 for background.
    """

    truth: Tensor
    quality: Tensor


class Assigner(Protocol):
    """What the training needs of an assigner."""

    def __call__(
        self,
        scores: Tensor,
        boxes: Tensor,
        centres: Tensor,
        strides: Tensor,
        truth_boxes: Tensor,
        truth_labels: Tensor,
    ) -> Assignment:
        """Assign the locations of one image.

        Args:
            scores: ``(P, K)`` predicted probabilities.
            boxes: ``(P, 4)`` predicted boxes, xyxy in pixels.
            centres: ``(P, 2)`` x and y of the locations in pixels.
            strides: ``(P,)`` of their levels in pixels.
            truth_boxes: ``(G, 4)`` xyxy in pixels.
            truth_labels: ``(G,)`` int64 in ``[0, K)``.
        """
        ...


def inside(centres: Tensor, boxes: Tensor) -> Tensor:
    """Which centres ``(P, 2)`` lie strictly inside which boxes ``(G, 4)``: ``(P, G)`` bool."""
    before = centres[:, None] - boxes[None, :, :2]
    after = boxes[None, :, 2:] - centres[:, None]
    return torch.cat([before, after], dim=-1).amin(-1) > 0


def choose(allowed: Tensor, preference: Tensor) -> Tensor:
    """For each location the allowed ground truth of highest preference, or -1: ``(P,)`` int64.

    Args:
        allowed: ``(P, G)`` bool.
        preference: ``(P, G)``, or ``(G,)`` where it is the same at every location.
    """
    if allowed.shape[1] == 0:
        return torch.full((len(allowed),), -1, device=allowed.device)
    best = torch.where(allowed, preference, -torch.inf).max(dim=1)
    return torch.where(best.values > -torch.inf, best.indices, -1)


class Centre:
    """The baseline: a fixed rule of place and size that does not look at the predictions.

    A ground truth belongs to the level whose anchors come nearest its size, and there to the
    locations inside it that are at most ``radius`` strides from its centre (in x and in y). A
    location wanted by several takes the smallest. All of them should score 1.

    Args:
        radius: in strides.
    """

    def __init__(self, radius: float = 1.5) -> None:
        self.radius = radius

    def __call__(
        self,
        scores: Tensor,
        boxes: Tensor,
        centres: Tensor,
        strides: Tensor,
        truth_boxes: Tensor,
        truth_labels: Tensor,
    ) -> Assignment:
        """See :class:`Assigner`."""
        sizes = box_area(truth_boxes).sqrt()
        levels = strides.unique()
        mismatch = (sizes[:, None] / (levels * ANCHOR_SCALE)).log().abs()
        stride_of_truth = levels[mismatch.argmin(dim=1)]
        offset = (centres[:, None] - (truth_boxes[:, :2] + truth_boxes[:, 2:]) / 2).abs().amax(-1)
        allowed = (
            (strides[:, None] == stride_of_truth)
            & (offset <= self.radius * strides[:, None])
            & inside(centres, truth_boxes)
        )
        truth = choose(allowed, preference=-sizes)
        return Assignment(truth, (truth >= 0).to(scores.dtype))


class TaskAligned:
    """TAL: the locations that already answer best, by class and box together.

    The alignment of a location with a ground truth is ``score ** alpha * IoU ** beta``, with the
    score of the right class and the IoU of the predicted box. Each ground truth takes the ``top_k``
    best aligned among the locations inside it; a location wanted by several takes the one of
    highest IoU. Its quality is its alignment, scaled so that the best of a ground truth has the
    highest IoU among that ground truth's locations. TOOD (Feng et al., 2021) publishes ``alpha=1``,
    ``beta=6`` and ``top_k=13``.

    Args:
        alpha: exponent of the score.
        beta: exponent of the IoU.
        top_k: locations that each ground truth takes at most.
    """

    def __init__(self, alpha: float = 1.0, beta: float = 6.0, top_k: int = 13) -> None:
        self.alpha = alpha
        self.beta = beta
        self.top_k = top_k

    def __call__(
        self,
        scores: Tensor,
        boxes: Tensor,
        centres: Tensor,
        strides: Tensor,
        truth_boxes: Tensor,
        truth_labels: Tensor,
    ) -> Assignment:
        """See :class:`Assigner`."""
        candidate = inside(centres, truth_boxes)
        iou = box_iou(boxes, truth_boxes)
        alignment = scores[:, truth_labels] ** self.alpha * iou**self.beta
        ranked = torch.where(candidate, alignment, -1).topk(min(self.top_k, len(boxes)), dim=0)
        taken = torch.zeros_like(candidate).scatter(0, ranked.indices, ranked.values >= 0)
        truth = choose(taken, preference=iou)

        own = torch.nn.functional.one_hot(truth + 1, len(truth_boxes) + 1)[:, 1:].bool()
        best_alignment = torch.where(own, alignment, 0).amax(0)
        best_iou = torch.where(own, iou, 0).amax(0)
        scale = best_iou / best_alignment.clamp(min=torch.finfo(scores.dtype).tiny)
        return Assignment(truth, torch.where(own, alignment * scale, 0).sum(1).clamp(max=1))


class Schedule:
    """One assigner for the first part of the training, and then another.

    TAL learns from the predictions, which know nothing at the start: until boxes and scores mean something, a fixed
    rule may teach faster.

    Args:
        first: such as ``Centre()``.
        then: such as ``TaskAligned()``.
        share: of the training's steps that belong to ``first``, in [0, 1].

    Raises:
        ValueError: when ``share`` lies outside.

    Example:
        >>> schedule = Schedule(Centre(), TaskAligned(), share=0.3)
        >>> [type(schedule.at(progress)).__name__ for progress in (0, 0.2, 0.3, 1)]
        ['Centre', 'Centre', 'TaskAligned', 'TaskAligned']
    """

    def __init__(self, first: Assigner, then: Assigner, share: float = 0.3) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"share={share}: give a share of the training between 0 and 1")
        self.first = first
        self.then = then
        self.share = share

    def at(self, progress: float) -> Assigner:
        """The assigner when this share of the training is done."""
        return self.first if progress < self.share else self.then
