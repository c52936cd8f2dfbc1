"""Embeddings and labels of images, as files hold them: arrays of numpy, and tables whose rows go with theirs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hardest_metrics.data.hierarchical import number_classes
from hardest_metrics.data.identity import Identifier
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.data.table import Table, is_integer_text

#: Columns of a table of labels that are no levels: what an image is called, and its file.
ID_COLUMN, FILE_COLUMNS = "image_id", ("file_name", "file")

_INT64 = torch.iinfo(torch.int64)


@dataclass(frozen=True, eq=False)
class LabelTable:
    """What a table says of images, a row each.

    Args:
        labels: ``(N, L)`` int64, finest level first.
        level_names: of the columns.
        class_names: by level, the name of each label.
        ids: of the images, integers or text; None where it has no column ``image_id``.
        file_names: of the images; None where it has no column ``file_name`` or ``file``.
    """

    labels: Tensor
    level_names: list[str]
    class_names: list[dict[int, str]]
    ids: list[Identifier] | None
    file_names: list[str] | None


def read_embeddings(path: PathLike) -> Tensor:
    """Read what ``numpy.save`` wrote: ``(N, D)`` floating point, a row an image.

    Returns:
        ``(N, D)`` float32.

    Raises:
        OSError: when the file cannot be read.
        ValueError: when it holds something else.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "embeddings.npy")
        >>> np.save(path, np.eye(3, dtype=np.float16))
        >>> read_embeddings(path).shape
        torch.Size([3, 3])
    """
    try:
        with Path(path).open("rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except (EOFError, ValueError) as error:
        raise ValueError(
            f"{path}: is no array of numbers ({error}). Write it with `numpy.save(path, embeddings)`."
        ) from error
    if array.dtype.kind != "f" or array.ndim != 2 or not array.size:
        raise ValueError(
            f"{path}: must hold floating-point numbers of shape (images, dimensions), but holds {array.dtype} of"
            f" {array.shape}. Write the embeddings of all images as one array."
        )
    with np.errstate(over="ignore"):  # what is beyond float32 is refused with its row by whoever compares
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def read_labels(paths: Sequence[PathLike], level_columns: Sequence[str] | None = None) -> list[LabelTable]:
    r"""Read tables of labels, in which a class has the same number in all of them.

    A table is CSV with a header: a column for each level of labels, and, where wished, ``image_id`` and ``file_name``
    (or ``file``). A level whose labels are all integers keeps them; others are numbered in alphabetical order.

    Args:
        paths: the files.
        level_columns: names of the columns of labels, finest level first; None for all others than the above in their
            order, which all tables must then have alike.

    Raises:
        OSError: when a file cannot be read.
        ValueError: when one is not as it should be; the message names file, line and remedy.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "labels.csv")
        >>> written = path.write_text("file_name,species,kind\ntom.jpg,cat,animal\n1.jpg,saw,tool\n")
        >>> (table,) = read_labels([path])
        >>> table.labels.tolist(), table.file_names, table.ids
        ([[0, 0], [1, 1]], ['tom.jpg', '1.jpg'], None)
    """
    tables = [Table(path) for path in paths]
    found = [[name for name in table.header if name not in (ID_COLUMN, *FILE_COLUMNS)] for table in tables]
    levels = found[0] if level_columns is None else list(level_columns)
    for path, names in zip(paths, found, strict=True):
        if not levels or (level_columns is None and names != levels):
            raise ValueError(
                f"{path}: has the levels {', '.join(names) or 'none'}, but must have a column for each level, finest"
                f" first, as {paths[0]} has: {', '.join(levels) or 'none'}. Add them, or name the columns."
            )
    columns, class_names = [], []
    for level in levels:
        texts = [text for table in tables for text in table.texts(level)]
        if all(map(is_integer_text, texts)):
            numbers = [number for table in tables for number in _int64(table, level)]
            columns.append(torch.tensor(numbers))
            class_names.append({number: str(number) for number in set(numbers)})
        else:
            numbered, (names_of,) = number_classes([(text,) for text in texts])
            columns.append(numbered[:, 0])
            class_names.append(names_of)
    parts = torch.stack(columns, dim=1).split([len(table) for table in tables])
    return [_label_table(table, part, levels, class_names) for table, part in zip(tables, parts, strict=True)]


def _label_table(table: Table, labels: Tensor, levels: list[str], class_names: list[dict[int, str]]) -> LabelTable:
    ids: list[Identifier] | None = None
    if ID_COLUMN in table.header:
        texts = table.texts(ID_COLUMN)
        ids = list(_int64(table, ID_COLUMN) if all(map(is_integer_text, texts)) else texts)
        _check_each_once(table, ID_COLUMN, ids)
    file_column = next((name for name in FILE_COLUMNS if name in table.header), None)
    return LabelTable(labels, levels, class_names, ids, None if file_column is None else table.texts(file_column))


def _int64(table: Table, name: str) -> list[int]:
    """A column of integers that a tensor can hold."""
    numbers = table.integers(name)
    for line, number in zip(table.lines, numbers, strict=True):
        if not _INT64.min < number <= _INT64.max:
            raise ValueError(f"{table.path}: line {line}: {name!r} is {number}, beyond int64. Give it a name instead.")
    return numbers


def _check_each_once(table: Table, name: str, values: Sequence[object]) -> None:
    seen: dict[object, int] = {}
    for line, value in zip(table.lines, values, strict=True):
        if value in seen:
            raise ValueError(
                f"{table.path}: line {line}: {name!r} is {value}, as in line {seen[value]}. Give each image its own."
            )
        seen[value] = line
