"""Train the example detector again and again, one part of it changed at a time, and tell what each part is worth.

    python -m examples.ablation

Every training leaves a file in ``--out``, and what is there already is not trained again: a run that was killed goes
on where it stopped. Remove the folder after a change to the detector. Prints tables in Markdown; those in
`examples/README.md` are its output.
"""

import argparse
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything

from examples.detector.assign import Centre, Schedule, TaskAligned
from examples.detector.augment import Augment
from examples.detector.data import DigitData
from examples.detector.module import DetectorModule
from examples.detector.pretrain import pretrain
from examples.detector.suppress import Suppression
from hardest_metrics.data import atomic_write

LEVELS = (0.05, 0.1, 0.2)
"""Values of mAP of which the first step beyond is told."""
SUPPRESSIONS: tuple[Suppression, ...] = ("nms", "soft", "weighted", "fusion")
TAL = TaskAligned(alpha=1, beta=2)  # β = 6, as published, is a row
PLAIN: dict[str, Any] = {"shift": 0, "scale": (1, 1), "colour": 0}


@dataclass(frozen=True)
class Row:
    """A detector of the ablation: what differs from the base.

    Attributes:
        name: as in the tables and, shortened, in the file names.
        arguments: of ``DetectorModule``.
        augment: of the training scenes.
        pretrained: whether the backbone has learnt to name single digits before.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    augment: Augment | None = None
    pretrained: bool = True


BASE = Row("base")  # TAL, CIoU, classes alone, FPN, no augmentation, a backbone from digits, all of it trained
PARTS = {
    "assigner": [
        Row("TAL, α = 1, β = 2 (base)"),
        Row("centre", {"assigner": Centre()}),
        Row("TAL, α = 1, β = 6", {"assigner": TaskAligned(alpha=1, beta=6)}),
        Row("centre for 30 % of the steps, then TAL", {"assigner": Schedule(Centre(), TAL, share=0.3)}),
    ],
    "box loss": [
        Row("CIoU (base)"),
        Row("DIoU", {"box_loss": "diou"}),
        Row("smooth L1", {"box_loss": "smooth_l1"}),
    ],
    "head": [Row("classes alone (base)"), Row("with confidence", {"confidence": True})],
    "neck": [Row("FPN (base)"), Row("PAN", {"neck": "pan"})],
    "augmentation": [
        Row("none (base)"),
        Row("shift, scale, colour", augment=Augment()),
        Row("rotation by up to 30°", augment=Augment(**PLAIN, rotation=30)),
        Row("cut-out of 0.3", augment=Augment(**PLAIN, cut_out=0.3)),
    ],
    "backbone": [
        Row("all trained (base)"),
        Row("last 2 blocks trained", {"unfreeze_last": 2}),
        Row("last block trained", {"unfreeze_last": 1}),
        Row("frozen", {"unfreeze_last": 0}),
        Row("from scratch, all trained", pretrained=False),
    ],
}


LONGER = [BASE, PARTS["backbone"][-1]]
"""Trained for longer too, to see when mAP passes what it does not within the steps of the others."""


@dataclass(frozen=True)
class Plan:
    """How long, how often and where.

    Attributes:
        steps: of each training.
        longer: of those that are trained for longer.
        every: steps between two validations.
        seeds: one training of each row for each.
        out: where results are kept.
    """

    steps: int
    longer: int
    every: int
    seeds: Sequence[int]
    out: Path

    def runs(self) -> Iterator[tuple[Row, int, int]]:
        """All trainings: row, steps and seed; seed by seed, the base, which stands in every table, once."""
        for seed in self.seeds:
            yield BASE, self.steps, seed
            yield from ((row, self.steps, seed) for rows in PARTS.values() for row in rows[1:])
        yield from ((row, self.longer, seed) for row in LONGER for seed in self.seeds)


@cache
def scenes(augment: Augment | None) -> DigitData:
    """Smaller and emptier ones than the demo's, since there are many trainings; the same for every seed."""
    return DigitData(1000, 120, image_size=(64, 64), n_digits=(1, 3), digit_height=(14, 32), augment=augment)


