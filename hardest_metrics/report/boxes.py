"""The boxes of a page: what became of each, packed into few bytes."""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.matching import Outcome, Query, match
from hardest_metrics.functional.detection.packing import ImageDict, no_labels, pack

#: Detections below the query's score threshold that are shown of an image: those of highest score.
MOST_BELOW = 20

#: Coordinates go from 0 to this, over the width and the height of an image.
SCALE = 65535

#: Scores are given in this unit; `NO_SCORE` marks an object, which has none.
SCORE_UNITS, NO_SCORE = 10_000, 65535


class Kind(IntEnum):
    """What the page tells apart: the :class:`~hardest_metrics.functional.Outcome` of a box, or why it has none."""

    TRUE_POSITIVE = Outcome.TRUE_POSITIVE
    FALSE_POSITIVE = Outcome.FALSE_POSITIVE
    FALSE_NEGATIVE = Outcome.FALSE_NEGATIVE
    IGNORED = Outcome.IGNORED
    BELOW_THRESHOLD = 4  # its score is too low to take part
    UNJUDGED = 5  # there are no labels


class ShownBoxes(NamedTuple):
    """The boxes of `N` images, image by image, in one coordinate system for all sizes.

    Attributes:
        xyxy: ``(n, 4)`` float64, in pixels.
        scores: ``(n,)`` float64, NaN for objects.
        labels: ``(n,)`` int64.
        kinds: ``(n,)`` uint8, the :class:`Kind` of each.
        counts: ``(N,)`` int64, boxes an image.
    """

    xyxy: Tensor
    scores: Tensor
    labels: Tensor
    kinds: Tensor
    counts: Tensor

    def extents(self) -> Tensor:
        """``(N, 2)`` float64: the least width and height of each image that hold its boxes, at least 1."""
        image = torch.arange(len(self.counts)).repeat_interleave(self.counts)
        extents = torch.ones(len(self.counts), 2, dtype=torch.float64)
        return extents.scatter_reduce_(0, image[:, None].expand(-1, 2), self.xyxy[:, 2:], "amax")

    def packed(self, sizes: Tensor, labels: Tensor) -> NDArray[np.uint16]:
        """``(n, 7)``: left, top, right, bottom in units of 1/:data:`SCALE`; score; place of the label; kind.

        Args:
            sizes: ``(N, 2)`` width and height of the images in pixels; boxes are cut there.
            labels: ``(K,)`` int64, ascending, all that occur.
        """
        scale = SCALE / sizes.double().repeat_interleave(self.counts, 0).repeat(1, 2)
        scores = (self.scores * SCORE_UNITS).round().nan_to_num(nan=NO_SCORE)
        columns = (scores, torch.searchsorted(labels, self.labels), self.kinds)
        corners = (self.xyxy * scale).round().clamp(0, SCALE)
        return torch.cat((corners, *(column[:, None].double() for column in columns)), 1).numpy().astype("<u2")


def shown_boxes(preds: Sequence[ImageDict], target: Sequence[ImageDict] | None, query: Query) -> ShownBoxes:
    """What became of the boxes of each image.

    All detections that take part and all objects that none of them found; those ignored too. Of detections below
    the score threshold, the :data:`MOST_BELOW` of highest score in each image, if their label counts.

    Args:
        preds: one dict an image, boxes as (x, y, width, height).
        target: one dict an image, likewise; None where there are no labels.
        query: which boxes count.

    Example:
        >>> pred = {
        ...     "boxes": torch.tensor([[0.0, 0, 9, 9], [1, 1, 9, 9]]),
        ...     "scores": torch.tensor([0.9, 0.1]),
        ...     "labels": torch.tensor([1, 1]),
        ... }
        >>> missed = {"boxes": torch.tensor([[80.0, 80, 9, 9]]), "labels": torch.tensor([1])}
        >>> [Kind(kind).name for kind in shown_boxes([pred], [missed], Query()).kinds.tolist()]
        ['FALSE_POSITIVE', 'BELOW_THRESHOLD', 'FALSE_NEGATIVE']
    """
    batch = pack(preds, no_labels(len(preds)) if target is None else target, "xywh")
    detections, objects = batch.detections, batch.ground_truth
    if target is None:
        unjudged = torch.full_like(detections.labels, Kind.UNJUDGED, dtype=torch.uint8)
        kinds = unjudged.masked_fill_(~query.counts_label(detections.labels), Kind.IGNORED)
        object_kinds = objects.labels.to(torch.uint8)  # none
    else:
        matches = match(detections, objects, query)
        kinds, object_kinds = matches.detections.clone(), matches.ground_truth
    below = detections.scores < query.lowest_score
    kinds[below] = Kind.BELOW_THRESHOLD

    shown = torch.cat(((~below).nonzero().squeeze(1), _best_below(batch, below, query)))
    lost = (object_kinds != Outcome.TRUE_POSITIVE).nonzero().squeeze(1)
    detections, objects = detections.take(shown), objects.take(lost)
    image = torch.cat((detections.image, objects.image))
    by_image = image.argsort(stable=True)
    no_score = torch.full((len(lost),), torch.nan, dtype=torch.float64)
    return ShownBoxes(
        xyxy=torch.cat((detections.xyxy, objects.xyxy))[by_image],
        scores=torch.cat((detections.scores.double(), no_score))[by_image],
        labels=torch.cat((detections.labels, objects.labels))[by_image],
        kinds=torch.cat((kinds[shown], object_kinds[lost]))[by_image],
        counts=image.bincount(minlength=len(batch)),
    )


def _best_below(batch: Batch, below: Tensor, query: Query) -> Tensor:
    """Indices of the detections of too low a score that are shown."""
    candidates = (below & query.counts_label(batch.detections.labels)).nonzero().squeeze(1)
    candidates = candidates[batch.detections.scores[candidates].argsort(descending=True, stable=True)]
    candidates = candidates[batch.detections.image[candidates].argsort(stable=True)]
    counts = batch.detections.image[candidates].bincount(minlength=len(batch))
    first = (counts.cumsum(0) - counts).repeat_interleave(counts)
    return candidates[torch.arange(len(candidates)) - first < MOST_BELOW]
