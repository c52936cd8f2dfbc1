"""The training, with every switch."""

from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from torchmetrics.detection import MeanAveragePrecision

from examples.detector.assign import Assignment, Centre, Schedule, TaskAligned
from examples.detector.augment import Augment
from examples.detector.data import DigitData
from examples.detector.losses import detection_losses
from examples.detector.module import DetectorModule

TINY: dict[str, Any] = {"backbone": "test_resnet", "channels": 16}

# Lightning and its command line warn of each other's and torch's deprecations, and of few workers.
pytestmark = pytest.mark.filterwarnings("default")


def digits(n_train: int = 8, **arguments: Any) -> DigitData:
    return DigitData(n_train, 4, image_size=(64, 64), digit_height=(14, 30), batch_size=4, **arguments)


def trainer(**arguments: Any) -> Trainer:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return Trainer(accelerator="cpu", enable_model_summary=False, **(quiet | arguments))


SWITCHES: list[dict[str, Any]] = [
    {},
    {"confidence": True, "assigner": Centre(), "box_loss": "smooth_l1", "suppression": "soft"},
    {"assigner": TaskAligned(6, 1, 5), "box_loss": "diou", "suppression": "weighted"},
    {"strides": (8, 16, 32, 64), "depth": 2, "unfreeze_last": 2},
    {"backbone": "resnet10t", "strides": (4, 8)},
    {"backbone": "test_efficientnet", "unfreeze_last": 0, "confidence": True},
    {"neck": "pan", "assigner": Schedule(Centre(), TaskAligned(), share=0.5), "suppression": "fusion"},
    {"backbone": "test_vit", "backbone_arguments": {"img_size": 64}, "strides": (16, 32), "unfreeze_last": 1},
]


@pytest.mark.parametrize("switches", SWITCHES)
def test_every_switch_trains_and_validates(switches: dict[str, Any]) -> None:
    seed_everything(0, verbose=False)
    outputs: list[Any] = []

    class Listen(Callback):
        def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, result: Any, *_: Any) -> None:
            outputs.append(result)

    module = DetectorModule(10, **(TINY | switches))
    run = trainer(max_steps=2, callbacks=[Listen()], num_sanity_val_steps=0)
    run.fit(module, digits(augment=Augment()))
    assert {"val/map", "val/map_50", "train/loss"} <= set(run.callback_metrics)
    (result,) = outputs
    assert [target["image_id"] for target in result["target"]] == [0, 1, 2, 3]
    assert all(target["image_size"] == (64, 64) for target in result["target"])
    MeanAveragePrecision().update(result["preds"], result["target"])
    for pred in result["preds"]:
        assert ((pred["scores"] >= 0) & (pred["scores"] <= 1)).all()
    trained = {name for name, p in module.named_parameters() if p.grad is not None}
    asked = {name for name, p in module.named_parameters() if p.requires_grad}
    assert trained <= asked


def test_the_test_split_is_judged_like_the_validation_split() -> None:
    data = digits()
    data.test = data.val
    module = DetectorModule(10, **TINY)
    run = trainer()
    run.validate(module, data, verbose=False)
    expected = {name: float(value) for name, value in run.callback_metrics.items()}
    run.test(module, data, verbose=False)
    found = {name: float(value) for name, value in run.callback_metrics.items()}
    assert sorted(found) == ["test/map", "test/map_50", "test/mar_1", "test/mar_10"]
    assert found["test/map"] == expected["val/map"]


def test_a_schedule_follows_the_steps_of_the_training() -> None:
    used: list[str] = []

    class Noted(Centre):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def __call__(self, *args: Any, **arguments: Any) -> Assignment:
            used.append(self.name)
            return super().__call__(*args, **arguments)

    module = DetectorModule(10, **TINY, assigner=Schedule(Noted("first"), Noted("then"), share=0.5))
    trainer(max_steps=4, limit_val_batches=0).fit(module, digits())
    assert used == ["first"] * 8 + ["then"] * 8  # four images a step


@pytest.mark.parametrize("confidence", [False, True])
def test_the_loss_falls_on_scenes_seen_again_and_again(confidence: bool) -> None:
    seed_everything(0, verbose=False)
    data = digits(n_train=4)
    module = DetectorModule(10, **TINY, confidence=confidence, assigner=Centre(), learning_rate=1e-2)
    images, targets = next(iter(data.train_dataloader()))

    def loss() -> float:
        with torch.no_grad():
            outputs = module.detector(images)
            return float(sum(detection_losses(outputs, targets, Centre(), "ciou")))

    before = loss()
    trainer(max_steps=40, limit_val_batches=0).fit(module, data)
    module.train()
    assert loss() < 0.6 * before
