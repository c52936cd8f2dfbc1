"""The histogram of hardness."""

import pytest
import torch

from hardest_metrics import Ranking
from hardest_metrics.plot import plot_distribution
from tests.plot.pictures import in_grey, texts


def ranking(*hardness: float) -> Ranking:
    return Ranking.of(torch.arange(len(hardness)), torch.tensor(hardness))


def test_numbers_of_errors_have_a_bar_each() -> None:
    figure, ax = plot_distribution(ranking(0, 0, 0, 1, 3), name="Misses")
    assert [bar.get_height() for bar in ax.patches] == [3, 1, 0, 1]  # type: ignore[attr-defined]
    assert [bar.get_center()[0] for bar in ax.patches] == [0, 1, 2, 3]  # type: ignore[attr-defined]
    assert "Misses of an image (number of errors)" in texts(ax)
    assert "Number of images" in texts(ax)
    assert "mean 0.8" in texts(ax)
    assert in_grey(figure).min() < 60


@pytest.mark.parametrize("hardness", [(0.25, 1.5, 2.0), (0.0, 1000.0), (-1.0, 2.0)])
def test_other_hardness_is_put_in_bins(hardness: tuple[float, ...]) -> None:
    _, ax = plot_distribution(ranking(*hardness))
    assert len(ax.patches) == 30
    assert sum(bar.get_height() for bar in ax.patches) == len(hardness)  # type: ignore[attr-defined]
    assert "Hardness of an image (sum of weights)" in texts(ax)


def test_no_images_are_drawn_as_such() -> None:
    figure, ax = plot_distribution(ranking())
    assert "0 images" in texts(ax)
    in_grey(figure)
