"""Hardness of labelled images: against all peers, in collections, in streams, and as sets grow and get dense."""

import functools
from collections.abc import Callable

import torch
from torchmetrics import MetricCollection

from benchmarks import checks
from benchmarks.peers import EVALUATORS, HARDEST, Native, Peer, confident
from benchmarks.timing import Line, Section, Spread, Task, compared, in_words, race
from benchmarks.workloads import Scenes, coco_sized, dense, lvis_like
from hardest_metrics import FalseNegatives, FalsePositives, HardnessCollection, HardnessMetric, Ranking, TotalFalse
from hardest_metrics.detection import BoxErrors

Metric = HardnessMetric | MetricCollection

_DENSE_DETECTIONS = 4000


def one_definition(quick: bool) -> Section:
    """The whole set in one `update`, then `compute`, against everybody else."""
    scenes = coco_sized(1000 if quick else 5000)
    ours = in_one_call(TotalFalse, scenes)
    expected = checks.as_pycocotools("COCO-val-sized", scenes)
    lines, notes = [], [f"COCO-val-sized set: {scenes}."]
    for peer in [HARDEST, *EVALUATORS]:
        if peer.version is None:
            notes.append(f"{peer.name} is not installed here and is left out.")
            continue
        part = scenes.first(peer.images)
        their_tasks = {f"{peer} {peer.way}": peer.task(part)}
        if not peer.from_tensors:
            native = Native.of(confident(part))
            their_tasks[f"{peer} {peer.way}, its input made beforehand"] = peer.native_task(native)
        if peer.outcomes:
            task = next(iter(their_tasks.values()))
            found = peer.totals(task.prepare() if peer.from_tensors else native.copy())
            checks.equal(peer.name, found, {target["image_id"]: expected[target["image_id"]] for target in part.target})
        timed = race({"ours": ours, **their_tasks}, rounds=15, budget=30)
        lines += [
            compared(
                timed,
                f"`TotalFalse`, {len(scenes):,} images in one call",
                "ours",
                name,
                name,
                faster=True,
                limit=200 if peer is HARDEST else 1,
                scale=len(scenes) / len(part),
                note=_scaled(peer, part, scenes),
                number=".3g",
            )
            for name in their_tasks
        ]
    return Section("One definition", lines, notes)


def nine_definitions(quick: bool) -> Section:
    """All in one collection against one alone."""
    scenes = coco_sized(800 if quick else 5000)
    for kind in (HardnessCollection, MetricCollection):
        checks.collection_as_alone(nine(kind), scenes.first(200))
    lines = []
    for inference in (False, True):
        with torch.inference_mode(inference):
            given = scenes.anew()  # inference tensors, if that mode is on
        for name, run, limit in (
            ("an epoch of batches of 16 by `update`", _epoch("update"), 1.2),
            ("an epoch of batches of 16 by `forward`", _epoch("forward"), 1.3),
            ("a single call", _epoch("update", len(scenes)), 1.4),
        ):
            for kind, rounds in ((HardnessCollection, 15), (MetricCollection, 3)):
                tasks = {
                    of: Task(_in_mode(inference, run, make), _anew_in_mode(inference, given))
                    for of, make in (("one", TotalFalse), ("nine", functools.partial(nine, kind)))
                }
                timed = race(tasks, rounds=rounds, budget=60)
                what = f"nine definitions in a `{kind.__name__}`, {name}{', inference mode' if inference else ''}"
                most = limit if kind is HardnessCollection else 10.5
                lines.append(compared(timed, what, "nine", "one", "one definition", limit=most))
    notes = [
        f"{scenes}.",
        "A `HardnessCollection` measures once what all of its members need. In a `MetricCollection` each measures for"
        " itself, but by `update`, from the second batch on, one for the three of a weighting. One definition does not"
        " measure what pixel and overlap weighting need, the nine do.",
    ]
    return Section("Nine definitions", lines, notes)


def streaming(quick: bool) -> Section:
    """Batches of a validation epoch, an image's share of it, the ranking at its end included."""
    scenes = coco_sized(400 if quick else 2000)
    checks.as_pycocotools("batches", scenes.first(200))
    lines = []
    for size, limit in ((16, 0.15), (1, 1.5)):

        def epoch(given: object, size: int = size) -> None:
            assert isinstance(given, Scenes)
            metric = TotalFalse()
            for batch in given.batches(size):
                metric.update(batch.preds, batch.target)
            metric.compute()  # measures what waits

        timed = race({"ours": Task(epoch, scenes.anew)}, rounds=5 if quick else 15, budget=10)
        share = timed.clock("ours").times(1e3 / len(scenes))
        cpu = Spread.of([passed.cpu for passed in timed.rounds["ours"]]).times(1e3 / len(scenes)).median
        lines.append(
            Line(
                f"an epoch by `update` with batches of {size}",
                in_words(share.median * size / 1e3) + " an update",
                "",
                share,
                "{:.3f} ms an image",
                at_most=limit,
                by_cpu=cpu,
            )
        )
    return Section("Streaming", lines)


