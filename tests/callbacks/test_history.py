"""For how long images have been hard: told right, kept in checkpoints, taken up again after a kill."""

import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from hardest_metrics import FalseNegatives, HardestImages, TotalFalse
from hardest_metrics.callbacks.history import Histories, History, Validation
from tests.callbacks.runs import Module, detections, ranked, rows, scenes, trainer

# Lightning warns of few workers and of its own and torch's deprecations.
pytestmark = pytest.mark.filterwarnings("default")


def history(*validations: list[int], window: int = 10) -> History:
    made = History(window)
    for epoch, image_ids in enumerate(validations):
        made.add(Validation(epoch, 10 * epoch, torch.tensor(image_ids, dtype=torch.int64)))
    return made


def test_images_become_hard_stay_so_and_are_solved() -> None:
    assert history([1, 2], [2, 3]).statuses([1, 2, 3, 4]) == ["solved", "still", "new", ""]
    assert history([1], [2], [1]).statuses([1, 2]) == ["new", "solved"]
    assert history([1]).statuses([1, 2]) == ["new", ""]
    assert history([1], [2], []).statuses([1, 2]) == ["", "solved"]
    assert history().statuses([1]) == [""]


def test_hard_for_counts_validations_of_the_window() -> None:
    assert history([1, 2], [2], [1, 2, 3]).counts([1, 2, 3, 4]) == [2, 3, 1, 0]
    assert history([1], [1], [2], [2], window=2).counts([1, 2]) == [0, 2]


def test_a_history_goes_on_from_its_state() -> None:
    state = history([1, 2], [2, 2**53 + 1]).state_dict()
    restored = History()
    restored.load_state_dict(state)
    assert restored.statuses([1, 2, 2**53 + 1]) == ["solved", "still", "new"]
    assert restored.validations[1][:2] == (1, 10)
    shorter = History(window=1)
    shorter.load_state_dict(state)
    assert shorter.counts([1, 2]) == [0, 1]


def test_the_file_says_for_how_long_images_have_been_hard(tmp_path: Path) -> None:
    run = trainer(tmp_path, HardestImages(TotalFalse(), top_k=4), max_epochs=4)
    run.fit(Module(), scenes(), scenes())
    tables = [tmp_path / f"hardest_images/val-TotalFalse-epoch={e:03}-step={2 * e + 1:06}.csv" for e in range(4)]
    hard = [{image_id for image_id, hardness in ranked(table)[:4] if hardness > 0} for table in tables]
    assert hard[2] != hard[3]
    for row in rows(tables[3]):
        image_id = int(row["image_id"])
        now, before = image_id in hard[3], image_id in hard[2]
        assert int(row["hard_for"]) == sum(image_id in ids for ids in hard)
        assert row["status"] == (("still" if before else "new") if now else ("solved" if before else ""))


def test_an_image_without_errors_is_never_hard(tmp_path: Path) -> None:
    class Perfect(Module):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            return [{**target, "scores": torch.ones(len(target["labels"]))} for target in batch[1]]

    run = trainer(tmp_path, HardestImages(TotalFalse()))
    run.validate(Perfect(), scenes(), verbose=False)
    table = rows(tmp_path / "hardest_images/val-TotalFalse-epoch=000-step=000000.csv")
    assert {(row["hard_for"], row["status"]) for row in table} == {("0", "")}
    assert run.callback_metrics["val/TotalFalse/share_in_error"] == 0


