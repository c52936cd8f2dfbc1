"""How far probabilities are from how often detections are right."""

from typing import Any

import pytest
import torch

from hardest_metrics.calibration import Platt, fit_calibration, plot_reliability, reliability
from tests.scenes import Image, detected, labelled


def example() -> tuple[list[Image], list[Image]]:
    """Scores of 0.9, one of two right; of 0.25, none right; of 1, right; of 0, wrong."""
    boxes = [(20.0 * n, 0.0, 20.0 * n + 10, 10.0) for n in range(5)]
    image = detected(*boxes)
    image["scores"] = torch.tensor([0.9, 0.9, 0.25, 1.0, 0.0])
    return [image], [labelled(boxes[0], boxes[3])]


def test_detections_are_counted_in_bins_of_their_probability() -> None:
    result = reliability(*example(), bins=4)
    assert result.edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert result.number.tolist() == [1, 1, 0, 3]
    assert result.probability.nan_to_num(nan=-1).tolist() == pytest.approx([0, 0.25, -1, 2.8 / 3])
    assert result.precision.nan_to_num(nan=-1).tolist() == pytest.approx([0, 0, -1, 2 / 3])
    assert result.error == pytest.approx((0 + 0.25 + 0.8) / 5)


def test_bins_are_of_what_the_calibration_says() -> None:
    preds, target = example()
    result = reliability(preds, target, Platt(0.0, -20.0), bins=4)
    assert result.number.tolist() == [5, 0, 0, 0]
    assert result.error == pytest.approx(2 / 5)


def test_calibration_makes_reliable_what_was_not() -> None:
    preds, target = example()
    preds, target = preds * 100, target * 100
    before = reliability(preds, target)
    after = reliability(preds, target, fit_calibration(preds, target, "isotonic"))
    assert before.error > 0.2
    assert after.error < 1e-6
    assert before.number.sum() == after.number.sum() == 500


@pytest.mark.parametrize("images", [0, 2])
def test_no_detections_have_no_reliability(images: int) -> None:
    result = reliability([detected()] * images, [labelled((0, 0, 1, 1))] * images)
    assert result.number.tolist() == [0] * 10
    assert result.precision.isnan().all()
    assert result.error != result.error


@pytest.mark.parametrize("bins", [0, -1, 1.5, True])
def test_less_than_one_bin_is_refused(bins: Any) -> None:
    with pytest.raises(ValueError, match="`bins` must be an integer of at least 1"):
        reliability(*example(), bins=bins)


def test_before_and_after_can_be_drawn_on_the_same_axes() -> None:
    pytest.importorskip("matplotlib")
    import matplotlib.pyplot as plt

    preds, target = example()
    figure, ax = plot_reliability(reliability(preds, target), label="before")
    same, same_ax = plot_reliability(reliability(preds, target, Platt(0.5)), ax, "after")
    assert (same, same_ax) == (figure, ax)
    names = [text.get_text() for text in ax.get_legend().get_texts()]  # type: ignore[union-attr]
    assert [name.split(",")[0] for name in names] == ["as stated", "before (5)", "after (5)"]
    plt.close(figure)
