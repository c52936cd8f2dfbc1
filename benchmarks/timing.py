"""How everything here is measured: by turns, several times, each as a ratio to what it is compared with."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Seconds(NamedTuple):
    """What something took: on the clock, and of all of the process's threads together."""

    clock: float
    cpu: float


@dataclass(frozen=True)
class Task:
    """Something to measure.

    Attributes:
        run: is timed; gets what `prepare` gave.
        prepare: is not; called anew before each run.
    """

    run: Callable[[Any], object]
    prepare: Callable[[], object] = lambda: None


class Spread(NamedTuple):
    """Several measurements of one thing: their median and quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Median and quartiles; of two values these are the values, of one all three."""
        if len(values) < 3:
            return cls(statistics.median(values), min(values), max(values))
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    def times(self, factor: float) -> "Spread":
        """Each scaled."""
        return Spread(*(factor * value for value in self))


def seconds(task: Task) -> Seconds:
    """Run a task once."""
    prepared = task.prepare()
    gc.collect()
    clock, cpu = time.perf_counter(), time.process_time()
    result = task.run(prepared)
    passed = Seconds(time.perf_counter() - clock, time.process_time() - cpu)
    del result  # freeing it is nobody's work
    return passed


@dataclass(frozen=True)
class Race:
    """What tasks took that ran by turns.

    Attributes:
        rounds: by the task's name, one measurement a round.
    """

    rounds: Mapping[str, list[Seconds]]

    def clock(self, name: str) -> Spread:
        """Seconds on the clock."""
        return Spread.of([passed.clock for passed in self.rounds[name]])

    def ratio(self, name: str, to: str, scale: float = 1.0) -> Spread:
        """How many times as long as `to` a task took, round by round; `scale` if it did a part of the work only."""
        pairs = zip(self.rounds[name], self.rounds[to], strict=True)
        return Spread.of([scale * a.clock / b.clock for a, b in pairs])

    def cpu_ratio(self, name: str, to: str, scale: float = 1.0) -> float:
        """The median of the same ratio of CPU times, which a busy machine changes less."""
        pairs = zip(self.rounds[name], self.rounds[to], strict=True)
        return statistics.median(scale * a.cpu / b.cpu for a, b in pairs)


def race(tasks: Mapping[str, Task], rounds: int = 9, budget: float = 20.0, warm_up: bool = True) -> Race:
    """Run tasks by turns, so that what else the machine does slows all of them.

    Args:
        tasks: by name.
        rounds: how often each runs, every second round in the opposite order.
        budget: seconds after which no further round starts, once each ran three times.
        warm_up: run each once before, unmeasured.
    """
    if warm_up:
        for task in tasks.values():
            task.run(task.prepare())
    gc.collect()
    gc.freeze()  # the collector need not look through the data sets each time
    measured: dict[str, list[Seconds]] = {name: [] for name in tasks}
    start = time.perf_counter()
    for number in range(rounds):
        if number >= min(3, rounds) and time.perf_counter() - start > budget:
            break
        for name in list(tasks) if number % 2 else reversed(list(tasks)):
            measured[name].append(seconds(tasks[name]))
    gc.unfreeze()
    return Race(measured)


@dataclass(frozen=True)
class Line:
    """One line of the table: what was measured, and against what.

    Attributes:
        what: was measured.
        ours: what it took, in words.
        against: what it is compared with, in words.
        value: the ratio, or whatever else is judged.
        unit: how to write the value, such as ``"{:.0f}× faster"``.
        at_least: the value that it must reach.
        at_most: the value that it must not exceed.
        by_cpu: the value by CPU time, if it has one.
    """

    what: str
    ours: str
    against: str
    value: Spread
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    by_cpu: float | None = None

    @property
    def limit(self) -> float | None:
        """What the value is held against."""
        return self.at_most if self.at_least is None else self.at_least

    @property
    def met(self) -> bool | None:
        """Whether the median keeps to the limit; None without one."""
        if self.limit is None:
            return None
        return self.value.median >= self.limit if self.at_least is not None else self.value.median <= self.limit


def compared(
    timed: Race,
    what: str,
    ours: str,
    theirs: str,
    against: str,
    *,
    faster: bool = False,
    limit: float | None = None,
    scale: float = 1.0,
    note: str = "",
    number: str = ".2f",
) -> Line:
    """The line that says how many times as long one task took as another, or how many times faster it was.

    Args:
        timed: the race they ran.
        what: was measured.
        ours: the name of what is judged.
        theirs: the name of what it is compared with.
        against: what that is, in words.
        faster: whether to say how many times faster ours was, and want at least the limit; else at most.
        limit: what the ratio is held against.
        scale: by how much theirs did less of the work.
        note: what to say of that.
        number: how to write the ratio.
    """
    pair = (theirs, ours, scale) if faster else (ours, theirs, 1 / scale)
    return Line(
        what,
        in_words(timed.clock(ours).median),
        f"{against}: {in_words(scale * timed.clock(theirs).median)}{note}",
        timed.ratio(*pair),
        f"{{:{number}}}× {'faster' if faster else 'as long'}",
        at_least=limit if faster else None,
        at_most=None if faster else limit,
        by_cpu=timed.cpu_ratio(*pair),
    )


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        title: of the part.
        lines: what was measured.
        notes: paragraphs, in Markdown, below the table.
    """

    title: str
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def in_words(passed: float) -> str:
    """A time with a unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if passed >= size:
            return f"{passed / size:.3g} {unit}"
    return f"{passed / 1e-6:.3g} µs"
