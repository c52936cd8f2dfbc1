"""How often detections of a score are right, learnt from labelled images."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from torch import Tensor

from hardest_metrics.calibration.curves import Isotonic, Platt, logit
from hardest_metrics.functional.detection.checking import BoxFormat
from hardest_metrics.functional.detection.matching import Outcome, Query, match
from hardest_metrics.functional.detection.packing import ImageDict, pack

Method = Literal["platt", "temperature", "isotonic"]


class Judged(NamedTuple):
    """Detections and whether they are right.

    Attributes:
        scores: ``(n,)`` float64.
        right: ``(n,)`` bool.
    """

    scores: Tensor
    right: Tensor


def right_or_wrong(
    preds: Sequence[ImageDict],
    target: Sequence[ImageDict],
    query: Query | None = None,
    box_format: BoxFormat = "xyxy",
) -> Judged:
    """Which detections find an object, those of low score too.

    All detections are matched, whatever their score and number, so that a weak duplicate of a strong detection is
    wrong. Those that the query ignores (other labels, unmatched outside the area range, on a crowd) are left out.

    Args:
        preds: one dict an image, see :func:`hardest_metrics.functional.pack`, kept down to low scores.
        target: their labels, in the same order.
        query: which boxes count and when they match; its score threshold and number of detections are not looked at.
        box_format: of all boxes.

    Raises:
        TypeError, ValueError: on input that makes no sense.

    Example:
        >>> import torch
        >>> boxes = torch.tensor([[0.0, 0, 10, 10]] * 2)
        >>> preds = [{"boxes": boxes, "scores": torch.tensor([0.5, 0.25]), "labels": torch.tensor([1, 1])}]
        >>> right_or_wrong(preds, [{"boxes": boxes[:1], "labels": torch.tensor([1])}])
        Judged(scores=tensor([0.5000, 0.2500], dtype=torch.float64), right=tensor([ True, False]))
    """
    batch = pack(preds, target, box_format)
    query = (query or Query()).of_any_score()
    outcome = match(batch.detections, batch.ground_truth, query).detections
    counts = outcome != Outcome.IGNORED
    return Judged(batch.detections.scores[counts].double(), outcome[counts] == Outcome.TRUE_POSITIVE)


def fit_calibration(
    preds: Sequence[ImageDict],
    target: Sequence[ImageDict],
    method: Method = "platt",
    query: Query | None = None,
    box_format: BoxFormat = "xyxy",
) -> Platt | Isotonic:
    """Learn which probability a detection of a given score has of being right.

    The result is what estimators take as ``calibration``. Fit it on other images than those to be ranked, but with
    the same detector and query.

    - ``"platt"``: two numbers, at home with a few dozen objects. Its targets are Platt's, a little inside 0 and 1, so
      that few examples, or right ones alone, make no certainties.
    - ``"temperature"``: one number; probability one half stays at score one half.
    - ``"isotonic"``: any never-falling curve; needs many objects.

    Args:
        preds: one dict an image, see :func:`hardest_metrics.functional.pack`, kept down to low scores.
        target: their labels, in the same order.
        method: the family of curves.
        query: which boxes count and when they match, see :func:`right_or_wrong`; None for the defaults.
        box_format: of all boxes.

    Raises:
        ModuleNotFoundError: if scikit-learn is not installed.
        TypeError, ValueError: on input that makes no sense, and if no detection counts or none is right.

    Example:
        >>> import torch
        >>> from hardest_metrics.detection import ExpectedHardness, TotalFalse
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60]])
        >>> preds = [{"boxes": boxes, "scores": torch.tensor([0.9, 0.7]), "labels": torch.tensor([1, 1])}] * 20
        >>> target = [{"boxes": boxes[:1], "labels": torch.tensor([1])}] * 20
        >>> calibration = fit_calibration(preds, target, "isotonic")
        >>> calibration(torch.tensor([0.7, 0.8, 0.9]))
        tensor([0.0000, 0.5000, 1.0000], dtype=torch.float64)
        >>> metric = ExpectedHardness(TotalFalse(), calibration=calibration)
    """
    if method not in get_args(Method):
        raise ValueError(f"`method` must be one of {get_args(Method)}, but is {method!r}.")
    try:
        from sklearn.isotonic import IsotonicRegression
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'Fitting a calibration needs scikit-learn: pip install "hardest_metrics[calibration]".'
        ) from error

    scores, right = right_or_wrong(preds, target, query, box_format)
    if not len(scores):
        raise ValueError(
            f"`preds` holds no detection that counts in its {len(preds)} images: calibrate on more of them,"
            " with detections kept down to low scores."
        )
    if not right.any():
        raise ValueError(
            f"`preds`: none of its {len(scores)} detections that count finds an object, so that no score would mean"
            " anything: calibrate on labelled images, of which some objects are found."
        )
    scores, right = scores.cpu(), right.cpu()
    if method != "isotonic":
        return _logistic(logit(scores), right, with_offset=method == "platt")
    curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores.numpy(), right.double().numpy())
    return Isotonic(curve.X_thresholds_.tolist(), curve.y_thresholds_.tolist())


def _logistic(logits: Tensor, right: Tensor, with_offset: bool) -> Platt:
    """The likeliest curve that does not fall, for Platt's targets."""
    from sklearn.linear_model import LogisticRegression

    n_right = int(right.sum())
    n_wrong = len(right) - n_right
    target = np.where(right.numpy(), (n_right + 1) / (n_right + 2), 1 / (n_wrong + 2))
    # a target between 0 and 1 is one example of each outcome, weighted
    model = LogisticRegression(C=np.inf, fit_intercept=with_offset, max_iter=1000).fit(
        logits.repeat(2)[:, None].numpy(),
        np.repeat([1, 0], len(right)),
        sample_weight=np.concatenate((target, 1 - target)),
    )
    slope = float(model.coef_[0, 0])
    if slope > 0:
        return Platt(slope, float(model.intercept_[0]) if with_offset else 0.0)
    # the likelihood is concave: where it would have the curve fall, a level one is the best that is left
    return Platt(0.0, math.log(target.mean() / (1 - target.mean())) if with_offset else 0.0)
