"""A callback of a domain of its own needs nothing but what shows a finished ranking."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image, ImageDraw
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader, TensorDataset

from hardest_metrics.callbacks import EvaluationCallback, Finished, Showing
from hardest_metrics.callbacks.once import Once
from hardest_metrics.metric import Summary
from hardest_metrics.ranking import Ranking
from tests.callbacks.runs import files, ranked, trainer

# Lightning warns of few workers and of its own and torch's deprecations.
pytestmark = pytest.mark.filterwarnings("default")


class HardestNumbers(EvaluationCallback):
    """Numbers are the harder, the larger their last digit is, which is drawn."""

    def __init__(self, top_k: int) -> None:
        super().__init__()
        self.showing = Showing(None, "hardest_numbers", top_k, window=5, once=Once("HardestNumbers"), things="numbers")

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        self.showing.setup(trainer)

    def begin(self) -> None:
        self.seen: list[torch.Tensor] = []

    def add(self, trainer: Any, pl_module: Any, stage: Any, outputs: Any, batch: Any, loader: int) -> None:
        self.seen.append(outputs)

    def finish(self, trainer: Trainer, pl_module: LightningModule, stage: Any) -> None:
        numbers = torch.cat(self.seen)
        ranking = Ranking.of(numbers, (numbers % 10).float())
        summary = Summary(ranking, float(ranking.hardness.mean()), 9.0, 0.9)
        self.log(f"{stage}/digit/mean", summary.mean)
        finished = Finished(f"{stage}/digit", summary, self.tiles)
        self.showing.show(trainer, finished, self.showing.remember(trainer, finished))

    def tiles(self, captions: Any) -> dict[int, Image.Image]:
        drawn = {number: Image.new("RGB", (40, 30), "white") for number in captions}
        for number, picture in drawn.items():
            ImageDraw.Draw(picture).text((5, 5), str(number), "black")
        return drawn


def numbers() -> DataLoader[Any]:
    return DataLoader(
        TensorDataset(torch.arange(25)), 10, collate_fn=lambda rows: torch.stack([row for (row,) in rows])
    )


class Numbers(LightningModule):
    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return batch


def test_a_domain_of_its_own_is_ranked_written_drawn_and_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = TensorBoardLogger(tmp_path, name="runs")
    run = trainer(tmp_path, HardestNumbers(3), logger=logger, enable_progress_bar=True)
    run.validate(Numbers(), numbers(), verbose=False)
    folder = tmp_path / "runs/version_0/hardest_numbers"
    (table,) = folder.glob("*.csv")
    assert ranked(table)[:3] == [(9, 9.0), (19, 9.0), (8, 8.0)]
    with Image.open(table.with_suffix(".png")) as picture:
        assert picture.width > 2 * 40
    assert run.callback_metrics["val/digit/mean"] == pytest.approx(sum(n % 10 for n in range(25)) / 25)
    events = EventAccumulator(str(tmp_path / "runs/version_0"))
    events.Reload()
    assert "val/digit/hardest" in events.Tags()["images"]
    assert "val/digit, epoch 0: mean" in capsys.readouterr().out


def test_without_a_logger_it_writes_where_the_trainer_does(tmp_path: Path) -> None:
    trainer(tmp_path, HardestNumbers(3)).validate(Numbers(), numbers(), verbose=False)
    assert not files(tmp_path)
    assert len(list((tmp_path / "hardest_numbers").glob("*.csv"))) == 1
