"""The boxes of a page, and the masks or keypoints in them: what became of each, packed into few bytes."""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.hardness import named_weighting, weighed
from hardest_metrics.functional.detection.kinds import error_kinds
from hardest_metrics.functional.detection.matching import Matches, Outcome, Query, match
from hardest_metrics.functional.detection.packing import ImageDict, no_labels
from hardest_metrics.functional.detection.shape_format import ShapeFormat
from hardest_metrics.functional.detection.weighting import WeightingName
from hardest_metrics.report.lines import Lines, lines_of

#: Detections below the query's score threshold that are shown of an image: those of highest score.
MOST_BELOW = 20

#: Coordinates go from 0 to this, over the width and the height of an image.
SCALE = 65535

#: Scores are given in this unit; `NO_SCORE` marks an object, which has none.
SCORE_UNITS, NO_SCORE = 10_000, 65535

#: Marks a box of no object; objects of an image beyond so many are not told apart.
NO_OBJECT = 65535

_BACKGROUND_THRESHOLD = 0.1  # TIDE's, by which causes are told apart


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
        causes: ``(n,)`` uint8, why an error is one, see :class:`hardest_metrics.functional.Kind`; 0 for all others.
        objects: ``(n,)`` int64, which object of its image a box is, or found, in the order of the labels; -1 for none.
        counts: ``(N,)`` int64, boxes an image.
        weights: by weighting, ``(k,)`` float64 of the boxes that are errors, in their order.
        least_sizes: ``(N, 2)`` float64, width and height of each image that hold its boxes, at least 1; that of its
            masks, where there are some.
        lines: what is drawn of the mask, or the keypoints, in each box; None of boxes alone.
    """

    xyxy: Tensor
    scores: Tensor
    labels: Tensor
    kinds: Tensor
    causes: Tensor
    objects: Tensor
    counts: Tensor
    weights: dict[WeightingName, Tensor]
    least_sizes: Tensor
    lines: Lines | None

    @classmethod
    def joined(cls, parts: "Sequence[ShownBoxes]") -> "ShownBoxes":
        """Those of several, at least one, in their order; all weighed alike."""
        columns = ("xyxy", "scores", "labels", "kinds", "causes", "objects", "counts", "least_sizes")
        lines = [part.lines for part in parts if part.lines is not None]
        return cls(
            **{name: torch.cat([getattr(part, name) for part in parts]) for name in columns},
            weights={name: torch.cat([part.weights[name] for part in parts]) for name in parts[0].weights},
            lines=Lines.joined(lines) if lines else None,
        )

    def packed(self, sizes: Tensor, labels: Tensor) -> NDArray[np.uint16]:
        """``(9, n)``: left, top, right, bottom in units of 1/:data:`SCALE`; score; label's place; kind; cause; object.

        Args:
            sizes: ``(N, 2)`` width and height of the images in pixels; boxes are cut there.
            labels: ``(K,)`` int64, ascending, all that occur.
        """
        scale = SCALE / sizes.double().repeat_interleave(self.counts, 0).repeat(1, 2)
        scores = (self.scores * SCORE_UNITS).round().nan_to_num(nan=NO_SCORE)
        objects = torch.where(self.objects < 0, NO_OBJECT, self.objects.clamp(max=NO_OBJECT))
        columns = (scores, torch.searchsorted(labels, self.labels), self.kinds, self.causes, objects)
        corners = (self.xyxy * scale).round().clamp(0, SCALE)
        return torch.cat((corners.T, torch.stack(columns).double())).numpy().astype("<u2")


def shown_boxes(
    preds: Sequence[ImageDict],
    target: Sequence[ImageDict] | None,
    query: Query,
    weightings: Sequence[WeightingName] = (),
    shapes: ShapeFormat | None = None,
) -> ShownBoxes:
    """What became of the boxes of each image.

    All detections that take part and all objects that none of them found; those ignored too. Of detections below
    the score threshold, the :data:`MOST_BELOW` of highest score in each image, if their label counts.

    Args:
        preds: one dict an image, boxes as (x, y, width, height).
        target: one dict an image, likewise; None where there are no labels.
        query: which boxes count.
        weightings: by which errors are weighed.
        shapes: what is compared; None for boxes.

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
    shapes = ShapeFormat("xywh") if shapes is None else shapes
    batch = shapes.pack(preds, no_labels(len(preds)) if target is None else target)
    detections, objects = batch.detections, batch.ground_truth
    below = detections.scores < query.lowest_score
    found = _unjudged(batch, query) if target is None else _judged(batch, query, weightings)
    found.kinds[0][below] = Kind.BELOW_THRESHOLD

    shown = torch.cat(((~below).nonzero().squeeze(1), _best_below(batch, below, query)))
    lost = (found.kinds[1] != Outcome.TRUE_POSITIVE).nonzero().squeeze(1)
    image = torch.cat((detections.image[shown], objects.image[lost]))
    by_image = image.argsort(stable=True)

    def joined(of_detections: Tensor, of_objects: Tensor) -> Tensor:
        return torch.cat((of_detections[shown], of_objects[lost]))[by_image]

    kinds = joined(*found.kinds)
    is_error = (kinds == Kind.FALSE_POSITIVE) | (kinds == Kind.FALSE_NEGATIVE)
    xyxy = joined(detections.xyxy, objects.xyxy)
    of_image = image.index_select(0, by_image)
    least_sizes = torch.ones(len(batch), 2, dtype=torch.float64)
    least_sizes.scatter_reduce_(0, of_image[:, None].expand(-1, 2), xyxy[:, 2:], "amax")
    lines = None
    if shapes.iou_type != "bbox":
        sizes = batch.image_sizes.flip(1)
        if shapes.iou_type == "segm":
            least_sizes = torch.where(sizes.isnan(), least_sizes, sizes)
        found_shapes = detections.geometry.take(shown)
        both = found_shapes.joined([found_shapes, objects.geometry.take(lost)]).take(by_image)
        lines = lines_of(both, least_sizes[of_image, 0])
    return ShownBoxes(
        xyxy=xyxy,
        scores=joined(detections.scores.double(), torch.full((len(objects),), torch.nan, dtype=torch.float64)),
        labels=joined(detections.labels, objects.labels),
        kinds=kinds,
        causes=joined(*found.causes),
        objects=joined(*found.objects),
        counts=image.bincount(minlength=len(batch)),
        weights={name: joined(*weights)[is_error] for name, weights in found.weights.items()},
        least_sizes=least_sizes,
        lines=lines,
    )


