"""What the work would take at the least on this machine, and how far each path is from it: see README.md."""

import math
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.definitions import in_one_call
from benchmarks.timing import Line, Section, Task, in_words, race
from benchmarks.workloads import Scenes, coco_sized
from hardest_metrics import Ranking, TotalFalse
from hardest_metrics.detection import ExpectedHardness, ScoreSampling
from hardest_metrics.functional import Query, errors_of, match, pack
from hardest_metrics.functional.detection.hardness import weighted_sums
from hardest_metrics.functional.detection.weighting import WEIGHTINGS

_N_SAMPLES = 10


class Machine:
    """What single steps cost here, each the least of several measurements."""

    def __init__(self, scenes: Scenes) -> None:
        large = torch.rand(1 << 24)
        scores = [pred["scores"] for pred in scenes.preds]
        few = torch.rand(4)
        keys = torch.randint(1 << 40, (1 << 17,))
        places = torch.randint(1 << 17, (1 << 20,))
        values = torch.rand(1 << 17, dtype=torch.float64)
        columns = _columns(scenes)
        #: bytes a second, read and written
        self.bandwidth = 2 * large.nbytes / _least(large.clone)
        #: seconds a tensor: fetch it from its dict and join it with the others, less the bytes
        per_tensor = _least(lambda: [torch.cat([image[key] for image in images]) for images, key in columns])
        self.tensor = (per_tensor - 2 * _nbytes(scenes) / self.bandwidth) / (len(columns) * len(scores))
        #: seconds a call of torch that does next to nothing
        self.call = _least(lambda: [few.add(few) for _ in range(1000)]) / 1000
        #: seconds a key sorted
        self.sorted = _least(keys.sort) / len(keys)
        #: seconds a number gathered from memory that the cache holds
        self.gathered = _least(lambda: values.index_select(0, places)) / len(places)

    def __str__(self) -> str:
        return (
            f"Here {self.bandwidth / 1e9:.1f} GB/s are copied; it takes {self.tensor * 1e9:.0f} ns to fetch and join a"
            f" tensor; {self.call * 1e6:.2f} µs to call torch; {self.sorted * 1e9:.1f} ns to sort a key;"
            f" {self.gathered * 1e9:.2f} ns to gather a number."
        )


def cost_model(quick: bool) -> Section:
    """Paths and steps against their floors."""
    scenes = coco_sized(1000 if quick else 5000)
    machine = Machine(scenes)
    confident = sum(int((pred["scores"] >= Query().lowest_score).sum()) for pred in scenes.preds)
    detections = sum(len(pred["scores"]) for pred in scenes.preds)
    boxes = sum(len(target["labels"]) for target in scenes.target)
    pairs = scenes.pairs()
    batch = pack(scenes.preds, scenes.target, min_score=Query().lowest_score)
    matches = match(batch.detections, batch.ground_truth, Query())

    # every tensor is fetched, every byte read and written once
    packing = 6 * len(scenes) * machine.tensor + 2 * _nbytes(scenes) / machine.bandwidth
    # detections in order, and the eight coordinates of every pair
    matching = (confident + boxes) * machine.sorted + 8 * pairs * machine.gathered
    # an outcome and an image index of every box; for overlap weights eight coordinates of every error and true positive
    errors, right = errors_of(batch, matches)
    beside = right.image.bincount(minlength=len(scenes))[errors.image]
    weighing = (2 * (confident + boxes) + 8 * int(beside.sum())) * machine.gathered
    ranking = 2 * len(scenes) * machine.sorted
    # a draw for every detection and sample, eight bytes written and read; what is drawn is sorted and matched
    drawn = sum(float(pred["scores"].sum()) for pred in scenes.preds)
    sampling = 16 * detections / machine.bandwidth + (confident + drawn) * machine.sorted + 8 * pairs * machine.gathered

    sums = weighted_sums(batch, matches, [WEIGHTINGS["none"]]).float().sum(1).squeeze(1)
    one = packing + matching + weighing + ranking
    estimate = packing + 2 * detections * machine.gathered + ranking
    steps: dict[str, tuple[Task, float]] = {
        "pack": (
            Task(lambda given: pack(given.preds, given.target, min_score=Query().lowest_score), scenes.anew),
            packing,
        ),
        "match": (Task(lambda _: match(batch.detections, batch.ground_truth, Query())), matching),
        "weigh, all three weightings": (
            Task(lambda _: weighted_sums(batch, matches, list(WEIGHTINGS.values()))),
            weighing,
        ),
        "rank": (Task(lambda _: Ranking.of(batch.image_ids, sums)), ranking),
        "`TotalFalse` in one call": (in_one_call(TotalFalse, scenes), one),
        "`ExpectedHardness` in one call": (in_one_call(lambda: ExpectedHardness(TotalFalse()), scenes), estimate),
        f"`ScoreSampling({_N_SAMPLES})` in one call": (
            in_one_call(lambda: ScoreSampling(TotalFalse(), _N_SAMPLES), scenes),
            packing + _N_SAMPLES * sampling + ranking,
        ),
    }
    timed = race({name: task for name, (task, _) in steps.items()}, rounds=9, budget=20)
    lines = [
        Line(
            name,
            in_words(timed.clock(name).median),
            f"floor: {in_words(floor)}",
            timed.clock(name).times(1 / floor),
            "{:.1f}× its floor",
        )
        for name, (_, floor) in steps.items()
    ]
    lines += [_update(scenes, size, machine) for size in (16, 1)]
    notes = [str(machine), *_profiles(scenes)]
    return Section("Distance from the floor", lines, notes)


