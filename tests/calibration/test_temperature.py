"""The temperature of a classifier is the likeliest one."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from hardest_metrics.calibration import Temperature, fit_temperature


def images(temperature: float, number: int = 4000) -> tuple[Tensor, Tensor]:
    """Logits that are too large by a factor, and labels drawn from what they ought to say."""
    rng = torch.Generator().manual_seed(0)
    honest = 2 * torch.randn(number, 6, generator=rng)
    return honest * temperature, honest.softmax(1).multinomial(1, generator=rng).squeeze(1)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_logits_that_are_too_large_by_a_factor_are_divided_by_it(temperature: float) -> None:
    found = fit_temperature(*images(temperature)).temperature
    assert found == pytest.approx(temperature, rel=0.1)


def test_no_other_temperature_is_likelier() -> None:
    logits, labels = images(2.0, 300)
    found = fit_temperature(logits, labels).temperature
    losses = [float(cross_entropy(logits.double() / (found * factor), labels)) for factor in (0.99, 1.0, 1.01)]
    assert min(losses) == losses[1]
    several = (torch.rand(300, 6) < (logits / 2).sigmoid()).long()
    found = fit_temperature(logits, several).temperature
    losses = [
        float(binary_cross_entropy_with_logits(logits.double() / (found * factor), several.double()))
        for factor in (0.99, 1.0, 1.01)
    ]
    assert min(losses) == losses[1]


def test_what_tells_no_temperature_is_refused() -> None:
    logits = torch.eye(3)
    with pytest.raises(ValueError, match=r"no temperature .* is the likeliest"):
        fit_temperature(logits, torch.arange(3))  # all right: the colder, the likelier
    with pytest.raises(ValueError, match=r"no temperature .* is the likeliest"):
        fit_temperature(logits, torch.tensor([1, 2, 0]))
    with pytest.raises(ValueError, match="holds no images"):
        fit_temperature(logits[:0], torch.arange(0))
    with pytest.raises(ValueError, match="`temperature` must be above 0"):
        Temperature(0.0)
