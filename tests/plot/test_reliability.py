"""The reliability diagram."""

import numpy as np
import pytest
import torch

from hardest_metrics import calibration
from hardest_metrics.calibration import Reliability
from hardest_metrics.plot import plot_reliability
from tests.plot.pictures import in_grey, texts


def result(*bins: tuple[int, float, float]) -> Reliability:
    number, probability, precision = torch.tensor(bins, dtype=torch.float64).T
    edges = torch.linspace(0, 1, len(bins) + 1, dtype=torch.float64)
    empty = number == 0
    return Reliability(
        edges, number.long(), probability.masked_fill(empty, torch.nan), precision.masked_fill(empty, torch.nan), 0.125
    )


def test_bins_with_detections_are_drawn_with_their_confidence() -> None:
    figure, ax = plot_reliability(result((400, 0.1, 0.05), (0, 0, 0), (4, 0.5, 0.5), (10, 0.9, 1.0)), label="mine")
    (bars,) = ax.containers
    line, _, (interval,) = bars
    x, y = line.get_data()
    assert np.asarray(x).tolist() == pytest.approx([0.1, 0.5, 0.9])
    assert np.asarray(y).tolist() == pytest.approx([0.05, 0.5, 1.0])
    ends = np.array([segment[:, 1] for segment in interval.get_segments()])
    # Wilson's interval, by statsmodels.stats.proportion.proportion_confint(20, 400), (2, 4), (10, 10)
    np.testing.assert_allclose(ends, [[0.0326, 0.0760], [0.1500, 0.8500], [0.7225, 1.0]], atol=1e-4)
    assert "mine (414), expected calibration error 0.125" in texts(ax)
    assert "Stated probability of a detection to be right" in texts(ax)
    assert "Share of detections that are right" in texts(ax)
    in_grey(figure)


def test_before_and_after_can_be_drawn_on_the_same_axes() -> None:
    figure, ax = plot_reliability(result((4, 0.4, 0.5)), label="before")
    assert plot_reliability(result((4, 0.4, 0.6)), ax, "after") == (figure, ax)
    names = [text.get_text().split(" (")[0] for text in ax.get_legend().get_texts()]  # type: ignore[union-attr]
    assert names == ["as stated", "before", "after"]
    lines = [ax.lines[0], *(container[0] for container in ax.containers)]
    assert len({(str(line.get_linestyle()), str(line.get_marker())) for line in lines}) == 3


def test_no_detections_are_drawn_as_such() -> None:
    figure, ax = plot_reliability(result((0, 0, 0)))
    assert "detections (0)" in texts(ax)
    in_grey(figure)


def test_it_is_found_beside_what_it_draws() -> None:
    assert calibration.plot_reliability is plot_reliability
