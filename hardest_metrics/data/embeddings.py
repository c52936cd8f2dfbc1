"""Embeddings and labels of images, as files hold them: arrays of numpy, and tables whose rows go with theirs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hardest_metrics.data.array_file import read_array
from hardest_metrics.data.hierarchical import level_of
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.data.table import FILE_COLUMNS, ID_COLUMNS, Table
from hardest_metrics.numbering import Identifier


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
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp(), "embeddings.npy")
        >>> np.save(path, np.eye(3, dtype=np.float16))
        >>> read_embeddings(path).shape
        torch.Size([3, 3])
    """
    array = read_array(path, "embeddings")
    if not array.size:
        raise ValueError(f"{path}: holds no embeddings, but {array.shape}. Write those of all images as one array.")
    with np.errstate(over="ignore"):  # what is beyond float32 is refused with its row by whoever compares
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def read_label_tables(paths: Sequence[PathLike], level_columns: Sequence[str] | None = None) -> list[LabelTable]:
    r"""Read tables of labels, in which a class has the same number in all of them.

    A table is CSV with a header: a column for each level of labels, and, where wished, ``image_id`` and ``file_name``,
    or what else :data:`~hardest_metrics.data.table.ID_COLUMNS` and ``FILE_COLUMNS`` name. A level whose labels are all
    integers keeps them; others are numbered in alphabetical order.

    Args:
        paths: the files.
        level_columns: names of the columns of labels, finest level first; None for all others than the above in their
            order, which all tables must then have alike.

    Raises:
        OSError: when a file cannot be read.
        ValueError: when one is not as it should be; the message names file, line and remedy.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp(), "labels.csv")
        >>> written = path.write_text("file_name,species,kind\ntom.jpg,cat,animal\n1.jpg,saw,tool\n")
        >>> (table,) = read_label_tables([path])
        >>> table.labels.tolist(), table.file_names, table.ids
        ([[0, 0], [1, 1]], ['tom.jpg', '1.jpg'], None)
    """
    tables = [Table(path) for path in paths]
    found = [[name for name in table.header if name not in (*ID_COLUMNS, *FILE_COLUMNS)] for table in tables]
    levels = found[0] if level_columns is None else list(level_columns)
    for path, names in zip(paths, found, strict=True):
        if not levels or (level_columns is None and names != levels):
            raise ValueError(
                f"{path}: has the levels {', '.join(names) or 'none'}, but must have a column for each level, finest"
                f" first, as {paths[0]} has: {', '.join(levels) or 'none'}. Add them, or name the columns."
            )
    columns, class_names = zip(*(level_of(tables, level) for level in levels), strict=True)
    parts = torch.stack(columns, dim=1).split([len(table) for table in tables])
    return [
        LabelTable(part, levels, list(class_names), table.identifiers(), table.file_names())
        for table, part in zip(tables, parts, strict=True)
    ]
