"""JSON files, loaded and checked with errors that name the place in the file and the remedy."""

import gzip
import io
import json
import os
import re
import reprlib
import warnings
import zlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hardest_metrics.data.digest import read_bytes
from hardest_metrics.data.kinds import not_json
from hardest_metrics.input_warning import InputWarning
from hardest_metrics.numbering import Identifier

PathLike = str | os.PathLike[str]

#: Boxes that readers leave out where they are told to, instead of refusing the file: those of a category, or on an
#: image, that the annotations do not list; those that are no box.
Ignorable = Literal["unknown_categories", "unknown_images", "bad_boxes"]

_GZIP_MAGIC = b"\x1f\x8b"

#: A file that unpacks to more bytes than this may be at most so many times smaller, lest it fills the memory.
_MOST_UNPACKED, _MOST_SMALLER = 1 << 28, 100
#: Widths and heights are at most this, so that areas and their sums are finite in float64; as `pack` has it.
MOST_EXTENT = 1e100

_INT64 = range(-(2**63), 2**63)
_EXACT = 2**53  # up to here float64 holds every integer


def load_json(path: PathLike) -> Any:
    """The content of a JSON file, plain or gzipped (told by content, not by name).

    Args:
        path: the file.

    Raises:
        OSError: when the file is missing, a folder or cannot be read.
        ValueError: when it is not JSON, and the message says where, whether it looks truncated, or what it is
            instead; or when an object in it has a key twice.
    """
    return parsed(json_content(path), path)


def json_content(path: PathLike) -> bytes:
    """The bytes of a JSON file, unpacked; raises what :func:`load_json` raises where there are none."""
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: no such file. Check the path.")
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path}: is a folder. Give the path of a JSON file.")
    content = read_bytes(path)
    if content.startswith(_GZIP_MAGIC):
        content = _unpacked(content, path)
    if not content.strip():
        raise ValueError(f"{path}: the file is empty. Copy or export it again.")
    return content


def strict_json(content: bytes) -> Any:
    """What JSON holds, each key of an object once; raises what the json module raises, ValueError all of it."""
    return json.loads(content, object_pairs_hook=_object)


def parsed(content: bytes, path: PathLike) -> Any:
    """What :func:`load_json` does once a file is read."""
    try:
        return strict_json(content)
    except _KeyTwiceError as error:
        raise ValueError(f"{path}: {error}") from error
    except json.JSONDecodeError as error:
        if kind_found := not_json(content):
            raise ValueError(f"{path}: is {kind_found}, not JSON. Give a JSON file.") from error
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        damage = "looks truncated" if _ends_early(error) else "is malformed"
        raise ValueError(f"{path}: JSON {damage} at {where}. Copy or export it again.") from error
    except UnicodeDecodeError as error:
        if kind_found := not_json(content):
            raise ValueError(f"{path}: is {kind_found}, not JSON. Give a JSON file.") from error
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