def plain(value: Any) -> bool:
    """Whether it holds nothing but what weights-only loading takes."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(plain, value))
    return type(value) in (int, str, Tensor)


def entries(state: dict[str, Any]) -> dict[str, list[tuple[int, int, list[int]]]]:
    """A state that compares by value: of each tag the history of the images measured last."""
    return {
        tag: [(e["epoch"], e["step"], e["image_ids"].tolist()) for e in list(of_sets.values())[-1]]
        for tag, of_sets in state.items()
    }


def test_a_checkpoint_holds_plain_values_of_every_callback_by_itself(tmp_path: Path) -> None:
    callbacks = [
        HardestImages({"a": TotalFalse(), "b": FalseNegatives()}, top_k=3),
        HardestImages({"c": TotalFalse(weighting=lambda errors, found: errors.box_area)}, top_k=2),
    ]
    run = trainer(tmp_path, *callbacks, max_epochs=2)
    run.fit(Module(), scenes(), [scenes(), scenes(8)])
    run.save_checkpoint(tmp_path / "last.ckpt")
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)["callbacks"]
    for callback in callbacks:
        state = saved[callback.state_key]
        assert plain(state)
        assert entries(state) == entries(callback.state_dict())
    assert sorted(saved[callbacks[0].state_key]) == ["val/a", "val/a/loader_1", "val/b", "val/b/loader_1"]
    assert {len(history) for of_sets in saved[callbacks[1].state_key].values() for history in of_sets.values()} == {2}


def test_the_key_of_a_state_stays_the_same_from_run_to_run() -> None:
    def weigh(errors: Any, true_positives: Any) -> Tensor:
        return torch.ones(len(errors.labels))

    first, second = (HardestImages(TotalFalse(weighting=weigh), dirpath=path) for path in ("a", "b"))
    assert first.state_key == second.state_key


def fit(
    folder: Path, die_at: tuple[int, int] | None = None, resume: str | None = None, **arguments: Any
) -> dict[str, list[tuple[int, int, list[int]]]]:
    """Fit for four epochs of three batches; kill the process at (epoch, batch). Gives the history."""

    class Mortal(Module):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            if (self.current_epoch, batch_idx) == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().training_step(batch, batch_idx)

    callback = HardestImages({"all": TotalFalse(), "missed": FalseNegatives()}, top_k=4)
    saving = ModelCheckpoint(folder, **arguments.pop("saving"))
    run = trainer(folder, callback, saving, limit_train_batches=3, max_epochs=4, enable_checkpointing=True, **arguments)
    run.fit(Mortal(), scenes(), scenes(), ckpt_path=resume and str(folder / resume))
    return entries(callback.state_dict())


def killed(work: Callable[[], Any]) -> bool:
    """Whether doing it in a process of its own ended with a kill."""

    process = multiprocessing.get_context("fork").Process(target=work)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside idle threads
        process.start()
    process.join(60)
    process.kill()
    return process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("saving", "arguments"),
    [
        ({"every_n_train_steps": 1, "save_top_k": 1, "monitor": "step", "mode": "max"}, {}),
        ({"every_n_epochs": 1}, {}),
        ({"every_n_train_steps": 1, "save_top_k": 1, "monitor": "step", "mode": "max"}, {"val_check_interval": 2 / 3}),
    ],
)
def test_a_killed_run_resumes_as_if_nothing_had_happened(
    tmp_path: Path, saving: dict[str, Any], arguments: dict[str, Any]
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    saving = {**saving, "filename": "last", "enable_version_counter": False}
    expected = fit(whole, saving=saving, **arguments)
    assert killed(lambda: fit(broken, die_at=(2, 1), saving=saving, **arguments))
    assert fit(broken, resume="last.ckpt", saving=saving, **arguments) == expected
    tables = sorted((whole / "hardest_images").glob("*epoch=003*.csv"))
    assert tables
    for table in tables:
        assert (broken / "hardest_images" / table.name).read_text() == table.read_text()


def test_a_validation_that_lightning_skips_on_resuming_is_no_entry(tmp_path: Path) -> None:
    """A checkpoint of an epoch's last step is from before its validation, which Lightning then leaves out."""
    saving = {"every_n_train_steps": 3, "filename": "{epoch}-{step}", "save_top_k": -1}
    whole = fit(tmp_path, saving=saving)
    assert [epoch for epoch, *_ in whole["val/all"]] == [0, 1, 2, 3]
    resumed = fit(tmp_path, resume="epoch=1-step=6.ckpt", saving=saving)
    assert resumed["val/all"] == whole["val/all"][:1] + whole["val/all"][2:]


def test_two_validations_in_an_epoch_are_two_entries(tmp_path: Path) -> None:
    callback = HardestImages(TotalFalse(), top_k=2)
    run = trainer(tmp_path, callback, limit_train_batches=4, val_check_interval=0.5, max_epochs=2)
    run.fit(Module(), scenes(16), scenes())
    (history,) = entries(callback.state_dict()).values()
    assert [entry[:2] for entry in history] == [(0, 2), (0, 4), (1, 6), (1, 8)]


def test_loaders_and_stages_have_histories_of_their_own(tmp_path: Path) -> None:
    callback = HardestImages(TotalFalse(), top_k=2)
    run = trainer(tmp_path, callback, max_epochs=2)
    run.fit(Module(), scenes(), [scenes(), scenes(5, first_id=40)])
    run.test(Module(), scenes(6, first_id=60), verbose=False)
    state = entries(callback.state_dict())
    assert {tag: len(history) for tag, history in state.items()} == {
        "val/TotalFalse": 2,
        "val/TotalFalse/loader_1": 2,
        "test/TotalFalse": 1,
    }
    assert min(min(image_ids) for *_, image_ids in state["test/TotalFalse"]) >= 60


def test_another_set_of_images_has_a_history_of_its_own(tmp_path: Path) -> None:
    """What is still hard of images that were never seen says nothing."""
    callback = HardestImages(TotalFalse(), top_k=6)
    run = trainer(tmp_path, callback)
    for _ in range(2):
        run.test(Module(), scenes(8), verbose=False)
    with pytest.warns(UserWarning, match="finds other images under test/TotalFalse than before"):
        run.test(Module(), scenes(8, first_id=4), verbose=False)
    run.test(Module(), scenes(8), verbose=False)
    tables = [
        tmp_path / f"hardest_images/test-TotalFalse-epoch=000-step=000000{v}.csv" for v in ("", "-v1", "-v2", "-v3")
    ]
    found = [[row for row in rows(table) if row["status"]] for table in tables]
    assert [{row["status"] for row in table} for table in found] == [{"new"}, {"still"}, {"new"}, {"still"}]
    assert [{row["hard_for"] for row in table} for table in found] == [{"1"}, {"2"}, {"1"}, {"3"}]
    assert [ranked(table) for table in tables[:2]] == [ranked(tables[3])] * 2


def test_only_so_many_sets_of_images_are_remembered() -> None:
    histories = Histories()
    for number in range(3 * Histories.MOST_SETS):
        histories.add("val/a", torch.arange(number + 1), Validation(0, number, torch.tensor([0])))
    assert len(histories.state_dict()["val/a"]) == Histories.MOST_SETS


def test_detections_are_told_apart_by_epoch() -> None:
    """What the tests above rely on."""
    target = {"boxes": torch.rand(3, 4), "labels": torch.ones(3).long(), "image_id": 3}
    assert any(len(detections(target, e)["boxes"]) != len(detections(target)["boxes"]) for e in range(1, 9))


def test_a_window_of_one_validation_still_tells_what_is_new() -> None:
    history = History(window=1)
    for step, ids in enumerate(([1, 2], [2, 3])):
        history.add(Validation(0, step, torch.tensor(ids)))
    assert history.statuses([1, 2, 3]) == ["solved", "still", "new"]
    assert history.counts([1, 2, 3]) == [0, 1, 1]
