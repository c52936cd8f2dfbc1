"""Coding rates."""

import pytest
import torch

from hardest_metrics.functional.transferability import transrate
from tests.functional.transferability import plain
from tests.functional.transferability.objects import drawn


@pytest.mark.parametrize("eps", [1e-6, 1e-2, 10.0])
def test_the_distortion_is_the_users(eps: float) -> None:
    features, target, _ = drawn()
    expected = plain.transrate(features.numpy(), target.numpy(), eps)
    assert float(transrate(features, target, eps)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("eps", [0.0, -1.0, float("inf"), float("nan")])
def test_a_distortion_must_be_above_zero(eps: float) -> None:
    features, target, _ = drawn()
    with pytest.raises(ValueError, match="`eps` must be a number above 0"):
        transrate(features, target, eps)


def test_small_and_large_classes_are_coded_alike() -> None:
    """Those of fewer objects than features by the products of objects, others by those of features."""
    features, _, _ = drawn(300, 20)
    target = torch.repeat_interleave(torch.arange(5), torch.tensor([1, 19, 20, 21, 239]))
    expected = plain.transrate(features.numpy(), target.numpy())
    assert float(transrate(features, target)) == pytest.approx(expected, rel=1e-9)
