"""The base of callbacks that collect something in every validation, test and prediction, and show it at the end."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from hardest_metrics.callbacks.participants import Participants

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer
else:
    from hardest_metrics.callbacks.base import Callback

    LightningModule = Trainer = Any

#: What scalars and files are named after.
Stage = Literal["val", "test", "predict"]


class EvaluationCallback(Callback):
    """Collects what a subclass makes of each batch, in the sanity check too: what is wrong shows before the training.

    Processes without a batch take no part, and wait for the others at the end.
    """

    log: Callable[..., None]  # set by the trainer

    def __init__(self) -> None:
        super().__init__()
        self._participants = Participants()

    @abstractmethod
    def begin(self) -> None:
        """Forget the last epoch."""

    @abstractmethod
    def add(
        self, trainer: Trainer, pl_module: LightningModule, stage: Stage, outputs: Any, batch: Any, loader: int
    ) -> None:
        """Take in a batch, of the loader of that place, and what the step returned."""

    @abstractmethod
    def finish(self, trainer: Trainer, pl_module: LightningModule, stage: Stage) -> None:
        """Rank, log, write and show. All that asks other processes comes first: a write may fail."""

    def log_equal(self, name: str, value: float) -> None:
        """Log a scalar that is equal on all processes already; the largest of equal values is exact, their mean not."""
        self.log(
            name, value, add_dataloader_idx=False, batch_size=1, sync_dist=self._participants.all_present,
            reduce_fx="max",
        )  # fmt: skip

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find out at every evaluation which processes take part."""
        self._participants.watch(trainer)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the last epoch."""
        self.begin()

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the last epoch."""
        self.begin()

    def on_predict_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the last epoch."""
        self.begin()

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Take in a batch."""
        self.add(trainer, pl_module, "val", outputs, batch, dataloader_idx)

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Take in a batch."""
        self.add(trainer, pl_module, "test", outputs, batch, dataloader_idx)

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Take in a batch."""
        self.add(trainer, pl_module, "predict", outputs, batch, dataloader_idx)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Rank, log, write and show, but for the sanity check."""
        if trainer.sanity_checking:
            self.begin()
        else:
            self.finish(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Rank, log, write and show."""
        self.finish(trainer, pl_module, "test")

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Rank, write and show."""
        self.finish(trainer, pl_module, "predict")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let processes go on that had nothing to validate."""
        self._participants.leave(trainer)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let processes go on that had nothing to test."""
        self._participants.leave(trainer)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let processes go on that had nothing to predict."""
        self._participants.leave(trainer)


def is_due(trainer: Trainer, every_n_epochs: int) -> bool:
    """Whether an evaluation is to be shown: in `fit` that of every so many epochs, otherwise each."""
    return trainer.state.fn != "fit" or (trainer.current_epoch + 1) % every_n_epochs == 0


def loader_suffixes(trainer: Trainer, stage: Stage) -> list[str]:
    """What follows the names of scalars and files, by the place of the loader.

    Nothing for the first of a list, ``/loader_1`` and so on for others; of a dict of loaders their names.
    """
    number = len(getattr(trainer, f"num_{stage}_batches"))
    loaders = getattr(trainer, f"{stage}_dataloaders")
    if isinstance(loaders, Mapping) and len(loaders) == number:
        return [f"/{name}" for name in loaders]
    return ["", *(f"/loader_{index}" for index in range(1, number))]
