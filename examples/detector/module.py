"""The training: losses, schedule, detections and mAP."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torchmetrics.detection import MeanAveragePrecision

from examples.detector.assign import Assigner, Schedule, TaskAligned
from examples.detector.data import Batch
from examples.detector.losses import BoxLoss, detection_losses
from examples.detector.model import Detector, Outputs
from examples.detector.neck import Neck
from examples.detector.suppress import Suppression, detections

SMALL_RESNET: dict[str, Any] = {"channels": [32, 64, 128, 256], "layers": [1, 1, 1, 1], "stem_width": 8}
"""Arguments that make of timm's resnet10t a backbone two CPU cores can train in minutes."""


class DetectorModule(LightningModule):
    """A detector and how it is trained; every part is an argument.

    ``validation_step`` returns ``{"preds", "target"}`` in the format of torchmetrics.

    Args:
        n_classes: number of classes.
        backbone: name of a timm model.
        backbone_arguments: further arguments of it; None for none, or for ``SMALL_RESNET`` where the
            backbone is the default one.
        unfreeze_last: how many of the backbone's last blocks are trained; None for all.
        weights: a file of weights for the backbone; None for random ones.
        strides: of the pyramid's levels, each twice the one before.
        channels: channels of neck and head.
        depth: convolutions in each of the head's towers.
        confidence: whether the head gives a confidence score beside those of the classes.
        assigner: which locations answer for which ground truth, all through the training or by a schedule; None
            for ``TaskAligned()``.
        box_loss: ``"smooth_l1"``, ``"diou"`` or ``"ciou"``.
        suppression: ``"nms"``, ``"soft"``, ``"weighted"`` or ``"fusion"``.
        neck: ``"fpn"`` or ``"pan"``.
        learning_rate: highest of the one-cycle schedule, reached after a tenth of the steps.
        weight_decay: of AdamW, on weights of convolutions only.
    """

    def __init__(
        self,
        n_classes: int,
        backbone: str = "resnet10t",
        backbone_arguments: dict[str, Any] | None = None,
        unfreeze_last: int | None = None,
        weights: str | Path | None = None,
        strides: Sequence[int] = (8, 16),
        channels: int = 64,
        depth: int = 1,
        confidence: bool = False,
        assigner: Assigner | Schedule | None = None,
        box_loss: BoxLoss = "ciou",
        suppression: Suppression = "nms",
        neck: Neck = "fpn",
        learning_rate: float = 3e-3,
        weight_decay: float = 0.02,
    ) -> None:
        super().__init__()
        if backbone_arguments is None and backbone == "resnet10t":
            backbone_arguments = SMALL_RESNET
        self.detector = Detector(
            n_classes,
            backbone,
            backbone_arguments,
            unfreeze_last,
            weights,
            strides,
            channels,
            depth,
            confidence,
            neck,
        ).to(memory_format=torch.channels_last)
        self.assigner = assigner or TaskAligned()
        self.box_loss = box_loss
        self.suppression = suppression
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.mean_ap = MeanAveragePrecision(box_format="xyxy")

    def forward(self, images: Tensor) -> list[dict[str, Tensor]]:
        """Detections in images ``(B, 3, H, W)`` uint8: one dict an image."""
        return self.detections(self.detector(images), images)

    def detections(self, outputs: Outputs, images: Tensor) -> list[dict[str, Tensor]]:
        """Detections of these outputs of the detector."""
        height, width = images.shape[-2:]
        return detections(outputs, (height, width), self.suppression)

    def _assigner_now(self) -> Assigner:
        if isinstance(self.assigner, Schedule):
            return self.assigner.at(self.trainer.global_step / float(self.trainer.estimated_stepping_batches))
        return self.assigner

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        images, targets = batch
        losses = detection_losses(self.detector(images), targets, self._assigner_now(), self.box_loss)
        for name, value in losses._asdict().items():
            self.log(f"train/{name}", value, batch_size=len(images))
        loss = torch.stack(losses).sum()
        self.log("train/loss", loss, prog_bar=True, batch_size=len(images))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, list[dict[str, Any]]]:
        """Detections beside their ground truth."""
        images, targets = batch
        preds = self(images)
        self.mean_ap.update(preds, targets)
        return {"preds": preds, "target": targets}

    def on_validation_epoch_end(self) -> None:
        """Log mAP over IoU 0.50 to 0.95 and at 0.50 alone, and mean recall of the first detection and of ten."""
        self._log_map("val")

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, list[dict[str, Any]]]:
        """As :meth:`validation_step`, of the test split."""
        return self.validation_step(batch, batch_idx)

    def on_test_epoch_end(self) -> None:
        """Log the same of the test split."""
        self._log_map("test")

    def _log_map(self, split: str) -> None:
        result = self.mean_ap.compute()
        self.mean_ap.reset()
        self.log_dict({f"{split}/{name}": result[name] for name in ("map", "map_50")}, prog_bar=True)
        self.log_dict({f"{split}/{name}": result[name] for name in ("mar_1", "mar_10")})

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with one cycle over all steps of the run."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=self.learning_rate,
            total_steps=int(self.trainer.estimated_stepping_batches),
            pct_start=0.1,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
