"""Why each error is one: the kinds of errors of TIDE (Bolya et al., ECCV 2020), all images at once.

Only pairs of a false positive and an object of its image that overlap by the background threshold or more tell kinds
apart; of these there are few. Nothing here matches anew: which boxes are errors is known.
"""

import math
from enum import IntEnum
from numbers import Real
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.matching import Matches, Outcome, Query, match
from hardest_metrics.functional.eager import eager
from hardest_metrics.functional.order import positions, runs
from hardest_metrics.functional.reduction import scatter_extreme_

KindName = Literal["localisation", "classification", "duplicate", "background", "both", "missed"]


class Kind(IntEnum):
    """Why a box is an error.

    Of a false positive it is the first that applies of `LOCALISATION` to `BOTH`; of a false negative `MISSED` or
    `EXPLAINED`. All other boxes have `NONE`: right ones, and those that the query ignores.
    """

    NONE = 0
    LOCALISATION = 1
    CLASSIFICATION = 2
    DUPLICATE = 3
    BACKGROUND = 4
    BOTH = 5
    MISSED = 6
    EXPLAINED = 7


class ErrorKinds(NamedTuple):
    """Why each box of a batch is an error, in the order in which the boxes were given.

    Attributes:
        detections: ``(n,)`` uint8, the :class:`Kind` of each detection.
        ground_truth: ``(m,)`` uint8, the :class:`Kind` of each ground-truth box.
        meant: ``(n,)`` int64, the object that a localisation or classification error is of, a position in the ground
            truth; -1 for all other detections.
    """

    detections: Tensor
    ground_truth: Tensor
    meant: Tensor


class Confusions(NamedTuple):
    """The classification errors of a batch, each with what it was taken for, image by image.

    Attributes:
        image: ``(k,)`` int64, the position in the batch of the image.
        detected: ``(k,)`` int64, the label of the detection.
        true: ``(k,)`` int64, the label of the object.
    """

    image: Tensor
    detected: Tensor
    true: Tensor


@eager
@torch.no_grad()
def error_kinds(batch: Batch, matches: Matches, query: Query, background_threshold: float = 0.1) -> ErrorKinds:
    """Say of every false positive and every false negative why it is one, as TIDE does.

    With foreground threshold ``t_f``, the query's ``iou_threshold``, and background threshold ``t_b``, a false positive
    is, the first that applies, an error of

    - localisation: its highest IoU with an object of its own label is in ``[t_b, t_f]``;
    - classification: its IoU with an object of another label is at least ``t_f``;
    - duplicate: so is its IoU with an object of its own label, which another detection has found;
    - background: its IoU is at most ``t_b`` with every object;
    - both: what is left, somewhat on objects of other labels.

    A false negative is explained if an error of localisation or classification means it, which is the one that the
    detection overlaps most, of several the first: then it is the other half of that error. Else it is missed. So kinds
    add up to the false positives and false negatives of the query.

    Objects that the query ignores, crowds and those outside the area range, are left out of all this. Where the query
    counts some labels only, boxes of the others have no kind, but are looked at: a person detected on a dog is an
    error of classification, whether dogs count or not. After Bolya, Foley, Hays, Hoffman, *TIDE: A General Toolbox for
    Identifying Object Detection Errors*, ECCV 2020; their package gives the same.

    Args:
        batch: the boxes.
        matches: what became of them, from :func:`~hardest_metrics.functional.match` with the same query.
        query: which boxes count.
        background_threshold: above 0, and at most the query's ``iou_threshold``.

    Returns:
        The kind of every box, on the device of the boxes.

    Raises:
        ValueError: if the background threshold is out of its range.

    Example:
        >>> import torch
        >>> from hardest_metrics.functional import Kind, Query, error_kinds, match, pack
        >>> preds = [
        ...     {
        ...         "boxes": torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 4], [20, 0, 30, 10], [50, 50, 60, 60]]),
        ...         "scores": torch.tensor([0.9, 0.8, 0.7, 0.6]),
        ...         "labels": torch.tensor([1, 1, 1, 1]),
        ...     }
        ... ]
        >>> target = [{"boxes": torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]]), "labels": torch.tensor([1, 2])}]
        >>> batch = pack(preds, target)
        >>> kinds = error_kinds(batch, match(batch.detections, batch.ground_truth, Query()), Query())
        >>> [Kind(kind).name for kind in kinds.detections.tolist()]
        ['NONE', 'LOCALISATION', 'CLASSIFICATION', 'BACKGROUND']
        >>> kinds.meant, [Kind(kind).name for kind in kinds.ground_truth.tolist()]
        (tensor([-1,  0,  1, -1]), ['NONE', 'EXPLAINED'])
    """
    check_background_threshold(background_threshold, query.iou_threshold)
    detections, ground_truth = batch.detections, batch.ground_truth
    counted = matches
    if query.labels is not None:
        matches = match(detections, ground_truth, query.of_all_labels)
    wrong = positions(matches.detections == Outcome.FALSE_POSITIVE)
    objects = positions(matches.ground_truth != Outcome.IGNORED)
    det, obj, overlap = _overlapping(batch, wrong, objects, background_threshold)

    wrong_labels = detections.labels.index_select(0, wrong)
    own = ground_truth.labels.index_select(0, obj) == wrong_labels.index_select(0, det)
    # the highest IoU of each false positive with objects of other labels and with those of its own
    best = torch.zeros(2 * len(wrong), dtype=torch.float64, device=wrong.device)
    side = det + own * len(wrong)
    scatter_extreme_(best, side, overlap, "amax")
    kind = _kinds(best[len(wrong) :], best[: len(wrong)], query, background_threshold)

    of_object = torch.where(own, Kind.LOCALISATION, Kind.CLASSIFICATION)
    means = positions((of_object == kind.index_select(0, det)) & (overlap == best.index_select(0, side)))
    none = len(ground_truth)
    meant = torch.full_like(wrong, none)
    scatter_extreme_(meant, det.index_select(0, means), obj.index_select(0, means), "amin")
    explained = torch.zeros(none + 1, dtype=torch.bool, device=meant.device).index_fill_(0, meant, True)[:none]

    missed = torch.where(explained, Kind.EXPLAINED, Kind.MISSED).to(torch.uint8)
    of_detections = torch.zeros_like(matches.detections).index_copy_(0, wrong, kind)
    all_meant = torch.full_like(matches.detection_match, -1)
    all_meant.index_copy_(0, wrong, meant.masked_fill_(meant == none, -1))
    if query.labels is not None:
        uncounted = counted.detections != Outcome.FALSE_POSITIVE
        of_detections.masked_fill_(uncounted, Kind.NONE)
        all_meant.masked_fill_(uncounted, -1)
    return ErrorKinds(
        of_detections, missed.masked_fill_(counted.ground_truth != Outcome.FALSE_NEGATIVE, Kind.NONE), all_meant
    )


