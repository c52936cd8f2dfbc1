"""Several processes write what one writes; what is bad is told in the end."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from hardest_metrics.shards.shard import is_ranked, shards_of
from hardest_metrics.shards.workers import rank_all
from tests.processes import content, needs_fork
from tests.shards.small import save_shards, small_task, spoil


def test_two_workers_write_what_one_process_writes_and_finish_beside_a_bad_shard(tmp_path: Path) -> None:
    save_shards(tmp_path / "in")
    spoil(tmp_path / "in" / "1.parquet", 0, "height", -1)
    done: list[int] = []
    for name, workers in (("one", 1), ("two", 2)):
        shards = shards_of(f"{tmp_path}/in/**/*.parquet", str(tmp_path / name))
        failed = rank_all(shards, small_task(), workers, done.append)
        assert [Path(path).name for path, _ in failed] == ["1.parquet"]
        assert "row group 0: columns 'height' and 'width' of image 31" in failed[0].problem
        assert sum(done) == 4
        done.clear()
    assert set(content(tmp_path / "one")) == {"0.parquet", "2.parquet", "deep/3.parquet"}
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    save_shards(tmp_path / "in")
    shards, task = shards_of(f"{tmp_path}/in/*.parquet", str(tmp_path / "out")), small_task()
    rank_all(shards, task)
    made = [Path(shard.rows).stat().st_mtime_ns for shard in shards]
    Path(shards[1].rows).unlink()
    rank_all(shards, task)
    again = [Path(shard.rows).stat().st_mtime_ns for shard in shards]
    assert [now == before for now, before in zip(again, made, strict=True)] == [True, False, True]
    assert all(is_ranked(shard, task) for shard in shards)


@needs_fork
@pytest.mark.long
def test_a_worker_that_is_killed_ends_the_run_which_goes_on_later(tmp_path: Path) -> None:
    save_shards(tmp_path / "in", 60, 300)
    shards, task = shards_of(f"{tmp_path}/in/*.parquet", str(tmp_path / "out")), small_task()

    def kill_one() -> None:
        while not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir()):
            time.sleep(0.01)
        table = Path("/proc")
        parents = {int(p.name): (p / "stat").read_text().rsplit(")", 1)[1].split()[1] for p in table.glob("[0-9]*")}
        mine = {pid for pid, parent in parents.items() if int(parent) == os.getpid()}
        workers = [pid for pid, parent in parents.items() if int(parent) in mine]
        os.kill(workers[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.raises(ValueError, match=r"One of 2 worker processes was killed, .* goes on where it was"):
        rank_all(shards, task, 2)
    killer.join()
    assert rank_all(shards, task) == []
    assert all(is_ranked(shard, task) for shard in shards)