class _KeyTwiceError(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of a file, each of whose keys must be its own: of two values, nobody can say which is meant."""
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        identity = next(
            (f" with {key!r} {reprlib.repr(values[key])}" for key in ("id", "image_id") if key in values), ""
        )
        raise _KeyTwiceError(
            f"JSON has an object{identity} in which {twice!r} stands twice. Remove all but one of them."
        )
    return values


def _ends_early(error: json.JSONDecodeError) -> bool:
    """Whether the parser ran out of text: nothing follows the error but one cut-off word or string."""
    rest = error.doc[error.pos :]
    opened = error.doc.lstrip()[:1] in ("[", "{")
    unterminated = error.msg.startswith("Unterminated string")
    return opened and (unterminated or re.fullmatch(r"[\w.+\\-]*\s*", rest) is not None)


_A_BOX = f"four finite numbers x, y, width, height with width and height of at least 0 and at most {MOST_EXTENT:g}"


class Entries:
    """One list of objects in a JSON file, read and checked a column at a time.

    Args:
        path: the file, for messages.
        name: what messages call the list, such as ``"results"``.
        values: the list as it was loaded.
        id_key: the key whose value tells entries apart in messages.
        positions: where in the list of the file each value stands; by default all are there, in order.

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

    def __init__(
        self, path: PathLike, name: str, values: Any, id_key: str, positions: NDArray[np.int64] | None = None
    ) -> None:
        if not isinstance(values, list):
            raise ValueError(f"{path}: {name} must be a list, but is {kind(values)}. Export it again.")
        self.path, self.name, self.values, self.id_key = path, name, values, id_key
        self.positions = np.arange(len(values)) if positions is None else positions
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
        return ValueError(f"{self.path}: {self.name}[{self.positions[index]}]{identity}: {problem}. {remedy}")

    def require(self, valid: Any, key: str, expected: str, remedy: str = "Correct or remove it.") -> None:
        """Refuse the first entry for which ``valid`` (one bool per entry) is false, and say how many more there are."""
        wrong = np.flatnonzero(~np.asarray(valid, dtype=bool))
        if len(wrong):
            index = int(wrong[0])
            value = reprlib.repr(self.values[index][key])
            raise self.error(index, f"{key!r} is {value}, but must be {expected}{self._more(len(wrong))}", remedy)

    def admit(
        self, valid: Any, key: str, expected: str, ignorable: Ignorable, ignore: Collection[str], remedy: str = ""
    ) -> "Entries":
        """The entries for which ``valid`` holds; others are left out with a warning, or refused.

        Args:
            valid: one bool an entry.
            key: whose value is not valid.
            expected: what it must be.
            ignorable: what the invalid ones are.
            ignore: what is left out.
            remedy: what else than leaving them out may help.

        Raises:
            ValueError: for an entry that is neither valid nor to be ignored.
        """
        valid = np.asarray(valid, dtype=bool)
        if valid.all():
            return self
        if ignorable not in ignore:
            remedy = f"{remedy or 'Correct or remove it.'} To leave out all like it: `ignore=[{ignorable!r}]`."
            self.require(valid, key, expected, remedy)
        first = reprlib.repr(self.values[int(np.flatnonzero(~valid)[0])][key])
        warnings.warn(
            f"{self.path}: left out {int((~valid).sum())} of {len(self)} {self.name}, whose {key!r} is not {expected};"
            f" the first is {first}.",
            InputWarning,
            stacklevel=2,
        )
        kept = [value for value, keep in zip(self.values, valid.tolist(), strict=True) if keep]
        return Entries(self.path, self.name, kept, self.id_key, self.positions[valid])

    def _more(self, wrong: int) -> str:
        return f" (and {wrong - 1} more of {len(self)} like it)" if wrong > 1 else ""

    def column(self, key: str) -> list[Any]:
        """The value of ``key``, which every entry must have."""
        try:
            return [value[key] for value in self.values]
        except KeyError:
            lacking = [i for i, value in enumerate(self.values) if key not in value]
            remedy = f"Add {key!r} or remove the entry."
            raise self.error(lacking[0], f"has no {key!r}{self._more(len(lacking))}", remedy) from None

    def checked(self, key: str, valid: Callable[[Any], bool], expected: str) -> list[Any]:
        """The value of ``key``, for which ``valid`` must hold in every entry."""
        values = self.column(key)
        self.require(np.fromiter(map(valid, values), bool, len(values)), key, expected)
        return values

    def integers(self, key: str) -> NDArray[np.int64]:
        """The value of ``key`` as ``(n,)`` int64, exactly."""
        return np.array(self.checked(key, is_integer, "an integer of at most 64 bits"), dtype=np.int64)

    def identifiers(self, key: str, expected: str = "an integer of at most 64 bits, or text") -> list[Identifier]:
        """The value of ``key``: numbers as they are, whole floats as the integers that they are, text as it is."""
        values = self.checked(key, is_identifier, expected)
        if float in set(map(type, values)):
            return [int(value) if type(value) is float else value for value in values]
        return values

    def strings(self, key: str) -> list[str]:
        """The value of ``key``, which must be text."""
        return self.checked(key, lambda value: isinstance(value, str), "a string")

    def scores(self, key: str) -> NDArray[np.float64]:
        """The value of ``key`` as ``(n,)`` float64, each in [0, 1]."""
        return np.array(self.checked(key, is_score, "a number in [0, 1]"), dtype=np.float64)

    def boxes(self, key: str) -> NDArray[np.float64]:
        """The value of ``key`` as ``(n, 4)`` float64, boxes as x, y, width, height."""
        boxes, valid = self._boxes(key)
        self.require(valid, key, _A_BOX)
        return boxes

    def with_boxes(self, key: str, ignore: Collection[str]) -> "Entries":
        """Those whose value of ``key`` is a box as :meth:`boxes` gives them; see :meth:`admit`."""
        return self.admit(self._boxes(key)[1], key, _A_BOX, "bad_boxes", ignore)

    def _boxes(self, key: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The boxes, and which of them are some."""
        values = self.column(key)
        shaped = np.fromiter(map(is_box, values), bool, len(values))
        if not shaped.all():
            values = [value if is_one else [0, 0, -1, -1] for value, is_one in zip(values, shaped, strict=True)]
        boxes = np.array(values, dtype=np.float64).reshape(-1, 4)
        return boxes, are_boxes(boxes)


def are_boxes(boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of ``(n, 4)`` rows are boxes, x, y, width and height: finite, and of an extent that metrics take."""
    extents = boxes[:, 2:]
    valid = np.isfinite(boxes).all(1) & ((extents >= 0) & (extents <= MOST_EXTENT)).all(1)
    return np.asarray(valid, dtype=np.bool_)


def is_integer(value: Any) -> bool:
    """Whether a JSON value is an integer of at most 64 bits; 1.0 is one, true is none.

    A float of 2^53 or more may have been another integer once, and is none.
    """
    return (type(value) is int and value in _INT64) or (
        type(value) is float and value.is_integer() and abs(value) < _EXACT
    )


def is_identifier(value: Any) -> bool:
    """Whether a JSON value can be an id: an integer, or text."""
    return type(value) is str or is_integer(value)


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
