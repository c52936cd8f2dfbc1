"""A real cluster on this machine writes what one process writes."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from hardest_metrics.shards.shard import is_ranked, shards_of
from hardest_metrics.shards.workers import rank_all
from tests.processes import content
from tests.shards.small import save_shards, small_task, spoil

ray = pytest.importorskip("ray", reason='needs ray: pip install "hardest_metrics[ray]"')
pytestmark = pytest.mark.filterwarnings("ignore")  # ray's own


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def test_rows_are_equal_and_a_bad_shard_is_named(cluster: None, tmp_path: Path) -> None:
    from hardest_metrics.shards.on_ray import rank_all_on_ray

    save_shards(tmp_path / "in")
    spoil(tmp_path / "in" / "1.parquet", 0, "height", -1)
    done: list[int] = []
    failed = {
        name: rank(shards_of(f"{tmp_path}/in/**/*.parquet", str(tmp_path / name)), small_task())
        for name, rank in (("one", rank_all), ("ray", partial(rank_all_on_ray, advance=done.append)))
    }  # fmt: skip
    assert failed["ray"] == failed["one"]
    assert "1.parquet: row group 0: columns 'height'" in failed["ray"][0].problem
    assert sum(done) == 4
    assert content(tmp_path / "ray") == content(tmp_path / "one")
    again = shards_of(f"{tmp_path}/in/*.parquet", str(tmp_path / "ray"))
    assert len(rank_all_on_ray(again, small_task())) == 1, "goes on where it was"


def test_what_a_killed_worker_had_is_done_by_another(cluster: None, tmp_path: Path) -> None:
    from hardest_metrics.shards.on_ray import rank_all_on_ray

    save_shards(tmp_path / "in", 24, 150)
    shards, task = shards_of(f"{tmp_path}/in/**/*.parquet", str(tmp_path / "ray")), small_task()
    killed: list[int] = []

    def kill_one() -> None:
        while not (tmp_path / "ray").exists():
            time.sleep(0.01)
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # gone meanwhile
                if (process / "cmdline").read_bytes().startswith(b"ray::Map("):  # at work for this test's own cluster
                    os.kill(int(process.name), signal.SIGKILL)
                    killed.append(int(process.name))
                    return

    killer = threading.Thread(target=kill_one)
    killer.start()
    assert rank_all_on_ray(shards, task) == []
    killer.join()
    assert killed
    assert all(is_ranked(shard, task) for shard in shards)
    rank_all(shards_of(f"{tmp_path}/in/**/*.parquet", str(tmp_path / "one")), task)
    assert content(tmp_path / "ray") == content(tmp_path / "one")
