import subprocess
import sys
from pathlib import Path

import pytest

from hardest_metrics.detectors.part_file import PartFile

SETTINGS = {"model": "small", "classes": 5}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of two records."""
    path = tmp_path / "out.part"
    with PartFile(path, SETTINGS) as part:
        part.append([1.5, 2])
        part.append({"two": None})
    return path


def test_records_are_those_that_were_added_in_every_session(path: Path) -> None:
    with PartFile(path, SETTINGS) as part:
        assert list(part.records()) == [[1.5, 2], {"two": None}]
        part.append(3)
        assert list(part.records()) == [[1.5, 2], {"two": None}, 3]
    with PartFile(path, SETTINGS) as part:
        assert list(part.records()) == [[1.5, 2], {"two": None}, 3]
        part.remove()
    assert not path.exists()


def test_a_file_cut_anywhere_goes_on_after_the_last_whole_record(path: Path) -> None:
    content = path.read_bytes()
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        with PartFile(path, SETTINGS) as part:
            kept = list(part.records())
            n_lines = content[:length].count(b"\n")
            assert kept == [[1.5, 2], {"two": None}][: max(n_lines - 1, 0)]
            for record in [[1.5, 2], {"two": None}][len(kept) :]:
                part.append(record)
        assert path.read_bytes() == content


@pytest.mark.parametrize("order", [[0, 2], [0, 2, 1], [0, 1, 1, 2], [0, 1, 2, 0, 1, 2]])
def test_lines_that_are_lost_moved_or_doubled_are_noticed(path: Path, order: list[int]) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[place] for place in order))
    with PartFile(path, SETTINGS) as part, pytest.raises(ValueError, match=r"out\.part: is damaged in line \d"):
        list(part.records())


def test_a_record_is_on_the_disk_before_the_next_step(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    with PartFile(path, SETTINGS) as part:
        monkeypatch.setattr("os.fsync", lambda _: synced.append(path.read_bytes()))
        part.append("three")
    assert [content.splitlines()[-1].endswith(b'"three"') for content in synced] == [True]


def test_other_settings_are_refused_and_nothing_is_lost(path: Path) -> None:
    content = path.read_bytes()
    with pytest.raises(ValueError, match=r"out\.part: was begun with `classes` 5, not 6\. Give that again .* delete"):
        PartFile(path, {**SETTINGS, "classes": 6})
    assert path.read_bytes() == content


def test_settings_may_change_while_nothing_is_done(tmp_path: Path) -> None:
    PartFile(tmp_path / "out.part", SETTINGS).__exit__(None, None, None)
    with PartFile(tmp_path / "out.part", {**SETTINGS, "classes": 6}) as part:
        assert list(part.records()) == []


@pytest.mark.parametrize("content", [b"notes", b"notes\n", b"[1]\n", b'{"model": 1}\n2\n'])
def test_files_of_others_are_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "out.part"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"out\.part: is (in the way|damaged)"):
        PartFile(path, SETTINGS)
    assert path.read_bytes() == content


def test_a_damaged_record_is_named(path: Path) -> None:
    first, second, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:-3] + b"\n" + third)
    with PartFile(path, SETTINGS) as part, pytest.raises(ValueError, match=r"out\.part: is damaged in line 2\. Delete"):
        list(part.records())
    path.write_bytes(first)  # as the message says
    with PartFile(path, SETTINGS) as part:
        assert list(part.records()) == []


def test_no_byte_of_a_record_changes_unnoticed(path: Path) -> None:
    content = path.read_bytes()
    for place, byte in enumerate(content):
        path.write_bytes(content[:place] + bytes([byte ^ 1]) + content[place + 1 :])
        try:
            with PartFile(path, SETTINGS) as part:
                kept = list(part.records())
        except ValueError as error:
            assert "damaged" in str(error) or "in the way" in str(error)  # noqa: PT017
        else:
            assert kept == [[1.5, 2], {"two": None}][: len(kept)]
            assert place == len(content) - 1, "the end of the last line: as if it had not been finished"


def test_a_full_disk_is_told_with_the_file_and_keeps_what_there_was(tmp_path: Path) -> None:
    program = """
import resource, signal
from hardest_metrics.detectors.part_file import PartFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))
with PartFile("out.part", {"model": "small"}) as part:
    for number in range(9):
        part.append(number)
"""
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.stderr.splitlines()[-1] == "OSError: [Errno 27] File too large: 'out.part'"
    with PartFile(tmp_path / "out.part", {"model": "small"}) as part:
        assert list(part.records()) == [0, 1, 2, 3]