class Curve(Callback):
    """Notes mAP at each validation."""

    def __init__(self) -> None:
        self.points: list[tuple[int, float, float]] = []

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note step, mAP and mAP at 0.50."""
        found = trainer.callback_metrics
        self.points.append((trainer.global_step, float(found["val/map"]), float(found["val/map_50"])))


def trainer(**arguments: Any) -> Trainer:
    """A trainer that leaves nothing behind and says nothing."""
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return Trainer(accelerator="cpu", enable_model_summary=False, num_sanity_val_steps=0, **quiet, **arguments)


def train(plan: Plan, row: Row, steps: int, seed: int) -> dict[str, Any]:
    """What a training of the row gives: its curve and, of the base, mAP with each way of suppression."""
    weights = plan.out / "backbone.pth" if row.pretrained else None
    if weights is not None and not weights.exists():
        pretrain(weights)  # once for all trainings, as weights are that one downloads
    seed_everything(seed, verbose=False)
    data = scenes(row.augment)
    module = DetectorModule(data.n_classes, **{"assigner": TAL, **row.arguments}, weights=weights)
    curve = Curve()
    run = trainer(max_steps=steps, check_val_every_n_epoch=None, val_check_interval=plan.every, callbacks=[curve])
    run.fit(module, data)
    result: dict[str, Any] = {"curve": curve.points}
    if row is BASE:
        result["suppression"] = {}
        for module.suppression in SUPPRESSIONS:
            run = trainer(callbacks=[last := Curve()])
            run.validate(module, data, verbose=False)
            result["suppression"][module.suppression] = last.points[-1][1:]
    return result


def result_of(plan: Plan, row: Row, steps: int, seed: int) -> dict[str, Any]:
    """The row's result, from its file where there is one that was validated as often."""
    name = "".join(letter if letter.isalnum() else "_" for letter in row.name)
    path = plan.out / f"{name}.{steps}.{seed}.json"
    settings = {"row": row.name, "seed": seed, "steps": steps, "every": plan.every}
    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_bytes())
        if kept["settings"] == settings:
            return kept
    result = {"settings": settings, **train(plan, row, steps, seed)}
    with atomic_write(path) as file:
        file.write(json.dumps(result).encode())
    return result


def spread(values: Sequence[float], sign: str = "") -> str:
    """Mean and standard deviation.

    Example:
        >>> spread([0.1, 0.2, 0.3]), spread([0.1, 0.2, 0.3], "+"), spread([0.5])
        ('0.200 ± 0.100', '+0.200 ± 0.100', '0.500')
    """
    text = f"{mean(values):{sign}.3f}"
    return f"{text} ± {stdev(values):.3f}" if len(values) > 1 else text


def passed(curves: Sequence[Sequence[tuple[int, float, float]]], level: float) -> str:
    """The first validated step at which mAP is beyond the level: the median of the trainings; – where it never is.

    Example:
        >>> passed([[(10, 0.1, 0.2), (20, 0.3, 0.5)], [(10, 0.3, 0.5)], [(10, 0.2, 0.2)]], 0.25)
        '20'
    """
    never = float("inf")
    steps = median(next((step for step, value, _ in curve if value > level), never) for curve in curves)
    return "–" if steps == never else f"{steps:g}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tables(plan: Plan) -> Iterator[tuple[str, str]]:
    """What each part is worth: name and table."""

    def curves(row: Row, steps: int = plan.steps) -> list[list[tuple[int, float, float]]]:
        return [result_of(plan, row, steps, seed)["curve"] for seed in plan.seeds]

    def line(
        name: str, found: list[list[tuple[int, float, float]]], base: list[list[tuple[int, float, float]]]
    ) -> list[str]:
        ends = [curve[-1] for curve in found]
        gain = [end[1] - of_base[-1][1] for end, of_base in zip(ends, base, strict=True)]
        change = "" if found == base else spread(gain, "+")
        values = [spread([end[1] for end in ends]), spread([end[2] for end in ends]), change]
        return [name, *values, *(passed(found, level) for level in LEVELS)]

    header = ["mAP", "mAP50", "change of mAP", *(f"beyond {level:g}" for level in LEVELS)]
    for part, rows in PARTS.items():
        base = curves(BASE)
        lines = [line(row.name, curves(row) if place else base, base) for place, row in enumerate(rows)]
        yield part, table([part, *header], lines)
    base = curves(BASE, plan.longer)
    lines = [line(row.name, curves(row, plan.longer), base) for row in LONGER]
    yield "longer", table([f"{plan.longer} steps", *header], lines)

    by_kind = [result_of(plan, BASE, plan.steps, seed)["suppression"] for seed in plan.seeds]
    lines = []
    for kind in SUPPRESSIONS:
        pairs = [one[kind] for one in by_kind]
        gain = [one[kind][0] - one["nms"][0] for one in by_kind]
        change = "" if kind == "nms" else spread(gain, "+")
        lines.append([kind, spread([pair[0] for pair in pairs]), spread([pair[1] for pair in pairs]), change])
    yield "suppression", table(["suppression", "mAP", "mAP50", "change of mAP"], lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is not trained yet, then print the tables."""
    parser = argparse.ArgumentParser(description="Ablation of the example detector.")
    parser.add_argument("--steps", type=int, default=100, help="of each training")
    parser.add_argument("--longer", type=int, default=240, help="of those that are trained for longer")
    parser.add_argument("--every", type=int, default=20, help="steps between two validations")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each row")
    parser.add_argument("--out", type=Path, default=Path("out/ablation"), help="where results are kept")
    args = parser.parse_args(argv)
    plan = Plan(args.steps, args.longer, args.every, range(args.seeds), args.out)
    plan.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # the order of sums, and with it every figure, follows from the number of threads
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    runs = list(plan.runs())
    for number, (row, steps, seed) in enumerate(runs, 1):
        step, value, _ = result_of(plan, row, steps, seed)["curve"][-1]
        print(f"{number}/{len(runs)} {row.name}, seed {seed}: mAP {value:.3f} at step {step}", flush=True)
    for _, text in tables(plan):
        print(f"\n{text}")


if __name__ == "__main__":
    main()
