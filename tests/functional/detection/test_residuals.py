"""Intervals from residuals: they hold what they say, whatever the model says of itself."""

import math
from typing import Any

import pytest
import torch

from hardest_metrics.functional.detection.residuals import Residual, Residuals, check_coverage, warn_of_coverage
from hardest_metrics.input_warning import InputWarning


def draw(number: int, seed: int, stated: float = 0.1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Skewed hardness, estimates of it that are too high, and deviations that are far too small."""
    rng = torch.Generator().manual_seed(seed)
    mean = 3 * torch.rand(number, generator=rng, dtype=torch.float64)
    return torch.poisson(0.6 * mean, rng), mean, stated * mean.sqrt()


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("stated", [0.0, 0.1, 5.0])
def test_intervals_hold_as_many_images_as_they_say(coverage: float, stated: float) -> None:
    inside = []
    for seed in range(60):
        residual = Residual.of(*draw(40, seed, stated))
        truth, mean, deviation = draw(400, 1000 + seed, stated)
        lower, upper = residual.ends(mean, deviation, coverage)
        inside.append(float(((truth >= lower) & (truth <= upper)).double().mean()))
    assert coverage - 0.02 < sum(inside) / len(inside) < coverage + 0.06


def test_the_mean_of_a_set_is_held_as_often_as_is_said() -> None:
    inside = 0
    for seed in range(400):
        residual = Residual.of(*draw(20, seed))
        truth, mean, _ = draw(60, 1000 + seed)
        found = residual.of_set(float(mean.mean()), len(mean), 0.8)
        inside += found.lower <= float(truth.mean()) <= found.upper
    assert inside / 400 == pytest.approx(0.8, abs=0.06)


def test_ends_are_order_statistics_of_the_residuals() -> None:
    residual = Residual(tuple(range(-9, 10)), 1.0, 0.0, 5.0)  # 19 images: 80 % lie within two from each end
    lower, upper = residual.ends(torch.tensor([20.0]), torch.tensor([0.0]), 0.8)
    assert (lower.tolist(), upper.tolist()) == ([12.0], [28.0])
    lower, upper = residual.ends(torch.tensor([20.0]), torch.tensor([math.sqrt(3.0)]), 0.9)
    assert (float(lower), float(upper)) == pytest.approx((2.0, 38.0))
    assert residual.ends(torch.tensor([0.0]), torch.tensor([0.0]), 0.9)[0].tolist() == [0.0]


def test_residuals_of_few_images_are_finite() -> None:
    for number in (1, 2, 3):
        residual = Residual.of(torch.ones(number), torch.zeros(number), torch.zeros(number))
        lower, upper = residual.ends(torch.tensor([1.0]), torch.tensor([0.0]), 0.9)
        assert lower <= upper < math.inf
    exact = Residual.of(torch.ones(5), torch.ones(5), torch.zeros(5))
    lower, upper = exact.ends(torch.tensor([1.0]), torch.tensor([0.0]), 0.9)
    assert float(lower) == pytest.approx(1.0)
    assert float(upper) == pytest.approx(1.0)
    assert exact.of_set(2.0, 5, 0.9) == pytest.approx((2.0, 2.0, 2.0))
    with pytest.raises(ValueError, match="of a single image"):
        Residual((0.5,), 1.0, 0.5, 0.0).of_set(1.0, 5, 0.8)


def test_images_too_few_for_a_coverage_are_said() -> None:
    with pytest.warns(InputWarning, match=r"of 8 labelled images cover 78% at the most, .* fit them to 9 or more"):
        warn_of_coverage(8, 0.8)
    warn_of_coverage(9, 0.8)
    warn_of_coverage(19, 0.9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((), 1.0, 0.0, 1.0), "holds no images"),
        (((1.0, 0.0), 1.0, 0.0, 1.0), "must be finite and ascend"),
        (((math.nan,), 1.0, 0.0, 1.0), "must be finite and ascend"),
        (((1.0,), 0.0, 0.0, 1.0), "`floor` must be above 0"),
        (((1.0,), 1.0, math.inf, 1.0), "finite"),
        (((1.0,), 1.0, 0.0, -1.0), "`deviation` at least 0"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Residual(*arguments)


def test_residuals_are_of_one_estimator_and_query() -> None:
    residual = Residual((0.0,), 1.0, 0.0, 0.0)
    residuals = Residuals("witness", "Query()", {"total_false/none": residual})
    assert residuals.of("witness", "Query()", "total_false/none") is residual
    for asked, message in (
        (("committee", "Query()", "total_false/none"), "are of the estimator witness, but this one is committee"),
        (("witness", "Query(labels=(1,))", "total_false/none"), "are of the query"),
        (("witness", "Query()", "total_false/pixel"), "know nothing of total_false/pixel, but of total_false/none"),
    ):
        with pytest.raises(ValueError, match=message.replace("(", r"\(")):
            residuals.of(*asked)


@pytest.mark.parametrize("coverage", [0, 1, -0.5, math.nan])
def test_coverage_is_a_share(coverage: float) -> None:
    with pytest.raises(ValueError, match="`coverage` must be a number between 0 and 1"):
        check_coverage(coverage)