class _Found(NamedTuple):
    """Of the detections of a batch, and of its objects: kinds, causes, objects of their image, and weights."""

    kinds: tuple[Tensor, Tensor]
    causes: tuple[Tensor, Tensor]
    objects: tuple[Tensor, Tensor]
    weights: dict[WeightingName, tuple[Tensor, Tensor]]


def _unjudged(batch: Batch, query: Query) -> _Found:
    """Without labels: there are no objects."""
    labels, none = batch.detections.labels, batch.ground_truth.labels
    kinds = torch.full_like(labels, Kind.UNJUDGED, dtype=torch.uint8)
    kinds.masked_fill_(~query.counts_label(labels), Kind.IGNORED)
    no_cause, no_object = torch.zeros_like(kinds), torch.full_like(labels, -1)
    return _Found((kinds, none.to(torch.uint8)), (no_cause, none.to(torch.uint8)), (no_object, none), {})


def _judged(batch: Batch, query: Query, weightings: Sequence[WeightingName]) -> _Found:
    matches = match(batch.detections, batch.ground_truth, query)
    causes = error_kinds(batch, matches, query, min(_BACKGROUND_THRESHOLD, query.iou_threshold))
    errors, weights = weighed(batch, matches, [named_weighting(name) for name in weightings])
    (_, wrong), (_, missed) = errors.parts

    def spread(weights: Tensor) -> tuple[Tensor, Tensor]:
        of_wrong, of_missed = weights.split([len(wrong), len(missed)])
        of_detections = weights.new_zeros(len(batch.detections)).index_copy_(0, wrong, of_wrong)
        return of_detections, weights.new_zeros(len(batch.ground_truth)).index_copy_(0, missed, of_missed)

    return _Found(
        (matches.detections.clone(), matches.ground_truth),
        (causes.detections, causes.ground_truth),
        _objects(batch, matches),
        {name: spread(of) for name, of in zip(weightings, weights, strict=True)},
    )


def _objects(batch: Batch, matches: Matches) -> tuple[Tensor, Tensor]:
    """Which object of its image each detection found, -1 for none, and the place of each object among these."""
    image = batch.ground_truth.image
    counts = image.bincount(minlength=len(batch))
    places = torch.arange(len(image)) - (counts.cumsum(0) - counts)[image]
    right = matches.detections == Outcome.TRUE_POSITIVE
    found = torch.full_like(matches.detection_match, -1)
    found[right] = places[matches.detection_match[right]]
    return found, places


def _best_below(batch: Batch, below: Tensor, query: Query) -> Tensor:
    """Indices of the detections of too low a score that are shown."""
    candidates = (below & query.counts_label(batch.detections.labels)).nonzero().squeeze(1)
    candidates = candidates[batch.detections.scores[candidates].argsort(descending=True, stable=True)]
    candidates = candidates[batch.detections.image[candidates].argsort(stable=True)]
    counts = batch.detections.image[candidates].bincount(minlength=len(batch))
    first = (counts.cumsum(0) - counts).repeat_interleave(counts)
    return candidates[torch.arange(len(candidates)) - first < MOST_BELOW]
