"""Curves from scores to probabilities."""

import math
import pickle
from typing import Any

import pytest
import torch

from hardest_metrics.calibration import Isotonic, Platt

CURVES: list[Platt | Isotonic] = [
    Platt(1.0),
    Platt(0.0, -1.0),
    Platt(7.5, 40.0),
    Platt(0.3, -40.0),
    Isotonic([0.5], [0.25]),
    Isotonic([0.1, 0.2, 0.7], [0.0, 0.5, 1.0]),
    Isotonic([0.0, 1.0], [0.0, 1.0]),
]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("curve", CURVES, ids=repr)
def test_a_curve_never_falls_and_gives_probabilities_also_at_0_and_1(curve: Any, dtype: torch.dtype) -> None:
    scores = torch.linspace(0, 1, 1001, dtype=dtype)
    probabilities = curve(scores)
    assert probabilities.dtype == torch.float64
    assert probabilities.shape == scores.shape
    assert probabilities.isfinite().all()
    assert probabilities.min() >= 0
    assert probabilities.max() <= 1
    assert (probabilities.diff() >= 0).all()
    assert curve(scores[:0]).shape == (0,)


@pytest.mark.parametrize("curve", CURVES, ids=repr)
def test_scores_may_be_a_column_of_a_table(curve: Any) -> None:
    table = torch.rand(100, 3)
    assert torch.equal(curve(table[:, 1]), curve(table[:, 1].clone()))


@pytest.mark.parametrize("curve", CURVES, ids=repr)
def test_a_curve_does_not_depend_on_the_default_dtype_and_can_be_pickled(curve: Any) -> None:
    scores = torch.rand(100, dtype=torch.float64)
    expected = curve(scores)
    torch.set_default_dtype(torch.bfloat16)
    try:
        assert torch.equal(curve(scores), expected)
    finally:
        torch.set_default_dtype(torch.float32)
    copy = pickle.loads(pickle.dumps(curve))
    assert copy.settings == curve.settings
    assert torch.equal(copy(scores), expected)


def test_a_slope_of_one_without_offset_changes_nothing() -> None:
    scores = torch.linspace(1e-6, 1 - 1e-6, 101, dtype=torch.float64)
    torch.testing.assert_close(Platt(1.0)(scores), scores)


def test_platt_s_curve_is_straight_in_log_odds() -> None:
    scores = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    assert Platt(0.5, -1.0)(scores).logit().tolist() == pytest.approx([-1 - math.log(9) / 2, -1, -1 + math.log(9) / 2])


def test_an_isotonic_curve_goes_straight_from_knot_to_knot_and_level_from_the_last() -> None:
    curve = Isotonic([0.2, 0.4, 0.8], [0.1, 0.3, 0.9])
    scores = torch.tensor([0.0, 0.2, 0.3, 0.4, 0.5, 0.8, 1.0], dtype=torch.float64)
    assert curve(scores).tolist() == pytest.approx([0.1, 0.1, 0.2, 0.3, 0.45, 0.9, 0.9])


def test_settings_tell_all_curves_apart() -> None:
    assert len({curve.settings for curve in CURVES}) == len(CURVES)
    assert Platt(0.1 + 0.2).settings != Platt(0.3).settings
    assert Isotonic([0.5], [0.3]).settings != Isotonic([0.5], [0.1 + 0.2]).settings
    assert Isotonic([0.5], [0.3]).settings == Isotonic((0.5,), (0.3,)).settings


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Platt(-0.1), "`slope` must be finite and at least 0"),
        (lambda: Platt(math.nan), "`slope` must be finite"),
        (lambda: Platt(1.0, math.inf), "`offset` must be finite"),
        (lambda: Isotonic([], []), "one number a knot"),
        (lambda: Isotonic([0.1], [0.1, 0.2]), "hold 1 and 2"),
        (lambda: Isotonic([0.2, 0.1], [0.1, 0.2]), "`scores` must be finite and rise"),
        (lambda: Isotonic([0.2, 0.2], [0.1, 0.2]), "`scores` must be finite and rise"),
        (lambda: Isotonic([math.nan], [0.1]), "`scores` must be finite"),
        (lambda: Isotonic([0.1, 0.2], [0.2, 0.1]), "never fall"),
        (lambda: Isotonic([0.1], [1.1]), r"in \[0, 1\]"),
        (lambda: Isotonic([0.1], [math.nan]), r"in \[0, 1\]"),
    ],
)
def test_what_is_no_such_curve_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
