"""What an error costs: the weight of every false positive and false negative.

A weighting is a function of the errors and the true positives of a batch, both flat over its images, that
gives one weight an error. The three of the paper stand here; a user's own has the same signature.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hardest_metrics.functional.boxes import Batch, Boxes, Detections, intersection, ragged_pairs
from hardest_metrics.functional.matching import Matches, Outcome

WeightingName = Literal["none", "pixel", "overlap"]


@dataclass(frozen=True)
class Errors(Boxes):
    """The false positives of a batch, then its false negatives.

    Attributes:
        missed: ``(n,)`` bool, true for a false negative.
        scores: ``(n,)`` floating point, a false positive's score; NaN for a false negative.
        image_size: ``(n, 2)`` float64, height and width in pixels of the box's image; -1 where not given.
    """

    missed: Tensor
    scores: Tensor
    image_size: Tensor


#: A function ``(errors, true_positives) -> (n,)`` weights, finite and at least 0.
Weighting = Callable[[Errors, Detections], Tensor]


def errors_of(batch: Batch, matches: Matches) -> tuple[Errors, Detections]:
    """The errors and the true positives among the boxes of a batch.

    Args:
        batch: the boxes. matches: their outcomes, from :func:`~hardest_metrics.functional.match`.
    """
    wrong = batch.detections[(matches.detections == Outcome.FALSE_POSITIVE).nonzero().squeeze(1)]
    missed = batch.ground_truth[(matches.ground_truth == Outcome.FALSE_NEGATIVE).nonzero().squeeze(1)]
    image = torch.cat((wrong.image, missed.image))
    errors = Errors(
        xywh=torch.cat((wrong.xywh, missed.xywh)),
        labels=torch.cat((wrong.labels, missed.labels)),
        image=image,
        missed=torch.arange(len(image), device=image.device) >= len(wrong),
        scores=torch.cat((wrong.scores, wrong.scores.new_full((len(missed),), torch.nan))),
        image_size=batch.image_sizes[image],
    )
    true_positives = (matches.detections == Outcome.TRUE_POSITIVE).nonzero().squeeze(1)
    return errors, batch.detections[true_positives]


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
    height, width = errors.image_size.unbind(1)
    return torch.where(height > 0, errors.box_area / (height * width), torch.nan)


def overlap(errors: Errors, true_positives: Detections) -> Tensor:
    """An error weighs how much true positives cover it: the sum of intersection over its own area.

    An error lies in a crowd the more true positives it overlaps; the sum can be above 1.

    Args:
        errors: of a batch.
        true_positives: of the same batch, image by image.

    Returns:
        ``(n,)`` float64; 0 for a box without area.
    """
    first = torch.searchsorted(true_positives.image, errors.image)
    count = torch.searchsorted(true_positives.image, errors.image, right=True) - first
    shared = torch.zeros_like(errors.box_area)
    for error, positive in ragged_pairs(first, count):
        shared.index_add_(0, error, intersection(errors.xywh[error], true_positives.xywh[positive]))
    area = errors.box_area
    return torch.where(area > 0, shared / area, 0.0)


#: The weightings that have a name.
WEIGHTINGS: dict[str, Weighting] = {"none": none, "pixel": pixel, "overlap": overlap}