def growth(quick: bool) -> Section:
    """Ten times as many images."""
    small, large = (500, 5000) if quick else (5000, 50_000)
    sets = {number: coco_sized(number) for number in (small, large)}
    checks.as_pycocotools("50,000 images", sets[large].first(300))
    timed = race({str(number): in_one_call(TotalFalse, scenes) for number, scenes in sets.items()}, rounds=7, budget=30)
    what = f"`TotalFalse`, {large:,} images in one call"
    line = compared(timed, what, str(large), str(small), f"{small:,} images", limit=11)
    return Section("Growth", [line])


def shapes(quick: bool) -> Section:
    """What a candidate pair costs in dense images, and where labels are many."""
    sets = {
        "COCO-val-sized": (coco_sized(1000 if quick else 5000), 100),
        "dense": (dense(2 if quick else 8), _DENSE_DETECTIONS),
        "LVIS-like": (lvis_like(1000 if quick else 5000), 100),
    }
    for name, (scenes, most) in sets.items():
        checks.as_pycocotools(name, scenes.first(1 if name == "dense" else 100), most)
    pairs = {name: scenes.pairs() for name, (scenes, _) in sets.items()}
    tasks = {
        name: in_one_call(lambda most=most: TotalFalse(max_detections=most), scenes)  # type: ignore[misc]
        for name, (scenes, most) in sets.items()
    }
    timed = race(tasks, rounds=7, budget=30)
    lines = [
        Line(
            f"`TotalFalse`, {name} set, a candidate pair's share",
            in_words(timed.clock(name).median / pairs[name]) + f" ({in_words(timed.clock(name).median)} in all)",
            f"COCO-val-sized: {in_words(timed.clock('COCO-val-sized').median / pairs['COCO-val-sized'])}",
            timed.ratio(name, "COCO-val-sized", pairs["COCO-val-sized"] / pairs[name]),
            "{:.3g}× as long",
            at_most=3,
            by_cpu=timed.cpu_ratio(name, "COCO-val-sized", pairs["COCO-val-sized"] / pairs[name]),
        )
        for name in ("dense", "LVIS-like")
    ]
    notes = [
        "A candidate pair is a detection that takes part and a box of its image and label.",
        *(f"{name}: {scenes}." for name, (scenes, _) in sets.items()),
    ]
    return Section("Dense images, many labels", lines, notes)


#: All definitions, by name.
DEFINITIONS: dict[str, Callable[[], BoxErrors]] = {
    f"{kind.__name__}_{weighting}": functools.partial(kind, weighting=weighting)
    for kind in (FalsePositives, FalseNegatives, TotalFalse)
    for weighting in ("none", "pixel", "overlap")
}


def nine(collection: type[MetricCollection] = HardnessCollection) -> MetricCollection:
    """All definitions."""
    return collection({name: make() for name, make in DEFINITIONS.items()})


def in_one_call(make: Callable[[], HardnessMetric], scenes: Scenes) -> Task:
    """From tensors to a ranking."""

    def run(given: Scenes) -> Ranking:
        metric = make()
        metric.update(given.preds, given.target)
        return metric.compute()

    return Task(run, scenes.anew)


def _epoch(method: str, size: int = 16) -> Callable[[Metric, Scenes], None]:
    def run(metric: Metric, scenes: Scenes) -> None:
        for batch in scenes.batches(size):
            (metric.update if method == "update" else metric)(batch.preds, batch.target)
        metric.compute()

    return run


def _in_mode(
    inference: bool, run: Callable[[Metric, Scenes], None], make: Callable[[], Metric]
) -> Callable[[Scenes], None]:
    def in_mode(scenes: Scenes) -> None:
        with torch.inference_mode(inference):
            run(make(), scenes)

    return in_mode


def _anew_in_mode(inference: bool, scenes: Scenes) -> Callable[[], Scenes]:
    def anew() -> Scenes:
        with torch.inference_mode(inference):
            return scenes.anew()

    return anew


def _scaled(peer: Peer, part: Scenes, scenes: Scenes) -> str:
    return f" ({len(part)} images scaled up)" if len(part) < len(scenes) else ""
