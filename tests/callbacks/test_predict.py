"""`HardestImages` without labels: at `predict`, where there are none, and elsewhere, where estimates ignore them."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor
from torch.multiprocessing.spawn import ProcessRaisedException
from torch.utils.data import DataLoader

from hardest_metrics import FalseNegatives, HardestImages, Ranking, TotalFalse
from hardest_metrics.callbacks import Inputs, inputs_of
from hardest_metrics.detection import CommitteeHardness, ExpectedHardness, ScoreSampling, Uncertainty, WitnessHardness
from tests.callbacks.runs import (
    SIZE,
    Module,
    OtherModule,
    Scenes,
    collate,
    detections,
    files,
    ranked,
    rows,
    scenes,
    trainer,
)
from tests.callbacks.test_participants import distributed, in_time, outcome

# Lightning warns of few workers and of its own and torch's deprecations.
pytestmark = pytest.mark.filterwarnings("default")

ORANGE = (255, 170, 0)
JUDGED = ((225, 30, 45), (40, 200, 90), (40, 110, 255))


def unlabelled(number: int = 12, first_id: int = 0) -> list[dict[str, Any]]:
    """Predictions on scenes, as `predict_step` returns them."""
    targets = [target for _, target in map(Scenes(number, first_id).__getitem__, range(number))]
    return [{**detections(target), "image_id": target["image_id"]} for target in targets]


def estimated(metric: Any, preds: list[dict[str, Any]]) -> list[tuple[int, float]]:
    """Ids and hardness, as a metric gives them that sees all predictions at once."""
    metric.update([{**image, "image_size": SIZE} for image in preds])
    result: Ranking = metric.compute()
    return list(zip(*(column.tolist() for column in result), strict=True))


class _Predicts:
    """Returns predictions with ids."""

    def predict_step(self: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        return [{**detections(target), "image_id": target["image_id"]} for target in batch[1]]


class Predicting(_Predicts, Module):
    """For `lightning.pytorch`."""


class OtherPredicting(_Predicts, OtherModule):
    """For `pytorch_lightning`."""


def hide(outputs: Any, batch: Any) -> Inputs:
    """What a step without labels comes to."""
    return Inputs(outputs, None, batch[0])


def hardest(**settings: Any) -> HardestImages:
    metrics = {"all": ExpectedHardness(TotalFalse(weighting="pixel")), "drawn": ScoreSampling(FalseNegatives())}
    return HardestImages(metrics, top_k=3, to_inputs=hide, **settings)


def shown(picture: Path) -> Tensor:
    """All pixels of a picture."""
    with Image.open(picture) as opened:
        return torch.frombuffer(bytearray(opened.convert("RGB").tobytes()), dtype=torch.uint8).reshape(-1, 3)


def has(pixels: Tensor, color: tuple[int, int, int]) -> bool:
    return bool((pixels == torch.tensor(color)).all(1).sum() > 100)


# At predict


def test_predict_ranks_and_shows_every_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    callback = hardest()
    bar = TQDMProgressBar()
    run = trainer(tmp_path, callback, bar, enable_progress_bar=True, logger=TensorBoardLogger(tmp_path, "", ""))
    returned = run.predict(Predicting(), scenes())
    assert returned is not None
    assert sum(map(len, returned)) == 12
    stems = [f"predict-{name}-epoch=000-step=000000" for name in ("all", "drawn")]
    assert files(tmp_path) == files(tmp_path, "png") == stems
    folder = tmp_path / "hardest_images"
    assert ranked(folder / f"{stems[0]}.csv") == estimated(ExpectedHardness(TotalFalse("pixel")), unlabelled())
    assert ranked(folder / f"{stems[1]}.csv") == estimated(ScoreSampling(FalseNegatives()), unlabelled())
    assert rows(folder / f"{stems[0]}.csv")[0].keys() == {"rank", "image_id", "hardness"}
    pixels = shown(folder / f"{stems[0]}.png")
    assert has(pixels, ORANGE)
    assert not any(has(pixels, color) for color in JUDGED)
    printed = capsys.readouterr().out
    assert re.search(r"predict/all, epoch 0: mean .* of images of hardness above 0", printed)
    assert "solved" not in printed
    assert callback.state_dict() == {}
    assert run.callback_metrics == {}
    events = EventAccumulator(str(tmp_path), {"images": 0}).Reload().Tags()
    assert sorted(events["images"]) == ["predict/all/hardest", "predict/drawn/hardest"]


@pytest.mark.parametrize("return_predictions", [None, True, False])
def test_predictions_are_returned_or_not_as_ever(tmp_path: Path, return_predictions: bool | None) -> None:
    run = trainer(tmp_path, hardest())
    returned = run.predict(Predicting(), scenes(8), return_predictions=return_predictions)
    assert (returned is None) == (return_predictions is False)
    assert len(files(tmp_path)) == 2


def test_both_packages_predict(tmp_path: Path) -> None:
    import pytorch_lightning

    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "accelerator": "cpu"}
    callbacks: Any = [hardest()]
    run = pytorch_lightning.Trainer(default_root_dir=tmp_path, callbacks=callbacks, **quiet)
    run.predict(OtherPredicting(), scenes())
    trainer(tmp_path / "one", hardest()).predict(Predicting(), scenes())
    assert outcome(tmp_path) == outcome(tmp_path / "one")


def test_each_loader_is_ranked_by_itself(tmp_path: Path) -> None:
    run = trainer(tmp_path, hardest())
    run.predict(Predicting(), [scenes(), scenes(8), scenes(10, first_id=40)])  # the second holds images of the first
    for suffix, (number, first_id) in {"": (12, 0), "-loader_1": (8, 0), "-loader_2": (10, 40)}.items():
        found = ranked(tmp_path / f"hardest_images/predict-all{suffix}-epoch=000-step=000000.csv")
        assert found == estimated(ExpectedHardness(TotalFalse("pixel")), unlabelled(number, first_id))


def test_a_second_prediction_starts_from_nothing(tmp_path: Path) -> None:
    run = trainer(tmp_path, hardest())
    for first_id, version in ((0, ""), (5, "-v1")):
        run.predict(Predicting(), scenes(12, first_id))
        found = ranked(tmp_path / f"hardest_images/predict-drawn-epoch=000-step=000000{version}.csv")
        assert found == estimated(ScoreSampling(FalseNegatives()), unlabelled(12, first_id))


def test_images_without_id_are_numbered_by_position(tmp_path: Path) -> None:
    def nameless(outputs: Any, batch: Any) -> Inputs:
        preds = [{key: value for key, value in image.items() if key != "image_id"} for image in outputs]
        return Inputs(preds, None, batch[0])

    run = trainer(tmp_path, HardestImages(ExpectedHardness(TotalFalse()), top_k=3, to_inputs=nameless))
    run.predict(Predicting(), scenes(12, first_id=100))
    (stem,) = files(tmp_path, "png")
    found = ranked(tmp_path / f"hardest_images/{stem}.csv")
    assert found == [(i - 100, h) for i, h in estimated(ExpectedHardness(TotalFalse()), unlabelled(12, 100))]


def test_images_alone_are_a_batch(tmp_path: Path) -> None:
    class Bare(Module):
        def predict_step(self, batch: Tensor, batch_idx: int, dataloader_idx: int = 0) -> Any:
            assert batch.ndim == 4
            return unlabelled(4, 4 * batch_idx)

    loader: Any = DataLoader(Scenes(12), 4, collate_fn=lambda samples: collate(samples)[0])
    trainer(tmp_path, HardestImages(ExpectedHardness(TotalFalse("pixel")), top_k=3)).predict(Bare(), loader)
    (stem,) = files(tmp_path, "png")
    found = ranked(tmp_path / f"hardest_images/{stem}.csv")
    assert found == estimated(ExpectedHardness(TotalFalse("pixel")), unlabelled())


def test_a_committee_comes_with_its_members(tmp_path: Path) -> None:
    class Ensemble(Predicting):
        def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            members = [[detections(target, epoch) for target in batch[1]] for epoch in (1, 2)]
            return {"preds": super().predict_step(batch, batch_idx), "members": members, "target": None}

    metrics = {"committee": CommitteeHardness(TotalFalse()), "alone": ExpectedHardness(TotalFalse())}
    trainer(tmp_path, HardestImages(metrics, top_k=2)).predict(Ensemble(), scenes())
    metric = CommitteeHardness(TotalFalse())
    targets = [target for _, target in map(Scenes(12).__getitem__, range(12))]
    metric.update(unlabelled(), members=[[detections(target, epoch) for target in targets] for epoch in (1, 2)])
    expected = list(zip(*(column.tolist() for column in metric.summary().ranking), strict=True))
    assert ranked(tmp_path / "hardest_images/predict-committee-epoch=000-step=000000.csv") == expected


def test_a_witness_is_heard(tmp_path: Path) -> None:
    class Pair(Predicting):
        def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            witnesses = [[detections(target, 1) for target in batch[1]]]
            return {"preds": super().predict_step(batch, batch_idx), "witnesses": witnesses, "target": None}

    metrics = {"witness": WitnessHardness(TotalFalse()), "alone": ExpectedHardness(TotalFalse())}
    trainer(tmp_path, HardestImages(metrics, top_k=2)).predict(Pair(), scenes())
    metric = WitnessHardness(TotalFalse())
    targets = [target for _, target in map(Scenes(12).__getitem__, range(12))]
    metric.update(unlabelled(), witnesses=[[detections(target, 1) for target in targets]])
    expected = list(zip(*(column.tolist() for column in metric.summary().ranking), strict=True))
    assert ranked(tmp_path / "hardest_images/predict-witness-epoch=000-step=000000.csv") == expected


def test_a_metric_that_needs_labels_is_left_out(tmp_path: Path) -> None:
    metrics = {"estimate": ExpectedHardness(TotalFalse()), "truth": FalseNegatives()}
    run = trainer(tmp_path, HardestImages(metrics, to_inputs=hide))
    message = r"leaves truth out.*finds no labels.*'truth' needs them; .* ExpectedHardness\(FalseNegatives\(\)\)"
    with pytest.warns(UserWarning, match=message):
        run.predict(Predicting(), scenes())
    assert files(tmp_path) == ["predict-estimate-epoch=000-step=000000"]


def test_ids_alone_are_no_labels(tmp_path: Path) -> None:
    loader: Any = DataLoader(
        Scenes(12),
        4,
        collate_fn=lambda samples: [collate(samples)[0], [{"image_id": t["image_id"]} for _, t in samples]],
    )

    class Nameless(Module):
        def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            return [{k: v for k, v in image.items() if k != "image_id"} for image in unlabelled(4, 4 * batch_idx)]

    trainer(tmp_path, HardestImages(ExpectedHardness(TotalFalse()), top_k=2)).predict(Nameless(), loader)
    (stem,) = files(tmp_path)
    found = ranked(tmp_path / f"hardest_images/{stem}.csv")
    assert found == estimated(ExpectedHardness(TotalFalse()), unlabelled())
    with pytest.warns(UserWarning, match="leaves TotalFalse out of this prediction.*finds no labels"):
        trainer(tmp_path, HardestImages(TotalFalse())).predict(Nameless(), loader)


def test_a_callback_for_the_training_lets_the_same_trainer_predict(tmp_path: Path) -> None:
    run = trainer(tmp_path, HardestImages(TotalFalse(), to_inputs=hide))
    with pytest.warns(
        UserWarning, match=r"leaves TotalFalse out of this prediction\. .*estimate it: ExpectedHardness"
    ) as seen:
        outputs = run.predict(Predicting(), scenes())
    assert outputs
    assert not files(tmp_path)
    assert len([warning for warning in seen if "out of this prediction" in str(warning.message)]) == 1


def test_what_is_wrong_with_predictions_stops_a_prediction(tmp_path: Path) -> None:
    class Wrong(Predicting):
        def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            outputs = super().predict_step(batch, batch_idx, dataloader_idx)
            return {"preds": [{**image, "scores": image["scores"] + 5} for image in outputs], "target": batch[1]}

    with pytest.raises(ValueError, match="a score lies in"):
        trainer(tmp_path, HardestImages(TotalFalse())).predict(Wrong(), scenes())


def test_labels_that_predict_step_returns_are_used(tmp_path: Path) -> None:
    class Labelled(Module):
        def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            return {"preds": [detections(target) for target in batch[1]], "target": batch[1]}

    trainer(tmp_path, HardestImages(TotalFalse(), top_k=3)).predict(Labelled(), scenes())
    trainer(tmp_path / "other", HardestImages(TotalFalse(), top_k=3)).validate(Module(), scenes(), verbose=False)
    found, expected = (
        ranked(folder / f"hardest_images/{stage}-TotalFalse-epoch=000-step=000000.csv")
        for folder, stage in ((tmp_path, "predict"), (tmp_path / "other", "val"))
    )
    assert found == expected


# Several processes


@pytest.mark.parametrize(("processes", "number"), [(2, 13), (3, 13)])
def test_processes_predict_and_show_as_one_does(tmp_path: Path, processes: int, number: int) -> None:
    """Lightning's sampler repeats no image here, so that processes have different numbers of them."""
    run = distributed(tmp_path, processes, hardest())
    with in_time():
        run.predict(Predicting(), scenes(number), return_predictions=False)
    trainer(tmp_path / "one", hardest()).predict(Predicting(), scenes(number))
    assert len(outcome(tmp_path)) == 4
    assert outcome(tmp_path) == outcome(tmp_path / "one")


