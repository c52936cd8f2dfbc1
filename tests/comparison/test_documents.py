import csv
from dataclasses import replace

import pytest

from hardest_metrics.comparison import Comparison, compare
from hardest_metrics.comparison.documents import as_csv, as_markdown
from hardest_metrics.functional.agreement import MEASURES
from tests.comparison.conftest import Make


@pytest.fixture
def compared(make: Make) -> Comparison:
    annotations, detections = make(12)
    named = {"yolo": detections["detector 0"], "a|b_*": detections["detector 1"]}
    definitions = ["total_false/none", "false_positives/pixel"]
    return compare(annotations, named, None, definitions, ["expected_hardness", "committee"])


def test_csv_holds_all_numbers_exactly(compared: Comparison) -> None:
    rows = list(csv.DictReader(as_csv(compared).decode().splitlines()))
    assert list(rows[0]) == ["detector", "definition", "estimator", *MEASURES]
    assert len(rows) == 2 * 2 * 2
    for row, expected in zip(rows, compared.agreement.to_dict("records"), strict=True):
        numbers = {name: float(row[name] or "nan") for name in MEASURES}
        assert numbers == pytest.approx({name: expected[name] for name in MEASURES}, rel=0, abs=0, nan_ok=True)
        assert {name: row[name] for name in ("detector", "definition", "estimator")}.items() <= expected.items()


def test_csv_for_spreadsheets_holds_no_formulas(compared: Comparison) -> None:
    agreement = compared.agreement.assign(detector="=1+1")
    table = as_csv(replace(compared, agreement=agreement), for_spreadsheets=True)
    assert {row["detector"] for row in csv.DictReader(table.decode().splitlines())} == {"'=1+1"}
    assert as_csv(compared, for_spreadsheets=True) == as_csv(compared)


def test_markdown_answers_shows_and_says_how(compared: Comparison) -> None:
    pictures = {"yolo": [("what it shows", "plots/yolo v5/regret.png")]}
    text = as_markdown(compared, {"images": "12"}, ["something was left out"], pictures).decode()
    lines = text.splitlines()
    assert any(line.startswith("- yolo: ") and "ranks most like the labels" in line for line in lines)
    assert "- images: 12" in lines
    assert "- something was left out" in lines
    assert "![what it shows](plots/yolo%20v5/regret.png)" in lines
    tables = [line for line in lines if line.startswith("| committee |")]
    assert len(tables) == 2 * 2, "means, and Spearman by definition, of each detector"


def test_names_are_no_markup(compared: Comparison) -> None:
    text = as_markdown(compared, {"a": "<b>`c`"}, [], {}).decode()
    assert "## a\\|b\\_\\*" in text
    assert "- a: \\<b\\>\\`c\\`" in text
