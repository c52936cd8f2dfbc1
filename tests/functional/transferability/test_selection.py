"""How well scores choose a model."""

import pytest
import scipy.stats
import torch
from torch import Tensor

from hardest_metrics.functional.transferability.selection import (
    bootstrap_interval,
    bootstrap_mean_interval,
    pearson,
    regret,
    weighted_kendall,
)


def candidates(number: int, seed: int, ties: bool = False) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(number, generator=generator, dtype=torch.float64)
    performance = 0.6 * scores + 0.8 * torch.randn(number, generator=generator, dtype=torch.float64)
    return (scores.round(), performance.round()) if ties else (scores, performance)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("number", [4, 5, 20, 60])
def test_correlations_are_scipys(number: int, ties: bool) -> None:
    for seed in range(10):
        scores, performance = candidates(number, seed, ties)
        if len(scores.unique()) < 2 or len(performance.unique()) < 2:
            continue
        expected = scipy.stats.pearsonr(scores.numpy(), performance.numpy()).statistic
        assert float(pearson(scores, performance)) == pytest.approx(expected, abs=1e-12)
        expected = scipy.stats.weightedtau(scores.numpy(), performance.numpy()).statistic
        assert float(weighted_kendall(scores, performance)) == pytest.approx(expected, abs=1e-12)


def test_what_is_undefined_is_nan() -> None:
    constant, other = torch.ones(3), torch.tensor([1.0, 2, 3])
    for measure in (pearson, weighted_kendall):
        assert measure(constant, other).isnan()
        assert measure(other, constant).isnan()
        assert measure(other[:1], other[:1]).isnan()
        assert all(end != end for end in bootstrap_interval(measure, constant, other))
    assert regret(other[:0], other[:0]).isnan()


def test_regret_is_none_where_the_best_is_chosen_and_shared_between_equals() -> None:
    performance = torch.tensor([0.5, 0.25, 0.75], dtype=torch.float64)
    assert float(regret(torch.tensor([0.0, 1, 2]), performance)) == 0
    assert float(regret(torch.tensor([0.0, 2, 1]), performance)) == 0.5
    assert float(regret(torch.tensor([2.0, 2, 1]), performance)) == 0.375


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(100):
        low, high = bootstrap_interval(pearson, *candidates(40, seed), resamples=200, seed=seed)
        covered += low <= 0.6 <= high
    assert 0.9 <= covered / 100 <= 0.99


def test_an_interval_follows_from_its_seed() -> None:
    drawn = candidates(9, 0)
    first = bootstrap_interval(regret, *drawn, seed=1, level=0.8)
    assert bootstrap_interval(regret, *drawn, seed=1, level=0.8) == first
    wide = bootstrap_interval(regret, *drawn, seed=1, level=0.99)
    assert wide[0] <= first[0] <= first[1] <= wide[1]


def test_what_is_wrong_is_named() -> None:
    three = torch.tensor([1.0, 2, 3])
    with pytest.raises(ValueError, match=r"must be of one shape \(N,\), but are \(3,\) and \(2,\)"):
        pearson(three, three[:2])
    with pytest.raises(ValueError, match="`performance` must be finite, but candidate 1 has nan"):
        regret(three, torch.tensor([1.0, torch.nan, 3]))
    with pytest.raises(ValueError, match="`level` must be a share between 0 and 1"):
        bootstrap_interval(pearson, three, three, level=95)
    with pytest.raises(ValueError, match="`resamples` must be at least 1"):
        bootstrap_interval(pearson, three, three, resamples=0)


def test_draws_alike_are_measured_once_and_count_as_often_as_they_come() -> None:
    scores, performance = candidates(4, 3)
    calls = 0

    def counting(some: Tensor, reached: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return pearson(some, reached)

    found = bootstrap_interval(counting, scores, performance, resamples=3000)
    assert calls <= 35  # ways to draw 4 of 4 with replacement, whatever their order
    drawn = torch.randint(4, (3000, 4), generator=torch.Generator().manual_seed(0))
    values = torch.stack([pearson(scores[rows], performance[rows]) for rows in drawn])
    ends = values[~values.isnan()].quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    assert found == pytest.approx(tuple(ends), abs=1e-9)


def test_regret_is_never_below_none() -> None:
    reached = torch.full((3,), 0.3, dtype=torch.float64)
    assert float(regret(torch.ones(3), reached)) == 0
    assert bootstrap_interval(regret, torch.ones(3), reached) == (0, 0)


def test_an_interval_of_a_mean_covers_it() -> None:
    """Of ten groups, as of any few, the percentiles cover a few percent less than they say."""
    for number, least in ((10, 0.85), (40, 0.91)):
        covered = 0
        for seed in range(400):
            values = 0.5 + 0.3 * torch.randn(number, generator=torch.Generator().manual_seed(seed))
            low, high = bootstrap_mean_interval(values, seed=seed)
            covered += low <= 0.5 <= high
        assert least <= covered / 400 <= 0.98


def test_a_mean_counts_what_is_defined() -> None:
    nan = torch.nan
    assert bootstrap_mean_interval(torch.tensor([1.0, nan, 1, 1])) == (1, 1)
    assert all(end != end for end in bootstrap_mean_interval(torch.tensor([nan, nan])))
    with pytest.raises(ValueError, match="`level` must be a share"):
        bootstrap_mean_interval(torch.ones(3), level=0)
    with pytest.raises(ValueError, match="`resamples` must be at least 1"):
        bootstrap_mean_interval(torch.ones(3), resamples=0)
