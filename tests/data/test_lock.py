import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from hardest_metrics.data.lock import alone, locked

needs_flock = pytest.mark.skipif(sys.platform == "win32", reason="locks of another kind")


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def refuse(path: Path) -> None:
    raise ValueError(f"{path.name} is in use")


def test_one_at_a_time_and_nothing_stays(tmp_path: Path) -> None:
    paths, inside, most = [tmp_path / name for name in "ab"], [0], [0]

    def work(order: list[Path]) -> None:
        for _ in range(50):
            with alone(order, lambda _: None):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work, args=(order,)) for order in (paths, paths[::-1], paths[:1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads), "they wait for each other"
    assert most == [1]
    assert names(tmp_path) == []


def test_who_does_not_want_to_wait_need_not(tmp_path: Path) -> None:
    with (
        alone([tmp_path / "a", tmp_path / "b"], refuse),
        pytest.raises(ValueError, match="b is in use"),
        alone([tmp_path / "b"], refuse),
    ):
        pass
    with alone([tmp_path / "b"], refuse):  # and has left nothing behind
        pass


def test_paths_are_those_that_links_lead_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with alone([tmp_path / "a"], refuse), pytest.raises(ValueError, match="a is in use"):
        alone([tmp_path / "link"], refuse).__enter__()


def test_the_longest_file_name_can_be_locked(tmp_path: Path) -> None:
    with alone([tmp_path / ("n" * 255)], refuse):
        pass


def test_a_killed_process_lets_go(tmp_path: Path) -> None:
    program = f"""
import time
from hardest_metrics.data.lock import alone
with alone([{str(tmp_path / "a")!r}], print):
    print("locked", flush=True)
    time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"locked\n"
    with pytest.raises(ValueError, match="a is in use"):
        alone([tmp_path / "a"], refuse).__enter__()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with alone([tmp_path / "a"], refuse):
        pass
    assert names(tmp_path) == []


@needs_flock
def test_a_lock_that_was_removed_while_it_was_waited_for_is_none(tmp_path: Path) -> None:
    first, third = tmp_path / "lock", list[Any]()

    def removed() -> None:  # as the holder does just before it lets go
        holder.__exit__(None, None, None)
        third.append(locked(first, lambda: None))
        third[0].__enter__()
        threading.Timer(0.2, third[0].__exit__, (None, None, None)).start()

    holder = locked(first, lambda: None)
    holder.__enter__()
    with locked(first, removed):
        assert names(tmp_path) == ["lock"]
    assert names(tmp_path) == []


@needs_flock
def test_where_there_are_no_locks_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", unknown)
    with alone([tmp_path / "a"], refuse):
        pass


def test_a_folder_that_is_missing_is_named_by_what_was_to_be_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error, alone([tmp_path / "none" / "a.csv"], refuse):
        pass
    assert error.value.filename == os.fspath(tmp_path / "none" / "a.csv")
