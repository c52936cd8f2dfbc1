"""One process at a time: locks that end with the process that holds them, however it ends."""

import errno
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

if sys.platform == "win32":
    from filelock import FileLock, Timeout
else:
    import fcntl


@contextmanager
def alone(paths: Iterable[str | os.PathLike[str]], on_wait: Callable[[Path], None]) -> Iterator[None]:
    """Let only one process at a time write to these files or folders, wherever it is on the same file system.

    Beside each a hidden, empty file says so meanwhile. Where it is left behind by a process that was killed, it means
    nothing, and goes with the next run.

    Args:
        paths: what is to be written; need not exist, but must be in folders that do.
        on_wait: called, with the path, when another process writes to it. Then it is waited for, unless this raises.

    Raises:
        OSError: when the folder of one is missing or cannot be written to.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "page.html")
        >>> with alone([path], on_wait=print):
        ...     written = path.write_text("mine")
        >>> [file.name for file in path.parent.iterdir()]
        ['page.html']
    """
    with ExitStack() as held:
        # in one order for all processes, so that no two wait for each other
        for path in sorted({Path(os.path.realpath(path)) for path in paths}):
            # a short name of its own: the path's may already be as long as a file system allows
            name = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
            try:
                held.enter_context(locked(path.with_name(f".{name}.lock"), partial(on_wait, path)))
            except OSError as error:
                raise type(error)(error.errno, error.strerror, str(path)) from error
        yield


@contextmanager
def locked(file: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock that is this file, which is removed at the end.

    Args:
        file: in a folder that exists.
        on_wait: called once if another process holds it, which is then waited for, unless this raises.
    """
    if sys.platform == "win32":
        lock = FileLock(file)  # removes it where nobody waits
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_wait()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()
    else:
        # not filelock: it leaves the file where it is, or removes it from under others, as its version has it
        with _held(file, on_wait):
            try:
                yield
            finally:
                with suppress(OSError):
                    file.unlink()


if sys.platform != "win32":

    def _held(path: Path, on_wait: Callable[[], None]) -> BinaryIO:
        """A file of this path, locked until it is closed."""
        waited = False
        while True:
            file = path.open("ab")
            try:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if not waited:
                        on_wait()
                    waited = True
                    fcntl.flock(file, fcntl.LOCK_EX)
                # else whoever held it has removed it meanwhile, and others may have made a new one
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                        return file
            except OSError as error:
                if error.errno in _NO_LOCKS:  # then nobody waits, and nobody is kept from working
                    return file
                file.close()
                raise
            except BaseException:
                file.close()
                raise
            file.close()

    #: What file systems answer that know no locks.
    _NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
