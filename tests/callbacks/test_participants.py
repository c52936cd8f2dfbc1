"""Processes that Lightning launches rank and draw together as one does, and none waits for another in vain."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.multiprocessing.spawn import ProcessRaisedException
from torch.utils.data import DataLoader

from hardest_metrics import FalseNegatives, HardestImages, TotalFalse
from tests.callbacks.runs import SIZE, Batch, Module, Scenes, collate, files, scenes, trainer

# Lightning warns of few workers and of its own and torch's deprecations.
pytestmark = pytest.mark.filterwarnings("default")

PATIENCE = 60  # seconds that a test waits for its processes

TOP_K = 3


@contextmanager
def in_time() -> Iterator[None]:
    """End the processes that Lightning launches inside where they take too long: then one waits for another."""

    def end() -> None:
        for process in multiprocessing.active_children():
            process.kill()

    timer = threading.Timer(PATIENCE, end)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        os.environ.pop("MASTER_PORT", None)  # Lightning would use it again


def hardest() -> HardestImages:
    return HardestImages({"all": TotalFalse(weighting="pixel"), "missed": FalseNegatives()}, top_k=TOP_K)


def distributed(folder: Path, processes: int, *callbacks: Any, **arguments: Any) -> Any:
    return trainer(folder, *callbacks, devices=processes, strategy="ddp_fork", **arguments)


def batches_of(rank: int, split: Sequence[Sequence[int]]) -> list[range]:
    """Which scenes are in the batches of one rank, where rank `r` has batches of sizes ``split[r]``."""
    first = sum(map(sum, split[:rank]))
    starts = [first + sum(split[rank][:index]) for index in range(len(split[rank]))]
    return [range(start, start + size) for start, size in zip(starts, split[rank], strict=True)]


class Split(Module):
    """Every rank validates batches of its own."""

    def __init__(self, split: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.split = split
        self.allow_zero_length_dataloader_with_multiple_devices = True

    def val_dataloader(self) -> Any:
        everything = Scenes(sum(map(sum, self.split)))
        batches = batches_of(self.trainer.global_rank, self.split)
        return DataLoader(everything, batch_sampler=[list(b) for b in batches], collate_fn=collate_any)


def collate_any(samples: Any) -> Batch:
    return collate(samples) if samples else (torch.empty(0, 3, *SIZE), [])


def outcome(folder: Path) -> dict[str, bytes]:
    """All that was written, by name."""
    return {path.name: path.read_bytes() for path in (folder / "hardest_images").iterdir()}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], dict[str, bytes]]:
    """What one process writes of that many scenes."""

    def validated(number: int) -> dict[str, bytes]:
        folder = tmp_path_factory.mktemp("alone")
        trainer(folder, hardest()).validate(Module(), scenes(number), verbose=False)
        return outcome(folder)

    return validated


@pytest.mark.parametrize(("processes", "number"), [(2, 13), (3, 13), (3, 2)])
def test_padded_duplicates_are_ranked_and_drawn_once(
    tmp_path: Path, alone: Callable[[int], dict[str, bytes]], processes: int, number: int
) -> None:
    """Lightning's sampler repeats images so that all processes have as many; more processes than images too."""
    run = distributed(tmp_path, processes, hardest())
    with in_time():
        run.validate(Module(), scenes(number), verbose=False)
    expected = alone(number)
    assert len(expected) == 4
    assert outcome(tmp_path) == expected


@pytest.mark.parametrize(
    "split",
    [
        [[4, 4, 1], [2]],  # uneven last batches
        [[3], [0, 0]],  # batches without images
        [[0], [4, 4], [1]],
        [[4, 3], []],  # no batch at all
        [[], [4, 4]],
        [[], [2, 3], [4]],
        [[5], [], []],
    ],
    ids=str,
)
def test_processes_with_few_or_no_images_do_not_make_others_wait(
    tmp_path: Path, alone: Callable[[int], dict[str, bytes]], split: list[list[int]]
) -> None:
    run = distributed(tmp_path, len(split), hardest(), use_distributed_sampler=False)
    with in_time():
        run.validate(Split(split), verbose=False)
    assert outcome(tmp_path) == alone(sum(map(sum, split)))


@pytest.mark.parametrize("absent", [0, 1])
def test_training_goes_on_around_a_process_without_batches(tmp_path: Path, absent: int) -> None:
    split = [[4, 4], [4, 4]]
    split[absent] = []

    run = distributed(tmp_path, 2, hardest(), use_distributed_sampler=False, max_epochs=3)
    with in_time():
        run.fit(Split(split), scenes(16))
    one = trainer(tmp_path / "one", hardest(), max_epochs=3)
    one.fit(Module(), scenes(16), scenes(8))
    assert outcome(tmp_path) == outcome(tmp_path / "one")


