"""How estimates of hardness that were fitted to labelled images do on others, for ``hardest-metrics calibrate``."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

from hardest_metrics.names import WEIGHTINGS

if TYPE_CHECKING:
    from torch import Tensor

    from hardest_metrics.detection import TotalFalse
    from hardest_metrics.detection.residuals import Judged
    from hardest_metrics.functional import Query
    from hardest_metrics.functional.detection.residuals import Residuals

#: Of intervals that are spoken of.
COVERAGE = 0.8

#: Of numbers in float32.
_ROUNDING = 1e-5


def definitions(query: "Query", sized: bool) -> "list[TotalFalse]":
    """One a weighting; by pixels only where the sizes of all images are known."""
    from hardest_metrics.detection import TotalFalse

    settings = {field.name: getattr(query, field.name) for field in fields(query)}
    known = [name for name in WEIGHTINGS if sized or name != "pixel"]
    return [TotalFalse(name, **settings, box_format="xywh") for name in known]  # type: ignore[arg-type]


def in_words(
    scores: "Mapping[str, Judged]",
    fitted: "Mapping[str, Judged]",
    residuals: "Residuals",
    ranked: "Mapping[str, Judged] | None" = None,
) -> list[str]:
    """How estimates agree with the labels, how often intervals hold them, and what estimates say of the set.

    Args:
        scores: by scores alone.
        fitted: of each image by a fit to others.
        residuals: of these.
        ranked: likewise, where those of several fits do not compare; None for the same.
    """
    before, after, number = _correlation(scores), _correlation(ranked or fitted), 3 * len(fitted)
    by_scores, by_fit = (float(judged["none"].moments[:, 2, 0].double().mean()) for judged in (scores, fitted))
    truth = float(fitted["none"].errors[:, 2].double().mean())
    _, lower, upper = residuals.by_definition["total_false/none"].of_set(by_fit, len(fitted["none"].errors), COVERAGE)
    return [
        f"Estimates, each image by a fit to others: Spearman with the labels {after:.3f}, by scores alone {before:.3f},"
        f" mean over {number} definitions",
        f"Intervals of {COVERAGE:.0%}: from residuals of others they hold {_held(fitted):.0%} of the images; by the"
        f" deviation that the model states they would hold {_held_as_stated(fitted):.0%}",
        f"Errors an image: {truth:.3g} by the labels, {by_fit:.3g} estimated, by scores alone {by_scores:.3g}; of"
        f" as many images without labels, {COVERAGE:.0%} of estimates are off by {(upper - lower) / 2:.2g} or less,"
        " corrected by what they were off here",
    ]


def _each(judged: "Mapping[str, Judged]") -> "Iterator[tuple[Tensor, Tensor, Tensor]]":
    """Of each definition ``(N,)`` hardness, estimates and their deviations."""
    for one in judged.values():
        for kind in range(one.errors.shape[1]):
            yield one.errors[:, kind], *one.moments[:, kind].unbind(1)


def _correlation(judged: "Mapping[str, Judged]") -> float:
    """Spearman's, mean over definitions for which it is defined; NaN where it is for none."""
    import torch

    from hardest_metrics.functional.agreement import spearman

    return float(torch.stack([spearman(mean, truth) for truth, mean, _ in _each(judged)]).nanmean())


def _held(judged: "Mapping[str, Judged]") -> float:
    """The share of images that intervals hold, each fifth by the residuals of the others; mean over definitions."""
    import torch

    from hardest_metrics.functional.detection.residuals import Residual

    inside = []
    for columns in _each(judged):
        fold = torch.arange(len(columns[0])) % 5  # the images are in random order already
        for number in fold.unique():
            truth, mean, deviation = (column[fold == number] for column in columns)
            others = Residual.of(*(column[fold != number] for column in columns))
            lower, upper = others.ends(mean, deviation, COVERAGE)
            inside.append((truth >= lower - _ROUNDING) & (truth <= upper + _ROUNDING))
    return float(torch.cat(inside).double().mean())


def _held_as_stated(judged: "Mapping[str, Judged]") -> float:
    """The share of images within the deviations that would hold :data:`COVERAGE` of a normal distribution."""
    import torch

    quantile = torch.special.ndtri(torch.tensor((1 + COVERAGE) / 2, dtype=torch.float64))
    inside = [(truth - mean).abs() <= quantile * deviation + _ROUNDING for truth, mean, deviation in _each(judged)]
    return float(torch.cat(inside).double().mean())
