import os
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from hardest_metrics.results import DataSet, Hardness, Result, Run, RunStore, schema
from tests.keyed import saved, small_run
from tests.processes import Child, needs_fork


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs.db")


def test_what_is_saved_is_read_back(store: RunStore) -> None:
    data = DataSet({7: "cat", "b": "dog", 3: "cat"})
    assert data.keys == [3, 7, "b"]
    hardness = {
        "loss": Hardness(np.array([0.5, -1.5, 3.0], np.float32), np.array([False, True, True])),
        "margin": Hardness(np.array([0, 1, 2], np.float32), np.array([True, False, False])),
    }
    run = Run(
        "mine", {"b": Result(0.25, True), "a": Result(float("inf"), None), "c": Result(2, False)}, 3, {"resize": 256},
        "net", "described", "1234.5678", "net-paper", {"b": 0.5}, 12.5, 1 << 33, False, "outputs", "fingerprint",
    )  # fmt: skip
    kept = store.save(run, data, hardness, np.array([1, 2, 3], np.int32))
    (read,) = store.runs()
    assert read == kept
    assert list(read.results) == ["b", "a", "c"]
    assert (read.images_per_second, read.against_paper) == (0.24, {"b": -0.25})
    found = store.hardness(read)
    assert list(found) == ["loss", "margin"]
    for name, (values, in_error) in hardness.items():
        assert np.array_equal(found[name].values, values)
        assert np.array_equal(found[name].in_error, in_error)
    assert store.predictions(read).tolist() == [1, 2, 3]  # type: ignore[union-attr]
    assert (store.dataset(read).keys, store.dataset(read).labels) == (data.keys, data.labels)
    assert store.names(read).shown_ids == [3, 7, "b"]
    assert store.ranking(read, "margin").hardness.tolist() == [2, 1, 0]
    with pytest.raises(ValueError, match=r"no hardness 'other'. Choose from: loss, margin."):
        store.ranking(read, "other")


def test_a_result_of_nothing_is_nan(store: RunStore) -> None:
    _, data, hardness = small_run([0.5])
    store.save(Run("mine", {"p95": Result(float("nan"), False)}, 1), data, hardness)
    assert np.isnan(store.runs()[0].results["p95"].value)


def test_runs_are_found_by_how_their_ids_begin(store: RunStore) -> None:
    ids = ["abcd1", "abcd2", "ffff3"]
    for name in ids:
        saved(store, [0.5], id=name)
    assert store.run("newest").id == store.run("ffff").id == "ffff3"
    assert store.run("abcd2").id == "abcd2"
    for name, message in (("abcd", "2 runs begin with 'abcd'"), ("eeee", "no run has the id"), ("fff", "no run has")):
        with pytest.raises(ValueError, match=message):
            store.run(name)


def test_runs_of_one_data_set_share_its_images(store: RunStore) -> None:
    for _ in range(3):
        saved(store, [0.5, 2.0])
    saved(store, [0.5])
    with closing(sqlite3.connect(store.path)) as connection, connection:
        assert connection.execute("SELECT count(*) FROM image").fetchone() == (3,)
    assert len(store.runs(store.run("newest").dataset)) == 1


@pytest.mark.parametrize(
    ("values", "in_error", "message"),
    [
        ([0.5], [True], "must be one an image"),
        ([0.5, np.nan], [True, True], "must be finite, but is nan"),
        ([0.5, 1.0], [True], "must be one an image"),
    ],
)
def test_hardness_that_makes_no_sense_is_refused(
    store: RunStore, values: list[float], in_error: list[bool], message: str
) -> None:
    run, data, _ = small_run([0.5, 2.0])
    with pytest.raises(ValueError, match=message):
        store.save(run, data, {"loss": Hardness(np.array(values, np.float32), np.array(in_error))})
    assert not store.path.exists()


