"""What tells whether files are the same: a digest of their content."""

import hashlib
from pathlib import Path

from hardest_metrics.data.json_file import PathLike

_CHUNK = 1 << 20  # bytes read at once


def content_digest(path: PathLike) -> str:
    """The SHA-256 of a file, or of the names and contents of all files in a folder and below, as hexadecimal digits.

    Where the file or folder lies, and what it is called, does not matter.

    Args:
        path: the file or folder.

    Raises:
        OSError: when it is missing or cannot be read.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "abc.txt")
        >>> _ = path.write_bytes(b"abc")
        >>> content_digest(path)[:8]
        'ba7816bf'
    """
    path = Path(path)
    if not path.is_dir():
        return _of_file(path)
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    digest = hashlib.sha256()
    for name in sorted(files):
        # a NUL is in no name, and a digest has a length of its own: no two folders write the same
        digest.update(name.encode(errors="surrogateescape") + b"\0" + _of_file(files[name]).encode())
    return digest.hexdigest()


def _of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