def test_a_process_without_batches_does_not_make_others_wait(tmp_path: Path) -> None:
    class Uneven(Predicting):
        def __init__(self) -> None:
            super().__init__()
            self.allow_zero_length_dataloader_with_multiple_devices = True

        def predict_dataloader(self) -> Any:
            return DataLoader(Scenes([5, 0][self.trainer.global_rank]), batch_size=3, collate_fn=collate)

    run = distributed(tmp_path, 2, hardest(), use_distributed_sampler=False)
    with in_time():
        run.predict(Uneven(), return_predictions=False)
    trainer(tmp_path / "one", hardest()).predict(Predicting(), scenes(5))
    assert outcome(tmp_path) == outcome(tmp_path / "one")


def test_images_need_ids_where_several_processes_predict(tmp_path: Path) -> None:
    class Nameless(Module):
        def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            return [detections(target) for target in batch[1]]

    run = distributed(tmp_path, 2, hardest())
    with in_time(), pytest.raises(ProcessRaisedException, match="give every image its id"):
        run.predict(Nameless(), scenes(8), return_predictions=False)


# Where there are labels


def test_estimates_ignore_labels_beside_metrics_that_need_them(tmp_path: Path) -> None:
    metrics = {
        "truth": TotalFalse("pixel"),
        "estimate": ExpectedHardness(TotalFalse("pixel")),
        "unsure": Uncertainty("max_uncertainty"),
    }
    run = trainer(tmp_path, HardestImages(metrics, top_k=3), logger=False)
    run.fit(Module(), scenes(), scenes())
    mean = float(run.callback_metrics["val/estimate/mean"])
    run.test(Module(), scenes(), verbose=False)
    folder = tmp_path / "hardest_images"
    preds = unlabelled()
    expected = estimated(metrics["estimate"], preds)
    assert mean == pytest.approx(sum(hardness for _, hardness in expected) / 12)
    assert ranked(folder / "val-estimate-epoch=000-step=000001.csv") == expected
    assert ranked(folder / "val-unsure-epoch=000-step=000001.csv") == estimated(metrics["unsure"], preds)
    truth = TotalFalse("pixel")
    targets = [{**target, "image_size": SIZE} for _, target in map(Scenes(12).__getitem__, range(12))]
    truth.update([detections(target) for target in targets], targets)
    expected_truth = list(zip(*(column.tolist() for column in truth.summary().ranking), strict=True))
    assert ranked(folder / "val-truth-epoch=000-step=000001.csv") == expected_truth
    assert "hard_for" in rows(folder / "val-estimate-epoch=000-step=000001.csv")[0]
    assert (folder / "test-estimate-epoch=001-step=000002.csv").exists()
    judged, unjudged = (shown(folder / f"val-{name}-epoch=000-step=000001.png") for name in ("truth", "estimate"))
    assert any(has(judged, color) for color in JUDGED)
    assert not has(judged, ORANGE)
    assert has(unjudged, ORANGE)
    assert not any(has(unjudged, color) for color in JUDGED)


def test_callbacks_that_estimate_with_different_functions_keep_apart() -> None:
    first, second = (
        HardestImages({"a": ScoreSampling(TotalFalse(function))}) for function in (lambda e, _: e.scores, _twice)
    )
    assert first.state_key != second.state_key


def _twice(errors: Any, _: Any) -> Tensor:
    return torch.full_like(errors.box_area, 2.0)


# What a step may return


def test_without_labels_the_target_is_none() -> None:
    preds = unlabelled(2)
    images = torch.zeros(2, 3, *SIZE)
    for batch in (images, list(images), (images, torch.arange(2)), {"images": images}):
        inputs = inputs_of(preds, batch)
        assert inputs.target is None
        assert inputs.images is not None
        assert len(inputs.images) == 2
        assert list(inputs.preds) == preds
    assert inputs_of({"preds": preds, "members": [preds, preds]}, images).members == [preds, preds]
    assert inputs_of(preds, (images, [{"image_id": 1}, {"image_id": 2}])).target == [{"image_id": 1}, {"image_id": 2}]
