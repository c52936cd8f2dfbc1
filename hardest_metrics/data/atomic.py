"""Files that are written as a whole or not at all."""

import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that takes the place of ``path`` only once it is complete.

    What is written goes to a temporary file in the same folder, which replaces ``path`` when the
    ``with`` block ends. Where the block raises, the old file stays as it was and the temporary file
    is removed; where the process is killed it stays, for :func:`remove_unfinished`. A symbolic link is
    followed; an existing file keeps its permissions.

    Args:
        path: the file to write, in a folder that exists.

    Yields:
        The open binary file; leave closing it to this function.

    Raises:
        OSError: when the folder is missing or cannot be written to, the disk is full, or ``path`` is
            something other than a file; it names ``path``.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
        >>> with atomic_write(path) as file:
        ...     written = file.write(b"whole")
        >>> path.read_bytes()
        b'whole'
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise IsADirectoryError(f"Cannot write {path}: it is not a file. Give the path of a file.")
    try:
        temporary, file = _temporary(target.parent)
    except OSError as error:
        raise type(error)(
            f"Cannot write {path}: {error.strerror} (folder {target.parent}). "
            "Create the folder, make it writable or choose another one."
        ) from error
    with ExitStack() as cleanup:
        cleanup.callback(temporary.unlink, missing_ok=True)
        try:
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                if sys.platform != "win32":  # there an open file cannot be renamed
                    _replace(temporary, target)
            if sys.platform == "win32":
                _replace(temporary, target)
        except OSError as error:
            if error.filename is None and error.errno is not None:  # a full disk names no file
                raise type(error)(error.errno, error.strerror, os.fspath(path)) from error
            raise


def remove_unfinished(folder: Path) -> None:
    """Remove what :func:`atomic_write` left in a folder when its process was killed.

    What another process is writing at this moment is left alone. (On Windows everything is: there nothing tells.)

    Args:
        folder: where to look; not in folders below.
    """
    if sys.platform != "win32" and folder.is_dir():
        for file in folder.glob(".*.tmp"):
            if _TEMPORARY.fullmatch(file.name):
                with suppress(OSError), file.open("r+b") as opened:  # gone meanwhile, somebody else's, in use
                    fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    file.unlink()


def _temporary(folder: Path) -> tuple[Path, BinaryIO]:
    """A new file, locked for as long as it is open."""
    while True:
        # a short name of its own: the target's may already be as long as a file system allows
        path = folder / f".{secrets.token_hex(8)}.tmp"
        file = path.open("xb")
        if sys.platform != "win32":
            with suppress(OSError):  # a file system without locks; there `remove_unfinished` gets none either
                fcntl.flock(file, fcntl.LOCK_EX)
            if not path.exists():  # somebody removed it before it was locked
                file.close()
                continue
        return path, file


def _replace(temporary: Path, target: Path) -> None:
    if target.exists():
        shutil.copymode(target, temporary)
    temporary.replace(target)
