"""What goes wrong with which class, drawn."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest

from hardest_metrics.plot import plot_confusion, plot_kinds


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_classes_of_most_errors_are_on_top_and_bars_are_as_long_as_their_errors() -> None:
    counts = {1: {"missed": 1, "both": 0}, 2: {"missed": 2, "both": 3}, 3: {"missed": 0, "both": 2}}
    _, axes = plot_kinds(counts, {2: "dog", 3: "$x$"}, most=2)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["dog", "$x$"]
    assert [bar.get_width() for bars in axes.containers for bar in bars] == [2, 0, 3, 2]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert axes.get_title() == "Errors by class (the 2 of most, of 3)"
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["missed", "both"]


def test_rows_are_true_and_columns_detected() -> None:
    _, axes = plot_confusion({(1, 2): 7, (2, 3): 4, (5, 6): 1}, most=3)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "3"]
    cells = {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in axes.texts}
    assert cells == {(1, 0): "7", (2, 1): "4"}
    assert axes.get_title() == "Confused classes (the 3 of most, of 5)"


def test_nothing_is_drawn_as_nothing() -> None:
    for axes in (plot_kinds({})[1], plot_confusion({})[1]):
        assert not axes.texts


def test_no_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="`most` is a number of classes, at least 1, but is 0"):
        plot_kinds({}, most=0)
    with pytest.raises(ValueError, match="`most` is a number of classes, at least 1, but is 0"):
        plot_confusion({}, most=0)
