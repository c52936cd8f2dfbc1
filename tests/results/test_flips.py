import numpy as np
import pytest
from scipy.stats import binomtest

from hardest_metrics.results.flips import flips, mcnemar


def test_p_is_that_of_an_exact_binomial_test() -> None:
    for one_way in range(0, 40, 3):
        for other_way in range(0, 40, 7):
            pairs = one_way + other_way
            expected = binomtest(one_way, pairs).pvalue if pairs else 1.0
            assert mcnemar(one_way, other_way) == pytest.approx(expected, rel=1e-12)


def test_p_of_many_pairs_is_exact_too() -> None:
    assert mcnemar(5100, 4900) == pytest.approx(binomtest(5100, 10000).pvalue, rel=1e-9)
    assert mcnemar(5000, 5000) == 1
    assert mcnemar(20_000, 0) == 0


def test_flips_are_named_each_way() -> None:
    before, now = np.array([True, True, False, False]), np.array([True, False, True, False])
    assert flips([1, "b", "c", 4], before, now) == (["c"], ["b"], 1.0)
