"""How far estimates are off, learnt from labelled images."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

from hardest_metrics.detection.box_errors import ErrorKind
from hardest_metrics.detection.estimators import Estimator
from hardest_metrics.functional.detection.packing import ImageDict
from hardest_metrics.functional.detection.residuals import Residual, Residuals
from hardest_metrics.functional.detection.shares import Share
from hardest_metrics.image_rows import read_together

AnyEstimator = Estimator[Any]

#: Of fewer images each is a fold of its own.
_FOLDS = 5


def fit_residuals(
    estimators: Sequence[AnyEstimator] | Callable[[Sequence[int]], Sequence[AnyEstimator]],
    preds: Sequence[ImageDict],
    target: Sequence[ImageDict],
    **others: Sequence[Sequence[ImageDict]],
) -> Residuals:
    """Learn how far estimates are off from labelled images, as estimators take it for intervals.

    Estimates must not have seen the labels that they are judged by. Where a calibration or a model was fitted to these
    same images, give a function: it is asked for estimators fitted to the images of four fifths of the set, which are
    then judged by the others.

    Args:
        estimators: of one kind and query, one a weighting; each tells of all three kinds of errors. Or a function that
            makes them, given the positions of the images that they may be fitted to.
        preds: one dict an image.
        target: the labels, in the same order.
        others: ``members`` or ``witnesses``, for estimators that go by them.

    Raises:
        TypeError, ValueError: on input that makes no sense, and if estimators are not of one kind and query.

    Example:
        >>> from hardest_metrics.detection import ExpectedHardness, TotalFalse
        >>> boxes, labels = torch.tensor([[0.0, 0, 9, 9]]), torch.tensor([1])
        >>> preds = [{"boxes": boxes, "scores": torch.tensor([0.8]), "labels": labels}] * 20
        >>> none = {"boxes": torch.empty(0, 4), "labels": labels[:0]}
        >>> target = [{"boxes": boxes, "labels": labels}] * 14 + [none] * 6  # right in 14 of 20, sure of 0.8
        >>> residuals = fit_residuals([ExpectedHardness(TotalFalse())], preds, target)
        >>> residuals
        Residuals(expected_hardness, 3 definitions, 20 images)
        >>> metric = ExpectedHardness(TotalFalse(), residuals=residuals, coverage=0.8)
        >>> metric.update(preds[:1])
        >>> metric.intervals()
        Intervals(image_ids=tensor([0]), lower=tensor([0.]), upper=tensor([1.]))
        >>> metric.mean_interval().mean
        0.3
    """
    return residuals_of(judge(estimators, preds, target, **others))


class Judged(NamedTuple):
    """Estimates of one weighting beside what the labels say, of the same images.

    Attributes:
        estimator: what it is called.
        query: of the definitions.
        moments: ``(N, 3, 2)``: of false positives, of false negatives and of both, mean and standard deviation.
        errors: ``(N, 3)``: likewise, by the labels.
    """

    estimator: str
    query: str
    moments: Tensor
    errors: Tensor


def judge(
    estimators: Sequence[AnyEstimator] | Callable[[Sequence[int]], Sequence[AnyEstimator]],
    preds: Sequence[ImageDict],
    target: Sequence[ImageDict],
    **others: Sequence[Sequence[ImageDict]],
) -> dict[str, Judged]:
    """Estimates beside labels, by weighting. Arguments and errors are those of :func:`fit_residuals`."""
    number = len(preds)
    if number != len(target):
        raise ValueError(
            f"`preds` holds {number} images and `target` {len(target)}: give the labels of the same images."
        )
    if not callable(estimators):
        return _judged(estimators, range(number), preds, target, others)
    if number < 2:
        raise ValueError(f"`preds` holds {number} images: to judge what is fitted to the others needs 2 or more.")
    shuffled = torch.randperm(number, generator=torch.Generator().manual_seed(0))
    parts = []
    for held_out in shuffled.tensor_split(min(_FOLDS, number)):
        images = set(held_out.tolist())
        fitted = estimators([image for image in range(number) if image not in images])
        parts.append(_judged(fitted, sorted(images), preds, target, others))
    return {weighting: _joined([part[weighting] for part in parts]) for weighting in parts[0]}


def _joined(parts: Sequence[Judged]) -> Judged:
    moments, errors = (torch.cat([getattr(part, name) for part in parts]) for name in ("moments", "errors"))
    return parts[0]._replace(moments=moments, errors=errors)


def residuals_of(judged: Mapping[str, Judged]) -> Residuals:
    """How far estimates were off.

    Args:
        judged: by weighting.

    Raises:
        ValueError: if there are no images, or the estimators are not of one kind and query.
    """
    known = {(one.estimator, one.query) for one in judged.values()}
    if len(known) != 1:
        raise ValueError(f"`estimators` must be of one kind and query, but are {sorted(known)}.")
    ((estimator, query),) = known
    by_definition = {}
    for weighting, (_, _, moments, errors) in judged.items():
        if not len(errors):
            raise ValueError("`preds` holds no images: fit residuals to labelled ones.")
        for place, kind in enumerate(get_args(ErrorKind)):
            by_definition[f"{kind}/{weighting}"] = Residual.of(errors[:, place], *moments[:, place].unbind(1))
    return Residuals(estimator, query, by_definition)


def _judged(
    estimators: Sequence[AnyEstimator],
    images: Sequence[int],
    preds: Sequence[ImageDict],
    target: Sequence[ImageDict],
    others: Mapping[str, Sequence[Sequence[ImageDict]]],
) -> dict[str, Judged]:
    """Estimates of some of the images, by weighting."""
    asked, labels = [preds[i] for i in images], [target[i] for i in images]
    beside = {name: [[one[i] for i in images] for one in given] for name, given in others.items()}
    found = {}
    for estimator in estimators:
        weighting = estimator.definition.weighting
        name, query, _ = estimator.known_as
        moments = read_together([estimator], asked, labels, **beside).measured[weighting]
        sums = read_together([estimator.definition], asked, labels).measured[Share(weighting)]
        errors = torch.cat((sums, sums.sum(1, keepdim=True)), dim=1)
        found[str(weighting)] = Judged(name, query, moments.cpu(), errors.cpu())
    return found
