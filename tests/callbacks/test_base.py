"""The callback is taken by trainers and command lines of `lightning.pytorch` and of `pytorch_lightning`."""

import json
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import pytest
import pytorch_lightning
from lightning.pytorch.cli import LightningCLI
from pytorch_lightning.cli import LightningCLI as OtherCLI

from hardest_metrics import FalseNegatives, HardestImages, TotalFalse
from hardest_metrics.callbacks import Inputs, inputs_of
from tests.callbacks.runs import Module, OtherModule, files, scenes

# Lightning warns of few workers and of its own and torch's deprecations, command lines of each other's.
pytestmark = pytest.mark.filterwarnings("default")

TRAINER: dict[str, Any] = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "accelerator": "cpu",
    "limit_train_batches": 2,
    "max_epochs": 1,
}


def test_it_is_a_callback_of_both_packages() -> None:
    assert issubclass(HardestImages, lightning.Callback)
    assert issubclass(HardestImages, pytorch_lightning.Callback)


@pytest.mark.parametrize(("package", "module"), [(lightning, Module), (pytorch_lightning, OtherModule)])
def test_trainers_of_both_packages_run_it(tmp_path: Path, package: Any, module: Any) -> None:
    callback = HardestImages(TotalFalse(), top_k=2)
    best = package.callbacks.ModelCheckpoint(tmp_path, monitor="val/TotalFalse/mean")
    run = package.Trainer(
        default_root_dir=tmp_path, callbacks=[callback, best], **{**TRAINER, "enable_checkpointing": True}
    )
    run.fit(module(), scenes(), scenes())
    assert files(tmp_path) == files(tmp_path, "png") == ["val-TotalFalse-epoch=000-step=000001"]
    assert best.best_model_score == run.callback_metrics["val/TotalFalse/mean"]

    resumed = HardestImages(TotalFalse(), top_k=2)
    run = package.Trainer(default_root_dir=tmp_path, callbacks=[resumed], **{**TRAINER, "max_epochs": 2})
    run.fit(module(), scenes(), scenes(), ckpt_path=best.best_model_path)
    (history,) = resumed.state_dict()["val/TotalFalse"].values()
    assert [entry["epoch"] for entry in history] == [0, 1]
    run.test(module(), scenes(), verbose=False)
    assert "test-TotalFalse-epoch=002-step=000004" in files(tmp_path)


def only_preds(outputs: Any, batch: Any) -> Inputs:
    """A function that a configuration names."""
    return inputs_of(outputs, batch)._replace(images=None)


def built(cli: Any, module: Any, folder: Path, arguments: dict[str, Any]) -> HardestImages:
    """The callback that a command line makes of a configuration file."""
    callback = {"class_path": "hardest_metrics.HardestImages", "init_args": arguments}
    settings = {**TRAINER, "default_root_dir": str(folder), "callbacks": [callback]}
    (folder / "config.yaml").write_text(json.dumps({"trainer": settings}))
    made = cli(module, run=False, save_config_callback=None, args=["--config", str(folder / "config.yaml")])
    made.trainer.validate(made.model, scenes(), verbose=False)
    (result,) = [c for c in made.trainer.callbacks if isinstance(c, HardestImages)]
    return result


@pytest.mark.parametrize(("cli", "module"), [(LightningCLI, Module), (OtherCLI, OtherModule)])
def test_command_lines_of_both_packages_build_it_from_a_file(tmp_path: Path, cli: Any, module: Any) -> None:
    metric = {"class_path": "hardest_metrics.TotalFalse", "init_args": {"weighting": "pixel", "score_threshold": 0.4}}
    arguments = {
        "metrics": metric,
        "top_k": 3,
        "every_n_epochs": 2,
        "class_names": {1: "car", 2: "bus"},
        "mean": [0.5, 0.5, 0.5],
        "std": [0.2, 0.2, 0.2],
        "dirpath": str(tmp_path / "pictures"),
    }
    callback = built(cli, module, tmp_path, arguments)
    assert callback.metrics["TotalFalse"].weighting == "pixel"
    assert (callback.top_k, callback.every_n_epochs) == (3, 2)
    assert callback.class_names == {1: "car", 2: "bus"}
    assert callback._collecting._pixels.mean == [0.5, 0.5, 0.5]
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 1


@pytest.mark.parametrize("in_a_dict", [True, False])
def test_several_metrics_are_built_from_a_file(tmp_path: Path, in_a_dict: bool) -> None:
    metrics: Any = {
        "missed": {"class_path": "hardest_metrics.FalseNegatives", "init_args": {"weighting": "overlap"}},
        "all": {"class_path": "hardest_metrics.detection.TotalFalse"},
    }
    arguments = {
        "metrics": metrics if in_a_dict else list(metrics.values()),
        "class_names": ["background", "car"],
        "to_inputs": f"{__name__}.only_preds",
    }
    callback = built(LightningCLI, Module, tmp_path, arguments)
    names = ["all", "missed"] if in_a_dict else ["FalseNegatives", "TotalFalse"]
    assert sorted(map(str, callback.metrics)) == names
    assert {type(metric) for metric in callback.metrics.values()} == {FalseNegatives, TotalFalse}
    assert callback.class_names == {0: "background", 1: "car"}
    assert files(tmp_path) == [f"val-{name}-epoch=000-step=000000" for name in names]
    assert files(tmp_path, "png") == []


def test_estimates_of_calibrated_scores_are_built_from_a_file(tmp_path: Path) -> None:
    definition = {"class_path": "hardest_metrics.TotalFalse", "init_args": {"weighting": "pixel"}}
    platt = {"class_path": "hardest_metrics.calibration.Platt", "init_args": {"slope": 0.5, "offset": -1.0}}
    metrics = {
        name: {"class_path": f"hardest_metrics.detection.{name}", "init_args": arguments}
        for name, arguments in {
            "ExpectedHardness": {"definition": definition, "calibration": platt},
            "ScoreSampling": {"definition": definition, "n_samples": 3, "calibration": platt, "statistic": "bound"},
            "Uncertainty": {"measure": "max_uncertainty", "calibration": platt},
        }.items()
    }
    callback = built(LightningCLI, Module, tmp_path, {"metrics": metrics})
    expected: Any = callback.metrics["ExpectedHardness"]
    assert isinstance(expected.definition, TotalFalse)
    assert expected.definition.weighting == "pixel"
    assert (expected.calibration.slope, expected.calibration.offset) == (0.5, -1.0)
    assert files(tmp_path) == [f"val-{name}-epoch=000-step=000000" for name in metrics]


@pytest.mark.parametrize("arguments", [{"weighting": "pixels"}, {"weighting": 7}, {"score_thresholds": 0.5}])
def test_a_mistake_in_the_file_is_refused(
    tmp_path: Path, arguments: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    metric = {"class_path": "hardest_metrics.TotalFalse", "init_args": arguments}
    with pytest.raises(SystemExit):
        built(LightningCLI, Module, tmp_path, {"metrics": metric})
    assert next(iter(arguments)) in capsys.readouterr().err
