"""A finished ranking as text."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from hardest_metrics.metric import Summary


def in_words(
    tag: str, epoch: int, summary: Summary, some: str,
    rows: Mapping[str, Sequence[Any]], columns: Mapping[str, Sequence[Any]],
) -> str:  # fmt: skip
    """A table of the hardest images, and what the ranking says of all.

    Args:
        tag: names the ranking.
        epoch: of the training.
        summary: of all images.
        some: what the share of those in error is of, such as ``"images in error"``.
        rows: of the hardest images, by column.
        columns: the same of all images.
    """
    table = Table()
    for column in rows:
        left = column in ("status", "file_name", "errors")
        table.add_column(column.replace("_", " "), justify="left" if left else "right", overflow="fold")
    for row in zip(*({**rows, "hardness": [f"{value:.5g}" for value in rows["hardness"]]}.values()), strict=True):
        table.add_row(*map(str, row))
    text = io.StringIO()
    Console(file=text, width=100).print(table)
    lines = (
        f"{tag}, epoch {epoch}: mean {summary.mean:.4g}, p95 {summary.p95:.4g},"
        f" {summary.share_in_error:.1%} of {some}\n{text.getvalue()}"
    )
    if "status" in columns:
        solved = [id_ for id_, status in zip(columns["image_id"], columns["status"], strict=True) if status == "solved"]
        lines += f"solved: {', '.join(map(str, solved)) or 'none'}\n"
    return lines
