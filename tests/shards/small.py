"""A small data set in shards."""

from pathlib import Path
from typing import Any

import pyarrow.parquet

from hardest_metrics.detection import FalseNegatives, TotalFalse
from hardest_metrics.shards.shard import Task
from tests.arrow_scenes import rows, table_of

N_SHARDS, IMAGES_EACH = 4, 30


def save_shards(folder: Path, number: int = N_SHARDS, images: int = IMAGES_EACH) -> list[dict[str, Any]]:
    """Parquet files of several row groups, the last of them in a folder of its own; all images."""
    found = []
    for index in range(number):
        path = folder / ("deep" if index == number - 1 else "") / f"{index}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        these = rows(images, index, first_id=1 + index * images)
        pyarrow.parquet.write_table(table_of(these), path, row_group_size=max(1, images // 3))
        found += these
    return found


def small_task() -> Task:
    metrics = {
        "hardness": TotalFalse("pixel", box_format="xywh"),
        "errors": TotalFalse(box_format="xywh"),
        "missed": FalseNegatives(box_format="xywh"),
    }
    return Task(metrics, "small")


def spoil(path: Path, row: int, column: str, value: Any) -> None:
    """Write a shard anew with another value in one row."""
    file = pyarrow.parquet.ParquetFile(path)
    table, size = file.read(), file.metadata.row_group(0).num_rows
    values = table.column(column).to_pylist()
    values[row] = value
    at = table.schema.names.index(column)
    changed = table.set_column(at, column, pyarrow.array(values, table.schema.field(column).type))
    pyarrow.parquet.write_table(changed, path, row_group_size=size)
