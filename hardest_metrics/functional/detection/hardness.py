"""From boxes to the hardness of images: match, weigh, add up."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.checking import BoxFormat
from hardest_metrics.functional.detection.geometry import IouType
from hardest_metrics.functional.detection.keypoint_packing import Sigmas
from hardest_metrics.functional.detection.matching import AreaName, Matches, Query, ScoreThreshold, match
from hardest_metrics.functional.detection.packing import ImageDict
from hardest_metrics.functional.detection.shape_format import ShapeFormat
from hardest_metrics.functional.detection.weighting import WEIGHTINGS, Errors, Weighting, WeightingName, errors_of
from hardest_metrics.functional.eager import eager
from hardest_metrics.functional.ids import NO_ID

#: Weights stay below this, so that sums of them are finite in float32.
_MOST = 1e30


@torch.no_grad()
def error_sums(batch: Batch, query: Query, weightings: Sequence[Weighting]) -> Tensor:
    """The weighted false positives and false negatives of every image, under several weightings at once.

    Args:
        batch: `N` images.
        query: which boxes count.
        weightings: `W` functions.

    Returns:
        ``(N, 2, W)`` float32: false positives, then false negatives. NaN where a weight needs an image size
        that was not given.

    Raises:
        ValueError: if a weighting gives weights of another shape, negative or infinite ones.
    """
    return weighted_sums(batch, match(batch.detections, batch.ground_truth, query), weightings).float()


@eager
def weighted_sums(batch: Batch, matches: Matches, weightings: Sequence[Weighting]) -> Tensor:
    """As :func:`error_sums`, of boxes whose outcomes are known already.

    Returns:
        ``(N, 2, W)`` float64.
    """
    errors, weights = weighed(batch, matches, weightings)
    kind_of_image = errors.image * 2 + errors.missed
    return sums_by(kind_of_image, 2 * len(batch), weights).T.reshape(len(batch), 2, len(weightings))


def weighed(batch: Batch, matches: Matches, weightings: Sequence[Weighting]) -> tuple[Errors, list[Tensor]]:
    """The errors of a batch, and ``(n,)`` weights of them under each weighting.

    Raises:
        ValueError: if a weighting gives weights of another shape, negative or infinite ones.
    """
    errors, true_positives = errors_of(batch, matches)
    weights = []
    for weighting in weightings:
        weights.append(weighting(errors, true_positives))
        if weighting not in WEIGHTINGS.values():
            _check_weights(weights[-1], weighting, errors, batch)
    return errors, weights


def sums_by(place: Tensor, number: int, weights: Sequence[Tensor]) -> Tensor:
    """Weights added up at places.

    Args:
        place: ``(n,)`` int64 below `number`.
        number: of places.
        weights: `W` times ``(n,)``.

    Returns:
        ``(W, number)`` float64.
    """
    sums = torch.zeros(len(weights), number, dtype=torch.float64, device=place.device)
    for sum_, values in zip(sums, weights, strict=True):
        sum_.index_add_(0, place, values.to(sum_))
    return sums


def false_positives(
    preds: Sequence[ImageDict],
    target: Sequence[ImageDict],
    weighting: WeightingName | Weighting = "none",
    box_format: BoxFormat = "xyxy",
    score_threshold: ScoreThreshold = 0.5,
    iou_threshold: float = 0.5,
    labels: Collection[int] | None = None,
    area_range: AreaName | tuple[float, float] | None = None,
    max_detections: int | None = None,
    iou_type: IouType = "bbox",
    sigmas: Sigmas | None = None,
) -> Tensor:
    """Weighted detections of each image that are of no object, as :class:`~hardest_metrics.FalsePositives`.

    Args:
        preds: one dict an image, see :func:`~hardest_metrics.functional.pack`.
        target: one dict an image, in the same order.
        weighting: ``"none"``, ``"pixel"``, ``"overlap"`` or a function
            ``(errors, true_positives) -> (n,)`` weights.
        box_format: of all boxes: ``"xyxy"``, ``"xywh"`` or ``"cxcywh"``, in pixels.
        score_threshold: detections of a lower score take no part, in [0, 1]; or one for each label that counts.
        iou_threshold: least intersection over union of a match, in (0, 1].
        labels: the labels that count; None for all.
        area_range: ``"small"``, ``"medium"``, ``"large"`` or ``(low, high)`` in square pixels; None for all.
        max_detections: only this many detections of highest score take part, per image and label; None for 100, or 20
            of keypoints.
        iou_type: what is compared: ``"bbox"``, ``"segm"`` or ``"keypoints"``, see
            :func:`~hardest_metrics.functional.pack`.
        sigmas: of keypoints, likewise.

    Returns:
        ``(N,)`` float32, in the order of the images.

    Raises:
        TypeError, ValueError: on input that makes no sense, and on pixel weighting without image sizes.

    Example:
        >>> import torch
        >>> from hardest_metrics.functional import false_positives
        >>> preds = [
        ...     {
        ...         "boxes": torch.tensor([[0.0, 0, 10, 10], [5, 5, 15, 15]]),
        ...         "scores": torch.tensor([0.9, 0.8]),
        ...         "labels": torch.tensor([1, 1]),
        ...     }
        ... ]
        >>> target = [{"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1]), "image_size": (20, 40)}]
        >>> false_positives(preds, target), false_positives(preds, target, weighting="pixel")
        (tensor([1.]), tensor([0.1250]))
    """
    given_as = ShapeFormat(box_format, iou_type, sigmas)
    most = given_as.most_detections(max_detections)
    query = Query(score_threshold, iou_threshold, labels, area_range, most)
    return _sums_of(preds, target, weighting, given_as, query)[:, 0]


def false_negatives(
    preds: Sequence[ImageDict],
    target: Sequence[ImageDict],
    weighting: WeightingName | Weighting = "none",
    box_format: BoxFormat = "xyxy",
    score_threshold: ScoreThreshold = 0.5,
    iou_threshold: float = 0.5,
    labels: Collection[int] | None = None,
    area_range: AreaName | tuple[float, float] | None = None,
    max_detections: int | None = None,
    iou_type: IouType = "bbox",
    sigmas: Sigmas | None = None,
) -> Tensor:
    """Weighted objects of each image that no detection found, as :class:`~hardest_metrics.FalseNegatives`.

    Arguments, result and errors are those of :func:`false_positives`.

    Example:
        >>> import torch
        >>> from hardest_metrics.functional import false_negatives
        >>> preds = [{"boxes": torch.empty(0, 4), "scores": torch.empty(0), "labels": torch.empty(0).long()}]
        >>> target = [{"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1])}]
        >>> false_negatives(preds, target)
        tensor([1.])
    """
    given_as = ShapeFormat(box_format, iou_type, sigmas)
    most = given_as.most_detections(max_detections)
    query = Query(score_threshold, iou_threshold, labels, area_range, most)
    return _sums_of(preds, target, weighting, given_as, query)[:, 1]


def total_false(
    preds: Sequence[ImageDict],
    target: Sequence[ImageDict],
    weighting: WeightingName | Weighting = "none",
    box_format: BoxFormat = "xyxy",
    score_threshold: ScoreThreshold = 0.5,
    iou_threshold: float = 0.5,
    labels: Collection[int] | None = None,
    area_range: AreaName | tuple[float, float] | None = None,
    max_detections: int | None = None,
    iou_type: IouType = "bbox",
    sigmas: Sigmas | None = None,
) -> Tensor:
    """Weighted false positives plus false negatives of each image, as :class:`~hardest_metrics.TotalFalse`.

    Arguments, result and errors are those of :func:`false_positives`.

    Example:
        >>> import torch
        >>> from hardest_metrics.functional import total_false
        >>> preds = [
        ...     {
        ...         "boxes": torch.tensor([[50.0, 50, 60, 60]]),
        ...         "scores": torch.tensor([0.9]),
        ...         "labels": torch.tensor([1]),
        ...     }
        ... ]
        >>> target = [{"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1])}]
        >>> total_false(preds, target)
        tensor([2.])
    """
    given_as = ShapeFormat(box_format, iou_type, sigmas)
    most = given_as.most_detections(max_detections)
    query = Query(score_threshold, iou_threshold, labels, area_range, most)
    return _sums_of(preds, target, weighting, given_as, query).sum(1)


def known_weighting(weighting: WeightingName | Weighting) -> WeightingName | Weighting:
    """The name of a weighting that has one, also where its function is given; another function as it is."""
    for name, function in WEIGHTINGS.items():
        if weighting is function or weighting == name:
            return name
    if not callable(weighting):
        raise ValueError(f"`weighting` must be one of {tuple(WEIGHTINGS)} or a function, but is {weighting!r}.")
    return weighting


def named_weighting(weighting: WeightingName | Weighting) -> Weighting:
    """The function that a weighting's name stands for; a function stands for itself."""
    return weighting if callable(weighting) else WEIGHTINGS[weighting]


def require_sizes(image_ids: Tensor, known: Tensor) -> None:
    """Refuse pixel weighting for images of unknown size.

    Args:
        image_ids: ``(N,)`` int64.
        known: ``(N,)`` bool, whether the image's size is known.
    """
    if known.all():
        return
    index = int((~known).nonzero()[0])
    raise ValueError(
        f"{name_of(image_ids, index)} has no size, which pixel weighting needs: add"
        " 'image_size' (height, width) to its dict in `target`, or give its boxes as tv_tensors.BoundingBoxes."
    )


def name_of(image_ids: Tensor, index: int) -> str:
    """How a message names an image of a batch."""
    image_id = int(image_ids[index])
    return f"image {index} of the batch" if image_id == NO_ID else f"image {image_id}"


def _sums_of(
    preds: Sequence[ImageDict],
    target: Sequence[ImageDict],
    weighting: WeightingName | Weighting,
    given_as: ShapeFormat,
    query: Query,
) -> Tensor:
    batch = given_as.pack(preds, target, query.lowest_score)
    weighting = known_weighting(weighting)
    if weighting == "pixel" and not batch.sized:
        require_sizes(batch.image_ids, ~batch.image_sizes[:, 0].isnan())
    return error_sums(batch, query, [named_weighting(weighting)]).squeeze(2)


def _check_weights(weights: object, weighting: Weighting, errors: Errors, batch: Batch) -> None:
    name = getattr(weighting, "__name__", repr(weighting))
    if not isinstance(weights, Tensor) or weights.shape != (len(errors),):
        gave = f"shape {tuple(weights.shape)}" if isinstance(weights, Tensor) else f"a {type(weights).__name__}"
        raise ValueError(f"`weighting` {name} must give one weight an error, shape ({len(errors)},), but gave {gave}.")
    sound = (weights >= 0) & (weights < _MOST)
    if not sound.all():
        error = int((~sound).nonzero()[0])
        image = name_of(batch.image_ids, int(errors.image[error]))
        raise ValueError(
            f"`weighting` {name} gave {weights[error].item()} for a box of {image}:"
            " a weight is finite, at least 0 and below 1e30."
        )
