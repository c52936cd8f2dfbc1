"""What importing costs, and how soon the command answers: each in a new interpreter."""

import subprocess
import sys

from benchmarks.timing import Line, Section, Spread, Task, in_words, race


def start_up(quick: bool) -> Section:
    """What an import adds to an interpreter that has torch and torchmetrics; when the command answers."""
    rounds = 2 if quick else 5
    lines = [
        Line(
            f"`{code}`, torch and torchmetrics imported before", "", "", _seconds(code, rounds), "{:.3f} s", at_most=0.3
        )
        for code in ("import hardest_metrics", "from hardest_metrics import TotalFalse; TotalFalse()")
    ]
    helped = "import sys; sys.argv = ['hardest-metrics', '--help']; from hardest_metrics.cli import main; main()"
    timed = race({"ours": _interpreter(helped), "theirs": _interpreter("import torch")}, 2 if quick else 5, budget=30)
    pairs = zip(timed.rounds["ours"], timed.rounds["theirs"], strict=True)
    lines.append(
        Line(
            "`hardest-metrics --help`",
            in_words(timed.clock("ours").median),
            f"an interpreter that imports torch: {in_words(timed.clock('theirs').median)}",
            Spread.of([a.clock - b.clock for a, b in pairs]),
            "{:+.3f} s",
            at_most=1.5,
        )
    )
    lines.append(Line("the first `update` of a process", "", "", _seconds(_FIRST_UPDATE, rounds, _READY), "{:.3f} s"))
    return Section("Start-up", lines)


_READY = """
from benchmarks.workloads import coco_sized
from hardest_metrics import TotalFalse
scenes, metric = coco_sized(1), TotalFalse()
"""
_FIRST_UPDATE = "metric.update(scenes.preds, scenes.target)"


def _seconds(code: str, rounds: int, before: str = "import torch, torchmetrics") -> Spread:
    """What some code takes in an interpreter that has just run other code."""
    timed = f"{before}\nimport time\nstart = time.perf_counter()\n{code}\nprint(time.perf_counter() - start)"
    runs = [
        subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True) for _ in range(rounds)
    ]
    return Spread.of([float(run.stdout) for run in runs])


def _interpreter(code: str) -> Task:
    def run(_: object) -> None:
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    return Task(run)
