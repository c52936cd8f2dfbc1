"""What importing costs, and how soon the command answers: each in an interpreter of its own."""

import subprocess
import sys

from benchmarks.timing import Line, Section, Spread, Task, in_words, race

_TORCH = "import torch, torchmetrics"


def start_up(quick: bool) -> Section:
    """Differences between two interpreters that start by turns."""
    rounds = 2 if quick else 5
    lines = []
    for what, ours, theirs, against, limit in (
        ("`import hardest_metrics`", f"{_TORCH}, hardest_metrics", _TORCH, "torch and torchmetrics", 0.3),
        (
            "`from hardest_metrics import TotalFalse`",
            f"{_TORCH}; from hardest_metrics import TotalFalse",
            _TORCH,
            "torch and torchmetrics",
            0.3,
        ),
        (
            "`hardest-metrics --help`",
            "import sys; sys.argv = ['hardest-metrics', '--help']; from hardest_metrics.cli import main; main()",
            "import torch",
            "torch",
            1.5,
        ),
    ):
        timed = race({"ours": _interpreter(ours), "theirs": _interpreter(theirs)}, rounds, budget=30)
        pairs = zip(timed.rounds["ours"], timed.rounds["theirs"], strict=True)
        longer = Spread.of([a.clock - b.clock for a, b in pairs])
        lines.append(
            Line(
                what,
                in_words(timed.clock("ours").median),
                f"an interpreter that imports {against}: {in_words(timed.clock('theirs').median)}",
                longer,
                "{:+.3f} s",
                at_most=limit,
            )
        )
    lines.append(_first_update(rounds))
    return Section("Start-up", lines)


def _first_update(rounds: int) -> Line:
    """What the first batch of a process takes, imports that wait for it included."""
    code = """
import time
from benchmarks.workloads import coco_sized
from hardest_metrics import TotalFalse
scenes, metric = coco_sized(1), TotalFalse()
start = time.perf_counter()
metric.update(scenes.preds, scenes.target)
print(time.perf_counter() - start)
"""
    passed = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(rounds)
    ]
    return Line("the first `update` of a process", "", "", Spread.of(passed), "{:.3f} s")


def _interpreter(code: str) -> Task:
    def run(_: object) -> None:
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    return Task(run)
