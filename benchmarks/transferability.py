"""Scores of transferability, against the Transfer-Learning-Library's and against NumPy as the papers write them.

All take all objects at once, as these know no other way; what batches cost more is a line of its own.

    python -m benchmarks transferability --tllib PATH

PATH is a checkout of https://github.com/thuml/Transfer-Learning-Library, which no registry has; its `ranking` needs
numba besides. Without it only NumPy is compared with.
"""

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MetricCollection

from benchmarks.memory import peak, reset_peak, with_sharp_peaks
from benchmarks.timing import Line, Section, Spread, Task, compared, race
from hardest_metrics.transferability import (
    BoxLogME,
    GaussianOverlap,
    HScore,
    LogME,
    RegressionScore,
    TransRate,
)
from tests.functional.transferability import plain
from tests.functional.transferability.objects import drawn

_BATCH = 2000
_TITLE = "Transferability"

#: Features, classes, and the MB that a peak may reach: one scatter of 34 MB is kept, and four more are at work; 80
#: scatters of 42 MB together are kept twice while they change, beside waiting objects of up to 63 MB.
_KEPT = (("all but TransRate", 2048, 80, 170), ("TransRate", 256, 80, 200))

Objects = tuple[Tensor, Tensor, Tensor]
Scores = dict[str, float]

#: Those that all have.
_SHARED: dict[str, Callable[[], Any]] = {
    "h_score": HScore,
    "regularized_h_score": lambda: HScore(shrinkage=True),
    "transrate": TransRate,
    "logme": LogME,
    "box_logme": BoxLogME,
}

_ALL = _SHARED | {"gaussian_overlap": GaussianOverlap, "regression_score": RegressionScore}


def scores(quick: bool, tllib: Path | None = None) -> Section:
    """All scores of features, labels and boxes, in one call and batch by batch; one thread."""
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError as error:
        return Section(_TITLE, notes=[f"{error.name} is not installed here; nothing is compared."])
    notes: list[str] = []
    peers: dict[str, tuple[dict[str, Callable[[], Any]], Callable[[Objects], Scores]]]
    peers = {"plain NumPy": (_ALL, _by_numpy)}
    try:
        peers["the Transfer-Learning-Library"] = _SHARED, _by_tllib(tllib)
    except (ModuleNotFoundError, FileNotFoundError) as error:
        notes.append(f"The Transfer-Learning-Library is left out: {error}.")
    sizes = [(2000, 64, 10, 8)] if quick else [(10_000, 256, 80, 8), (100_000, 256, 80, 8), (10_000, 2048, 10, 6)]
    lines: list[Line] = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        for number, width, classes, least in sizes:
            objects = drawn(number, width, classes)
            lines.extend(_against(name, *peer, objects, least) for name, peer in peers.items())
            lines.append(_in_batches(objects))
    torch.set_num_threads(threads)
    return Section(_TITLE, lines + list(_memory(quick)), notes)


def _against(
    name: str,
    metrics: dict[str, Callable[[], Any]],
    theirs: Callable[[Objects], Scores],
    objects: Objects,
    least: float,
) -> Line:
    found, expected = _ours(metrics, objects), theirs(objects)
    different = {key: (found[key], value) for key, value in expected.items() if abs(found[key] / value - 1) > 1e-6}
    if different or len(found) != len(expected):
        sys.exit(f"{name}: {different} differ, ours first. Nothing wrong is timed.")
    tasks = {"ours": Task(lambda _: _ours(metrics, objects)), "theirs": Task(lambda _: theirs(objects))}
    timed = race(tasks, rounds=15, budget=20, warm_up=False)
    return compared(timed, _of(metrics, objects), "ours", "theirs", name, faster=True, limit=least)


def _in_batches(objects: Objects) -> Line:
    at_once, in_batches = Task(lambda _: _ours(_ALL, objects)), Task(lambda _: _ours(_ALL, objects, _BATCH))
    timed = race({"at once": at_once, "in batches": in_batches}, rounds=15, budget=20)
    what = f"{_of(_ALL, objects)}, in batches of {_BATCH:,}"
    return compared(timed, what, "in batches", "at once", "in one call", limit=1.25)


