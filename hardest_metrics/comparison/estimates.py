"""What estimates of hardness are called, and what their names mean. Needs no torch."""

from typing import NamedTuple

from hardest_metrics.names import CALIBRATIONS, COMMITTEES, OF_LOGITS, OF_OTHERS, UNCERTAINTIES, WITNESS

_CALIBRATED = ("score_sampling", "fast_score_sampling", "expected_hardness", "sampled_committee")
_SAMPLED = ("score_sampling", "fast_score_sampling", "sampled_committee")
_ALL = "all"
_FITTED = "fitted"


class Estimate(NamedTuple):
    """A way to estimate hardness without the labels of the images that are ranked.

    Attributes:
        name: ``ESTIMATOR`` or ``ESTIMATOR+VARIANT``.
        estimator: as :data:`hardest_metrics.names.ESTIMATORS` calls it.
        calibration: how scores are calibrated by cross-validation, or ``"fitted"`` where a model of witnesses is
            fitted so; None if nothing is.
        all_scores: whether detections below the query's score threshold take part in a measure of uncertainty.
    """

    name: str
    estimator: str
    calibration: str | None
    all_scores: bool

    @property
    def of_committee(self) -> bool:
        """Whether other detectors are asked."""
        return self.estimator in OF_OTHERS

    @property
    def of_witnesses(self) -> bool:
        """Whether they are heard beside the detector itself."""
        return self.estimator == WITNESS

    @property
    def of_logits(self) -> bool:
        """Whether detections need logits."""
        return self.estimator in OF_LOGITS

    @property
    def of_any_query(self) -> bool:
        """Whether the estimate is the same for all definitions."""
        return self.estimator in UNCERTAINTIES

    @property
    def sampled(self) -> bool:
        """Whether it depends on a number of samples and a seed."""
        return self.estimator in _SAMPLED

    @property
    def family(self) -> str:
        """What it goes by."""
        if self.estimator in UNCERTAINTIES:
            return "uncertainty"
        if self.of_witnesses:
            return "witnesses"
        if self.of_committee:
            return "committee"
        return "calibrated scores" if self.calibration else "scores"


#: What is compared unless something else is asked for. Not fast_score_sampling: it ranks as expected_hardness does,
#: which is its exact mean and needs no samples; it is for weightings that are functions, which have no closed form.
ESTIMATES = (
    "score_sampling",
    "score_sampling+platt",
    "expected_hardness",
    "expected_hardness+platt",
    *COMMITTEES,
    "sampled_committee+platt",
    WITNESS,
    f"{WITNESS}+{_FITTED}",
    *UNCERTAINTIES,
    *(f"{name}+{_ALL}" for name in UNCERTAINTIES),
)


def estimate_named(name: str) -> Estimate:
    """What a name means.

    - ``score_sampling``, ``fast_score_sampling``, ``expected_hardness``: from the detector's own scores.
    - ``committee``, ``sampled_committee``: from what the other detectors see.
    - ``witness``: from both; with ``+fitted`` by a model that is fitted by cross-validation first.
    - ``entropy`` and the other measures of uncertainty: of detections that the query counts; with ``+all`` of those
      below its score threshold too.
    - with ``+platt``, ``+temperature`` or ``+isotonic`` scores are calibrated by cross-validation first.

    Raises:
        ValueError: if it means nothing.

    Example:
        >>> estimate_named("expected_hardness+platt").calibration
        'platt'
    """
    estimator, _, variant = name.partition("+")
    if estimator in UNCERTAINTIES and variant in ("", _ALL) and not name.endswith("+"):
        return Estimate(name, estimator, None, variant == _ALL)
    if estimator in _CALIBRATED and variant in CALIBRATIONS:
        return Estimate(name, estimator, variant, False)
    if name in (*_CALIBRATED, *OF_OTHERS):
        return Estimate(name, name, None, False)
    if name == f"{WITNESS}+{_FITTED}":
        return Estimate(name, WITNESS, _FITTED, False)
    methods = ", ".join(CALIBRATIONS)
    raise ValueError(
        f"`estimators` has no {name!r}. Choose from {', '.join(ESTIMATES)}; what ends in +platt also with one of"
        f" {methods}."
    )
