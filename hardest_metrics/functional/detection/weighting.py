"""What an error costs: the weight of every false positive and false negative.

A weighting is a function of the errors and the true positives of a batch, both flat over its images, that
gives one weight an error. The three of the paper stand here; a user's own has the same signature.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from hardest_metrics.functional.detection.boxes import Batch, Boxes
from hardest_metrics.functional.detection.geometry import Geometry
from hardest_metrics.functional.detection.matching import Matches, Outcome
from hardest_metrics.functional.order import positions, rows_at, runs

WeightingName = Literal["none", "pixel", "overlap"]


class _Chosen(ABC):
    """Some of the boxes of a batch: `n` of them. What nobody reads is never looked up.

    Args:
        batch: the boxes.
        matches: their outcomes, from :func:`~hardest_metrics.functional.match`.
    """

    def __init__(self, batch: Batch, matches: Matches) -> None:
        self._batch, self._matches = batch, matches

    @property
    @abstractmethod
    def parts(self) -> Sequence[tuple[Boxes, Tensor]]:
        """Boxes and ``(k,)`` int64 which of them, one after the other."""

    def __len__(self) -> int:
        return sum(len(chosen) for _, chosen in self.parts)

    @property
    def num_images(self) -> int:
        """Of the batch, those without such boxes included."""
        return len(self._batch)

    def _column(self, name: str) -> Tensor:
        columns = [rows_at(getattr(boxes, name), chosen) for boxes, chosen in self.parts]
        return columns[0] if len(columns) == 1 else torch.cat(columns)

    @cached_property
    def xywh(self) -> Tensor:
        """``(n, 4)`` float64: left, top, width, height in pixels."""
        return self._column("xywh")

    @property
    def xyxy(self) -> Tensor:
        """``(n, 4)`` float64: left, top, right, bottom in pixels."""
        return self._column("xyxy")

    @cached_property
    def box_area(self) -> Tensor:
        """``(n,)`` float64, width times height in square pixels."""
        return self.xywh[:, 2] * self.xywh[:, 3]

    @cached_property
    def geometry(self) -> Geometry:
        """What is compared: the boxes, or what they enclose."""
        chosen = [boxes.geometry.take(places) for boxes, places in self.parts]
        return chosen[0] if len(chosen) == 1 else type(chosen[0]).joined(chosen)

    @cached_property
    def area(self) -> Tensor:
        """``(n,)`` float64, in square pixels: the box's, a mask's own, or that of the box of keypoints."""
        return self.geometry.area

    @cached_property
    def labels(self) -> Tensor:
        """``(n,)`` int64."""
        return self._column("labels")

    @cached_property
    def image(self) -> Tensor:
        """``(n,)`` int64, the position in the batch of the image that each box lies in."""
        return self._column("image")

    @cached_property
    def image_size(self) -> Tensor:
        """``(n, 2)`` float64, height and width in pixels of the box's image; NaN where not given."""
        return self._batch.image_sizes.index_select(0, self.image)

    @cached_property
    def image_area(self) -> Tensor:
        """``(n,)`` float64, height times width of the box's image in square pixels; NaN where not given."""
        return self._batch.image_sizes.prod(1).index_select(0, self.image)


class Errors(_Chosen):
    """The false positives of a batch, then its false negatives: `n` boxes, image by image in each half."""

    @cached_property
    def parts(self) -> Sequence[tuple[Boxes, Tensor]]:
        """False positives among the detections, then false negatives among the ground truth."""
        wrong = positions(self._matches.detections == Outcome.FALSE_POSITIVE)
        missed = positions(self._matches.ground_truth == Outcome.FALSE_NEGATIVE)
        return (self._batch.detections, wrong), (self._batch.ground_truth, missed)

    @cached_property
    def missed(self) -> Tensor:
        """``(n,)`` bool, true for a false negative."""
        (_, wrong), _ = self.parts
        return torch.arange(len(self), device=wrong.device) >= len(wrong)

    @cached_property
    def scores(self) -> Tensor:
        """``(n,)`` floating point: a false positive's score; NaN for a false negative."""
        (_, wrong), (_, missed) = self.parts
        scores = self._batch.detections.scores.index_select(0, wrong)
        return torch.cat((scores, scores.new_full((len(missed),), torch.nan)))


class TruePositives(_Chosen):
    """The detections of a batch that found an object: `n` boxes, image by image."""

    @cached_property
    def parts(self) -> Sequence[tuple[Boxes, Tensor]]:
        """True positives among the detections."""
        return ((self._batch.detections, positions(self._matches.detections == Outcome.TRUE_POSITIVE)),)

    @cached_property
    def scores(self) -> Tensor:
        """``(n,)`` floating point in [0, 1]."""
        return self._column("scores")


#: A function ``(errors, true_positives) -> (n,)`` weights, finite and at least 0.
Weighting = Callable[[Errors, TruePositives], Tensor]


def errors_of(batch: Batch, matches: Matches) -> tuple[Errors, TruePositives]:
    """The errors and the true positives among the boxes of a batch.

    Args:
        batch: the boxes.
        matches: their outcomes, from :func:`~hardest_metrics.functional.match`.
    """
    return Errors(batch, matches), TruePositives(batch, matches)


def none(errors: Errors, true_positives: TruePositives) -> Tensor:
    """Every error weighs 1.

    Returns:
        ``(n,)`` float64.
    """
    return torch.ones_like(errors.image, dtype=torch.float64)


def pixel(errors: Errors, true_positives: TruePositives) -> Tensor:
    """An error weighs the share of its image that its box, or its mask, fills.

    Returns:
        ``(n,)`` float64 area over image area; NaN where the image's size was not given.
    """
    return errors.area / errors.image_area


def overlap(errors: Errors, true_positives: TruePositives) -> Tensor:
    """An error weighs how much true positives cover it: the sum of intersection over its own area.

    An error lies in a crowd the more true positives it overlaps; the sum can be above 1.

    Args:
        errors: of a batch.
        true_positives: of the same batch, image by image.

    Returns:
        ``(n,)`` float64; 0 for a box or mask without area.
    """
    first, count = runs(true_positives.image, errors.image, errors.num_images)
    shared = torch.zeros_like(errors.area)
    for error, _, area in errors.geometry.shared_areas(true_positives.geometry, first, count):
        shared.index_add_(0, error, area)
    return (shared / errors.area).nan_to_num_(nan=0.0)  # a box without area shares none


#: The weightings that have a name.
WEIGHTINGS: dict[WeightingName, Weighting] = {"none": none, "pixel": pixel, "overlap": overlap}
