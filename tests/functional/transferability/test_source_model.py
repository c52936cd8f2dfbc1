"""What a source model's own head says."""

import numpy as np
import pytest
import torch

from hardest_metrics.functional.transferability import energy_score, leep, nce
from tests.functional.transferability import plain


def predicted(number: int = 300, source: int = 7, classes: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(classes, (number,), generator=generator)
    logits = torch.randn(number, source, generator=generator, dtype=torch.float64)
    logits += 2 * torch.randn(classes, source, generator=generator, dtype=torch.float64)[target]
    return logits.softmax(1), target


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_their_plain_twins(seed: int) -> None:
    probabilities, target = predicted(seed=seed)
    source = probabilities.argmax(1)
    expected = plain.leep(probabilities.numpy(), target.numpy())
    assert float(leep(source_probabilities=probabilities, target=target)) == pytest.approx(expected, rel=1e-12)
    expected = plain.nce(source.numpy(), target.numpy())
    assert float(nce(source=source, target=target)) == pytest.approx(expected, rel=1e-12)


def test_leep_of_certain_predictions_is_nce() -> None:
    probabilities, target = predicted()
    source = probabilities.argmax(1)
    certain = torch.eye(7, dtype=torch.float64)[source]
    expected = float(nce(source=source, target=target))
    assert float(leep(source_probabilities=certain, target=target)) == pytest.approx(expected, rel=1e-12)


def test_a_source_that_tells_labels_scores_zero() -> None:
    target = torch.arange(3).repeat(5)
    assert nce(source=10 - target, target=target) == 0


def test_a_source_that_tells_nothing_scores_the_entropy_of_the_labels() -> None:
    target = torch.arange(4).repeat(5)
    assert float(nce(source=torch.zeros_like(target), target=target)) == pytest.approx(-np.log(4))
    even = torch.full((20, 3), 1 / 3, dtype=torch.float64)
    assert float(leep(source_probabilities=even, target=target)) == pytest.approx(-np.log(4))


def test_shuffled_labels_score_less() -> None:
    probabilities, target = predicted()
    assert leep(source_probabilities=probabilities, target=target, shuffled=0) < leep(
        source_probabilities=probabilities, target=target
    )
    source = probabilities.argmax(1)
    assert nce(source=source, target=target, shuffled=0) < nce(source=source, target=target)


def test_arguments_that_could_be_swapped_are_given_by_name() -> None:
    probabilities, target = predicted()
    with pytest.raises(TypeError, match="positional"):
        leep(probabilities, target)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):
        nce(target, target)  # type: ignore[call-arg]


def test_of_one_class_there_is_nothing_to_tell_apart() -> None:
    probabilities, target = predicted()
    assert leep(source_probabilities=probabilities, target=target * 0).isnan()
    assert nce(source=target, target=target * 0).isnan()
    assert energy_score(probabilities[:0]).isnan()


def test_logits_are_no_probabilities() -> None:
    probabilities, target = predicted()
    with pytest.raises(ValueError, match=r"at least 0 and add up to 1, but row 0 is not .* by `\.softmax\(1\)`"):
        leep(source_probabilities=probabilities.log(), target=target)
    probabilities[5] /= 2
    with pytest.raises(ValueError, match="but row 5 is not"):
        leep(source_probabilities=probabilities, target=target)


def test_half_precision_probabilities_are_taken() -> None:
    probabilities, target = predicted()
    expected = float(leep(source_probabilities=probabilities, target=target))
    assert float(leep(source_probabilities=probabilities.bfloat16(), target=target)) == pytest.approx(
        expected, rel=0.02
    )


def test_energy_is_the_mean_of_the_logarithm_of_the_sum_of_exponentials() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0], [800.0, 0.0, 0.0]])
    assert float(energy_score(logits)) == pytest.approx((np.log(1 + np.e + np.e**2) + 800) / 2)
