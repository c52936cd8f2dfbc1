"""How well estimates agree with the labels, in words and tables. Needs no torch."""

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd

_KEYS = ["detector", "definition", "estimator"]

#: The measures of most use come first where there is no room for all.
_FIRST = ("spearman", "auroc@10%", "median_query_count", "ndcg", "recall@25%", "average_precision@10%")

#: Spearman's rank correlation from which a ranking without labels is said to be like that by labels, or in part.
_LIKE, _IN_PART = 0.7, 0.4

#: With fewer images, chance alone moves a rank correlation by a quarter of its range.
_FEW_IMAGES = 50

_VALUE = 8  # characters: space, sign, number of three digits, mark of the best

_LONGEST_WORD = 13  # characters, of the names of measures


def measures(agreement: "pd.DataFrame") -> list[str]:
    """The columns that hold measures."""
    return [column for column in agreement.columns if column not in _KEYS]


def means(agreement: "pd.DataFrame", detector: str) -> "pd.DataFrame":
    """Of one detector, the mean of each measure over the definitions for which it is defined; one row an estimator."""
    part = agreement[agreement["detector"] == detector]
    return part.groupby("estimator", sort=False)[measures(agreement)].mean()


def verdict(agreement: "pd.DataFrame", detector: str, n_images: int) -> str:
    """Whether the images of a set can be ranked without labels, going by the estimate that does it best.

    Spearman's rank correlation with the ranking by labels, averaged over definitions, of 0.7 or more is a yes, of 0.4
    or more a partly.

    Example:
        >>> import pandas as pd
        >>> columns = {"spearman": [0.8], "median_query_count": [0.9]}
        >>> row = {"detector": ["mine"], "definition": ["total_false/none"], "estimator": ["committee"]}
        >>> print(verdict(pd.DataFrame(row | columns), "mine", n_images=500))
        mine: yes. committee ranks most like the labels: Spearman 0.80 for total_false/none. Its hardest 10 % of the \
images hold half of all hardness (at random: 50 %).
    """
    by_estimator = means(agreement, detector)
    correlation = by_estimator["spearman"].dropna()
    if correlation.empty:
        return f"{detector}: no answer. No image is harder than another by its labels, or no estimate tells them apart."
    best = str(correlation.idxmax())
    value = float(correlation[best])
    answer = "yes" if value >= _LIKE else "partly" if value >= _IN_PART else "no"
    of_best = agreement[(agreement["detector"] == detector) & (agreement["estimator"] == best)]
    by_definition = of_best.set_index("definition")["spearman"].dropna()
    if len(by_definition) == 1:
        over = f"for {by_definition.index[0]}"
    else:
        low, high = by_definition.idxmin(), by_definition.idxmax()
        over = (
            f"on average over {len(by_definition)} definitions, from {by_definition[low]:.2f} ({low}) to"
            f" {by_definition[high]:.2f} ({high})"
        )
    inspected = 100 * (1 - float(by_estimator["median_query_count"][best]))
    few = (
        f" That is of {n_images} image{'s' * (n_images > 1)} only: take it for a hint."
        if n_images < _FEW_IMAGES
        else ""
    )
    return (
        f"{detector}: {answer}. {best} ranks most like the labels: Spearman {value:.2f} {over}."
        f" Its hardest {inspected:.0f} % of the images hold half of all hardness (at random: 50 %).{few}"
    )


def terminal_tables(agreement: "pd.DataFrame", width: int) -> list[Table]:
    """Means over definitions, estimators below each other and detectors side by side.

    Measures that have no room are left out, detectors that have none go to a table of their own. The best value of each
    column is marked.

    Args:
        agreement: one row a detector, definition and estimator.
        width: in characters.
    """
    detectors = list(dict.fromkeys(agreement["detector"]))
    room = width - max(map(len, agreement["estimator"]), default=0)
    known = measures(agreement)
    ordered = [*(name for name in _FIRST if name in known), *(name for name in known if name not in _FIRST)]
    abreast = max((room - 1) // _VALUE, 1)
    tables = []
    for start in range(0, len(detectors), abreast):
        shown = detectors[start : start + abreast]
        columns = max(room // (_column_width(len(shown)) + 1), 1)
        tables.append(_table(agreement, shown, ordered[:columns]))
    return tables


def _column_width(n_detectors: int) -> int:
    """Of the values of one measure, in characters."""
    return max(n_detectors * _VALUE, _LONGEST_WORD + 2)


def _table(agreement: "pd.DataFrame", detectors: Sequence[str], shown: Sequence[str]) -> Table:
    numbers = [f"[{number}]" for number in range(1, len(detectors) + 1)] if len(detectors) > 1 else []
    title = ["Agreement with the labels, mean over definitions", *map(" ".join, zip(numbers, detectors, strict=False))]
    table = Table(
        box=box.SIMPLE_HEAD, padding=0, show_edge=False, title=Text("\n".join(title)), title_justify="left",
        title_style="", caption="* best of its column; the higher the better", caption_justify="left",
    )  # fmt: skip
    table.add_column("estimator", no_wrap=True)
    width = _column_width(len(detectors))
    for measure in shown:
        lines = [f"{line} " for line in textwrap.wrap(measure.replace("_", " "), width - 1)]
        if numbers:
            lines.append("".join(f"{number} ".rjust(_VALUE) for number in numbers))
        table.add_column(Text("\n".join(line.rjust(width) for line in lines)), no_wrap=True, vertical="bottom")
    values = {detector: means(agreement, detector) for detector in detectors}
    best = {detector: by_estimator.max() for detector, by_estimator in values.items()}
    for estimator in dict.fromkeys(agreement["estimator"]):
        cells = []
        for measure in shown:
            cell = Text(" " * (width - len(detectors) * _VALUE))
            for detector in detectors:
                there = estimator in values[detector].index
                value = float(values[detector].loc[estimator, measure]) if there else math.nan
                is_best = value == best[detector][measure]
                text = "– " if math.isnan(value) else f"{value:.3f}{'*' if is_best else ' '}"
                cell.append(text.rjust(_VALUE), "bold" if is_best else "")
            cells.append(cell)
        table.add_row(estimator, *cells)
    return table


def markdown_table(table: "pd.DataFrame") -> str:
    """A table in Markdown, numbers with three digits, the best of each column in bold.

    Example:
        >>> import pandas as pd
        >>> print(markdown_table(pd.DataFrame({"spearman": [0.5, 0.25]}, index=pd.Index(["a", "b"], name="estimator"))))
        | estimator | spearman |
        | --- | ---: |
        | a | **0.500** |
        | b | 0.250 |
    """
    best = table.max()

    def cell(value: float, column: str) -> str:
        if math.isnan(value):
            return "–"
        return f"**{value:.3f}**" if value == best[column] else f"{value:.3f}"

    lines = [
        f"| {table.index.name} | " + " | ".join(map(str, table.columns)) + " |",
        "| --- |" + " ---: |" * len(table.columns),
    ]
    for name, row in table.iterrows():
        lines.append(f"| {name} | " + " | ".join(cell(row[column], column) for column in table.columns) + " |")
    return "\n".join(lines)