def test_a_run_is_kept_once(store: RunStore) -> None:
    saved(store, [0.5], id="same")
    with pytest.raises(ValueError, match="run same is kept already"):
        saved(store, [0.5], id="same")
    assert len(store.runs()) == 1


def test_the_default_is_that_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARDEST_METRICS_STORE", raising=False)
    assert RunStore().path == Path("hardest_metrics.db")
    monkeypatch.setenv("HARDEST_METRICS_STORE", str(tmp_path / "there.db"))
    assert RunStore().path == tmp_path / "there.db"


def refused(store: RunStore, kind: type[Exception], message: str) -> None:
    """Reading and writing are refused, and nothing changes."""
    before = store.path.read_bytes() if store.path.is_file() else None
    for use in (store.runs, lambda: saved(store, [0.5])):
        with pytest.raises(kind, match=message):
            use()
    assert (store.path.read_bytes() if store.path.is_file() else None) == before


def test_what_is_no_database_is_refused(store: RunStore) -> None:
    store.path.write_text("run,accuracy\n1,0.5\n" * 100)
    refused(store, ValueError, "is no database. Give the file of a store")


def test_a_database_of_another_program_is_refused(store: RunStore) -> None:
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("CREATE TABLE experiment (name TEXT)")
    refused(store, ValueError, "is a database of another program")


