"""Data maps show every image."""

import pytest
import torch

from hardest_metrics.plot import plot_data_map


@pytest.mark.parametrize("number", [0, 3, 5000])
def test_every_image_is_a_point(number: int) -> None:
    confidence, epochs = torch.rand(number), torch.full((number,), 4)
    figure, axes = plot_data_map(confidence, torch.rand(number) / 2, epochs // 2, epochs)
    (points,) = axes.collections
    assert len(points.get_offsets()) == number  # type: ignore[arg-type]
    assert f"{number} images" in axes.get_title()
    figure.canvas.draw()


def test_axes_can_be_given() -> None:
    from matplotlib import pyplot as plt

    given = plt.subplots()[1]
    one = torch.ones(1)
    assert plot_data_map(one, one / 2, one, one, given)[1] is given


def test_lengths_that_differ_and_confidence_that_was_never_told_are_refused() -> None:
    one, two = torch.ones(1), torch.ones(2)
    with pytest.raises(ValueError, match="one length"):
        plot_data_map(one, two, one, one)
    with pytest.raises(ValueError, match="`confidence` is NaN"):
        plot_data_map(one * torch.nan, one, one, one)
