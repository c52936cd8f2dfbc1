"""What the suite writes: the machine, Markdown tables, raw numbers, a plot."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from benchmarks.timing import Line, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = "results.png"

_LOAD = "load of 1, 5 and 15 minutes"
_PACKAGES = ("hardest_metrics", "torch", "torchmetrics", "numpy")


def machine() -> dict[str, str]:
    """What it was measured on."""
    load = " ".join(f"{part:.1f}" for part in os.getloadavg())
    return {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "threads": f"{torch.get_num_threads()} of torch, OMP_WAIT_POLICY={os.environ.get('OMP_WAIT_POLICY', 'unset')}",
        "versions": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
        _LOAD: load,
    }


def write(folder: Path, sections: Sequence[Section], on: dict[str, str], quick: bool) -> str:
    """Write tables and raw numbers, and give the tables.

    Args:
        folder: to write to.
        sections: what was measured.
        on: the machine, as it was before.
        quick: whether all was measured in haste.
    """
    after = machine()
    text = _markdown(sections, on, after, quick)
    (folder / "results.md").write_text(text, encoding="utf-8")
    (folder / "results.json").write_text(_as_json(sections, on, after, quick), encoding="utf-8")
    return text


def _markdown(sections: Sequence[Section], on: dict[str, str], after: dict[str, str], quick: bool) -> str:
    """The report."""
    judged = [line for section in sections for line in section.lines if line.met is not None]
    met = sum(bool(line.met) for line in judged)
    parts = [
        "# Measured",
        f"Written by `python -m benchmarks{' --quick' if quick else ''}` on {date.today():%Y-%m-%d}. Medians of several"
        " runs; in brackets the quartiles. What is compared ran by turns in one process. *By CPU* is the same ratio of"
        " processor time, which other programs on the machine change less.",
        "" if not quick else "**Measured with `--quick`: small sets and few repetitions, no figures to quote.**",
        f"{met} of {len(judged)} limits are kept.",
        "\n".join(f"- {key}: {value}" for key, value in {**on, "load at the end": after[_LOAD]}.items()),
        f"![Each limit and how far from it the measurement is]({PICTURE})",
    ]
    for section in sections:
        parts.append(f"## {section.title}")
        if section.lines:
            parts.append(_table(section.lines))
        parts += section.notes
    return "\n\n".join(filter(None, parts)) + "\n"


def _as_json(sections: Sequence[Section], on: dict[str, str], after: dict[str, str], quick: bool) -> str:
    """All numbers."""
    numbers = {
        "machine": on,
        "load at the end": after[_LOAD],
        "quick": quick,
        "sections": [
            {
                "title": section.title,
                "lines": [{**asdict(line), "value": line.value._asdict(), "met": line.met} for line in section.lines],
                "notes": section.notes,
            }
            for section in sections
        ],
    }
    return json.dumps(numbers, indent=1, ensure_ascii=False) + "\n"


def draw(sections: Sequence[Section], path: Path) -> None:
    """Bars that show how far each measurement is from its limit."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    lines = [line for section in sections for line in section.lines if line.limit]
    figure, axes = plt.subplots(figsize=(11, 0.27 * len(lines) + 1.2), layout="constrained")
    _bars(axes, lines[::-1])
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _bars(axes: "Axes", lines: Sequence[Line]) -> None:
    for row, line in enumerate(lines):
        room, *ends = (_room(line, value) for value in line.value)
        axes.barh(row, room - 1, left=1, color="#2b8a3e" if line.met else "#c92a2a", height=0.7)
        axes.plot(ends, [row, row], color="black", linewidth=1)
        axes.annotate(f" {line.unit.format(line.value.median)}", (max(room, 1, *ends), row), va="center", fontsize=7)
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(lines)), [_label(line) for line in lines], fontsize=7)
    axes.set_xlabel("how many times better than its limit (quartiles as lines)")
    axes.margins(x=0.12, y=0.01)
    axes.spines[["top", "right"]].set_visible(False)


def _room(line: Line, value: float) -> float:
    """Above 1 where a limit is kept."""
    assert line.limit
    least = 1e-3 * line.limit  # of differences, which may be below 0
    return value / line.limit if line.at_least is not None else line.limit / max(value, least)


def _label(line: Line) -> str:
    against = line.against.split(":")[0].replace("`", "")
    return f"{line.what.replace('`', '')}{f'  |  {against}' if line.at_least is not None else ''}"


def _table(lines: Sequence[Line]) -> str:
    rows = [
        "| what | took | compared with | result | by CPU | limit | |",
        "| --- | ---: | --- | ---: | ---: | ---: | --- |",
    ]
    for line in lines:
        form = line.unit.split("}")[0] + "}"
        result = (
            f"{line.unit.format(line.value.median)} ({form.format(line.value.low)} to {form.format(line.value.high)})"
        )
        sign = "≥" if line.at_least is not None else "≤"
        limit = "" if line.limit is None else f"{sign} {line.limit:g}"
        by_cpu = "" if line.by_cpu is None else form.format(line.by_cpu)
        verdict = {True: "kept", False: "**missed**", None: ""}[line.met]
        rows.append(f"| {line.what} | {line.ours} | {line.against} | {result} | {by_cpu} | {limit} | {verdict} |")
    return "\n".join(rows)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for entry in cpuinfo.read_text().splitlines():
            if entry.startswith("model name"):
                return entry.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "from the source folder"
