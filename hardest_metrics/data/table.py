"""Text tables with a header, read a column at a time, with errors that name the line and the remedy."""

import csv
import io
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hardest_metrics.data.digest import read_bytes
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.numbering import Identifier

#: What a column of ids, and one of file names, may be called.
ID_COLUMNS, FILE_COLUMNS = ("image_id", "id", "index", "idx"), ("file_name", "file", "filename", "path")

_INT64 = np.iinfo(np.int64)


class Table:
    r"""A table in text: a header, and a line for each row.

    Blanks around values and empty lines do not count.

    Args:
        path: the file, in UTF-8.
        delimiter: what stands between values.

    Raises:
        OSError: when it cannot be read.
        ValueError: here and in every method, naming file, line, value and remedy.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp(), "labels.csv")
        >>> written = path.write_text("image,class\na.jpg,3\nb.jpg,x\n")
        >>> table = Table(path)
        >>> table.header, table.texts("image")
        (['image', 'class'], ['a.jpg', 'b.jpg'])
        >>> table.integers("class")
        Traceback (most recent call last):
        ValueError: ...labels.csv: line 3: 'class' is 'x', but must be an integer. Correct or remove it.
    """

    def __init__(self, path: PathLike, delimiter: str = ",") -> None:
        self.path = path
        try:
            text = read_bytes(path).decode("utf-8-sig")
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
            numbered = [(reader.line_num, [value.strip() for value in row]) for row in reader if any(row)]
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: cannot be read as a table ({error}). Export it again, in UTF-8.") from error
        if len(numbered) < 2:
            found = "a header, but no rows" if numbered else "the file is empty"
            raise ValueError(f"{path}: {found}. Copy or export it again.")
        (_, self.header), rows = numbered[0], numbered[1:]
        self.lines = [line for line, _ in rows]
        for line, row in rows:
            if len(row) != len(self.header):
                raise ValueError(
                    f"{path}: line {line}: {len(row)} values, but the header has {len(self.header)} columns. "
                    "Correct or remove it."
                )
        self._columns = dict(zip(self.header, map(list, zip(*(row for _, row in rows), strict=True)), strict=True))

    def __len__(self) -> int:
        return len(self.lines)

    def values(self, name: str) -> list[str]:
        """A column as it is, some of it perhaps empty."""
        if name not in self.header:
            raise ValueError(
                f"{self.path}: no column {name!r}, but {', '.join(map(repr, self.header))}. Choose of these."
            )
        return self._columns[name]

    def texts(self, name: str) -> list[str]:
        """A column as text, none of it empty."""
        texts = self.values(name)
        if "" in texts:
            raise ValueError(f"{self.path}: line {self.lines[texts.index('')]}: {name!r} is empty. Add or remove it.")
        return texts

    def integers(self, name: str) -> list[int]:
        """A column as integers."""
        texts = self.texts(name)
        try:
            return list(map(int, texts))
        except ValueError:
            row = next(row for row, text in enumerate(texts) if not is_integer_text(text))
            raise self.error(row, f"{name!r} is {texts[row]!r}, but must be an integer.") from None

    def whole(self, name: str) -> list[int]:
        """A column as integers of 64 bits, as tensors hold them."""
        numbers = self.integers(name)
        for line, number in zip(self.lines, numbers, strict=True):
            if not _INT64.min < number <= _INT64.max:
                raise ValueError(
                    f"{self.path}: line {line}: {name!r} is {number}, beyond int64. Give it a name instead."
                )
        return numbers

    def identifiers(self) -> list[Identifier] | None:
        """What images are called: integers if all are, else text; None without one of :data:`ID_COLUMNS`."""
        name = self._first_of(ID_COLUMNS)
        if name is None:
            return None
        texts = self.texts(name)
        ids: list[Identifier] = [*(self.whole(name) if all(map(is_integer_text, texts)) else texts)]
        seen: dict[Identifier, int] = {}
        for line, value in zip(self.lines, ids, strict=True):
            if value in seen:
                raise ValueError(
                    f"{self.path}: line {line}: {name!r} is {value}, as in line {seen[value]}: {value!r} comes twice."
                    " Give each image its own."
                )
            seen[value] = line
        return ids

    def file_names(self) -> list[str] | None:
        """The files of images; None without one of :data:`FILE_COLUMNS`."""
        name = self._first_of(FILE_COLUMNS)
        return None if name is None else self.texts(name)

    def _first_of(self, names: Sequence[str]) -> str | None:
        return next((name for name in names if name in self.header), None)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column as finite numbers."""
        texts = self.texts(name)
        found = np.array([number_of(text) for text in texts])
        if not np.isfinite(found).all():
            row = int(np.flatnonzero(~np.isfinite(found))[0])
            raise self.error(row, f"{name!r} is {texts[row]!r}, but must be a finite number.")
        return found

    def error(self, row: int, problem: str) -> ValueError:
        """The error to raise about a row."""
        return ValueError(f"{self.path}: line {self.lines[row]}: {problem} Correct or remove it.")


def number_of(text: str) -> float:
    """The number that a text is, NaN where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def is_integer_text(text: str) -> bool:
    """Whether Python reads a text as an integer."""
    try:
        int(text)
    except ValueError:
        return False
    return True
