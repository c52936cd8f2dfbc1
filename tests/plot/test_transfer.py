"""Transfers over their scores, and metrics by layer."""

import numpy as np
import pytest

from hardest_metrics.plot import plot_layers, plot_transfer, plot_transfer_panels
from tests.plot.pictures import in_grey

NAMES = ("hand", "print", "$shape$")
SCORES = {
    (source, target): float(i + 3 * j) for i, source in enumerate(NAMES) for j, target in enumerate(NAMES) if i != j
}
REACHED = {pair: score / 10 for pair, score in SCORES.items()}


def test_every_transfer_is_a_point_with_its_name() -> None:
    figure, ax = plot_transfer(SCORES, REACHED, score="LogME", measure="mAP50")
    points = np.concatenate([np.asarray(points.get_offsets()) for points in ax.collections])
    drawn = dict(zip([text.get_text() for text in ax.texts], map(tuple, points.tolist()), strict=True))
    assert drawn == {
        f"{source} → {target}": (SCORES[source, target], REACHED[source, target]) for source, target in SCORES
    }
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("LogME", "mAP50")
    in_grey(figure)


def test_targets_are_told_apart_without_colour() -> None:
    _, ax = plot_transfer(SCORES, REACHED)
    shapes = {np.asarray(points.get_paths()[0].vertices).tobytes() for points in ax.collections}
    assert len(shapes) == len(ax.collections) == 3


@pytest.mark.parametrize(("by", "other"), [("target", 0), ("source", 1)])
def test_a_panel_holds_what_compares(by: str, other: int) -> None:
    figure, panels = plot_transfer_panels(SCORES, REACHED, by=by)  # type: ignore[arg-type]
    assert {panel.get_title() for panel in panels} == {f"{by}: {name}" for name in NAMES}
    for panel in panels:
        name = panel.get_title().partition(": ")[2]
        expected = {pair[other] for pair in SCORES if pair[1 - other] == name}
        assert {text.get_text() for text in panel.texts} == expected
    in_grey(figure)


def test_a_layer_without_a_number_is_a_dash() -> None:
    _, ax = plot_layers({"LogME": {"a": 0.25, "b": float("nan")}, "GBC": {"c": -3.0}})
    assert [text.get_text() for text in ax.texts] == ["0.25", "–", "–", "–", "–", "-3.00"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b", "c"]


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="`scores` is empty"):
        plot_transfer({}, {})
    with pytest.raises(ValueError, match=r"of the same pairs, but .*'hand'"):
        plot_transfer_panels({("hand", "print"): 1.0}, {})
    with pytest.raises(ValueError, match="`performance` must be finite"):
        plot_transfer({("hand", "print"): 1.0}, {("hand", "print"): float("nan")})
    with pytest.raises(ValueError, match="`by` must be 'source' or 'target'"):
        plot_transfer_panels(SCORES, REACHED, by="model")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`values` holds no finite number"):
        plot_layers({"LogME": {}})
