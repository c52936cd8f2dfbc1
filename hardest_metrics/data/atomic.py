"""Files that are written as a whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that takes the place of ``path`` only once it is complete.

    What is written goes to a temporary file in the same folder, which replaces ``path`` when the
    ``with`` block ends. Where the block raises, the old file stays as it was and the temporary file
    is removed. A symbolic link is followed; an existing file keeps its permissions.

    Args:
        path: the file to write, in a folder that exists.

    Yields:
        The open binary file; leave closing it to this function.

    Raises:
        OSError: when the folder is missing or cannot be written to, or ``path`` is something other
            than a file.

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
    # a short name of its own: the target's may already be as long as a file system allows
    temporary = target.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        file = temporary.open("xb")
    except OSError as error:
        raise type(error)(
            f"Cannot write {path}: {error.strerror} (folder {target.parent}). "
            "Create the folder, make it writable or choose another one."
        ) from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
