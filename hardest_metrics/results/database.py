"""The file of a store: opened, refused where it is not what it should be, brought up to date, written as a whole.

Every use has a connection of its own, so that processes, forks and threads are nobody's concern. Writers wait for each
other up to 30 seconds. A process that is killed leaves what was there before: SQLite undoes what is not committed.
"""

import errno
import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from hardest_metrics.data.lock import alone
from hardest_metrics.input_warning import InputWarning
from hardest_metrics.results import schema
from hardest_metrics.results.disk import network_disk

#: That a writer waits for others.
BUSY_SECONDS = 30

_OLDEST_SQLITE = (3, 37)  # strict tables


@contextmanager
def opened(path: Path, create: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection to a store, closed at the end.

    Args:
        path: the file.
        create: whether to make it where there is none; else that is refused.

    Raises:
        OSError: if there is none, it or its folder cannot be written to, or the disk is full.
        ValueError: if it is no store, another program's, damaged, or of a newer version. Nothing is changed then.
    """
    _check(path, create)
    mode = "rwc" if create else "rw"
    with _in_words(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None
        )
        with closing(connection):
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            _make_fit(connection, path, create)
            yield connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything inside, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _check(path: Path, create: bool) -> None:
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise ValueError(f"{path}: needs SQLite 3.37, but Python has {sqlite3.sqlite_version}. Use a newer Python.")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder. Give the path of a file to `store`.")
    if not path.exists() and not create:
        raise FileNotFoundError(f"{path}: no such store of runs. Check the path, or keep a run first.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: its folder does not exist. Create it, or choose another one.")
    if not os.access(path.parent, os.W_OK):
        raise _read_only(path)


def _read_only(path: Path) -> PermissionError:
    return PermissionError(
        f"{path}: the file or its folder cannot be written to, but a store keeps its journal there, even to be read."
        " Make both writable, or copy the file to a folder that is."
    )


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """What SQLite says goes wrong, with file and remedy. Python 3.10 knows of its codes nothing but their text."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        if "disk is full" in text:
            raise OSError(errno.ENOSPC, "the disk is full, and the run was not kept: make room", str(path)) from error
        if "readonly" in text or "unable to open" in text:
            raise _read_only(path) from error
        if "not a database" in text:
            raise ValueError(f"{path}: is no database. Give the file of a store, or another name.") from error
        if "locked" in text or "busy" in text:
            raise TimeoutError(
                f"{path}: another process has been writing for {BUSY_SECONDS} seconds. Try again once it is done."
            ) from error
        if "malformed" in text:
            raise _damaged(path, text) from error
        raise OSError(f"{path}: cannot be used ({text}). Check the disk, or copy the file elsewhere.") from error


def _damaged(path: Path, what: str) -> ValueError:
    return ValueError(
        f"{path}: is damaged ({what}). Nothing was changed. Restore a copy, or save what is left with"
        f" `sqlite3 {path.name} .recover`."
    )


def _make_fit(connection: sqlite3.Connection, path: Path, create: bool) -> None:
    """Refuse what is no store of this version, or an older one, and make these up to date."""
    if not _pragma(connection, "page_count"):
        if not create:
            raise ValueError(f"{path}: is empty. Keep a run first, or give another store.")
        _build(connection, 0)
    if _pragma(connection, "application_id") != schema.APPLICATION_ID:
        raise ValueError(f"{path}: is a database of another program. Give the store another name.")
    version, newest = _pragma(connection, "user_version"), len(schema.STEPS)
    if version > newest:
        raise ValueError(
            f"{path}: is of version {version}, made by a newer hardest_metrics; this one knows {newest}. Upgrade it."
        )
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise _damaged(path, " ".join(found.split()))
    if version < newest:
        _migrate(connection, path)
    _choose_journal(connection, path)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def _build(connection: sqlite3.Connection, version: int) -> None:
    """Take the steps that are left, unless another process has meanwhile.

    The header says whose file it is in the same transaction, before the journal becomes one that leaves it for later.
    """
    with transaction(connection):
        if _pragma(connection, "user_version") != version:
            return
        for statements in schema.STEPS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(schema.STEPS)}")


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring an older store up to date, once a copy of it lies beside it."""
    with alone([path], on_wait=lambda _: None):
        version = _pragma(connection, "user_version")
        if version < len(schema.STEPS):
            connection.execute("VACUUM INTO ?", [str(_unused(path, version))])
            _build(connection, version)


def _unused(path: Path, version: int) -> Path:
    number, backup = 1, path.with_name(f"{path.name}.version-{version}.backup")
    while backup.exists():
        number += 1
        backup = path.with_name(f"{path.name}.version-{version}-{number}.backup")
    return backup


def _choose_journal(connection: sqlite3.Connection, path: Path) -> None:
    """A write-ahead log, which lets others read meanwhile, but needs memory that all writers share."""
    disk = network_disk(path)
    wanted = "wal" if disk is None else "delete"
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != wanted:
        with suppress(sqlite3.OperationalError):  # in use: either journal is safe, and the next one changes it
            (mode,) = connection.execute(f"PRAGMA journal_mode = {wanted}").fetchone()
    if disk is not None:
        warnings.warn(
            f"{path}: lies on a network disk ({disk}), where a rollback journal is kept in place of a write-ahead log:"
            " several machines should not write to it at once.",
            InputWarning,
            stacklevel=2,
        )
