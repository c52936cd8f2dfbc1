import math

import pandas as pd
import pytest
from rich.console import Console

from hardest_metrics.comparison.tables import markdown_table, means, terminal_tables, verdict
from hardest_metrics.functional.agreement import MEASURES

MEASURED = list(MEASURES)


def agreement(values: dict[tuple[str, str, str], float]) -> pd.DataFrame:
    """Of detector, estimator and definition, every measure being the same number."""
    rows = [
        {"detector": detector, "definition": definition, "estimator": estimator} | dict.fromkeys(MEASURED, value)
        for (detector, estimator, definition), value in values.items()
    ]
    return pd.DataFrame(rows)


def printed(table: pd.DataFrame, width: int) -> list[str]:
    console = Console(width=width)
    with console.capture() as capture:
        for one in terminal_tables(table, width):
            console.print(one)
    return capture.get().splitlines()


def values_of(lines: list[str]) -> dict[str, list[str]]:
    """By estimator, the values of the first measure for the first two detectors."""
    return {words[0]: words[1:3] for words in map(str.split, lines) if len(words) > 2}


def many(n_detectors: int) -> pd.DataFrame:
    names = ["fast_score_sampling+platt", "max_uncertainty+all"]
    return agreement({
        (f"detector {d}", name, definition): -0.123 if name == names[0] else 0.5
        for d in range(n_detectors) for name in names for definition in ("total_false/none", "total_false/pixel")
    })  # fmt: skip


def test_means_are_over_the_definitions_for_which_a_measure_is_defined() -> None:
    table = agreement({("a", "x", "1"): 0.5, ("a", "x", "2"): math.nan, ("a", "x", "3"): 1.0, ("b", "x", "1"): 0.0})
    assert means(table, "a").loc["x", "spearman"] == 0.75
    assert list(means(table, "b").columns) == MEASURED


@pytest.mark.parametrize("n_detectors", [1, 2, 3, 7, 30])
@pytest.mark.parametrize("width", [60, 80, 120, 500])
def test_tables_fit_the_terminal(n_detectors: int, width: int) -> None:
    lines = printed(many(n_detectors), width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert text.count("-0.123") >= n_detectors, "no value is cut"
    assert "…" not in text
    assert "spearman" in text


def test_a_wide_terminal_shows_every_measure() -> None:
    words = " ".join(" ".join(printed(many(1), 500)).split())
    assert all(name.replace("_", " ").split()[-1] in words for name in MEASURED)


def test_the_best_of_each_column_is_marked() -> None:
    values = {("a", "x", "1"): 0.25, ("a", "y", "1"): 0.75, ("b", "x", "1"): 0.5, ("b", "y", "1"): 0.125}
    rows = values_of(printed(agreement(values), 80))
    assert rows["x"] == ["0.250", "0.500*"]
    assert rows["y"] == ["0.750*", "0.125"]


def test_columns_line_up() -> None:
    lines = [line for line in printed(many(3), 80) if "0.5" in line or "-0.1" in line]
    assert len({tuple(place for place, letter in enumerate(line) if letter == ".") for line in lines}) == 1


def test_an_estimate_that_a_detector_lacks_is_a_dash() -> None:
    table = agreement({("a", "x", "1"): 0.25, ("b", "y", "1"): 0.75, ("b", "x", "1"): math.nan})
    rows = values_of(printed(table, 80))
    assert rows["x"] == ["0.250*", "–"]
    assert rows["y"] == ["–", "0.750*"]


@pytest.mark.parametrize(
    ("value", "answer"), [(0.9, "yes"), (0.7, "yes"), (0.69, "partly"), (0.4, "partly"), (0.1, "no")]
)
def test_the_answer_goes_by_the_best_estimate(value: float, answer: str) -> None:
    table = agreement({("a", "x", "1"): value, ("a", "y", "1"): -1.0, ("b", "y", "1"): 1.0})
    assert verdict(table, "a", 500).startswith(
        f"a: {answer}. x ranks most like the labels: Spearman {value:.2f} for 1."
    )


def test_the_answer_names_the_range_over_definitions_and_what_to_inspect() -> None:
    text = verdict(agreement({("a", "x", "one"): 0.5, ("a", "x", "two"): 0.9, ("a", "x", "bad"): math.nan}), "a", 20)
    assert "Spearman 0.70 on average over 2 definitions, from 0.50 (one) to 0.90 (two)." in text
    assert "Its hardest 30 % of the images hold half of all hardness (at random: 50 %)." in text
    assert text.endswith("That is of 20 images only: take it for a hint.")


def test_names_of_detectors_are_left_as_they_are() -> None:
    assert verdict(agreement({("50%", "x", "one"): 0.5}), "50%", 500).startswith("50%: partly. x")


def test_there_is_no_answer_where_nothing_can_be_told_apart() -> None:
    assert "no answer" in verdict(agreement({("a", "x", "one"): math.nan}), "a", 500)


def test_undefined_values_are_dashes_in_markdown() -> None:
    table = pd.DataFrame({"m": [math.nan, 0.5]}, index=pd.Index(["a", "b"], name="e"))
    assert markdown_table(table).splitlines() == ["| e | m |", "| --- | ---: |", "| a | – |", "| b | **0.500** |"]
