"""Hardness by what is known of images."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from hardest_metrics.comparison.slices import OTHERS, UNKNOWN, slice_hardness


def hardness(number: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).poisson(3, number).astype(np.float32))


def test_numbers_are_sliced_by_quarters_each_of_which_has_its_mean() -> None:
    values, numbers = hardness(200), np.random.default_rng(1).random(200)
    sliced = slice_hardness(values, {"size": numbers.tolist()})
    assert [one.images for one in sliced.slices] == [50] * 4
    order = numbers.argsort()
    for place, one in enumerate(sliced.slices):
        inside = order[50 * place : 50 * (place + 1)]
        assert one.mean == pytest.approx(values.numpy()[inside].mean())
        assert one.value == f"{numbers[inside].min():.4g} to {numbers[inside].max():.4g}"
        assert one.low <= one.mean <= one.high
    assert sliced.correlations["size"] == pytest.approx(stats.spearmanr(numbers, values.numpy()).statistic)


def test_intervals_are_those_of_scipy() -> None:
    values = hardness(60)
    (one,) = slice_hardness(values, {"camera": ["a"] * 60}, seed=3).slices
    expected = stats.bootstrap(
        (values.double().numpy(),), np.mean, n_resamples=1000, method="percentile",
        random_state=np.random.default_rng(3),
    ).confidence_interval  # fmt: skip
    assert (one.low, one.high) == pytest.approx((expected.low, expected.high))


def test_few_different_numbers_have_a_slice_each_and_ties_stay_together() -> None:
    few = slice_hardness(hardness(6), {"objects": [2, 1, 2, 0, 1, 1]}).slices
    assert [(one.value, one.images) for one in few] == [("0", 1), ("1", 3), ("2", 2)]
    many = slice_hardness(hardness(40), {"objects": [0.0] * 30 + [*range(1, 11)]}).slices
    assert [(one.value, one.images) for one in many] == [("0", 30), ("1 to 10", 10)]


def test_what_is_not_known_has_a_slice_of_its_own() -> None:
    sliced = slice_hardness(hardness(4), {"size": [math.nan, 1.0, 2.0, 3.0], "light": ["", "dim", "dim", "dim"]})
    assert [(one.attribute, one.value, one.images) for one in sliced.slices if one.value == UNKNOWN] == [
        ("size", UNKNOWN, 1), ("light", UNKNOWN, 1),
    ]  # fmt: skip
    assert sum(one.images for one in sliced.slices) == 8


def test_text_is_sliced_by_value_the_hardest_first_and_rare_ones_together() -> None:
    values = torch.tensor([5.0, 5, 1, 1, 9, 9])
    sliced = slice_hardness(values, {"light": ["dim", "dim", "sun", "sun", "fog", "fog"]})
    assert [one.value for one in sliced.slices] == ["fog", "dim", "sun"]
    assert sliced.explained["light"] == pytest.approx(1)
    rare = [f"{number}" for number in range(20)] + ["common"] * 20
    last = slice_hardness(hardness(40), {"name": rare}).slices[-1]
    assert (last.value, last.images) == (OTHERS, 9)


def test_of_one_image_and_of_equal_hardness_nothing_is_claimed() -> None:
    sliced = slice_hardness(torch.tensor([2.0]), {"size": [1.0], "light": ["dim"]})
    assert all(math.isnan(one.low) and math.isnan(one.high) for one in sliced.slices)
    assert math.isnan(sliced.correlations["size"])
    assert math.isnan(sliced.explained["light"])


def test_attributes_of_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="`attributes` 'size' has 2 values, but there are 3 images"):
        slice_hardness(hardness(3), {"size": [1.0, 2.0]})
