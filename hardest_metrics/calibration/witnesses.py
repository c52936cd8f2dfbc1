"""How likely boxes are objects by what several detectors say of them, learnt from labelled images."""

import math
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.checking import BoxFormat
from hardest_metrics.functional.detection.committee import check_others
from hardest_metrics.functional.detection.hardness import weighted_sums
from hardest_metrics.functional.detection.matching import Matches, Outcome, Query, match
from hardest_metrics.functional.detection.packing import ImageDict, no_labels, pack
from hardest_metrics.functional.detection.weighting import WEIGHTINGS, WeightingName
from hardest_metrics.functional.detection.witnesses import Proposals, WitnessModel, log_odds, propose
from hardest_metrics.input_warning import InputWarning

#: Of fewer labelled images a model is hardly better than none.
FEW_IMAGES = 10

#: So many objects of a label that a witness never names are no accident.
_MANY_OBJECTS = 10


@torch.no_grad()
def fit_witness_model(
    preds: Sequence[ImageDict],
    witnesses: Sequence[Sequence[ImageDict]],
    target: Sequence[ImageDict],
    query: Query | None = None,
    box_format: BoxFormat = "xyxy",
) -> WitnessModel:
    """Learn what the scores of a detector and of its witnesses say of a box.

    The result is what :class:`~hardest_metrics.detection.WitnessHardness` takes as ``model``. Fit it on other images
    than those to be ranked, twenty to forty will do, but with the same detectors and query.

    Boxes are right or wrong as :func:`right_or_wrong` has it. Their probability is a logistic function of log-odds, of
    which slopes are held small (an L2 penalty of 1 in units of each feature's deviation), so that no few examples make
    certainties. Where all boxes are right, or none is, it is a constant.

    Args:
        preds: one dict an image, see :func:`hardest_metrics.functional.pack`, kept down to low scores.
        witnesses: of each witness one dict an image, in the same order, kept down to low scores.
        target: the labels, in the same order.
        query: which boxes count and when they match; None for the defaults.
        box_format: of all boxes.

    Raises:
        ModuleNotFoundError: if scikit-learn is not installed.
        TypeError, ValueError: on input that makes no sense, and if there are no images, or no box counts.

    Warns:
        InputWarning: if there are fewer than ten images, a witness has no boxes or none of a label of many objects, or
            all boxes are right, or none is.

    Example:
        >>> boxes, labels = torch.tensor([[0.0, 0, 9, 9], [50, 50, 59, 59]]), torch.tensor([1, 1])
        >>> preds = [{"boxes": boxes, "scores": torch.tensor([0.6, 0.6]), "labels": labels}] * 20
        >>> first = {"boxes": boxes[:1], "labels": labels[:1]}
        >>> witness = [{**first, "scores": torch.tensor([0.7])}] * 20  # sees what is there
        >>> model = fit_witness_model(preds, [witness], [first] * 20)
        >>> of_score, of_witness, offset = model.own
        >>> of_score == 0 < of_witness
        True
    """
    query = query or Query()
    batch = pack(preds, target, box_format)
    if not len(batch):
        raise ValueError("`preds` holds no images: fit to labelled ones.")
    check_others("witnesses", "witness", witnesses, len(batch))
    others = [_packed(f"`witnesses[{index}]", other, box_format) for index, other in enumerate(witnesses)]
    _warn_of_little(batch, others)
    proposals = propose(batch, others, query)
    boxes, objects = proposals.batch.detections, proposals.batch.ground_truth
    matches = match(boxes, objects, query.of_any_score())
    counts, right = matches.detections != Outcome.IGNORED, matches.detections == Outcome.TRUE_POSITIVE
    own, alone = counts & proposals.own, counts & ~proposals.own
    if not own.any():
        raise ValueError(
            f"`preds` holds no detection that counts in its {len(batch)} images: fit to more of them, with detections"
            " kept down to low scores."
        )
    features = torch.stack((log_odds(boxes.scores), proposals.witness), dim=1)
    untaught = WitnessModel()
    return WitnessModel(
        _logistic(features[own], right[own], "the detector's boxes"),  # type: ignore[arg-type]
        _logistic(features[alone, 1:], right[alone], "") if alone.any() else untaught.alone,  # type: ignore[arg-type]
        _unseen(proposals, matches),
    )


def _packed(name: str, other: Sequence[ImageDict], box_format: BoxFormat) -> Batch:
    try:
        return pack(other, no_labels(len(other)), box_format)
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("`preds[", f"{name}[")) from error


def _warn_of_little(batch: Batch, witnesses: Sequence[Batch]) -> None:
    """Say so where there is hardly anything to learn from."""
    if len(batch) < FEW_IMAGES:
        _warn(
            f"`preds`: {len(batch)} labelled images are few to fit a model of witnesses to. Label {FEW_IMAGES} or"
            " more, or do without a model."
        )
    for index, witness in enumerate(witnesses):
        if not len(witness.detections):
            _warn(f"`witnesses[{index}]` holds no box in {len(batch)} images, so that it bears no witness.")
            continue
        labels, number = batch.ground_truth.labels.unique(return_counts=True)
        unknown = labels[~torch.isin(labels, witness.detections.labels) & (number >= _MANY_OBJECTS)].tolist()
        if unknown:
            _warn(
                f"`witnesses[{index}]` never has a box of label {unknown[0]}, of which there are"
                f" {int(number[labels == unknown[0]])} objects: that it is silent about them will count against"
                " them. Let the query count the labels that it knows."
            )


def _logistic(features: Tensor, right: Tensor, what: str) -> tuple[float, ...]:
    """Slope of each column of ``(n, k)`` features, then the offset, of log-odds of being right."""
    number, of_right = len(right), int(right.sum())
    if not 0 < of_right < number:
        if what:
            _warn(
                f"`target`: {'all' if of_right else 'none'} of {what} {'are' if of_right else 'is'} right, so that no"
                " score tells them apart. Fit to more images, with detections kept down to low scores."
            )
        return *[0.0] * features.shape[1], math.log((of_right + 0.5) / (number - of_right + 0.5))
    try:
        from sklearn.linear_model import LogisticRegression
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'Fitting a model of witnesses needs scikit-learn: pip install "hardest_metrics[calibration]".'
        ) from error
    features = features.cpu()
    mean, deviation = features.mean(0), features.std(0)
    varies = deviation > 1e-9
    scaled = torch.where(varies, (features - mean) / deviation, 0.0)
    model = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(scaled.numpy(), right.cpu().numpy())
    slopes = torch.where(varies, torch.from_numpy(model.coef_[0]) / deviation, 0.0)
    return *slopes.tolist(), float(model.intercept_[0]) - float(slopes @ mean)


def _unseen(proposals: Proposals, matches: Matches) -> dict[WeightingName, tuple[float, float]]:
    """By weighting, mean and variance over images of what objects that nobody proposes weigh."""
    batch = proposals.batch
    # who is no detection under the query covers no object
    no_detection = (matches.detections == Outcome.TRUE_POSITIVE) & ~proposals.takes_part
    judged = matches._replace(detections=matches.detections.masked_fill(no_detection, Outcome.IGNORED))
    names = [name for name in WEIGHTINGS if name != "pixel" or batch.sized]
    missed = weighted_sums(batch, judged, [WEIGHTINGS[name] for name in names])[:, 1]
    variance = missed.var(0, correction=min(1, len(missed) - 1))
    return dict(zip(names, zip(missed.mean(0).tolist(), variance.tolist(), strict=True), strict=True))


def _warn(message: str) -> None:
    warnings.warn(message, InputWarning, stacklevel=3)
