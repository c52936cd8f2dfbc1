"""What the rows of all shards come to, in 16 bytes of memory an image."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardest_metrics.numbering import image_number
from hardest_metrics.shards.shard import Shard, told

_AT_ONCE = 1 << 16

_MOST_SHOWN = 3


class Total(NamedTuple):
    """What is known of all images.

    Attributes:
        images: how many there are.
        mean: of their hardness, as are all others that are numbers.
        p95: interpolated.
        share_in_error: of images whose value of the column that tells is above 0.
        hardest: those of greatest hardness, by ascending id where it is equal: every column of the rows, and ``shard``,
            the file that each is from.
    """

    images: int
    mean: float
    p95: float
    share_in_error: float
    hardest: list[dict[str, Any]]


def total(shards: Sequence[Shard], top_k: int, hardness: str = "hardness", errors: str = "hardness") -> Total:
    """Read the rows of all shards once.

    Args:
        shards: all of which have rows.
        top_k: how many of the hardest images to give.
        hardness: the column that images are ranked by.
        errors: the column that tells whether an image is in error.

    Raises:
        ValueError: if a file of rows is damaged, or an image is in several rows; the message names the image and the
            files.
    """
    from pyarrow import compute, parquet

    number = sum(_told(parquet.read_metadata, shard.rows).num_rows for shard in shards)
    ids, values = np.empty(number, np.int64), np.empty(number, np.float32)
    start = in_error = 0
    hardest: list[tuple[float, int, dict[str, Any]]] = []
    for shard in shards:
        for rows in _read(shard.rows):
            numbers, here = numbers_of_rows(rows), np.asarray(rows.column(hardness))
            stop = start + len(here)
            ids[start:stop], values[start:stop] = numbers, here
            in_error += int(np.count_nonzero(np.asarray(rows.column(errors)) > 0))
            start = stop
            least = hardest[-1][0] if len(hardest) == top_k else -math.inf
            order = np.lexsort((numbers, -here))[:top_k]
            for place in order[here[order] >= least].tolist():
                row = {name: rows.column(name)[place].as_py() for name in rows.schema.names}
                hardest.append((float(here[place]), int(numbers[place]), {**row, "shard": shard.path}))
            hardest = sorted(hardest, key=lambda one: (-one[0], one[1]))[:top_k]
    ids.sort()
    _refuse_twice(ids, shards)
    del ids
    if not number:
        return Total(0, math.nan, math.nan, math.nan, [])
    mean = float(values.sum(dtype=np.float64)) / number
    p95 = compute.quantile(values, 0.95)[0].as_py()
    return Total(number, mean, p95, in_error / number, [row for _, _, row in hardest])


def numbers_of_rows(rows: Any) -> NDArray[np.int64]:
    """``(n,)``: the ids of rows as metrics know them."""
    ids = rows.column("image_id")
    if ids.type == "int64":
        return np.asarray(ids)
    return np.array(list(map(image_number, ids.to_pylist())), dtype=np.int64)


def _refuse_twice(ascending: NDArray[np.int64], shards: Sequence[Shard]) -> None:
    """Refuse ids that occur twice; looks once more at all rows only if some do."""
    twice: set[int] = set()
    count = 0
    for start in range(0, len(ascending) - 1, _AT_ONCE):  # a mask of all would take memory, too
        part = ascending[start : start + _AT_ONCE + 1]
        equal = part[1:][part[1:] == part[:-1]]
        count += len(equal)
        twice.update(equal[: _MOST_SHOWN - len(twice)].tolist() if len(twice) < _MOST_SHOWN else ())
    if not count:
        return
    found: dict[int, list[tuple[Any, str]]] = {number: [] for number in twice}
    for shard in shards:
        for rows in _read(shard.rows):
            numbers = numbers_of_rows(rows)
            for place in np.flatnonzero(np.isin(numbers, list(twice))).tolist():
                found[int(numbers[place])].append((rows.column("image_id")[place].as_py(), shard.path))
    for (one, first), (other, second), *_ in found.values():
        if one != other:
            raise ValueError(f"The ids {one!r} of {first} and {other!r} of {second} have the same number: rename one.")
    shown = "; ".join(
        f"image {where[0][0]!r} is in {' and in '.join(dict.fromkeys(path for _, path in where))}"
        + (" twice" if len({path for _, path in where}) == 1 else "")
        for _, where in sorted(found.items())
    )
    more = f" and {count - len(twice)} more like it" if count > len(twice) else ""
    raise ValueError(f"Ids occur twice: {shown}{more}. Give each image once, and an id of its own.")


def _read(path: str) -> Iterator[Any]:
    from pyarrow import parquet

    with told(path), parquet.ParquetFile(path) as file:
        yield from file.iter_batches(_AT_ONCE, use_threads=False)


def _told(read: Any, path: str) -> Any:
    with told(path):
        return read(Path(path))
