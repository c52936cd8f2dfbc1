"""What was computed before, kept under a hash of everything that it depends on. Needs no torch."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from hardest_metrics import __version__
from hardest_metrics.data.atomic import atomic_write, remove_unfinished
from hardest_metrics.data.lock import locked

#: Of the entries. Another one makes all that was kept before unknown.
FORMAT = 1


def content_key(kind: str, **parts: Any) -> str:
    """The name of what is computed from these parts: a hash of them, this package's version and the format.

    Args:
        kind: what is computed.
        parts: everything that it depends on, of types that JSON knows.

    Example:
        >>> content_key("ranking", seed=0) == content_key("ranking", seed=0) != content_key("ranking", seed=1)
        True
    """
    document = {"format": FORMAT, "version": __version__, "kind": kind, "parts": parts}
    return sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


class Store:
    """A folder of entries, each a file that carries its own checksum.

    An entry is written whole or not at all, so that a run that is killed leaves none in part. One that is damaged
    all the same is named in :attr:`damaged` and counts as absent. Nothing is removed that is not dropped: the folder
    may be deleted at any time.

    Args:
        folder: created when something is first kept.

    Example:
        >>> import tempfile
        >>> store = Store(Path(tempfile.mkdtemp(), "store"))
        >>> key = content_key("greeting", language="en")
        >>> store.kept(key, lambda: b"hello")
        b'hello'
        >>> store.kept(key, lambda: b"not computed again")
        b'hello'
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.damaged: list[Path] = []

    def get(self, key: str) -> bytes | None:
        """What is kept under a key; None where there is nothing, or nothing sound.

        Raises:
            OSError: when the entry cannot be read.
        """
        path = self.folder / key
        try:
            checksum, _, content = path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        if checksum != _checksum(key, content):
            self.damaged.append(path)
            return None
        return content

    def put(self, key: str, content: bytes) -> None:
        """Keep something under a key.

        Raises:
            OSError: when the entry cannot be written.
        """
        self.folder.mkdir(exist_ok=True)
        with atomic_write(self.folder / key) as file:
            file.write(_checksum(key, content) + b"\n" + content)

    def drop(self, key: str) -> None:
        """Forget what is kept under a key, if anything is."""
        (self.folder / key).unlink(missing_ok=True)

    def kept(self, key: str, make: Callable[[], bytes]) -> bytes:
        """What is kept under a key, made and kept now if it was not yet."""
        content = self.get(key)
        if content is None:
            content = make()
            self.put(key, content)
        return content

    @contextmanager
    def locked(self, on_wait: Callable[[], None]) -> Iterator[None]:
        """Let only one process at a time work with this folder; a process that ends in any way lets go.

        Args:
            on_wait: called once if another process works with it.
        """
        self.folder.mkdir(exist_ok=True)
        with locked(self.folder / "lock", on_wait):
            remove_unfinished(self.folder)
            yield


def _checksum(key: str, content: bytes) -> bytes:
    # with the key, so that an entry under another's name is noticed
    return sha256(key.encode() + content).hexdigest().encode()
