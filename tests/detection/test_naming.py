"""Names of definitions and estimators, and the metrics behind them."""

import inspect
from typing import Any, get_args

import pytest

from hardest_metrics import FalsePositives, TotalFalse, names
from hardest_metrics.calibration import Method, Platt
from hardest_metrics.detection import CommitteeHardness, Estimator, ScoreSampling, Uncertainty
from hardest_metrics.detection.box_errors import ErrorKind
from hardest_metrics.detection.estimators import Statistic
from hardest_metrics.detection.naming import DEFINITIONS, make_estimator
from hardest_metrics.detection.uncertainty import Measure
from hardest_metrics.functional.detection.uncertainty import OF_LOGITS
from hardest_metrics.functional.detection.weighting import WEIGHTINGS

ARGUMENTS: dict[str, Any] = {
    "n_samples": 3,
    "seed": 7,
    "calibration": Platt(0.5),
    "member_calibrations": [Platt(0.5), None],
    "member_weights": [1.0, 2.0],
    "statistic": "bound",
    "c": -1.0,
}


def test_names_are_those_of_the_classes() -> None:
    assert tuple(DEFINITIONS) == names.DEFINITIONS
    assert {name: definition.kind for name, definition in DEFINITIONS.items()} == {name: name for name in DEFINITIONS}
    assert set(names.DEFINITIONS) == set(get_args(ErrorKind))
    assert tuple(WEIGHTINGS) == names.WEIGHTINGS
    assert set(names.UNCERTAINTIES) == set(get_args(Measure))
    assert set(names.OF_LOGITS) == set(OF_LOGITS)
    assert get_args(Statistic) == names.STATISTICS
    assert get_args(Method) == names.CALIBRATIONS


@pytest.mark.parametrize("name", names.ESTIMATORS)
def test_every_estimator_estimates_the_definition(name: str) -> None:
    definition = FalsePositives("overlap", 0.4, 0.6, [1, 2], "large", 7, "cxcywh")
    metric: Any = make_estimator(name, definition)
    assert not metric.needs_labels
    assert metric.box_format == "cxcywh"
    if name in names.UNCERTAINTIES:
        assert isinstance(metric, Uncertainty)
        assert metric.measure == name
        of_detections = ("score_threshold", "labels", "area_range", "max_detections")
        assert all(getattr(metric.query, one) == getattr(definition.query, one) for one in of_detections)
    else:
        assert isinstance(metric, Estimator)
        assert metric.definition.settings == definition.settings
        assert isinstance(metric.definition, FalsePositives)
        assert metric.definition.weighting == "overlap"
        assert metric.statistic == "mean"


def test_what_is_not_given_is_as_the_class_has_it() -> None:
    default = {name: parameter.default for name, parameter in inspect.signature(ScoreSampling).parameters.items()}
    metric: Any = make_estimator("score_sampling", TotalFalse())
    assert (metric.n_samples, metric.seed, metric.c) == (default["n_samples"], default["seed"], default["c"])
    committee: Any = make_estimator("committee", TotalFalse())
    assert committee.n_samples is None
    committee = make_estimator("sampled_committee", TotalFalse())
    assert committee.n_samples == default["n_samples"]


def test_what_is_given_arrives() -> None:
    metric: Any = make_estimator(
        "score_sampling", TotalFalse(), n_samples=3, seed=7, calibration=Platt(0.5), statistic="bound", c=-1.0
    )
    assert (metric.n_samples, metric.seed, metric.statistic, metric.c) == (3, 7, "bound", -1.0)
    assert metric.calibration.slope == 0.5
    committee: Any = make_estimator(
        "sampled_committee",
        TotalFalse(),
        n_samples=3,
        seed=7,
        member_calibrations=[Platt(0.5), None],
        member_weights=[1, 2],
    )
    assert type(committee) is CommitteeHardness
    assert (committee.n_samples, committee.seed, committee.weights) == (3, 7, [1, 2])
    calibrations: Any = committee.calibration
    assert [calibration and calibration.slope for calibration in calibrations] == [0.5, None]
    unsure: Any = make_estimator("binary_entropy", TotalFalse(), calibration=Platt(0.5))
    assert unsure.calibration.slope == 0.5


@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize("name", names.ESTIMATORS)
def test_what_an_estimator_has_no_use_for_is_refused(name: str, argument: str) -> None:
    uses = {
        "score_sampling": {"n_samples", "seed", "calibration", "statistic", "c"},
        "fast_score_sampling": {"n_samples", "seed", "calibration", "statistic", "c"},
        "expected_hardness": {"calibration", "statistic", "c"},
        "committee": {"member_weights", "statistic", "c"},
        "sampled_committee": {"n_samples", "seed", "member_calibrations", "member_weights", "statistic", "c"},
        "witness": {"statistic", "c"},
        "binary_entropy": {"calibration"},
        "binary_evidential": {"calibration"},
        "max_uncertainty": {"calibration"},
    }
    given = {argument: ARGUMENTS[argument]} | ({"statistic": "bound"} if argument == "c" else {})
    if argument in uses.get(name, ()):
        assert make_estimator(name, TotalFalse(), **given) is not None
    else:
        with pytest.raises(ValueError, match=f"is of no use to {name}: leave it out"):
            make_estimator(name, TotalFalse(), **given)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`name` must be one of .*, but is 'guess'"):
        make_estimator("guess", TotalFalse())
    with pytest.raises(ValueError, match="`c` is of the bound"):
        make_estimator("expected_hardness", TotalFalse(), c=2.0, statistic="std")
    with pytest.raises(ValueError, match="`n_samples` must be an integer of at least 1"):
        make_estimator("score_sampling", TotalFalse(), n_samples=0)
