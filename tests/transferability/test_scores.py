"""Arguments of the scores of features."""

from typing import Any

import pytest
import torch

from hardest_metrics.transferability import HScore, LogME, TransRate
from tests.functional.transferability.objects import drawn


@pytest.mark.parametrize("eps", [0.0, -1.0, float("nan")])
def test_a_distortion_must_be_above_zero(eps: float) -> None:
    with pytest.raises(ValueError, match="`eps` must be a number above 0"):
        TransRate(eps)


@pytest.mark.parametrize("size", [0, 1.5])
def test_a_projection_has_a_size(size: int) -> None:
    with pytest.raises(ValueError, match="`projection` must be an integer of at least 1"):
        TransRate(projection=size)


def test_settings_are_shown() -> None:
    assert "shrinkage=True" in repr(HScore(shrinkage=True))
    assert "eps=0.01, projection=3" in repr(TransRate(0.01, 3))


def test_few_objects_are_warned_of_when_they_are_scored() -> None:
    metric = LogME()
    metric.update(*drawn(20, 30)[:2])
    with pytest.warns(UserWarning, match="LogME of 20 objects with 30 features each says little"):
        metric.compute()


def test_a_projection_bounds_what_transrate_keeps() -> None:
    metric: Any = TransRate(projection=4)
    metric.update(torch.randn(300, 64, generator=torch.Generator().manual_seed(0)), torch.arange(3).repeat(100))
    metric.update(torch.randn(300, 64, generator=torch.Generator().manual_seed(1)), torch.arange(3).repeat(100))
    scatters: Any = metric.scatters
    assert torch.cat(scatters).shape == (3, 4, 4)


def test_a_score_can_be_drawn() -> None:
    metric = LogME()
    metric.update(*drawn()[:2])
    figure, _ = metric.plot()
    assert figure is not None
