"""`rank --rows`: a data set in shards."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.commands import Run
from tests.processes import content, leftovers
from tests.shards.small import save_shards, spoil


def command(folder: Path, out: str = "rows") -> list[str]:
    return ["rank", "--detections", f"{folder}/in/**/*.parquet", "--rows", f"{folder}/{out}", "--top-k", "3"]


def test_the_hardest_images_of_all_shards_are_shown(tmp_path: Path, run: Run) -> None:
    save_shards(tmp_path / "in")
    code, out, err = run(*command(tmp_path))
    assert (code, err) == (0, "")
    assert out.count("parquet") == 3
    assert "120 images in 4 shards, mean hardness" in out
    assert "with an error" in out
    assert len(content(tmp_path / "rows")) == 4
    before = content(tmp_path / "rows")
    assert run(*command(tmp_path)) == (code, out, err)
    assert content(tmp_path / "rows") == before
    assert leftovers(tmp_path) == []
    code, again, _ = run(*command(tmp_path), "--weighting", "pixel", "--labels", "1,2", "--workers", "1")
    assert code == 0
    assert "labels 1, 2" in again
    assert content(tmp_path / "rows") != before, "made again with other settings"


def test_estimators_that_need_no_fitting(tmp_path: Path, run: Run) -> None:
    save_shards(tmp_path / "in")
    code, out, err = run(*command(tmp_path), "--estimator", "expected_hardness")
    assert (code, err) == (0, "")
    assert "Estimate: expected_hardness" in out
    for name in ("entropy", "committee", "witness"):
        code, out, err = run(*command(tmp_path), "--estimator", name)
        assert (code, out) == (2, "")


def test_a_bad_shard_is_named_and_the_others_are_finished(tmp_path: Path, run: Run) -> None:
    save_shards(tmp_path / "in")
    spoil(tmp_path / "in" / "2.parquet", 29, "width", 0)
    code, out, err = run(*command(tmp_path))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "1 of 4 shards could not be ranked (the rows of the other 3 are in" in err
    assert "in/2.parquet: row group 2: columns 'height' and 'width' of image 90 must be" in err
    assert set(content(tmp_path / "rows")) == {"0.parquet", "1.parquet", "deep/3.parquet"}


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        (["--annotations", "a.json"], "--annotations is of no use to shards"),
        (["--workers", "0"], "--workers must be from 1 to 1024, but is 0"),
        (["--address", "auto"], "--address is of the cluster of an `engine`"),
        (["--labels", "car"], "--labels of shards are numbers"),
        (["--top-k", "0"], "--top-k must be at least 1"),
        (["--weighting", "pixel", "--detections", "nothing*"], "nothing*: no such file"),
    ],
)
def test_what_makes_no_sense_is_one_line(tmp_path: Path, run: Run, addition: list[str], message: str) -> None:
    save_shards(tmp_path / "in", 1, 3)
    code, out, err = run(*command(tmp_path), *addition)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message.replace("`engine`", "--engine") in err
    assert not (tmp_path / "rows").exists()


def test_options_of_shards_need_rows(tmp_path: Path, run: Run) -> None:
    for addition in (["--workers", "2"], ["--engine", "ray"], ["--address", "auto"]):
        code, _, err = run("rank", "--annotations", "a", "--detections", "b", *addition)
        assert code == 2
        assert f"{addition[0]} is of shards: give --rows too" in err


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_two_workers_killed_at_ten_random_moments_go_on_and_end_with_equal_rows(tmp_path: Path) -> None:
    save_shards(tmp_path / "in", 24, 600)
    program = [sys.executable, "-m", "hardest_metrics.cli"]
    subprocess.run([*program, *command(tmp_path, "right")], check=True, capture_output=True)
    right = content(tmp_path / "right")
    begun = time.monotonic()
    subprocess.run([*program, *command(tmp_path, "timed"), "--workers", "2"], check=True, capture_output=True)
    lasts = time.monotonic() - begun
    assert content(tmp_path / "timed") == right
    choose, killed = random.Random(0), 0
    while killed < 10:
        run = subprocess.Popen(
            [*program, *command(tmp_path), "--workers", "2"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        time.sleep(choose.uniform(0.3, 1) * lasts)
        os.kill(run.pid, signal.SIGKILL)
        killed += run.wait() < 0
        run.stdout.close()  # type: ignore[union-attr]
        if (tmp_path / "rows").exists():
            assert content(tmp_path / "rows").items() <= right.items()
            if len(content(tmp_path / "rows")) == len(right) or choose.random() < 0.3:
                shutil.rmtree(tmp_path / "rows")
    subprocess.run([*program, *command(tmp_path), "--workers", "2"], check=True, capture_output=True)
    assert content(tmp_path / "rows") == right
    assert leftovers(tmp_path) == []