def test_a_newer_store_is_refused(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(schema, "STEPS", [*schema.STEPS, ("CREATE TABLE later (name TEXT)",)])
        saved(store, [0.5])
    known = len(schema.STEPS)
    refused(store, ValueError, f"is of version {known + 1}, made by a newer hardest_metrics; this one knows {known}")


def test_a_damaged_store_is_refused(store: RunStore) -> None:
    for number in range(30):
        saved(store, [0.5] * (number + 1))
    content = bytearray(store.path.read_bytes())
    for place in range(2 * 4096, len(content) - 4096, 4096):
        content[place : place + 200] = os.urandom(200)
    store.path.write_bytes(content)
    refused(store, ValueError, "is damaged .*Nothing was changed. Restore a copy")


def test_a_truncated_store_is_refused(store: RunStore) -> None:
    for number in range(10):
        saved(store, [0.5] * (number + 1))
    store.path.write_bytes(store.path.read_bytes()[:-5000])
    refused(store, ValueError, "is damaged")


def test_hardness_that_was_changed_from_outside_is_noticed(store: RunStore) -> None:
    run = saved(store, [0.5, 2.0])
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE hardness SET value = ?", [np.array([7, 7], np.float32).tobytes()])
    with pytest.raises(ValueError, match=r"what is kept of run .* is damaged"):
        store.hardness(run)


def test_a_store_that_is_missing_is_not_made_by_reading(store: RunStore) -> None:
    with pytest.raises(FileNotFoundError, match=r"runs.db: no such store of runs. Check the path"):
        store.runs()
    assert not store.path.exists()
    with pytest.raises(FileNotFoundError, match="its folder does not exist"):
        saved(RunStore(store.path / "deeper" / "runs.db"), [0.5])
    with pytest.raises(IsADirectoryError, match="is a folder"):
        saved(RunStore(store.path.parent), [0.5])


def test_an_empty_file_is_a_new_store(store: RunStore) -> None:
    store.path.touch()
    with pytest.raises(ValueError, match=r"is empty\. Keep a run first"):
        store.runs()
    saved(store, [0.5])
    assert len(store.runs()) == 1


def test_a_folder_that_cannot_be_written_to_is_refused(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(store, [0.5])
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # whoever runs this may be allowed everything
    refused(store, PermissionError, "the file or its folder cannot be written to")


def test_a_full_disk_is_said_with_the_file(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(store, [0.5])
    before = store.runs()
    connect = sqlite3.connect

    def small(*args: object, **kwargs: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)  # type: ignore[call-overload]
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(OSError, match=r"the disk is full.*runs.db") as full:
        saved(store, [0.5] * 10_000)
    assert full.value.filename == str(store.path)
    monkeypatch.undo()
    assert store.runs() == before


def test_an_older_store_is_migrated_once_a_copy_lies_beside_it(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, version = saved(store, [0.5, 2.0]), len(schema.STEPS)
    monkeypatch.setattr(schema, "STEPS", [*schema.STEPS, ("ALTER TABLE run ADD COLUMN note TEXT",)])
    assert store.runs() == [run]
    assert store.hardness(run)["loss"].values.tolist() == [0.5, 2]
    saved(store, [0.5])
    with closing(sqlite3.connect(store.path)) as connection, connection:
        assert connection.execute("SELECT note FROM run").fetchall() == [(None,), (None,)]
    backup = store.path.with_name(f"runs.db.version-{version}.backup")
    assert [path.name for path in store.path.parent.iterdir() if path.name != "runs.db"] == [backup.name]
    monkeypatch.undo()
    assert RunStore(backup).runs() == [run]


def test_in_a_store_of_the_first_version_every_run_was_made_once(store: RunStore) -> None:
    one, two = saved(store, [0.5]), saved(store, [2.0])
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("DROP TABLE occasion")
        connection.execute("PRAGMA user_version = 1")
    assert store.occasions() == store.runs() == [one, two]
    store.save_again(one, {})
    assert store.run("newest") == one


def test_a_migration_that_fails_leaves_the_store_as_it_was(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run = saved(store, [0.5])
    monkeypatch.setattr(schema, "STEPS", [*schema.STEPS, ("ALTER TABLE run ADD COLUMN note TEXT", "nonsense")])
    with pytest.raises(OSError, match="cannot be used"):
        store.runs()
    monkeypatch.undo()
    assert store.runs() == [run]


@needs_fork
def test_all_that_several_processes_save_is_kept(store: RunStore) -> None:
    processes, saves = 8, 40

    def act() -> int:
        for number in range(saves):
            saved(store, [0.5, 2.0, float(number)])
        return 0

    children = [Child(act, store.path.parent / f"log-{number}") for number in range(processes)]
    ended = [child.ended() for child in children]
    assert [(one.code, one.err) for one in ended] == [(0, "")] * processes
    runs = store.runs()
    assert len({run.id for run in runs}) == processes * saves
    assert all(len(store.hardness(run)["loss"].values) == 3 for run in runs[::40])


def killed_midway(folder: Path, kills: int) -> None:
    """A process that saves without end is killed again and again: no run in part, and the next one goes on."""
    choose, runs, store = random.Random(0), 0, RunStore(folder / "runs.db")

    def act() -> int:
        while True:
            saved(store, [0.5] * 3000)

    for number in range(kills):
        if number % 5 == 0:  # a new store, so that some are killed while they make it
            runs, store = 0, RunStore(folder / f"runs-{number}.db")
        child = Child(act, folder / "log")
        time.sleep(choose.uniform(0.001, 0.1))
        child.kill()
        assert child.ended().code < 0
        saved(store, [0.5] * 3000)
        found = store.runs()
        assert len(found) > runs
        runs = len(found)
        assert all(len(store.hardness(run)["loss"].values) == run.images == 3000 for run in found[-3:])
        with closing(sqlite3.connect(store.path)) as connection:
            for table in ("hardness", "result"):
                without = f"SELECT count(*) FROM run WHERE number NOT IN (SELECT run FROM {table})"
                orphans = f"SELECT count(*) FROM {table} WHERE run NOT IN (SELECT number FROM run)"
                assert connection.execute(without).fetchone() == connection.execute(orphans).fetchone() == (0,)
            assert connection.execute("SELECT count(*) FROM image").fetchone() == (3000,)
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@needs_fork
def test_a_process_that_is_killed_leaves_no_run_in_part(tmp_path: Path) -> None:
    killed_midway(tmp_path, 8)


@needs_fork
@pytest.mark.long
def test_fifty_that_are_killed_leave_no_run_in_part(tmp_path: Path) -> None:
    killed_midway(tmp_path, 50)