def _update(scenes: Scenes, size: int, machine: Machine) -> Line:
    """An update of a small batch: as many calls of torch as it makes, each doing next to nothing."""
    scenes = scenes.first(2000)

    def epoch(given: Scenes) -> None:
        metric = TotalFalse()
        for batch in given.batches(size):
            metric.update(batch.preds, batch.target)
        metric.compute()  # measures what waits

    batches = math.ceil(len(scenes) / size)
    with _Calls() as calls:
        epoch(scenes)
    passed = race({"epoch": Task(epoch, scenes.anew)}, rounds=9, budget=5).clock("epoch").times(1 / batches)
    number = sum(calls.counts.values()) / batches
    floor = number * machine.call + 6 * size * machine.tensor
    return Line(
        f"`update` with a batch of {size}, its share of measuring what waits included",
        in_words(passed.median),
        f"floor of its {number:.0f} calls of torch: {in_words(floor)}",
        passed.times(1 / floor),
        "{:.1f}× its floor",
    )


def _profiles(scenes: Scenes) -> list[str]:
    """Where the time goes, by torch's profiler, which sees one thread."""
    notes, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)
    for name, make in (
        ("`TotalFalse` in one call", TotalFalse),
        (f"`ScoreSampling({_N_SAMPLES})` in one call", lambda: ScoreSampling(TotalFalse(), _N_SAMPLES)),
    ):
        task = in_one_call(make, scenes)
        task.run(task.prepare())
        given = task.prepare()
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            start = time.perf_counter()
            task.run(given)
            passed = time.perf_counter() - start
        events = sorted(profiled.key_averages(), key=lambda event: -event.self_cpu_time_total)
        in_torch = sum(event.self_cpu_time_total for event in events) / 1e6
        most = ", ".join(
            f"`{event.key.removeprefix('aten::')}` {event.self_cpu_time_total / 1e4 / passed:.0f} %"
            for event in events[:8]
        )
        notes.append(
            f"Profile of {name}, one thread: {most}; Python, numpy and the rest of torch"
            f" {max(0.0, 1 - in_torch / passed):.0%} (of {in_words(passed)}, the profiler's own share included)."
        )
    torch.set_num_threads(threads)
    return notes


class _Calls(TorchDispatchMode):
    """Counts the calls of torch."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[str(func)] += 1
        return func(*args, **(kwargs or {}))


def _columns(scenes: Scenes) -> list[tuple[list[dict[str, Any]], str]]:
    preds, target = scenes.preds, scenes.target
    return [(preds, key) for key in ("boxes", "scores", "labels")] + [
        (target, key) for key in ("boxes", "labels", "iscrowd")
    ]


def _nbytes(scenes: Scenes) -> int:
    return sum(
        value.nbytes
        for image in (*scenes.preds, *scenes.target)
        for value in image.values()
        if isinstance(value, Tensor)
    )


def _least(run: Callable[[], object], repetitions: int = 9) -> float:
    """A floor is the least that is possible, so of several measurements the least."""
    passed = []
    for _ in range(repetitions):
        start = time.perf_counter()
        run()
        passed.append(time.perf_counter() - start)
    return min(passed)
