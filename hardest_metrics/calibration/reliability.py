"""How far stated probabilities are from how often detections are right."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from hardest_metrics.calibration.fit import right_or_wrong
from hardest_metrics.functional.estimation import Calibration, Uncalibrated
from hardest_metrics.functional.matching import Query
from hardest_metrics.functional.packing import BoxFormat, ImageDict
from hardest_metrics.plot.axes import given_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Reliability(NamedTuple):
    """Detections in bins of their probability.

    Attributes:
        edges: ``(B + 1,)`` float64, from 0 to 1. A bin holds its lower edge, the last one its upper edge too.
        number: ``(B,)`` int64, of detections.
        probability: ``(B,)`` float64, their mean probability; NaN of none.
        precision: ``(B,)`` float64, the share of them that is right; NaN of none.
        error: expected calibration error, the mean over detections of the difference between these two; NaN of none.
    """

    edges: Tensor
    number: Tensor
    probability: Tensor
    precision: Tensor
    error: float


def reliability(
    preds: Sequence[ImageDict],
    target: Sequence[ImageDict],
    calibration: Calibration | None = None,
    query: Query | None = None,
    box_format: BoxFormat = "xyxy",
    bins: int = 10,
) -> Reliability:
    """Compare probabilities with how often detections are right.

    Args:
        preds: one dict an image, see :func:`hardest_metrics.functional.pack`, kept down to low scores.
        target: their labels, in the same order.
        calibration: turns scores into probabilities; None to take scores for probabilities.
        query: which boxes count and when they match, see :func:`right_or_wrong`; None for the defaults.
        box_format: of all boxes.
        bins: how many bins of equal width.

    Raises:
        TypeError, ValueError: on input that makes no sense, and if `bins` is below 1.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60]])
        >>> preds = [{"boxes": boxes, "scores": torch.tensor([0.75, 0.25]), "labels": torch.tensor([1, 1])}]
        >>> result = reliability(preds, [{"boxes": boxes[:1], "labels": torch.tensor([1])}], bins=2)
        >>> result.probability, result.precision, result.error
        (tensor([0.2500, 0.7500], dtype=torch.float64), tensor([0., 1.], dtype=torch.float64), 0.25)
    """
    if type(bins) is not int or bins < 1:
        raise ValueError(f"`bins` must be an integer of at least 1, but is {bins!r}.")
    scores, right = right_or_wrong(preds, target, query, box_format)
    stated = (Uncalibrated() if calibration is None else calibration)(scores).cpu()
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    index = torch.searchsorted(edges, stated, right=True).sub(1).clamp(max=bins - 1)
    number = index.bincount(minlength=bins)
    stated_sum = index.bincount(stated, minlength=bins).double()
    right_sum = index.bincount(right.cpu().double(), minlength=bins).double()
    error = float((stated_sum - right_sum).abs().sum() / number.sum())
    return Reliability(edges, number, stated_sum / number, right_sum / number, error)


def plot_reliability(
    reliability: Reliability, ax: "Axes | None" = None, label: str | None = None
) -> "tuple[Figure, Axes]":
    """Draw the precision of detections over their probability, a bubble a bin, its area by their number.

    Args:
        reliability: what to draw; call again with the same `ax` to compare, such as before and after calibration.
        ax: what to draw on; None for a new figure.
        label: what the legend calls it.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
    """
    ax = given_or_new(ax)
    if not ax.lines:
        ax.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1)
    kept = reliability.number > 0
    x, y = reliability.probability[kept].numpy(), reliability.precision[kept].numpy()
    name = f"{label or 'detections'}, expected calibration error {reliability.error:.3f}"
    (line,) = ax.plot(x, y, linewidth=1, label=name)
    share = reliability.number[kept] / reliability.number.sum()
    ax.scatter(x, y, s=(10 + 300 * share).numpy(), color=line.get_color(), alpha=0.6)
    ax.set_xlabel("Probability of a detection to be right")
    ax.set_ylabel("Share of detections that are right")
    ax.legend()
    return ax.get_figure(), ax  # type: ignore[return-value]
