"""The command line builds and runs the training from files."""

from pathlib import Path

import pytest
from lightning.pytorch.loggers import CSVLogger

from examples.detector.assign import TaskAligned
from examples.detector.train import main

# Lightning and its command line warn of each other's and torch's deprecations, and of few workers.
pytestmark = pytest.mark.filterwarnings("default")

DATA = """
data:
  class_path: examples.detector.data.DigitData
  init_args:
    n_train: 4
    n_val: 4
    batch_size: 4
    image_size: [64, 64]
    digit_height: [14, 30]
    augment: {class_path: examples.detector.augment.Augment, init_args: {shift: 0.2}}
model:
  backbone: test_resnet
  channels: 16
  strides: [8, 16, 32]
  box_loss: diou
  assigner:
    class_path: examples.detector.assign.TaskAligned
    init_args: {alpha: 6, beta: 1, top_k: 5}
trainer:
  max_steps: 1
  accelerator: cpu
  enable_progress_bar: false
  enable_model_summary: false
"""


def test_a_file_sets_every_switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(DATA)
    args = ["fit", f"--config={config}", f"--trainer.default_root_dir={tmp_path}"]
    monkeypatch.setattr("sys.argv", ["train", *args])
    cli = main()
    assert cli.trainer.global_step == 1
    assigner = cli.model.assigner
    assert isinstance(assigner, TaskAligned)
    assert (assigner.alpha, assigner.beta, assigner.top_k) == (6, 1, 5)
    assert cli.model.detector.strides == (8, 16, 32)
    assert cli.model.detector.heads[0].classes.out_channels == 10
    assert cli.datamodule.train.augment is not None
    assert list(tmp_path.rglob("*.ckpt"))


def test_the_files_in_the_repository_are_valid(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(__file__).parents[2] / "examples" / "detector"
    for name in ("digits", "bccd"):
        args = [f"--config={folder / f'{name}.yaml'}"]
        if name == "bccd":
            args.append(f"--data.folder={shared_data / 'bccd'}")
        monkeypatch.setattr("sys.argv", ["train", *args])
        cli = main(run=False)
        assert cli.trainer.max_steps > 0
        assert isinstance(cli.trainer.loggers[0], CSVLogger)
