"""The training: a network and a loss with its proxies, each at its own learning rate."""

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import BaseFinetuning
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from examples.retrieval.data import Loader
from examples.retrieval.evaluation import Embedded, means
from examples.retrieval.model import Embedder
from hardest_metrics.data import HierarchicalImage, HierarchicalImages
from hardest_metrics.functional.retrieval import overall_accuracy
from hardest_metrics.losses import HAPPIERLoss


class RetrievalModule(LightningModule):
    """A network that is trained for hierarchical retrieval.

    Backbone, head and the loss's parameters are three groups of one optimizer. Learning rates fall along half a cosine,
    epoch by epoch.

    Args:
        num_classes: classes of the finest level of the training set.
        net: the network.
        loss: from the number of classes and the dimension of embeddings to a loss.
        optimizer: from groups of parameters to an optimizer; its settings are the backbone's.
        head_lr: learning rate of the head; None for the backbone's.
        proxy_lr: learning rate of the loss's parameters; None for the backbone's.
        proxy_weight_decay: weight decay of these; None for the backbone's.
        min_lr: where learning rates of backbone and head end.
        proxy_min_lr: where that of the loss's parameters ends.
        schedule_epochs: epochs of the cosine; None for learning rates that stay.
        warm_up_epochs: before the cosine begins.
    """

    def __init__(
        self,
        num_classes: int,
        net: Embedder,
        loss: Callable[[int, int], nn.Module] = HAPPIERLoss,
        optimizer: OptimizerCallable = Adam,
        head_lr: float | None = None,
        proxy_lr: float | None = None,
        proxy_weight_decay: float | None = None,
        min_lr: float = 0.0,
        proxy_min_lr: float = 0.0,
        schedule_epochs: int | None = None,
        warm_up_epochs: int = 0,
    ) -> None:
        super().__init__()
        self.net = net
        self.loss = loss(num_classes, net.dim)
        self.optimizer = optimizer
        self.own = [
            {},
            {"lr": head_lr},
            {"lr": proxy_lr, "weight_decay": proxy_weight_decay},
        ]
        self.floors = [min_lr, min_lr, proxy_min_lr]
        self.schedule_epochs = schedule_epochs
        self.warm_up_epochs = warm_up_epochs
        self.embedded: list[Embedded] = []

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings ``(B, D)`` of unit length."""
        embeddings: Tensor = self.net(images)
        return embeddings

    def training_step(self, batch: HierarchicalImage, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        loss: Tensor = self.loss(self(batch.image), batch.labels)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch.labels))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget what was embedded before."""
        loaders = cast("list[Loader] | Loader", self.trainer.val_dataloaders)
        several = loaders if isinstance(loaders, list) else [loaders]
        self.embedded = [Embedded(cast("HierarchicalImages", loader.dataset)) for loader in several]

    def validation_step(self, batch: HierarchicalImage, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        """Embed a batch."""
        embeddings = self(batch.image)
        self.embedded[dataloader_idx].add(embeddings, batch)
        return {"embeddings": embeddings, "labels": batch.labels, "image_ids": torch.as_tensor(batch.image_id)}

    def on_validation_epoch_end(self) -> None:
        """Log the means of the scores: one set's as ``val/H-AP``, several sets' as ``val/<number>/H-AP``."""
        scores = [embedded.scores() for embedded in self.embedded]
        for number, of_set in enumerate(scores):
            prefix = "val" if len(scores) == 1 else f"val/{number}"
            self.log_dict({f"{prefix}/{name}": value for name, value in means(of_set).items()})
        # over levels, or over the sets of which each has one
        precisions = [column for of_set in scores for column in of_set.average_precision.unbind(1)]
        self.log("val/overall_mAP", overall_accuracy(precisions).float(), prog_bar=True)

    def configure_optimizers(self) -> Optimizer | OptimizerLRSchedulerConfig:
        """Three groups, and a cosine for each."""
        parts = [self.net.backbone, self.net.head, self.loss]
        groups: list[dict[str, Any]] = [
            {"params": [*part.parameters()], **{name: value for name, value in own.items() if value is not None}}
            for part, own in zip(parts, self.own, strict=True)
        ]
        optimizer = self.optimizer(groups)
        if self.schedule_epochs is None:
            return optimizer
        factors = [
            cosine(group["lr"], floor, self.schedule_epochs, self.warm_up_epochs)
            for group, floor in zip(optimizer.param_groups, self.floors, strict=True)
        ]
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": LambdaLR(optimizer, factors), "interval": "epoch"},
        }


def cosine(lr: float, floor: float, epochs: int, warm_up: int = 0) -> Callable[[int], float]:
    """By epoch, the factor that lets a learning rate fall to ``floor`` along half a cosine, after a warm-up.

    Example:
        >>> factor = cosine(lr=10.0, floor=0.1, epochs=100, warm_up=5)
        >>> [round(10 * factor(epoch), 2) for epoch in (0, 5, 55, 105)]
        [10.0, 10.0, 5.05, 0.1]
    """

    def factor(epoch: int) -> float:
        share = min(max(epoch - warm_up, 0) / epochs, 1)
        return (floor + (lr - floor) * (1 + math.cos(math.pi * share)) / 2) / lr

    return factor


class WarmUp(BaseFinetuning):
    """Keep the backbone as it is for the first epochs, until head and proxies have found their place.

    Args:
        epochs: how many.
    """

    def __init__(self, epochs: int = 5) -> None:
        super().__init__()
        self.epochs = epochs

    def freeze_before_training(self, pl_module: LightningModule) -> None:
        """Freeze the backbone, batch normalisation included."""
        self.freeze(_net(pl_module).backbone, train_bn=False)

    def finetune_function(self, pl_module: LightningModule, epoch: int, optimizer: Optimizer) -> None:
        """Train it from then on; the optimizer has known its parameters from the start, and passes over frozen ones."""
        if epoch >= self.epochs:
            self.make_trainable(_net(pl_module).backbone)

    def state_dict(self) -> dict[str, Any]:
        """Nothing: what is frozen follows from the epoch. Groups kept here would bring first learning rates back."""
        return {}


def _net(module: LightningModule) -> Embedder:
    assert isinstance(module, RetrievalModule)
    return module.net