def confusions(batch: Batch, kinds: ErrorKinds) -> Confusions:
    """What the classification errors of a batch were taken for.

    Args:
        batch: the boxes.
        kinds: of these, from :func:`error_kinds`.

    Example:
        >>> import torch
        >>> from hardest_metrics.functional import Query, confusions, error_kinds, match, pack
        >>> box = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([3])}
        >>> batch = pack([{**box, "scores": torch.tensor([0.9])}], [{**box, "labels": torch.tensor([5])}])
        >>> kinds = error_kinds(batch, match(batch.detections, batch.ground_truth, Query()), Query())
        >>> confusions(batch, kinds)
        Confusions(image=tensor([0]), detected=tensor([3]), true=tensor([5]))
    """
    confused = positions(kinds.detections == Kind.CLASSIFICATION)
    meant = kinds.meant.index_select(0, confused)
    detections, labels = batch.detections, batch.ground_truth.labels
    return Confusions(
        detections.image.index_select(0, confused),
        detections.labels.index_select(0, confused),
        labels.index_select(0, meant),
    )


def check_background_threshold(value: float, iou_threshold: float) -> None:
    """Refuse a background threshold that leaves no kind, or all, to overlap.

    Raises:
        ValueError: if it does.
    """
    if not isinstance(value, Real) or math.isnan(value) or not 0 < value <= iou_threshold:
        raise ValueError(
            f"`background_threshold` must be above 0 and at most `iou_threshold`, {iou_threshold}, but is {value!r}."
        )


def _overlapping(batch: Batch, wrong: Tensor, objects: Tensor, least: float) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of a false positive and an object of its image that overlap so much.

    Args:
        batch: the boxes.
        wrong: ``(k,)`` int64, which detections.
        objects: ``(l,)`` int64, which ground truth.
        least: intersection over union.

    Returns:
        Positions in `wrong`; positions in the ground truth; their intersection over union.
    """
    detections, ground_truth = batch.detections, batch.ground_truth
    object_image, image = ground_truth.image.index_select(0, objects), detections.image.index_select(0, wrong)
    first, count = runs(image, object_image, len(batch))
    no_crowd = torch.zeros_like(objects, dtype=torch.bool)  # crowds are ignored
    detected = detections.geometry.take(wrong)
    found = [(first[:0], first[:0], first[:0].double())]
    found += ground_truth.geometry.take(objects).similarities(detected, first, count, no_crowd, least)
    obj, det, overlap = (torch.cat(parts) for parts in zip(*found, strict=True))
    return det, objects.index_select(0, obj), overlap


def _kinds(own: Tensor, other: Tensor, query: Query, background: float) -> Tensor:
    """Of each false positive, from its highest IoU with objects of its own and of other labels; ``(k,)`` uint8."""
    kind = torch.full_like(own, Kind.BOTH, dtype=torch.uint8)
    # from what is asked last to what is asked first
    kind.masked_fill_((own <= background) & (other <= background), Kind.BACKGROUND)
    kind.masked_fill_(own >= query.least_iou, Kind.DUPLICATE)
    kind.masked_fill_(other >= query.least_iou, Kind.CLASSIFICATION)
    return kind.masked_fill_((own >= background) & (own <= query.iou_threshold), Kind.LOCALISATION)
