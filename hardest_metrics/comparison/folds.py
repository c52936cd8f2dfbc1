"""Calibration by cross-validation: no image is ranked with a calibration that saw its labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import NamedTuple

import torch

from hardest_metrics.calibration import Isotonic, Method, Platt, WitnessModel, fit_calibration, fit_witness_model
from hardest_metrics.functional.detection.matching import Query
from hardest_metrics.functional.detection.packing import ImageDict

Calibration = Platt | Isotonic

#: Of fewer images each is a fold of its own.
N_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Fold:
    """Some of the images, and the calibration that all others make.

    Args:
        images: their positions.
        calibration: fitted to the detections and labels of all other images.
    """

    images: list[int]
    calibration: Calibration


def cross_validate(
    preds: Sequence[ImageDict],
    target: Sequence[ImageDict],
    method: Method = "platt",
    query: Query | None = None,
) -> list[Fold]:
    """Split images into :data:`N_FOLDS` at random, always the same, and calibrate for each on the others.

    Args:
        preds: one dict an image, boxes as (x, y, width, height).
        target: their labels, in the same order.
        method: the family of curves, see :func:`hardest_metrics.calibration.fit_calibration`.
        query: which boxes count and when they match; None for the defaults.

    Raises:
        ModuleNotFoundError: if scikit-learn is not installed.
        ValueError: if there are fewer than two images, or no detection counts outside a fold.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 10, 10]])
        >>> preds = [{"boxes": boxes, "scores": torch.tensor([0.9]), "labels": torch.tensor([1])}] * 10
        >>> folds = cross_validate(preds, [{"boxes": boxes, "labels": torch.tensor([1])}] * 10)
        >>> sorted(image for fold in folds for image in fold.images)
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    return [
        Fold(
            images,
            fit_calibration([preds[i] for i in others], [target[i] for i in others], method, query, box_format="xywh"),
        )
        for images, others in _split(len(preds))
    ]


class Hearing(NamedTuple):
    """Some of the images, and the model of witnesses that all others make.

    Attributes:
        images: their positions.
        model: fitted to the detections and labels of all other images.
    """

    images: list[int]
    model: WitnessModel


def cross_validate_witnesses(
    preds: Sequence[ImageDict],
    witnesses: Sequence[Sequence[ImageDict]],
    target: Sequence[ImageDict],
    query: Query | None = None,
) -> list[Hearing]:
    """As :func:`cross_validate`, with a model of witnesses.

    What nobody proposes is the same number for every image of a fold, which says nothing of the images, but would tell
    folds apart that are ranked as one: all models have the mean of these numbers.

    Args:
        preds: one dict an image, boxes as (x, y, width, height).
        witnesses: of each witness likewise.
        target: their labels, in the same order.
        query: which boxes count and when they match; None for the defaults.

    Raises:
        ModuleNotFoundError: if scikit-learn is not installed.
        ValueError: if there are fewer than two images, or no detection counts outside a fold.
    """
    folds = []
    for images, others in _split(len(preds)):
        beside = [[witness[i] for i in others] for witness in witnesses]
        some, labels = [preds[i] for i in others], [target[i] for i in others]
        folds.append(Hearing(images, fit_witness_model(some, beside, labels, query, box_format="xywh")))
    numbers = [fold.model.unseen for fold in folds]
    unseen = {
        name: (fmean(one[name][0] for one in numbers), fmean(one[name][1] for one in numbers))
        for name in numbers[0]
        if all(name in one for one in numbers)
    }
    return [Hearing(images, replace(model, unseen=unseen)) for images, model in folds]


def _split(number: int) -> list[tuple[list[int], list[int]]]:
    """The images of each fold, and all others."""
    if number < 2:
        raise ValueError(f"`preds` holds {number} images: cross-validation needs 2 or more.")
    shuffled = torch.randperm(number, generator=torch.Generator().manual_seed(0))
    everything = torch.ones(number, dtype=torch.bool)
    return [
        (part.tolist(), everything.index_fill(0, part, False).nonzero().squeeze(1).tolist())
        for part in shuffled.tensor_split(min(N_FOLDS, number))
    ]


def calibrated(preds: Sequence[ImageDict], folds: Sequence[Fold]) -> list[ImageDict]:
    """Detections with probabilities for scores, of each image by the calibration of its fold.

    Args:
        preds: one dict an image.
        folds: of these images.
    """
    by_image = {image: fold.calibration for fold in folds for image in fold.images}
    return [{**image, "scores": by_image[place](image["scores"])} for place, image in enumerate(preds)]
