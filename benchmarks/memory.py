"""Memory beyond the input: how much higher a process's peak is while it works than it was with the set loaded.

    python -m benchmarks.memory coco_sized 5000 TotalFalse

measures one of them in the process that it is, and is what the suite runs.
"""

import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import workloads
from benchmarks.definitions import Metric, nine
from benchmarks.estimators import ESTIMATORS
from benchmarks.timing import Line, Section, Spread
from hardest_metrics import TotalFalse

_MOST_MB = 300

_WORK: dict[str, Callable[[], Metric]] = {
    "TotalFalse": lambda: TotalFalse("overlap", max_detections=4000),
    "nine definitions": nine,
    **{
        name: lambda make=make: make(TotalFalse("overlap"))  # type: ignore[misc]
        for name, (make, _) in ESTIMATORS.items()
    },
}


def peak_memory(quick: bool) -> Section:
    """Each path on each set, in a process of its own."""
    many = 5000 if quick else 50_000
    runs = [
        ("coco_sized", 5000, "TotalFalse"),
        ("coco_sized", many, "TotalFalse"),
        ("coco_sized", 5000, "nine definitions"),
        ("lvis_like", 5000, "TotalFalse"),
        ("dense", 8, "TotalFalse"),
        ("coco_sized", 5000, "ScoreSampling"),
        ("coco_sized", 5000, "FastScoreSampling"),
        ("coco_sized", 5000, "ExpectedHardness"),
        ("coco_sized", many, "ScoreSampling"),
        ("coco_sized", many, "ExpectedHardness"),
    ]
    lines = []
    for workload, images, work in dict.fromkeys(runs):
        peaks = [
            float(in_a_process("memory", workload, str(images), work))
            for _ in range(1 if quick or images > 5000 else 3)
        ]
        what = f"{work}, {images:,} images, {workload.replace('_', '-')}"
        lines.append(Line(what, "", "", Spread.of(peaks), "{:.0f} MB", at_most=_MOST_MB))
    return Section("Peak memory beyond the input, in a single call", lines)


def in_a_process(module: str, *arguments: str) -> str:
    """What a module of the benchmarks prints that runs in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=with_sharp_peaks()).stdout


def with_sharp_peaks() -> dict[str, str]:
    """The environment of a process whose peak is that of its work: large blocks go back to the system when freed."""
    return {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 17), "MALLOC_TRIM_THRESHOLD_": str(1 << 17)}


def _measure(workload: str, images: int, work: str) -> float:
    """MB that the peak lies above what was in use before."""
    make: Callable[[int], workloads.Scenes] = getattr(workloads, workload)
    scenes, small = make(images), workloads.coco_sized(4)
    _run(_WORK[work](), small)  # what is imported and allocated once
    before = reset_peak()
    _run(_WORK[work](), scenes)
    return peak() - before


def _run(metric: Metric, scenes: workloads.Scenes) -> None:
    metric.update(scenes.preds, scenes.target)
    metric.compute()


def reset_peak() -> float:
    """What is in use, MB; the peak starts anew from it where the system can do that, which is Linux."""
    forget = Path("/proc/self/clear_refs")
    if not forget.exists():
        return peak()
    forget.write_text("5")
    return peak()


def peak() -> float:
    """The most that the process has had in use, MB."""
    status = Path("/proc/self/status")
    if status.exists():
        known = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        assert known is not None
        return int(known[1]) * 1024 / 1e6
    in_use = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return in_use * (1 if sys.platform == "darwin" else 1024) / 1e6  # there it is bytes


if __name__ == "__main__":
    print(_measure(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
