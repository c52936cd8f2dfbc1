"""Hardness without labels: against `hardest`'s score sampling."""

from collections.abc import Callable

from benchmarks import checks
from benchmarks.definitions import in_one_call
from benchmarks.peers import HARDEST, hardest_score_sampling
from benchmarks.timing import Section, Task, compared, race
from benchmarks.workloads import coco_sized
from hardest_metrics import TotalFalse
from hardest_metrics.detection import Estimator, ExpectedHardness, FastScoreSampling, ScoreSampling
from hardest_metrics.functional.detection.weighting import WeightingName

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
            what = f"`{name}`{f'({N_SAMPLES})' if 'Sampling' in name else ''}, {weighting}, {len(scenes):,} images"
            if judged:
                against, note = f"{HARDEST}, score sampling ({N_SAMPLES})", f" ({len(part)} images scaled up)"
                line = compared(
                    timed, what, weighting, "hardest", against,
                    faster=True, limit=limit, scale=scale, note=note, number=".4g",
                )  # fmt: skip
            else:
                line = compared(timed, what, weighting, "none", "no weighting")
            lines.append(line)
    return Section("Estimates without labels", lines, notes)
