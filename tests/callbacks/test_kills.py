"""A training run that is killed: what it wrote is whole, and a rerun writes what there would have been."""

import random
import time
from functools import partial
from pathlib import Path

import pytest

from hardest_metrics import FalsePositives, HardestImages, TotalFalse
from tests.callbacks.runs import Module, scenes, trainer
from tests.processes import Child, content, needs_fork, seconds

pytestmark = [needs_fork, pytest.mark.filterwarnings("default")]


def train(folder: Path) -> int:
    callback = HardestImages({"all": TotalFalse(), "false": FalsePositives("pixel")}, top_k=2)
    trainer(folder, callback, max_epochs=4).fit(Module(), scenes(), scenes())
    return 0


def killed(tmp_path: Path, kills: int) -> None:
    folders = {name: tmp_path / name for name in ("sound", "killed", "timed")}
    for folder in folders.values():
        folder.mkdir()
    assert Child(partial(train, folders["sound"]), tmp_path / "log").ended().code == 0
    right, folder, choose = content(folders["sound"]), folders["killed"], random.Random(0)
    assert len(right) >= 2 * 4 * 2, "a ranking and a picture a metric and epoch"
    lasts = seconds(lambda: Child(partial(train, folders["timed"]), tmp_path / "log").ended())
    number = 0
    for _ in range(kills):
        child = Child(partial(train, folder), tmp_path / "log")
        time.sleep(choose.uniform(0, lasts))
        child.kill()
        number += child.ended().code < 0
        assert content(folder).items() <= right.items(), "each file is whole or absent"
        if choose.random() < 0.3:
            for path in (folder / "hardest_images").glob("*"):
                path.unlink()
    assert Child(partial(train, folder), tmp_path / "log").ended().code == 0
    assert content(folder) == right
    assert number >= kills // 4


def test_killed_at_random_it_leaves_what_is_whole(tmp_path: Path) -> None:
    killed(tmp_path, 2)


@pytest.mark.long
def test_killed_fifty_times(tmp_path: Path) -> None:
    killed(tmp_path, 50)
