"""One shard of stored detections: found, read piece by piece, and its rows written as a whole."""

import glob
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hardest_metrics.data.atomic import atomic_write
from hardest_metrics.functional.detection.arrow import COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

    from hardest_metrics.detection.detection_metric import DetectionMetric

_PARQUET, _JSON_LINES = (".parquet",), (".jsonl", ".ndjson")

#: Images read at once: no more than are measured at once, so that memory stays small.
_AT_ONCE = 2560

#: Under which a file of rows says what it was made of, and by which version of its form.
_MARK, _FORM = b"hardest_metrics.rows", 1


class Shard(NamedTuple):
    """A file of images, and where its rows are written.

    Attributes:
        path: Parquet, or JSON lines.
        rows: Parquet.
    """

    path: str
    rows: str


class Task(NamedTuple):
    """What to do with each shard; it travels to other processes.

    Attributes:
        metrics: by the name of the column that each fills.
        settings: names everything that the columns depend on.
    """

    metrics: "Mapping[str, DetectionMetric[Any]]"
    settings: str

    def mark(self, path: str) -> bytes:
        """What the rows of a shard are made of: they are made again where it has changed."""
        status = Path(path).stat()
        made_of = {"form": _FORM, "settings": self.settings, "size": status.st_size, "changed": status.st_mtime_ns}
        return json.dumps(made_of).encode()


def shards_of(pattern: str, rows: str) -> list[Shard]:
    """The files that a pattern such as ``shards/*.parquet`` names, or a folder, in the order of their names.

    Rows are called as their shard is, below the folders that the pattern leaves open, and end in ``.parquet``.

    Args:
        pattern: of files; ``**`` stands for folders and folders in these.
        rows: the folder to write to.

    Raises:
        ValueError: if there are none, one is in another format, or the rows of two would have one name.
    """
    folder = Path(pattern).is_dir()
    root = Path(pattern) if folder else Path(*_fixed(Path(pattern)))
    found = map(str, Path(pattern).iterdir()) if folder else glob.glob(pattern, recursive=True)  # noqa: PTH207
    paths = sorted(path for path in found if Path(path).is_file())
    if folder:  # engines leave notes beside what they write
        paths = [path for path in paths if Path(path).name[0] not in "._"]
    if not paths:
        raise ValueError(f"{pattern}: no such file. Check the pattern, and write it in quotes.")
    shards: dict[str, Shard] = {}
    for path in paths:
        if not path.lower().endswith((*_PARQUET, *_JSON_LINES)):
            known = ", ".join((*_PARQUET, *_JSON_LINES))
            raise ValueError(f"{path}: shards end in {known}. Convert it, or let the pattern leave it out.")
        name = Path(path).relative_to(root)
        file = str(Path(rows, name.with_suffix(".parquet")))
        if file in shards:
            raise ValueError(f"{path}: its rows would have the name of those of {shards[file].path}. Rename one.")
        if os.path.realpath(file) == os.path.realpath(path):
            raise ValueError(f"{path}: its rows would take its place. Write them to another folder.")
        shards[file] = Shard(path, file)
    return list(shards.values())


def _fixed(pattern: Path) -> Iterator[str]:
    """The folders that a pattern does not leave open."""
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            return
        yield part


def is_ranked(shard: Shard, task: Task) -> bool:
    """Whether its rows are there, made of this very shard with these settings."""
    from pyarrow import ArrowException, parquet

    with suppress(OSError, ArrowException):
        return (parquet.read_schema(shard.rows).metadata or {}).get(_MARK) == task.mark(shard.path)
    return False


def rank_shard(shard: Shard, task: Task) -> None:
    """Write the rows of a shard: `image_id` and a column a metric; as a whole or not at all.

    Raises:
        OSError: when it cannot be read, or the rows cannot be written.
        ValueError: when what it holds makes no sense; the message names file, row group, column and image.
    """
    from pyarrow import parquet

    from hardest_metrics.data.arrow import hardness_rows

    mark = task.mark(shard.path)
    Path(shard.rows).parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(shard.rows) as file, ExitStack() as stack:
        writer = None
        for where, table in pieces(shard.path):
            with told(where):
                rows = hardness_rows(table, task.metrics)
                rows = rows.set_column(0, "image_id", _plain(rows.column("image_id")))
            if writer is None:
                writer = parquet.ParquetWriter(file, rows.schema.with_metadata({_MARK: mark}))
                stack.enter_context(writer)
            with told(where):
                writer.write_table(rows.cast(writer.schema))


def pieces(path: str, names: tuple[str, ...] = COLUMNS) -> "Iterator[tuple[str, pa.Table]]":
    """The images of a shard, so many at a time, and how a message names where they stand."""
    import pyarrow as pa
    from pyarrow import json as json_lines
    from pyarrow import parquet

    if path.lower().endswith(_PARQUET):
        with told(path, f"{path}: "), parquet.ParquetFile(path) as file:
            known = [name for name in file.schema_arrow.names if name in names]
            for group in range(file.num_row_groups):
                with told(f"{path}: row group {group}"):
                    for batch in file.iter_batches(_AT_ONCE, [group], known, use_threads=False):
                        yield f"{path}: row group {group}", pa.Table.from_batches([batch])
            if not file.metadata.num_rows:
                yield path, file.schema_arrow.empty_table().select(known)
    else:
        with told(path):
            table = json_lines.read_json(path, json_lines.ReadOptions(use_threads=False))
        for start in range(0, len(table), _AT_ONCE):
            yield f"{path}: from line {start + 1}", table.slice(start, _AT_ONCE)


@contextmanager
def told(where: str, known: str = "") -> Iterator[None]:
    """Let errors say where they come from, unless they say it already, and be of those that have one line."""
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, TypeError, ValueError, OSError) as error:
        text = str(getattr(error, "strerror", None) or error)
        if text.startswith(known or f"{where}: "):
            raise
        raise ValueError(f"{where}: {text}") from error


def _plain(ids: Any) -> Any:
    """Ids as integers or text: shards may encode them differently."""
    import pyarrow as pa

    kind = ids.type.value_type if pa.types.is_dictionary(ids.type) else ids.type
    return ids.cast(pa.int64() if pa.types.is_integer(kind) else pa.string())