def test_a_run_of_processes_logs_keeps_and_resumes_as_one_does(tmp_path: Path) -> None:
    def run(folder: Path, make: Callable[..., Any], *before: Any, epochs: int) -> Any:
        best = ModelCheckpoint(folder, monitor="val/all/mean", filename="best", save_last=True)
        return make(folder, *before, hardest(), best, enable_checkpointing=True, max_epochs=epochs)

    def two(folder: Path, *callbacks: Any, **arguments: Any) -> Any:
        return distributed(folder, 2, *callbacks, **arguments)

    for folder, make, epochs, resume in (
        (tmp_path / "two", two, 2, None),
        (tmp_path / "two", two, 3, "last.ckpt"),
        (tmp_path / "one", trainer, 3, None),
    ):
        fit = run(folder, make, epochs=epochs)
        with in_time():
            fit.fit(Module(), scenes(16), scenes(13), ckpt_path=resume and str(folder / resume))
    assert outcome(tmp_path / "two") == outcome(tmp_path / "one")
    key = hardest().state_key
    two_, one_ = (torch.load(tmp_path / f / "last.ckpt", weights_only=True)["callbacks"] for f in ("two", "one"))
    assert str(two_[key]) == str(one_[key])
    scores = [state["best_model_score"] for saved in (two_, one_) for k, state in saved.items() if "Checkpoint" in k]
    assert scores[0] == scores[1]


def test_only_pixels_of_the_hardest_images_travel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number, metrics = 60, 2
    gather_object, all_gather = dist.gather_object, dist.all_gather

    def note(what: str, size: int) -> None:
        with (tmp_path / f"{what}-{dist.get_rank()}.txt").open("a") as file:
            file.write(f"{size}\n")

    def spy_on_objects(found: Any, *arguments: Any, **named: Any) -> None:
        note("images", len(found))
        note("bytes", len(pickle.dumps(found)))
        gather_object(found, *arguments, **named)

    def spy_on_tensors(parts: Any, tensor: Any, *arguments: Any, **named: Any) -> Any:
        note("tensors", tensor.nbytes)
        return all_gather(parts, tensor, *arguments, **named)

    monkeypatch.setattr(dist, "gather_object", spy_on_objects)
    monkeypatch.setattr(dist, "all_gather", spy_on_tensors)
    run = distributed(tmp_path, 2, hardest())
    with in_time():
        run.validate(Module(), scenes(number), verbose=False)
    assert len(files(tmp_path, "png")) == metrics

    def noted(what: str) -> list[list[int]]:
        return [[int(n) for n in (tmp_path / f"{what}-{rank}.txt").read_text().split()] for rank in (0, 1)]

    images = noted("images")
    assert [len(sizes) for sizes in images] == [1, 1]
    assert 0 < sum(map(sum, images)) <= TOP_K * metrics
    pixels = 3 * SIZE[0] * SIZE[1]
    assert sum(map(sum, noted("bytes"))) < sum(map(sum, images)) * (pixels + 5000)
    assert max(map(max, noted("tensors"))) <= 32 * number  # the rows that make the ranking


def test_every_process_of_a_real_launch_takes_part(tmp_path: Path, alone: Callable[[int], dict[str, bytes]]) -> None:
    """With `ddp` every process runs the user's script."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.callbacks.runs import Module, scenes, trainer\n"
        "from tests.callbacks.test_participants import hardest\n"
        "if __name__ == '__main__':\n"
        "    run = trainer(Path(sys.argv[1]), hardest(), devices=2, strategy='ddp')\n"
        "    run.validate(Module(), scenes(13), verbose=False)\n"
    )
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", str(script), str(tmp_path)]
    process = subprocess.Popen(command, env=environment, cwd=root, stderr=subprocess.PIPE, start_new_session=True)
    try:
        _, error = process.communicate(timeout=2 * PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail("the processes hang")
    assert process.returncode == 0, error.decode()
    assert outcome(tmp_path) == alone(13)


def test_images_need_ids_where_several_processes_run(tmp_path: Path) -> None:
    class Nameless(Module):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            preds = super().validation_step(batch, batch_idx, dataloader_idx)
            return {"preds": preds, "target": [{k: v for k, v in t.items() if k != "image_id"} for t in batch[1]]}

    run = distributed(tmp_path, 2, hardest())
    with in_time(), pytest.raises(ProcessRaisedException, match="give every image its id"):
        run.validate(Nameless(), scenes(8), verbose=False)
