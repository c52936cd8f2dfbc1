"""What an error costs: the weight of every false positive and false negative.

A weighting is a function of the errors and the true positives of a batch, both flat over its images, that
gives one weight an error. The three of the paper stand here; a user's own has the same signature.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from hardest_metrics.functional.boxes import Batch, Detections, shared_areas
from hardest_metrics.functional.matching import Matches, Outcome
from hardest_metrics.functional.order import positions, runs

WeightingName = Literal["none", "pixel", "overlap"]


class Errors:
    """The false positives of a batch, then its false negatives: `n` boxes, image by image in each half.

    Args:
        batch: the boxes.
        wrong: ``(k,)`` int64, which detections are false positives.
        missed: ``(n - k,)`` int64, which ground-truth boxes are false negatives.
    """

    def __init__(self, batch: Batch, wrong: Tensor, missed: Tensor) -> None:
        self._batch, self._wrong, self._missed = batch, wrong, missed

    @classmethod
    def of(cls, batch: Batch, matches: Matches) -> "Errors":
        """Those that matching found."""
        wrong = positions(matches.detections == Outcome.FALSE_POSITIVE)
        missed = positions(matches.ground_truth == Outcome.FALSE_NEGATIVE)
        return cls(batch, wrong, missed)

    def __len__(self) -> int:
        return len(self._wrong) + len(self._missed)

    def _gather(self, of_detections: Tensor, of_ground_truth: Tensor) -> Tensor:
        return torch.cat((of_detections.index_select(0, self._wrong), of_ground_truth.index_select(0, self._missed)))

    @cached_property
    def xywh(self) -> Tensor:
        """``(n, 4)`` float64: left, top, width, height in pixels."""
        return self._gather(self._batch.detections.xywh, self._batch.ground_truth.xywh)

    @cached_property
    def box_area(self) -> Tensor:
        """``(n,)`` float64, width times height in square pixels."""
        return self.xywh[:, 2] * self.xywh[:, 3]

    @cached_property
    def labels(self) -> Tensor:
        """``(n,)`` int64."""
        return self._gather(self._batch.detections.labels, self._batch.ground_truth.labels)

    @cached_property
    def image(self) -> Tensor:
        """``(n,)`` int64, the position in the batch of the image that each box lies in."""
        return self._gather(self._batch.detections.image, self._batch.ground_truth.image)

    @cached_property
    def image_size(self) -> Tensor:
        """``(n, 2)`` float64, height and width in pixels of the box's image; NaN where not given."""
        return self._batch.image_sizes.index_select(0, self.image)

    @cached_property
    def image_area(self) -> Tensor:
        """``(n,)`` float64, height times width of the box's image in square pixels; NaN where not given."""
        return self._batch.image_sizes.prod(1).index_select(0, self.image)

    @cached_property
    def missed(self) -> Tensor:
        """``(n,)`` bool, true for a false negative."""
        return torch.arange(len(self), device=self._wrong.device) >= len(self._wrong)

    @cached_property
    def scores(self) -> Tensor:
        """``(n,)`` floating point: a false positive's score; NaN for a false negative."""
        scores = self._batch.detections.scores.index_select(0, self._wrong)
        return torch.cat((scores, scores.new_full((len(self._missed),), torch.nan)))


#: A function ``(errors, true_positives) -> (n,)`` weights, finite and at least 0.
Weighting = Callable[[Errors, Detections], Tensor]


def errors_of(batch: Batch, matches: Matches) -> tuple[Errors, Detections]:
    """The errors and the true positives among the boxes of a batch.

    Args:
        batch: the boxes.
        matches: their outcomes, from :func:`~hardest_metrics.functional.match`.
    """
    return Errors.of(batch, matches), true_positives_of(batch, matches)


def true_positives_of(batch: Batch, matches: Matches) -> Detections:
    """The detections that found an object."""
    return batch.detections.take(positions(matches.detections == Outcome.TRUE_POSITIVE))


def none(errors: Errors, true_positives: Detections) -> Tensor:
    """Every error weighs 1.

    Returns:
        ``(n,)`` float64.
    """
    return torch.ones_like(errors.box_area)


def pixel(errors: Errors, true_positives: Detections) -> Tensor:
    """An error weighs the share of its image that its box fills.

    Returns:
        ``(n,)`` float64 box area over image area; NaN where the image's size was not given.
    """
    return errors.box_area / errors.image_area


def overlap(errors: Errors, true_positives: Detections) -> Tensor:
    """An error weighs how much true positives cover it: the sum of intersection over its own area.

    An error lies in a crowd the more true positives it overlaps; the sum can be above 1.

    Args:
        errors: of a batch.
        true_positives: of the same batch, image by image.

    Returns:
        ``(n,)`` float64; 0 for a box without area.
    """
    first, count = runs(true_positives.image, errors.image)
    shared = torch.zeros_like(errors.box_area)
    for error, _, area in shared_areas(errors.xywh, true_positives.xywh, first, count):
        shared.index_add_(0, error, area)
    return (shared / errors.box_area).nan_to_num_(nan=0.0)  # a box without area shares none


#: Weightings that look at each error by itself, and at no true positive.
ERRORS_ALONE: tuple[Weighting, ...] = (none, pixel)

#: The weightings that have a name.
WEIGHTINGS: dict[WeightingName, Weighting] = {"none": none, "pixel": pixel, "overlap": overlap}
