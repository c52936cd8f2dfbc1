"""The histogram of hardness."""

import pytest
import torch

from hardest_metrics import FalsePositives, Ranking
from hardest_metrics.plot import plot_distribution
from tests.plot.pictures import in_grey, texts
from tests.scenes import false_alarms


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
    assert "Hardness of an image" in texts(ax)


def test_no_images_are_drawn_as_such() -> None:
    figure, ax = plot_distribution(ranking())
    assert "0 images" in texts(ax)
    in_grey(figure)


def test_several_rankings_are_a_box_each() -> None:
    rankings = [ranking(0, 0, 0, 1, 3), ranking(1.5, 2, 2, 3, 9), ranking(1, 1, 1, 1, 1)]
    figure, ax = plot_distribution(rankings, name="Misses")
    assert len(ax.patches) == 3
    medians = [line.get_ydata()[0] for line in ax.lines if line.get_color() == "black" and len(line.get_ydata()) == 2]  # type: ignore[arg-type,index]
    assert medians[-3:] == [0, 2, 1] or set(medians) >= {0, 2, 1}
    assert "Misses of an image" in texts(ax)
    assert "Step" in texts(ax)
    assert "5 images" in texts(ax)
    assert in_grey(figure).min() < 60


def test_rankings_of_different_or_no_images_are_drawn_side_by_side() -> None:
    figure, ax = plot_distribution([ranking(1.0), ranking(), ranking(1.0, 2.0)])
    assert "0 to 2 images" in texts(ax)
    in_grey(figure)
    with pytest.raises(ValueError, match="no rankings"):
        plot_distribution([])


def test_one_image_is_in_the_singular() -> None:
    assert "1 image" in texts(plot_distribution(ranking(2.0))[1]).splitlines()


def test_a_metric_draws_the_rankings_of_several_epochs() -> None:
    metric = FalsePositives()
    epochs = [metric(*false_alarms(*counts)) for counts in ((0, 2), (1, 3))]
    _, ax = metric.plot(epochs)
    assert len(ax.patches) == 2
    scalars = [FalsePositives(reduction="sum")(*false_alarms(*counts)) for counts in ((0, 2), (1, 3))]
    _, ax = metric.plot(scalars)
    assert ax.lines[0].get_ydata().tolist() == [2, 4]  # type: ignore[union-attr]
