import math

import pytest

from hardest_metrics.plot import plot_runs


def test_each_result_is_a_line_and_a_claim_a_dotted_one_of_its_colour() -> None:
    results = {"accuracy": [0.5, 0.6, math.nan], "AP": [0.1, 0.2, 0.3]}
    _, axes = plot_runs(results, ["a\nx", "b", "$c"], {"accuracy": [0.7, math.nan, 0.7]})
    lines = {str(line.get_label()): line for line in axes.lines}
    assert list(lines) == ["accuracy", "accuracy, paper", "AP"]
    assert lines["accuracy"].get_color() == lines["accuracy, paper"].get_color() != lines["AP"].get_color()
    assert lines["accuracy, paper"].get_linestyle() == ":"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a\nx", "b", "$c"]


def test_of_many_runs_some_are_named() -> None:
    _, axes = plot_runs({"AP": [0.5] * 100}, [str(number) for number in range(100)])
    assert len(axes.get_xticks()) <= 8


def test_nothing_and_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        plot_runs({"AP": []}, [])
    with pytest.raises(ValueError, match="'AP' has 1 values, but there are 2 runs"):
        plot_runs({"AP": [0.5]}, ["a", "b"])
