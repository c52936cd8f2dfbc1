"""Random projections."""

import pytest
import torch

from hardest_metrics.functional.transferability import gaussian_projection
from tests.functional.transferability.objects import drawn


def test_all_batches_are_projected_alike() -> None:
    features, _, _ = drawn()
    parts = [gaussian_projection(part, 5) for part in features.split(90)]
    torch.testing.assert_close(torch.cat(parts), gaussian_projection(features, 5))


def test_weights_have_a_variance_of_one_over_the_size() -> None:
    weights = gaussian_projection(torch.eye(500, dtype=torch.float64), 400)
    assert float(weights.mean()) == pytest.approx(0, abs=1e-3)
    assert float(weights.var() * 400) == pytest.approx(1, abs=0.02)


def test_another_seed_draws_other_weights() -> None:
    features, _, _ = drawn()
    assert not gaussian_projection(features, 5).equal(gaussian_projection(features, 5, seed=1))


def test_the_dtype_stays() -> None:
    assert gaussian_projection(torch.ones(2, 9, dtype=torch.bfloat16), 3).dtype == torch.bfloat16


@pytest.mark.parametrize("size", [0, -1, 2.0, True])
def test_a_size_is_a_number_of_features(size: int) -> None:
    with pytest.raises(ValueError, match="`size` must be an integer of at least 1"):
        gaussian_projection(torch.ones(2, 9), size)
