"""Hardness without labels: against `hardest`'s score sampling, and with a witness against without."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from benchmarks import checks
from benchmarks.definitions import DEFINITIONS, in_one_call
from benchmarks.peers import HARDEST, hardest_score_sampling
from benchmarks.timing import Section, Task, compared, race
from benchmarks.workloads import Scenes, coco_sized
from hardest_metrics import HardnessCollection, TotalFalse
from hardest_metrics.detection import (
    BoxErrors,
    Estimator,
    ExpectedHardness,
    FastScoreSampling,
    ScoreSampling,
    WitnessHardness,
)  # fmt: skip
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


def witnesses(quick: bool) -> Section:
    """Nine definitions estimated with a witness, against by the detector's own scores."""
    scenes = coco_sized(300 if quick else 2000)
    many, few = _witness(scenes), _witness(scenes, every=5)
    few_scenes = Scenes(few, scenes.target)
    checks.witness_as_alone(scenes.first(20), many[:20])
    lines = []
    for what, own, other in (
        ("with as many boxes", scenes, many),
        ("with a fifth of the boxes", scenes, few),
        ("with five times the boxes", few_scenes, [dict(image) for image in scenes.preds]),
    ):
        for size, how in ((len(scenes), "a single call"), (16, "batches of 16")):
            tasks = {
                "witness": Task(_epoch(WitnessHardness, size, other), own.anew),
                "alone": Task(_epoch(ExpectedHardness, size), own.anew),
            }
            timed = race(tasks, rounds=3 if quick else 9, budget=30)
            said = f"nine `WitnessHardness`, a witness {what}, {how}"
            lines.append(compared(timed, said, "witness", "alone", "nine `ExpectedHardness`", limit=3))
    return Section("Estimates with a witness", lines, [f"{scenes}."])


def _witness(scenes: Scenes, every: int = 1) -> list[dict[str, Tensor]]:
    """What another detector sees: boxes some pixels away, of other scores; one in so many."""
    rng = torch.Generator().manual_seed(1)
    seen = []
    for image in scenes.preds:
        boxes, scores, labels = (image[name][::every] for name in ("boxes", "scores", "labels"))
        moved = boxes + torch.randn(len(boxes), 1, generator=rng) * 4
        seen.append({"boxes": moved, "scores": scores[torch.randperm(len(scores), generator=rng)], "labels": labels})
    return seen


def _epoch(
    estimator: Callable[[BoxErrors], Estimator], size: int, witness: Sequence[dict[str, Tensor]] | None = None
) -> Callable[[Scenes], None]:
    def run(scenes: Scenes) -> None:
        metric = HardnessCollection({name: estimator(make()) for name, make in DEFINITIONS.items()})
        for place, batch in enumerate(scenes.batches(size)):
            beside = {} if witness is None else {"witnesses": [witness[place * size : place * size + size]]}
            metric.update(batch.preds, batch.target, **beside)
        metric.compute()

    return run
