"""Hardness without labels: against `hardest`'s score sampling."""

from collections.abc import Callable

from benchmarks import checks
from benchmarks.definitions import in_one_call
from benchmarks.peers import HARDEST, hardest_score_sampling
from benchmarks.timing import Line, Section, Task, in_words, race
from benchmarks.workloads import coco_sized
from hardest_metrics import TotalFalse
from hardest_metrics.detection import Estimator, ExpectedHardness, FastScoreSampling, ScoreSampling
from hardest_metrics.functional.weighting import WeightingName

N_SAMPLES = 10

ESTIMATORS: dict[str, tuple[Callable[[TotalFalse], Estimator], float | None]] = {
    "ScoreSampling": (lambda definition: ScoreSampling(definition, N_SAMPLES), 100),
    "FastScoreSampling": (lambda definition: FastScoreSampling(definition, N_SAMPLES), None),
    "ExpectedHardness": (ExpectedHardness, 1000),
}
_WEIGHTINGS: tuple[WeightingName, ...] = ("none", "pixel", "overlap")


def estimates(quick: bool) -> Section:
    """The whole set in one `update`, then `compute`."""
    scenes = coco_sized(500 if quick else 5000)
    few = scenes.first(10)
    checks.sampling_as_pycocotools(few, ScoreSampling(TotalFalse(), N_SAMPLES), N_SAMPLES)
    checks.expectation_as_by_hand(few, ExpectedHardness(TotalFalse()))
    part = scenes.first(20 if quick else 60)
    peer = Task(lambda given: hardest_score_sampling(given, N_SAMPLES), part.anew)
    lines = []
    notes = [] if HARDEST.version else ["hardest is not installed here and is left out."]
    for name, (make, limit) in ESTIMATORS.items():
        ours: dict[str, Task] = {
            weighting: in_one_call(lambda w=weighting: make(TotalFalse(weighting=w)), scenes)  # type: ignore[misc] # noqa: B023
            for weighting in _WEIGHTINGS
        }
        timed = race({"hardest": peer, **ours} if HARDEST.version else ours, rounds=5, budget=15)
        scale = len(scenes) / len(part)
        for weighting in _WEIGHTINGS:
            # `hardest` takes as long whatever the weighting; it is measured without
            judged = weighting == "none" and HARDEST.version is not None
            against = "hardest" if judged else "none"
            lines.append(
                Line(
                    f"`{name}`{f'({N_SAMPLES})' if 'Sampling' in name else ''}, {weighting}, {len(scenes):,} images",
                    in_words(timed.clock(weighting).median),
                    f"{HARDEST}, score sampling ({N_SAMPLES}): {in_words(scale * timed.clock('hardest').median)}"
                    f" ({len(part)} images scaled up)"
                    if judged
                    else "no weighting",
                    timed.ratio(against, weighting, scale) if judged else timed.ratio(weighting, against),
                    "{:.4g}× faster" if judged else "{:.2f}× as long",
                    at_least=limit if judged else None,
                    by_cpu=timed.cpu_ratio(against, weighting, scale)
                    if judged
                    else timed.cpu_ratio(weighting, against),
                )
            )
    return Section("Estimates without labels", lines, notes)
