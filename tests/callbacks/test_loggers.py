"""What the loggers of a run are shown, read back from what they wrote."""

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from PIL import Image, ImageChops, ImageStat
from torch.utils.tensorboard.writer import SummaryWriter

from hardest_metrics import FalseNegatives, HardestImages, TotalFalse
from tests.callbacks.runs import Module, ranked, rows, scenes, trainer

# Lightning warns of few workers and of its own and torch's deprecations, loggers of theirs.
pytestmark = pytest.mark.filterwarnings("default")


class Listing(Logger):
    """A logger that takes numbers only."""

    def __init__(self) -> None:
        super().__init__()
        self.logged: list[tuple[int | None, dict[str, float]]] = []

    @property
    def name(self) -> str:
        return "listing"

    @property
    def version(self) -> int:
        return 0

    def log_hyperparams(self, *arguments: Any, **named: Any) -> None:
        pass

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.logged.append((step, metrics))


def callback() -> HardestImages:
    return HardestImages({"all": TotalFalse(weighting="pixel"), "missed": FalseNegatives()}, top_k=3)


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def test_tensorboard_gets_pictures_and_histograms_at_the_steps_of_the_scalars(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoardLogger(tmp_path, name="run", version="0")
    run = trainer(tmp_path, callback(), logger=logger, max_epochs=3)
    run.fit(Module(), scenes(), [scenes(), scenes(10, first_id=30)])
    events = EventAccumulator(logger.log_dir, size_guidance={"images": 0, "histograms": 0, "scalars": 0})
    events.Reload()
    folder = tmp_path / "run/0/hardest_images"
    assert len(pictures(folder)) == 3 * 4
    for tag, suffix, name, images in (
        ("val/all", "", "val-all", 12),
        ("val/missed", "", "val-missed", 12),
        ("val/all", "/loader_1", "val-all-loader_1", 10),
        ("val/missed", "/loader_1", "val-missed-loader_1", 10),
    ):
        scalars = events.Scalars(f"{tag}/mean{suffix}")
        shown = events.Images(f"{tag}{suffix}/hardest")
        histograms = events.Histograms(f"{tag}{suffix}/hardness")
        assert [e.step for e in scalars] == [e.step for e in shown] == [e.step for e in histograms] == [1, 3, 5]
        for epoch, (scalar, image, histogram) in enumerate(zip(scalars, shown, histograms, strict=True)):
            file = folder / f"{name}-epoch={epoch:03}-step={image.step:06}.png"
            with Image.open(file) as picture, Image.open(io.BytesIO(image.encoded_image_string)) as smaller:
                assert (image.width, image.height) == picture.size == smaller.size
                difference = ImageChops.difference(picture, smaller.convert("RGB"))
                assert max(ImageStat.Stat(difference).mean) < 3  # of 255: a JPEG of it
            assert histogram.histogram_value.num == images
            hardness = [value for _, value in ranked(file.with_suffix(".csv"))]
            assert histogram.histogram_value.max == pytest.approx(hardness[0])
            assert scalar.value == pytest.approx(sum(hardness) / images)


def test_tensorboard_has_the_step_of_scalars_after_training_too(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoardLogger(tmp_path, name="run", version="0")
    run = trainer(tmp_path, callback(), logger=logger, max_epochs=2)
    run.fit(Module(), scenes(), scenes())
    run.test(Module(), scenes(), verbose=False)
    events = EventAccumulator(logger.log_dir)
    events.Reload()
    steps = [entry.step for entry in events.Scalars("test/all/mean")]
    assert [entry.step for entry in events.Images("test/all/hardest")] == steps == [4]


def test_csv_and_loggers_of_numbers_get_scalars(tmp_path: Path) -> None:
    listing, table = Listing(), CSVLogger(tmp_path, name="run", version="0")
    run = trainer(tmp_path, callback(), logger=[table, listing], max_epochs=2)
    run.fit(Module(), scenes(), scenes())
    names = {f"val/{metric}/{name}" for metric in ("all", "missed") for name in ("mean", "p95", "share_in_error")}
    logged = [(step, metrics) for step, metrics in listing.logged if "val/all/mean" in metrics]
    assert [step for step, _ in logged] == [1, 3]
    with (tmp_path / "run/0/metrics.csv").open(newline="") as lines:
        written = [row for row in csv.DictReader(lines) if row["val/all/mean"]]
    for row, (step, metrics) in zip(written, logged, strict=True):
        assert names <= set(metrics)
        assert int(row["step"]) == step
        assert {name: float(row[name]) for name in names} == pytest.approx({name: metrics[name] for name in names})
    assert len(pictures(tmp_path / "run/0/hardest_images")) == 4


def test_weights_and_biases_gets_a_table_with_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    logger = WandbLogger(save_dir=tmp_path, offline=True, project="tests")
    logged = []
    log = logger.experiment.log

    def spy(entries: dict[str, Any], *arguments: Any, **named: Any) -> None:
        logged.append(dict(entries))
        log(entries, *arguments, **named)

    monkeypatch.setattr(logger.experiment, "log", spy)
    run = trainer(tmp_path, callback(), logger=logger)
    run.fit(Module(), scenes(), scenes())
    wandb.finish()

    shown = next(entries for entries in logged if "val/all/hardest" in entries)
    scalars = next(entries for entries in logged if "val/all/mean" in entries)
    assert shown["trainer/global_step"] == scalars["trainer/global_step"]
    # What an artifact is made of lies in a folder of its own until it is uploaded
    staged = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in (tmp_path / "data").rglob("tmp*")}
    tables = [json.loads(path.read_text()) for path in staged.values() if path.read_bytes()[:1] == b"{"]
    (ranking,) = tmp_path.glob(f"tests/{logger.version}/hardest_images/val-all-*.csv")
    (rows_,) = [table["data"] for table in tables if [tuple(row[1:3]) for row in table["data"]] == ranked(ranking)[:3]]
    assert tables[0]["columns"] == ["rank", "image_id", "hardness", "hard_for", "status", "image"]
    for *_, image in rows_:
        with Image.open(staged[image["sha256"]]) as picture:
            assert picture.size == (image["width"], image["height"])


def test_mlflow_gets_rankings_and_pictures_as_artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    logger = MLFlowLogger(tracking_uri=(tmp_path / "store").as_uri())
    run = trainer(tmp_path, callback(), logger=logger)
    run.fit(Module(), scenes(), scenes())
    client = mlflow.MlflowClient(tracking_uri=(tmp_path / "store").as_uri())
    metrics = client.get_run(logger.run_id).data.metrics
    for name in ("all", "missed"):
        artifacts = [a.path for a in client.list_artifacts(logger.run_id, f"hardest_images/val/{name}")]
        assert [Path(path).suffix for path in sorted(artifacts)] == [".csv", ".png"]
        for path in artifacts:
            kept = Path(client.download_artifacts(logger.run_id, path, str(tmp_path)))
            (written,) = tmp_path.rglob(f"hardest_images/{kept.name}")
            assert kept.read_bytes() == written.read_bytes()
            if kept.suffix == ".csv":
                hardness = [float(row["hardness"]) for row in rows(kept)]
                assert metrics[f"val/{name}/mean"] == pytest.approx(sum(hardness) / len(hardness))


def test_a_failing_logger_warns_once_and_all_else_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **named: Any) -> None:
        raise ConnectionError("the server is away")

    monkeypatch.setattr(SummaryWriter, "add_histogram", fail)
    listing = Listing()
    loggers = [TensorBoardLogger(tmp_path, name="run", version="0"), listing]
    run = trainer(tmp_path, callback(), logger=loggers, max_epochs=3)
    with pytest.warns(
        UserWarning, match=r"could not write to TensorBoardLogger: ConnectionError: .* goes on"
    ) as record:
        run.fit(Module(), scenes(), scenes())
    assert sum("HardestImages" in str(warning.message) for warning in record) == 1
    assert run.current_epoch == 3
    assert len(pictures(tmp_path / "run/0/hardest_images")) == 6
    assert sum("val/all/mean" in metrics for _, metrics in listing.logged) == 3


def test_rankings_of_bfloat16_runs_make_histograms(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path, name="run", version="0")
    run = trainer(tmp_path, callback(), logger=logger, precision="bf16-true")
    run.fit(Module(), scenes(), scenes())
    assert run.callback_metrics["val/all/mean"].dtype == torch.float32
