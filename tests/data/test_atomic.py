import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from hardest_metrics.data.atomic import atomic_write, remove_unfinished

needs_flock = pytest.mark.skipif(sys.platform == "win32", reason="leaves what a killed process left")


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def write_half(path: Path, error: type[BaseException]) -> None:
    with atomic_write(path) as file:
        file.write(b"half")
        raise error


def test_the_file_appears_with_all_its_content(tmp_path: Path) -> None:
    path = tmp_path / "new.bin"
    with atomic_write(path) as file:
        file.write(b"\x00first")
        assert not path.exists()
        file.write(b"second")
    assert path.read_bytes() == b"\x00firstsecond"
    assert names(tmp_path) == ["new.bin"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_whole_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "ranking.csv"
    path.write_bytes(b"old")
    with pytest.raises(error):
        write_half(path, error)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["ranking.csv"]


def test_a_disk_that_is_full_only_at_the_end_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "ranking.csv"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as error, atomic_write(path) as file:
        file.write(b"new")
    assert error.value.filename == str(path), "a disk that is full does not say what was written"
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["ranking.csv"]


@needs_flock
@pytest.mark.parametrize("size", [10, 100_000])
def test_a_file_too_large_for_the_disk_is_named(tmp_path: Path, size: int) -> None:
    program = f"""
import resource, signal
from hardest_metrics.data import atomic_write
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5, 5))
with atomic_write("new.bin") as file:
    file.write(bytes({size}))
"""
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.stderr.splitlines()[-1] == "OSError: [Errno 27] File too large: 'new.bin'"
    assert names(tmp_path) == []


def test_a_failure_without_an_old_file_leaves_none(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        write_half(tmp_path / "new", RuntimeError)
    assert names(tmp_path) == []


def test_permissions_are_those_of_any_new_file_or_of_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with atomic_write(tmp_path / "new"):
        pass
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "new").chmod(0o640)
    with atomic_write(tmp_path / "new"):
        pass
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "latest.csv").symlink_to(tmp_path / "runs" / "1.csv")
    with atomic_write(tmp_path / "latest.csv") as file:
        file.write(b"new")
    assert (tmp_path / "latest.csv").is_symlink()
    assert (tmp_path / "runs" / "1.csv").read_bytes() == b"new"


def test_the_longest_file_name_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    with atomic_write(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError, match=r"none/ranking\.csv: No such file.*Create the folder"),
        atomic_write(tmp_path / "none" / "ranking.csv"),
    ):
        pass


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: Any) -> None:  # the superuser, who may run this test, is never denied
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with (
        pytest.raises(PermissionError, match=r"ranking\.csv: Permission denied.*make it writable"),
        atomic_write(tmp_path / "ranking.csv"),
    ):
        pass


@pytest.mark.parametrize("path", [".", os.devnull])
def test_what_is_no_file_is_not_replaced(path: str) -> None:
    with pytest.raises(IsADirectoryError, match="not a file"), atomic_write(path):
        pass


@needs_flock
def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    program = """
import os, signal
from hardest_metrics.data import atomic_write
with atomic_write("new.bin") as file:
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", program], cwd=tmp_path)
    assert killed.returncode == -signal.SIGKILL
    (left,) = names(tmp_path)
    (tmp_path / "notes.tmp").touch()
    (tmp_path / ".0123.tmp").touch()
    with atomic_write(tmp_path / "mine") as file:
        file.write(b"whole")
        remove_unfinished(tmp_path)
        assert left not in names(tmp_path)
    assert names(tmp_path) == [".0123.tmp", "mine", "notes.tmp"]
    assert (tmp_path / "mine").read_bytes() == b"whole"
    remove_unfinished(tmp_path / "nowhere")


@needs_flock
def test_writers_and_those_who_tidy_up_do_not_meet(tmp_path: Path) -> None:
    stop = threading.Event()

    def tidy() -> None:
        while not stop.is_set():
            remove_unfinished(tmp_path)

    thread = threading.Thread(target=tidy)
    thread.start()
    for number in range(300):
        with atomic_write(tmp_path / "new") as file:
            file.write(str(number).encode())
        assert (tmp_path / "new").read_text() == str(number)
    stop.set()
    thread.join(timeout=60)
    assert names(tmp_path) == ["new"]
