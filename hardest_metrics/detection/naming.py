"""Definitions and estimators by name, as command lines and tables have them."""

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from hardest_metrics.detection.box_errors import BoxErrors, FalseNegatives, FalsePositives, TotalFalse
from hardest_metrics.detection.committee import CommitteeHardness
from hardest_metrics.detection.estimators import ExpectedHardness, FastScoreSampling, ScoreSampling, Statistic
from hardest_metrics.detection.uncertainty import Measure, Uncertainty
from hardest_metrics.detection.witness import WitnessHardness
from hardest_metrics.functional.detection.estimation import Calibration
from hardest_metrics.functional.detection.residuals import Residuals
from hardest_metrics.functional.detection.witnesses import WitnessModel
from hardest_metrics.metric import HardnessMetric
from hardest_metrics.names import ESTIMATORS, OF_LOGITS, UNCERTAINTIES

__all__ = ["DEFINITIONS", "ESTIMATORS", "make_estimator"]

DEFINITIONS: dict[str, type[BoxErrors]] = {
    "false_positives": FalsePositives,
    "false_negatives": FalseNegatives,
    "total_false": TotalFalse,
}

_MOMENTS = {"statistic", "c", "residuals", "coverage"}

#: The class of each estimator that wraps a definition, and the arguments of :func:`make_estimator` that it takes.
_CLASSES: dict[str, tuple[Any, set[str]]] = {
    "score_sampling": (ScoreSampling, {"n_samples", "seed", "calibration"} | _MOMENTS),
    "fast_score_sampling": (FastScoreSampling, {"n_samples", "seed", "calibration"} | _MOMENTS),
    "expected_hardness": (ExpectedHardness, {"calibration"} | _MOMENTS),
    "committee": (CommitteeHardness, {"member_weights"} | _MOMENTS),
    "sampled_committee": (
        partial(CommitteeHardness, n_samples=10),
        {"n_samples", "seed", "member_calibrations", "member_weights"} | _MOMENTS,
    ),
    "witness": (WitnessHardness, {"witness_model"} | _MOMENTS),
}


def make_estimator(
    name: str,
    definition: BoxErrors,
    *,
    n_samples: int | None = None,
    seed: int | None = None,
    calibration: Calibration | None = None,
    member_calibrations: Sequence[Calibration | None] | None = None,
    member_weights: Sequence[float] | None = None,
    witness_model: WitnessModel | None = None,
    statistic: Statistic | None = None,
    c: float | None = None,
    residuals: Residuals | None = None,
    coverage: float | None = None,
) -> HardnessMetric[Any]:
    """The estimator of this name.

    What is None is as the estimator has it by itself: 10 samples, seed 0, scores taken for probabilities, members
    of equal weight, the mean, ``c`` 1.

    Args:
        name: one of :data:`hardest_metrics.names.ESTIMATORS`.
        definition: what to estimate. Uncertainty measures take from it which detections count.
        n_samples: of estimators that draw samples, how many.
        seed: of estimators that draw samples.
        calibration: turns the detector's scores into probabilities; uncertainty measures that go by scores take it
            too.
        member_calibrations: of the sampled committee, turns the scores of each member into probabilities.
        member_weights: of committees, how much each member counts.
        witness_model: of the witness, how likely boxes are objects.
        statistic: ``"mean"``, ``"std"``, ``"bound"`` or ``"interval"``; uncertainty measures have none.
        c: of the bound.
        residuals: for intervals.
        coverage: of intervals.

    Raises:
        ValueError: if there is no such estimator, or it has no use for something that is given.

    Example:
        >>> make_estimator("expected_hardness", TotalFalse(), statistic="std").statistic
        'std'
        >>> make_estimator("binary_entropy", TotalFalse(), seed=3)
        Traceback (most recent call last):
        ValueError: `seed` is of no use to binary_entropy: leave it out. It takes `calibration`.
    """
    arguments = {
        "n_samples": n_samples, "seed": seed, "calibration": calibration, "member_calibrations": member_calibrations,
        "member_weights": member_weights, "witness_model": witness_model, "statistic": statistic, "c": c,
        "residuals": residuals, "coverage": coverage,
    }  # fmt: skip
    given = {argument: value for argument, value in arguments.items() if value is not None}
    if name not in ESTIMATORS:
        raise ValueError(f"`name` must be one of {ESTIMATORS}, but is {name!r}.")
    takes = _takes(name)
    for argument in given:
        if argument not in takes:
            its_own = (
                f"It takes {', '.join(f'`{other}`' for other in sorted(takes))}" if takes else "It takes none of these"
            )
            raise ValueError(f"`{argument}` is of no use to {name}: leave it out. {its_own}.")
    if c is not None and statistic != "bound":
        raise ValueError("`c` is of the bound: give `statistic` 'bound' too, or leave it out.")
    if coverage is not None and residuals is None:
        raise ValueError("`coverage` is of intervals: give `residuals` too, or leave it out.")
    if name in UNCERTAINTIES:
        query = definition.query
        return Uncertainty(
            cast(Measure, name), score_threshold=query.score_threshold, labels=query.labels,
            box_format=definition.box_format, calibration=calibration, area_range=query.area_range,
            max_detections=query.max_detections,
        )  # fmt: skip
    if member_calibrations is not None:
        given["calibration"] = given.pop("member_calibrations")
    if member_weights is not None:
        given["weights"] = given.pop("member_weights")
    if witness_model is not None:
        given["model"] = given.pop("witness_model")
    return cast(HardnessMetric, _CLASSES[name][0](definition, **given))


def _takes(name: str) -> set[str]:
    if name in _CLASSES:
        return _CLASSES[name][1]
    return set() if name in OF_LOGITS else {"calibration"}
