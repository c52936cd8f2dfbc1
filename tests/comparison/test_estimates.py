import re

import pytest

from hardest_metrics.comparison.estimates import ESTIMATES, estimate_named
from hardest_metrics.names import ESTIMATORS, UNCERTAINTIES


def test_every_estimator_is_compared_but_one_that_ranks_like_another() -> None:
    assert {estimate_named(name).estimator for name in ESTIMATES} == {*ESTIMATORS} - {"fast_score_sampling"}
    assert len(set(ESTIMATES)) == len(ESTIMATES)


def test_names_are_kept() -> None:
    assert [estimate_named(name).name for name in ESTIMATES] == list(ESTIMATES)


@pytest.mark.parametrize("method", ["platt", "temperature", "isotonic"])
@pytest.mark.parametrize("name", ["score_sampling", "fast_score_sampling", "expected_hardness", "sampled_committee"])
def test_what_takes_scores_for_probabilities_can_be_calibrated(name: str, method: str) -> None:
    estimate = estimate_named(f"{name}+{method}")
    assert (estimate.estimator, estimate.calibration) == (name, method)
    assert estimate_named(name).calibration is None


@pytest.mark.parametrize("name", UNCERTAINTIES)
def test_uncertainty_may_be_that_of_all_detections(name: str) -> None:
    assert (estimate_named(name).all_scores, estimate_named(f"{name}+all").all_scores) == (False, True)


@pytest.mark.parametrize(
    "name",
    ["", "labels", "committee+platt", "entropy+platt", "score_sampling+all", "expected_hardness+", "entropy+", "+platt",
     "score_sampling+platt+isotonic", "Entropy"],
)  # fmt: skip
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"`estimators` has no {re.escape(repr(name))}\. Choose from score_sampling"):
        estimate_named(name)


def test_families() -> None:
    assert {estimate_named(name).family for name in ESTIMATES} == {
        "scores", "calibrated scores", "committee", "witnesses", "uncertainty",
    }  # fmt: skip
