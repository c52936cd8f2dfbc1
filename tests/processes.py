"""Child processes that share what this one has imported, to be started together or killed."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="starts child processes by fork")


class Child:
    """A process that does one thing.

    Args:
        act: what it does; gives the exit code.
        log: a folder for what it prints.
    """

    def __init__(self, act: Callable[[], int], log: Path) -> None:
        log.mkdir(parents=True, exist_ok=True)
        self.log = log
        # before it starts: it may be killed at once
        out, err = (os.open(log / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for name in ("out", "err"))
        self.id = os.fork()
        if self.id == 0:
            code = 70
            try:
                for stream, descriptor, number in ((sys.stdout, out, 1), (sys.stderr, err, 2)):
                    stream.flush()
                    os.dup2(descriptor, number)
                sys.stdout, sys.stderr = (os.fdopen(number, "w") for number in (1, 2))
                torch.set_num_threads(1)
                code = act()
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        os.close(out)
        os.close(err)

    def kill(self) -> None:
        """End it at once, unless it has ended already."""
        os.kill(self.id, signal.SIGKILL)

    def ended(self) -> "Ended":
        """Wait for its end."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.id, 0)[1])
        return Ended(code, (self.log / "out").read_text(), (self.log / "err").read_text())


class Ended(NamedTuple):
    """What became of a process: its exit code, negative if it was killed, and what it printed."""

    code: int
    out: str
    err: str


def content(folder: Path) -> dict[str, bytes]:
    """Of all files in a folder and below, but those that are hidden."""
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return {str(name): (folder / name).read_bytes() for name in files if not any(p[0] == "." for p in name.parts)}


def leftovers(folder: Path) -> list[Path]:
    """What should not be there once nothing runs any more."""
    return [path for path in folder.rglob("*") if path.suffix in (".tmp", ".lock", ".part")]


def seconds(act: Callable[[], object]) -> float:
    """How long something takes."""
    began = time.monotonic()
    act()
    return time.monotonic() - began
