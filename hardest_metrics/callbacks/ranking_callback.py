"""The base of callbacks that rank what they collect and show the hardest."""

from itertools import chain
from typing import TYPE_CHECKING, Any

from torchmetrics import MetricCollection

from hardest_metrics.callbacks.collecting import Collecting, items
from hardest_metrics.callbacks.evaluation import EvaluationCallback, is_due
from hardest_metrics.callbacks.showing import Showing

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer
else:
    LightningModule = Trainer = Any


class RankingCallback(EvaluationCallback):
    """Collects by metrics, shows their rankings, and keeps their history in checkpoints.

    Args:
        collecting: feeds the metrics.
        showing: shows their rankings.
        every_n_epochs: how often they are shown in `fit`.
    """

    def __init__(self, collecting: Collecting, showing: Showing, every_n_epochs: int) -> None:
        super().__init__()
        self._collecting, self._showing = collecting, showing
        self.top_k, self.every_n_epochs = showing.top_k, every_n_epochs

    @property
    def metrics(self) -> MetricCollection:
        """What is ranked by; nothing is added to these, but to copies, one a loader."""
        return self._collecting.metrics

    @property
    def state_key(self) -> str:
        """Tells callbacks of different configuration apart in a checkpoint."""
        shown = {name: repr(metric) for name, metric in items(self.metrics)}
        return self._generate_state_key(metrics=shown, top_k=self.top_k)

    def state_dict(self) -> dict[str, Any]:
        """For how long things have been hard, in plain ints and tensors."""
        return self._showing.histories.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from where the checkpoint was saved."""
        self._showing.histories.load_state_dict(state_dict)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder to write to; refuse one that can't be, and metrics of one name in two of these callbacks."""
        callbacks = trainer.callbacks  # type: ignore[attr-defined]  # one of the trainer's connectors sets it
        names = list(chain.from_iterable(map(str, c.metrics) for c in callbacks if isinstance(c, type(self))))
        for name in names:
            if names.count(name) > 1:
                kind = type(self).__name__
                raise ValueError(f"Two {kind} have a metric {name!r}: name them differently, in a dict.")
        super().setup(trainer, pl_module, stage)
        self._showing.setup(trainer)

    def begin(self) -> None:
        """Forget the last epoch."""
        self._collecting.begin()

    def _is_due(self, trainer: Trainer) -> bool:
        return is_due(trainer, self.every_n_epochs)


def require_counts(**numbers: int) -> None:
    """Refuse arguments that are no numbers of at least 1.

    Raises:
        ValueError: naming the first.
    """
    for name, number in numbers.items():
        if type(number) is not int or number < 1:
            raise ValueError(f"`{name}` must be an integer of at least 1, but is {number!r}.")
