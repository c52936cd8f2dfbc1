"""Curves of the hardness met with a labelling budget."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from hardest_metrics import Ranking
from hardest_metrics.plot import plot_regret
from tests.plot.pictures import in_grey, looks, texts


def ranking(*hardness: float) -> Ranking:
    return Ranking.of(torch.arange(len(hardness)), torch.tensor(hardness))


def test_curves_lie_between_nothing_and_all_from_perfect_to_reversed() -> None:
    true = ranking(4, 3, 2, 1)
    figure, ax = plot_regret({"as good": ranking(9, 8, 7, 6), "reversed": ranking(1, 2, 3, 4)}, true, name="misses")
    curves = {str(line.get_label()): np.asarray(line.get_ydata()) for line in ax.lines}
    assert curves["perfect"].tolist() == pytest.approx([0, 40, 70, 90, 100])
    assert curves["as good"].tolist() == pytest.approx([0, 40, 70, 90, 100])
    assert curves["reversed"].tolist() == pytest.approx([0, 10, 30, 60, 100])
    assert curves["random"].tolist() == [0, 100]
    assert "Labelling budget (% of 4 images)" in texts(ax)
    assert "Share of total misses met (%)" in texts(ax)
    assert in_grey(figure).min() < 60


def test_a_constant_estimate_is_drawn_as_a_random_one() -> None:
    _, ax = plot_regret({"constant": ranking(1, 1, 1, 1)}, ranking(0, 0, 5, 1))
    (curve,) = [line for line in ax.lines if line.get_label() == "constant"]
    assert np.asarray(curve.get_ydata()).tolist() == pytest.approx([0, 25, 50, 75, 100])


def test_many_curves_are_told_apart_without_colour() -> None:
    true = ranking(*range(20))
    _, ax = plot_regret({f"estimate {number}": true for number in range(10)}, true)
    assert len({str(look) for look in looks(ax)}) == 12


def test_given_axes_are_drawn_on() -> None:
    figure, axes = plt.subplots(1, 2)
    assert plot_regret({"a": ranking(1, 2)}, ranking(1, 2), axes[1]) == (figure, axes[1])
    assert not axes[0].lines


@pytest.mark.parametrize("true", [ranking(0, 0), ranking()])
def test_no_hardness_cannot_be_met(true: Ranking) -> None:
    with pytest.raises(ValueError, match="`true` has no hardness to be met"):
        plot_regret({"a": true}, true)
    assert not plt.get_fignums()


def test_rankings_of_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="`estimated` lacks image 2"):
        plot_regret({"a": ranking(1, 2)}, ranking(1, 2, 3))
    assert not plt.get_fignums()
