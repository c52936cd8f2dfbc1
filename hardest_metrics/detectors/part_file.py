"""Long work that survives being killed: what is done is kept in a file, one line a step."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from hardest_metrics.data.json_file import PathLike


class PartFile:
    """Records of finished steps, each on the disk before the next step begins.

    The first line holds the settings that all records depend on, every other line a record, in JSON behind a checksum
    of itself and all lines above it. Opened again, the file goes on where it ended; a line that was cut off in the
    middle of being written is removed. One process at a time may use it, which is for the caller to see to.

    Args:
        path: the file; made where there is none.
        settings: what must be the same for records to belong together, JSON values by name.

    Raises:
        OSError: when the file cannot be read or written.
        ValueError: when it was begun with other settings, is damaged, or is not such a file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "squares.part")
        >>> with PartFile(path, {"power": 2}) as part:
        ...     part.append(1)
        ...     part.append(4)
        >>> with PartFile(path, {"power": 2}) as part:
        ...     part.append(9)
        ...     list(part.records())
        [1, 4, 9]
        >>> PartFile(path, {"power": 3})
        Traceback (most recent call last):
        ValueError: ...squares.part: was begun with `power` 2, not 3. Give that again to go on, or delete the file to
        start anew.
    """

    def __init__(self, path: PathLike, settings: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self._file = self.path.open("a+b")
        self._last = _NONE
        try:
            self._take_up(settings)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "PartFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(OSError):  # what a full disk has no room for is tried once more
            self._file.close()

    def append(self, record: Any) -> None:
        """Add a record and wait until it is on the disk.

        Raises:
            OSError: when there is no room for it; what there was before stays.
        """
        try:
            line = _line(record, self._last)
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise type(error)(error.errno, error.strerror, str(self.path)) from error
        self._last = line[: len(_NONE)]

    def records(self) -> Iterator[Any]:
        """All records, read one at a time.

        Raises:
            ValueError: at a record that is not as it was written.
        """
        lines = self._lines()
        next(lines)
        yield from lines

    def remove(self) -> None:
        """Close and delete the file."""
        self._file.close()
        self.path.unlink()

    def _take_up(self, settings: Mapping[str, Any]) -> None:
        """Bring the file to where the next record belongs."""
        self._file.seek(0)
        lengths, last = [], _NONE
        for line in self._file:
            if line.endswith(b"\n"):
                lengths.append(len(line))
                last = line[: len(_NONE)]
        n_bytes = self._file.tell()
        if lengths:
            begun = next(self._lines())
            if not isinstance(begun, dict) or begun.keys() != settings.keys():
                raise self._in_the_way()
        elif n_bytes:
            self._file.seek(0)
            if not _line(settings, _NONE).startswith(self._file.read()):
                raise self._in_the_way()
        if len(lengths) <= 1:  # nothing is done, so that settings may change
            self._file.truncate(0)
            self.append(settings)
            return
        for name, value in settings.items():
            if begun[name] != value:
                raise ValueError(
                    f"{self.path}: was begun with `{name}` {begun[name]}, not {value}. Give that again to go on, or"
                    " delete the file to start anew."
                )
        self._file.truncate(sum(lengths))
        self._last = last

    def _in_the_way(self) -> ValueError:
        return ValueError(f"{self.path}: is in the way, and is not unfinished work of this kind. Delete or rename it.")

    def _lines(self) -> Iterator[Any]:
        last = _NONE
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                checksum, _, content = line.removesuffix(b"\n").partition(b" ")
                if checksum == _checksum(content, last):
                    last = checksum
                    yield json.loads(content)
                elif number > 1:
                    raise ValueError(
                        f"{self.path}: is damaged in line {number}. Delete this line and all below it to go on after"
                        " what is above, or the file to start anew."
                    )
                elif re.fullmatch(rb"[0-9a-f]{64}", checksum):
                    raise ValueError(f"{self.path}: is damaged in its first line. Delete it to start anew.")
                else:
                    raise self._in_the_way()


def _line(record: Any, last: bytes) -> bytes:
    content = json.dumps(record, separators=(",", ":")).encode()
    return _checksum(content, last) + b" " + content + b"\n"


def _checksum(content: bytes, last: bytes) -> bytes:
    """Of a line, and through the checksum above it of all lines above."""
    return hashlib.sha256(last + content).hexdigest().encode()


#: Stands above the first line.
_NONE = b"0" * 64
