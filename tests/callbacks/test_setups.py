"""What users' training set-ups do."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from hardest_metrics import FalseNegatives, HardestImages, TotalFalse
from hardest_metrics.callbacks import Inputs
from hardest_metrics.data import image_number
from hardest_metrics.detection import CommitteeHardness, ExpectedHardness
from tests.callbacks.runs import Module, Scenes, collate, detections, files, ranked, rows, scenes, trainer

# Lightning warns of few workers and of its own and torch's deprecations.
pytestmark = pytest.mark.filterwarnings("default")


class Coco(Scenes):
    """As torchvision's COCO sets: of an image without annotations nothing but its id; lists beside tensors."""

    def __init__(self, number: int, unlabelled: set[int]) -> None:
        super().__init__(number)
        self.unlabelled = unlabelled

    def __getitem__(self, index: int) -> Any:
        image, target = super().__getitem__(index)
        number = len(target["labels"])
        lists = {"iscrowd": [0] * number, "area": (target["boxes"][:, 2:] - target["boxes"][:, :2]).prod(1).tolist()}
        return image, {"image_id": index} if index in self.unlabelled else {**target, **lists}


class Finding(Module):
    """Finds two things on every image."""

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        boxes = torch.tensor([[1.0, 1, 9, 9], [20, 20, 40, 40]])
        return [{"boxes": boxes, "scores": torch.full((2,), 0.9), "labels": torch.ones(2).long()} for _ in batch[1]]

    def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        return self.validation_step(batch, batch_idx)


def coco(number: int, unlabelled: set[int], batch_size: int = 1) -> DataLoader[Any]:
    return DataLoader(Coco(number, unlabelled), batch_size, collate_fn=collate)


@pytest.mark.parametrize("batch_size", [1, 3, 12])
def test_an_image_without_annotations_has_no_objects(tmp_path: Path, batch_size: int) -> None:
    """Also where the first batches hold none but such."""
    trainer(tmp_path, HardestImages(TotalFalse())).validate(
        Finding(), coco(12, {0, 1, 2, 7}, batch_size), verbose=False
    )
    (table,) = (tmp_path / "hardest_images").glob("*.csv")
    found = dict(ranked(table))
    assert len(found) == 12
    assert [found[index] for index in (0, 1, 2, 7)] == [2, 2, 2, 2]
    assert table.with_suffix(".png").is_file()


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_set_without_any_labels_is_still_refused(tmp_path: Path, batch_size: int) -> None:
    run = trainer(tmp_path, HardestImages(TotalFalse()))
    with pytest.raises(ValueError, match=r"finds no labels: .*'TotalFalse' needs them; where there are none, estimate"):
        run.validate(Finding(), coco(5, set(range(5)), batch_size), verbose=False)
    assert not files(tmp_path)


def test_to_predict_no_labels_are_expected(tmp_path: Path) -> None:
    callback = HardestImages({"all": TotalFalse(), "expected": ExpectedHardness(TotalFalse())})
    with pytest.warns(UserWarning, match="leaves all out of this prediction"):
        trainer(tmp_path, callback).predict(Finding(), coco(5, set(range(5))))
    assert [name.split("-epoch")[0] for name in files(tmp_path)] == ["predict-expected"]


def test_each_run_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """As ModelCheckpoint has it: a second run overwrites nothing of the first, whatever the logger."""
    for version in range(2):
        run = trainer(tmp_path, HardestImages(TotalFalse()), logger=CSVLogger(tmp_path, name="mine"))
        run.validate(Module(), scenes(4 + version), verbose=False)
        (table,) = (tmp_path / f"mine/version_{version}/hardest_images").glob("*.csv")
        assert len(ranked(table)) == 4 + version
    assert not files(tmp_path)


def test_a_logger_without_a_folder_of_its_own_does_not_mix_runs(tmp_path: Path) -> None:
    class Server(CSVLogger):
        """Names runs as services do, and knows no folder for logs."""

        run = "0a1b"
        save_dir = str(tmp_path)
        log_dir = str(tmp_path)

        @property
        def version(self) -> str:
            return self.run

    for name in ("0a1b", "2c3d"):
        logger = Server(tmp_path, name="project")
        logger.run = name
        trainer(tmp_path, HardestImages(TotalFalse()), logger=logger).validate(Module(), scenes(4), verbose=False)
        assert len(list((tmp_path / "project" / name / "hardest_images").glob("*.csv"))) == 1


