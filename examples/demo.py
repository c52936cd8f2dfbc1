"""Train the example detector on digit scenes and see which images stay hard: what `make demo` runs."""

import os
import warnings
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # a busy neighbour costs less; read when torch is imported

import pandas as pd
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from rich.console import Console
from rich.table import Table

from examples.detector.data import DigitData
from examples.detector.module import DetectorModule
from hardest_metrics import HardestImages, TotalFalse

EPOCHS = 6  # of 125 steps
OUT = Path("out/demo")


def curve(metrics: pd.DataFrame) -> Table:
    """One row a validation: how mAP and hardness moved."""
    table = Table(title="500 scenes of handwriting never trained on")
    for name in ("step", "training loss", "mAP 0.50", "mAP 0.50:0.95", "errors an image", "images in error"):
        table.add_column(name, justify="right")
    metrics["train/loss"] = metrics["train/loss"].ffill()
    for row in metrics.dropna(subset="val/map").to_dict("records"):
        table.add_row(
            str(int(row["step"]) + 1),
            f"{row['train/loss']:.3f}",
            f"{row['val/map_50']:.3f}",
            f"{row['val/map']:.3f}",
            f"{row['val/TotalFalse/mean']:.2f}",
            f"{row['val/TotalFalse/share_in_error']:.0%}",
        )
    return table


def hardest(ranking: pd.DataFrame, number: int = 9) -> Table:
    """The hardest images of the last validation, and how long each has been among them."""
    table = Table(title=f"The {number} hardest scenes")
    for name in ("rank", "scene", "errors", "among the hardest in", "status"):
        table.add_column(name, justify="right")
    for row in ranking.head(number).to_dict("records"):
        age = f"{row['hard_for']} of {EPOCHS} validations"
        table.add_row(str(row["rank"]), str(row["image_id"]), f"{row['hardness']:g}", age, str(row["status"]))
    return table


def main() -> None:
    """Train, then report."""
    # Of few loader workers (the scenes are in memory), and of torch's deprecations.
    warnings.filterwarnings("ignore", module="lightning")
    seed_everything(0)
    data = DigitData()
    module = DetectorModule(data.n_classes)
    tensorboard = TensorBoardLogger(OUT, name="tensorboard")
    csv = CSVLogger(OUT, name="csv")
    pictures = Path(csv.log_dir) / "hardest_images"
    digits = [str(digit) for digit in range(10)]
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=EPOCHS,
        log_every_n_steps=25,
        logger=[tensorboard, csv],
        callbacks=[
            HardestImages(TotalFalse(), top_k=9, every_n_epochs=2, class_names=digits, dirpath=pictures),
            RichProgressBar(leave=True),
        ],
        enable_checkpointing=False,
    )
    trainer.fit(module, data)

    console = Console()
    newest = max(pictures.glob("*.csv"))
    console.print(curve(pd.read_csv(Path(csv.log_dir) / "metrics.csv")))
    console.print(hardest(pd.read_csv(newest)))
    # paths as they are, so that a terminal of any width lets them be copied
    print(f"Pictures:     {newest.with_suffix('.png')}  (green found, red wrong, blue missed; one every two epochs)")
    print(f"Rankings:     {newest}")
    print(f"Numbers:      {csv.log_dir}/metrics.csv")
    print(f"TensorBoard:  tensorboard --logdir {tensorboard.root_dir}")


if __name__ == "__main__":
    main()
