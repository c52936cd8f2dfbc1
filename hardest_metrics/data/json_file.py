"""JSON files, loaded and checked with errors that name the place in the file and the remedy."""

import gzip
import io
import json
import os
import re
import reprlib
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardest_metrics.data.digest import read_bytes

PathLike = str | os.PathLike[str]

_GZIP_MAGIC = b"\x1f\x8b"

#: A file that unpacks to more bytes than this may be at most so many times smaller, lest it fills the memory.
_MOST_UNPACKED, _MOST_SMALLER = 1 << 28, 100
#: Widths and heights are at most this, so that areas and their sums are finite in float64; as `pack` has it.
MOST_EXTENT = 1e100

_INT64 = range(-(2**63), 2**63)


def load_json(path: PathLike) -> Any:
    """The content of a JSON file, plain or gzipped (told by content, not by name).

    Args:
        path: the file.

    Raises:
        OSError: when the file is missing, a folder or cannot be read.
        ValueError: when it is not JSON; the message says where, and whether it looks truncated.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: no such file. Check the path.")
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path}: is a folder. Give the path of a JSON file.")
    content = read_bytes(path)
    if content.startswith(_GZIP_MAGIC):
        content = _unpacked(content, path)
    if not content.strip():
        raise ValueError(f"{path}: the file is empty. Copy or export it again.")
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        damage = "looks truncated" if _ends_early(error) else "is malformed"
        raise ValueError(f"{path}: JSON {damage} at {where}. Copy or export it again.") from error
    except UnicodeDecodeError as error:
        damage = "looks truncated" if error.reason == "unexpected end of data" else "is malformed"
        raise ValueError(
            f"{path}: JSON {damage} at byte {error.start}: not {error.encoding}. Copy or export it again."
        ) from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, endless nesting
        raise ValueError(f"{path}: JSON cannot be read ({error}). Export it again.") from error


def _unpacked(content: bytes, path: PathLike) -> bytes:
    """What a gzipped file holds."""
    most = max(_MOST_UNPACKED, _MOST_SMALLER * len(content))
    try:
        with gzip.open(io.BytesIO(content)) as file:
            unpacked = file.read(most + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path}: truncated or damaged gzip file ({error}). Copy or export it again.") from error
    if len(unpacked) > most:
        raise ValueError(
            f"{path}: unpacks to more than {_MOST_SMALLER} times its {len(content)} bytes, which is hardly JSON. Export"
            " it again, or unpack it if that is right."
        )
    return unpacked


def _ends_early(error: json.JSONDecodeError) -> bool:
    """Whether the parser ran out of text: nothing follows the error but one cut-off word or string."""
    rest = error.doc[error.pos :]
    opened = error.doc.lstrip()[:1] in ("[", "{")
    unterminated = error.msg.startswith("Unterminated string")
    return opened and (unterminated or re.fullmatch(r"[\w.+\\-]*\s*", rest) is not None)


class Entries:
    """One list of objects in a JSON file, read and checked a column at a time.

    Args:
        path: the file, for messages.
        name: what messages call the list, such as ``"results"``.
        values: the list as it was loaded.
        id_key: the key whose value tells entries apart in messages.

    Raises:
        ValueError: here and in every method, naming file, position, id, value and remedy.

    Example:
        >>> entries = Entries("a.json", "results", [{"image_id": 3, "score": 2}], "image_id")
        >>> entries.integers("image_id")
        array([3])
        >>> entries.scores("score")
        Traceback (most recent call last):
        ValueError: a.json: results[0] (image_id 3): 'score' is 2, but must be a number in [0, 1]. \
Correct or remove it.
    """

    def __init__(self, path: PathLike, name: str, values: Any, id_key: str) -> None:
        if not isinstance(values, list):
            raise ValueError(f"{path}: {name} must be a list, but is {kind(values)}. Export it again.")
        self.path, self.name, self.values, self.id_key = path, name, values, id_key
        for index, value in enumerate(values):
            if not isinstance(value, dict):
                raise ValueError(
                    f"{path}: {name}[{index}] must be an object, but is {kind(value)}. Correct or remove it."
                )

    def __len__(self) -> int:
        return len(self.values)

    def error(self, index: int, problem: str, remedy: str) -> ValueError:
        """The error to raise about one entry."""
        entry = self.values[index]
        identity = f" ({self.id_key} {reprlib.repr(entry[self.id_key])})" if self.id_key in entry else ""
        return ValueError(f"{self.path}: {self.name}[{index}]{identity}: {problem}. {remedy}")

    def require(self, valid: Any, key: str, expected: str, remedy: str = "Correct or remove it.") -> None:
        """Refuse the first entry for which ``valid`` (one bool per entry) is false."""
        wrong = np.flatnonzero(~np.asarray(valid, dtype=bool))
        if len(wrong):
            index = int(wrong[0])
            value = reprlib.repr(self.values[index][key])
            raise self.error(index, f"{key!r} is {value}, but must be {expected}", remedy)

    def column(self, key: str) -> list[Any]:
        """The value of ``key``, which every entry must have."""
        try:
            return [value[key] for value in self.values]
        except KeyError:
            index = next(i for i, value in enumerate(self.values) if key not in value)
            remedy = f"Add {key!r} or remove the entry."
            raise self.error(index, f"has no {key!r}", remedy) from None

    def checked(self, key: str, valid: Callable[[Any], bool], expected: str) -> list[Any]:
        """The value of ``key``, for which ``valid`` must hold in every entry."""
        values = self.column(key)
        self.require(np.fromiter(map(valid, values), bool, len(values)), key, expected)
        return values

    def integers(self, key: str) -> NDArray[np.int64]:
        """The value of ``key`` as ``(n,)`` int64, exactly."""
        return np.array(self.checked(key, is_integer, "an integer of at most 64 bits"), dtype=np.int64)

    def strings(self, key: str) -> list[str]:
        """The value of ``key``, which must be text."""
        return self.checked(key, lambda value: isinstance(value, str), "a string")

    def scores(self, key: str) -> NDArray[np.float64]:
        """The value of ``key`` as ``(n,)`` float64, each in [0, 1]."""
        return np.array(self.checked(key, is_score, "a number in [0, 1]"), dtype=np.float64)

    def boxes(self, key: str) -> NDArray[np.float64]:
        """The value of ``key`` as ``(n, 4)`` float64, boxes as x, y, width, height."""
        expected = "four finite numbers x, y, width, height with width and height of at least 0"
        expected += f" and at most {MOST_EXTENT:g}"
        values = self.checked(key, is_box, expected)
        boxes = np.array(values, dtype=np.float64).reshape(-1, 4)
        extents = boxes[:, 2:]
        self.require(np.isfinite(boxes).all(1) & ((extents >= 0) & (extents <= MOST_EXTENT)).all(1), key, expected)
        return boxes


def is_integer(value: Any) -> bool:
    """Whether a JSON value is an integer of at most 64 bits; 1.0 and true are none."""
    return type(value) is int and value in _INT64


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number; NaN and Infinity are, true is none."""
    return type(value) is float or is_integer(value)


def is_score(value: Any) -> bool:
    """Whether a JSON value is a number in [0, 1]."""
    return is_number(value) and 0 <= value <= 1


def is_box(value: Any) -> bool:
    """Whether a JSON value is a list of four numbers."""
    return type(value) is list and len(value) == 4 and all(map(is_number, value))


def kind(value: Any) -> str:
    """What JSON calls a value of this type, for messages."""
    names = {
        dict: "an object",
        list: "a list",
        str: "a string",
        bool: "a boolean",
        type(None): "null",
    }
    return names.get(type(value), "a number")