def test_two_tests_of_different_data_leave_two_rankings(tmp_path: Path) -> None:
    run = trainer(tmp_path, HardestImages(TotalFalse()))
    for first_id in (0, 40):
        run.test(Module(), scenes(5, first_id), verbose=False)
    tables = [tmp_path / f"hardest_images/{name}.csv" for name in files(tmp_path)]
    assert [min(ranked(table))[0] for table in tables] == [0, 40]
    assert all(table.with_suffix(".png").is_file() for table in tables)


def test_validations_that_share_a_step_leave_a_ranking_each(tmp_path: Path) -> None:
    """With gradients of several batches accumulated, steps are fewer than validations."""
    callback = HardestImages(TotalFalse(), window=9)
    arguments: dict[str, Any] = {"limit_train_batches": 4, "val_check_interval": 1, "accumulate_grad_batches": 4}
    trainer(tmp_path, callback, **arguments).fit(Module(), scenes(16), scenes())
    assert len(files(tmp_path)) == 4
    hard = [
        {row["hard_for"] for row in rows(tmp_path / f"hardest_images/{n}.csv") if row["status"]}
        for n in files(tmp_path)
    ]
    assert sorted(max(map(int, counts)) for counts in hard) == [1, 2, 3, 4]


def test_a_function_that_fits_validation_but_not_prediction_is_named(tmp_path: Path) -> None:
    def to_inputs(outputs: Any, batch: Any) -> Inputs:
        return Inputs(outputs["preds"], batch[1], batch[0])

    callback = HardestImages(ExpectedHardness(TotalFalse()), to_inputs=to_inputs)
    with pytest.raises(
        ValueError, match=r"`to_inputs` failed in `predict` \(TypeError: .*the step returned a list of 4"
    ):
        trainer(tmp_path, callback).predict(Finding(), scenes())


def test_loaders_in_a_dict_keep_their_names(tmp_path: Path) -> None:
    run = trainer(tmp_path, HardestImages(TotalFalse()))
    run.validate(Module(), {"day": scenes(4), "night": scenes(5, 40)}, verbose=False)
    assert {"val/TotalFalse/mean/day", "val/TotalFalse/p95/night"} <= set(run.callback_metrics)
    assert [name.split("-epoch")[0] for name in files(tmp_path)] == ["val-TotalFalse-day", "val-TotalFalse-night"]


class Named(Scenes):
    """With ids that are text, and names of files."""

    def __getitem__(self, index: int) -> Any:
        image, target = super().__getitem__(index)
        return image, {**target, "image_id": f"{index:03}_ä.jpg", "file_name": f"images/{index:03}_ä.jpg"}


class Unknowing(Module):
    """Sees nothing."""

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        return [detections({**target, "image_id": batch_idx}) for target in batch[1]]


def test_ids_that_are_text_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loader = DataLoader(Named(9), 4, collate_fn=collate)
    run = trainer(tmp_path, HardestImages(FalseNegatives(), top_k=2), enable_progress_bar=True)
    run.validate(Unknowing(), loader, verbose=False)
    (table,) = (tmp_path / "hardest_images").glob("*.csv")
    with table.open(newline="") as lines:
        found = list(csv.DictReader(lines))
    assert list(found[0]) == ["rank", "image_id", "hardness", "file_name", "hard_for", "status"]
    assert {row["image_id"] for row in found} == {f"{index:03}_ä.jpg" for index in range(9)}
    assert all(row["file_name"] == f"images/{row['image_id']}" for row in found)
    assert table.with_suffix(".png").is_file()
    printed = capsys.readouterr().out
    assert found[0]["image_id"] in printed
    assert str(image_number(found[0]["image_id"])) not in printed


def test_a_prediction_on_a_labelled_set_takes_images_without_annotations(tmp_path: Path) -> None:
    run = trainer(tmp_path, HardestImages({"all": TotalFalse(), "expected": ExpectedHardness(TotalFalse())}))
    run.predict(Finding(), coco(6, {2, 3}, batch_size=2))
    assert [name.split("-epoch")[0] for name in files(tmp_path)] == ["predict-all", "predict-expected"]


class Committee(Unknowing):
    """With what another detector found."""

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        found = super().validation_step(batch, batch_idx)
        named = [{**pred, "image_id": target["image_id"]} for pred, target in zip(found, batch[1], strict=True)]
        return {"preds": named, "members": [named]}


def test_members_of_a_committee_may_call_images_by_text_too(tmp_path: Path) -> None:
    loader = DataLoader(Named(6), 3, collate_fn=collate)
    trainer(tmp_path, HardestImages(CommitteeHardness(TotalFalse()))).validate(Committee(), loader, verbose=False)
    (table,) = (tmp_path / "hardest_images").glob("*.csv")
    assert {row["image_id"] for row in rows(table)} == {f"{index:03}_ä.jpg" for index in range(6)}