def _of(metrics: dict[str, Callable[[], Any]], objects: Objects) -> str:
    features, target, _ = objects
    number, width = features.shape
    return f"{len(metrics)} scores of {number:,} objects, {width} features, {len(target.unique())} classes"


def _ours(metrics: dict[str, Callable[[], Any]], objects: Objects, batch: int | None = None) -> Scores:
    # named, groups share the first batch too
    groups = [[name for name in metrics if name != "transrate"], ["transrate"]]
    collection = MetricCollection({name: make() for name, make in metrics.items()}, compute_groups=groups)
    for features, target, boxes in zip(*(values.split(batch or len(values)) for values in objects), strict=True):
        collection.update(features, target, boxes)
    return {name: float(value) for name, value in collection.compute().items()}


def _by_numpy(objects: Objects) -> Scores:
    features, target, boxes = (values.numpy() for values in objects)
    of_labels = {name: score(features, target) for name, score in plain.LABEL_SCORES.items()}
    return of_labels | {name: score(features, boxes) for name, score in plain.BOX_SCORES.items()}


def _by_tllib(checkout: Path | None) -> Callable[[Objects], Scores]:
    """The library's, from its files: its package imports what no score needs.

    Raises:
        FileNotFoundError: if there is no checkout.
        ModuleNotFoundError: if a file needs what is not installed.
    """
    if checkout is None:
        raise FileNotFoundError("no checkout was named by --tllib")
    variation, rate, evidence = (
        _file(checkout / "tllib" / "ranking" / f"{name}.py") for name in ("hscore", "transrate", "logme")
    )

    def run(objects: Objects) -> Scores:
        features, target, boxes = (values.numpy() for values in objects)
        return {
            "h_score": variation.h_score(features, target),
            "regularized_h_score": variation.regularized_h_score(features, target),
            "transrate": rate.transrate(features, target),
            "logme": evidence.log_maximum_evidence(features, target),
            "box_logme": evidence.log_maximum_evidence(features, boxes, regression=True),
        }

    return run


def _file(path: Path) -> Any:
    specification = importlib.util.spec_from_file_location(f"tllib_{path.stem}", path)
    if specification is None or specification.loader is None or not path.is_file():
        raise FileNotFoundError(f"there is no {path.name} in tllib/ranking of the checkout")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _memory(quick: bool) -> Iterable[Line]:
    """Peaks while batches are added, each in a process of its own."""
    few, many = (500, 1000) if quick else (10_000, 100_000)
    for name, width, classes, most in _KEPT:
        for number in (few, many):
            command = [sys.executable, "-m", "benchmarks.transferability", name, str(number), str(width), str(classes)]
            output = subprocess.run(command, capture_output=True, text=True, check=True, env=with_sharp_peaks()).stdout
            kept, top = map(float, output.split())
            what = f"{name}, {number:,} objects, {width} features, {classes} classes: peak"
            yield Line(what, f"keeps {kept:.0f} MB", "", Spread.of([top]), "{:.0f} MB", at_most=most)


def _streamed(name: str, number: int, width: int, classes: int) -> tuple[float, float]:
    """MB that metrics keep, and that the peak lies above what was in use before."""
    metrics = {key: make for key, make in _ALL.items() if (key == "transrate") == (name == "TransRate")}
    collection = MetricCollection({key: make() for key, make in metrics.items()}, compute_groups=[[*metrics]])
    collection.update(*drawn(8, width, classes))  # what is imported and allocated once
    before = reset_peak()
    for seed in range(number // _BATCH):
        collection.update(*drawn(_BATCH, width, classes, seed))
    top = peak() - before
    metric: Any = next(iter(collection.values(copy_state=False)))
    states = [
        tensor for state in metric.metric_state.values() for tensor in (state if isinstance(state, list) else [state])
    ]
    return sum(state.numel() * state.element_size() for state in states) / 1e6, top


if __name__ == "__main__":
    print(*_streamed(sys.argv[1], *map(int, sys.argv[2:])))
