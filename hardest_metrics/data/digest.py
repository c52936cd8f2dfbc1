"""What tells whether files are the same: a digest of their content, of the very bytes that are parsed where need be."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_CHUNK = 1 << 20  # bytes read at once

_noted: ContextVar[dict[Path, str] | None] = ContextVar("_noted", default=None)


def content_digest(path: str | os.PathLike[str], known: Mapping[Path, str] | None = None) -> str:
    """The SHA-256 of a file, or of the names and contents of all files in a folder and below, as hexadecimal digits.

    Where the file or folder lies, and what it is called, does not matter.

    Args:
        path: the file or folder.
        known: digests of files that need not be read, such as :func:`noted_digests` gives.

    Raises:
        OSError: when it is missing or cannot be read.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "abc.txt")
        >>> _ = path.write_bytes(b"abc")
        >>> content_digest(path)[:8]
        'ba7816bf'
    """
    path, known = Path(path), known or {}
    if not path.is_dir():
        return known.get(path) or _of_file(path)
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    digest = hashlib.sha256()
    for name in sorted(files):
        # a NUL is in no name, and a digest has a length of its own: no two folders write the same
        of_file = known.get(files[name]) or _of_file(files[name])
        digest.update(name.encode(errors="surrogatepass") + b"\0" + of_file.encode())
    return digest.hexdigest()


@contextmanager
def noted_digests() -> Iterator[dict[Path, str]]:
    """Note the digest of every file that is read by :func:`read_bytes` meanwhile, by its path.

    A file that is digested first and read later may have been replaced in between.

    Example:
        >>> import tempfile
        >>> from hardest_metrics.data.json_file import load_json
        >>> path = Path(tempfile.mkdtemp(), "empty.json")
        >>> _ = path.write_text("[]")
        >>> with noted_digests() as noted:
        ...     content = load_json(path)
        >>> noted[path] == content_digest(path)
        True
    """
    noted: dict[Path, str] = {}
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content of a file that is to be parsed: every reader takes it from here.

    Raises:
        OSError: when it is missing or cannot be read.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:  # of a disk that fails: names no file
        raise type(error)(error.errno, error.strerror, os.fspath(path)) from error
    noted = _noted.get()
    if noted is not None:
        noted[Path(path)] = hashlib.sha256(content).hexdigest()
    return content


def _of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
