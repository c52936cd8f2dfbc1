"""Train the example detector with each assigner, box loss and head for the same number of steps.

    python -m examples.ablation

Prints tables in Markdown; those in `examples/README.md` are its output.
"""

import argparse
import itertools
import logging
import warnings
from functools import cache
from typing import Any

from lightning.pytorch import Trainer, seed_everything

from examples.detector.assign import Centre, TaskAligned
from examples.detector.data import DigitData
from examples.detector.losses import BoxLoss
from examples.detector.module import DetectorModule
from examples.detector.suppress import Suppression

TAL = TaskAligned(alpha=1, beta=6, top_k=13)  # as published
TAL_OTHERWISE = (TaskAligned(1, 6, 5), TaskAligned(1, 2, 13), TaskAligned(6, 1, 13))
ASSIGNERS: dict[str, Centre | TaskAligned] = {"centre": Centre(), "TAL": TAL}
LOSSES: tuple[BoxLoss, ...] = ("smooth_l1", "diou", "ciou")
HEADS = {"classes alone": False, "with confidence": True}
SUPPRESSIONS: tuple[Suppression, ...] = ("nms", "soft", "weighted")


def trainer(**arguments: Any) -> Trainer:
    """A trainer that leaves nothing behind and says nothing."""
    return Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **arguments,
    )


@cache
def train(
    data: DigitData,
    steps: int,
    assigner: Centre | TaskAligned,
    confidence: bool,
    box_loss: BoxLoss,
) -> DetectorModule:
    """A detector trained with these switches."""
    seed_everything(0, verbose=False)
    module = DetectorModule(data.n_classes, assigner=assigner, confidence=confidence, box_loss=box_loss)
    trainer(max_steps=steps, limit_val_batches=0).fit(module, data)
    return module


def scores(module: DetectorModule, data: DigitData) -> str:
    """In validation: "mAP (mAP at 0.50)"."""
    run = trainer()
    run.validate(module, data, verbose=False)
    return f"{run.callback_metrics['val/map']:.3f} ({run.callback_metrics['val/map_50']:.3f})"


def main() -> None:
    """Run all and print as results come."""
    parser = argparse.ArgumentParser(description="Ablation of the example detector.")
    parser.add_argument("--steps", type=int, default=300, help="of each training")
    steps = parser.parse_args().steps
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    # Smaller scenes than the demo's, so that all of it ends in a quarter of an hour.
    data = DigitData(n_val=250, image_size=(96, 96), n_digits=(1, 5))

    print("| assigner | head |", " | ".join(LOSSES), "|")
    print("|---|---|" + "---|" * len(LOSSES))
    for (name, assigner), (head, confidence) in itertools.product(ASSIGNERS.items(), HEADS.items()):
        print(f"| {name} | {head} |", end="")
        for loss in LOSSES:
            module = train(data, steps, assigner, confidence, loss)
            print(f" {scores(module, data)} |", end="", flush=True)
        print()

    print("\n| TAL: α, β, top k | mAP (mAP at 0.50) |\n|---|---|")
    for tal in (TAL, *TAL_OTHERWISE):
        name = f"{tal.alpha:g}, {tal.beta:g}, {tal.top_k}"
        print(f"| {name} | {scores(train(data, steps, tal, False, 'ciou'), data)} |", flush=True)

    print("\n| suppression | mAP (mAP at 0.50) |\n|---|---|")
    module = train(data, steps, TAL, False, "ciou")
    for suppression in SUPPRESSIONS:
        module.suppression = suppression
        print(f"| {suppression} | {scores(module, data)} |", flush=True)


if __name__ == "__main__":
    main()
