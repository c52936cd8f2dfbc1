"""How well each estimate of hardness without labels agrees with hardness by labels.

    python -m benchmarks.agreement

On real images and the detections of two real detectors, for all nine definitions: Spearman's rank correlation, nDCG
with true hardness as the gain, and the area under the ROC curve of telling the truly hardest 10 % of the images.
Calibrated estimates are cross-validated: the images of a fold are ranked with a calibration fitted to the other folds.
Sampled estimates are measured with several seeds, and the mean is shown. The committee of each detector is the other.
"""

import argparse
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc
from torchmetrics.functional.regression import spearman_corrcoef
from torchmetrics.functional.retrieval import retrieval_normalized_dcg

from hardest_metrics import FalseNegatives, FalsePositives, HardnessMetric, Ranking, TotalFalse
from hardest_metrics.calibration import Isotonic, Method, Platt, fit_calibration, reliability
from hardest_metrics.data import read_coco_annotations, read_hardest_detections
from hardest_metrics.detection import (
    BoxErrors,
    CommitteeHardness,
    ExpectedHardness,
    FastScoreSampling,
    ScoreSampling,
    Uncertainty,
)
from hardest_metrics.detection.uncertainty import Measure

DETECTORS = ("fastestdet", "yolo_fastestv2")
SEEDS = range(5)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Detections and labels of the images of a set, in its order, and what the other detector sees there."""

    preds: list[dict[str, Any]]
    target: list[dict[str, Any]]
    others: list[dict[str, Any]]

    def part(self, images: list[int]) -> "Labelled":
        """Some of the images."""
        return Labelled(*([side[i] for i in images] for side in (self.preds, self.target, self.others)))


def main() -> None:
    """Measure, print Markdown tables and write all numbers as CSV."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/voc100"), help="folder of the image set")
    parser.add_argument("--folds", type=int, default=5, help="of the cross-validation (default: 5)")
    parser.add_argument("--output", type=Path, default=Path("out/agreement.csv"), help="(default: out/agreement.csv)")
    args = parser.parse_args()

    annotations = read_coco_annotations(args.data / "instances.json")
    detections = {
        detector: read_hardest_detections(args.data / f"{detector}_torchvision.json.gz", annotations)
        for detector in DETECTORS
    }
    folds = [fold.tolist() for fold in _shuffled(len(annotations.target)).chunk(args.folds)]
    rows: list[dict[str, Any]] = []
    for detector, other in zip(DETECTORS, reversed(DETECTORS), strict=True):
        images = Labelled(detections[detector], annotations.target, detections[other])
        _print_reliability(detector, images, folds)
        rows += [{"detector": detector, **row} for row in agreements(images, folds)]
    table = pd.DataFrame(rows)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(args.output, index=False)
    for (detector, measure), part in table.melt(
        ["detector", "estimate", "definition"], var_name="measure", value_name="value"
    ).groupby(["detector", "measure"], sort=False):
        by_definition = part.pivot_table("value", "estimate", "definition", sort=False)
        by_definition.insert(0, "mean", by_definition.mean(axis=1))
        print(f"\n{detector}, {measure}\n")
        _print_markdown(by_definition)
    print(f"\nAll numbers: {args.output}")


def agreements(images: Labelled, folds: list[list[int]]) -> Iterator[dict[str, Any]]:
    """Every estimate of every definition against the truth, a row each."""
    for name, estimate in _estimates(images, folds).items():
        for definition_name, definition in definitions().items():
            metric = definition.clone()
            metric.update(images.preds, images.target)
            truth = metric.compute()
            estimated = estimate(definition)
            measures = pd.DataFrame([_agreement(ranking, truth) for ranking in estimated]).mean()
            yield {"estimate": name, "definition": definition_name, **measures}


def definitions() -> dict[str, BoxErrors]:
    """The nine of them."""
    kinds: dict[str, type[BoxErrors]] = {"fp": FalsePositives, "fn": FalseNegatives, "total": TotalFalse}
    return {
        f"{name}/{weighting}": kind(weighting=weighting, box_format="xywh")
        for name, kind in kinds.items()
        for weighting in ("none", "pixel", "overlap")
    }


#: Rankings of the images by one definition: of one estimate, or of the same one with several seeds.
_Estimate = Callable[[BoxErrors], list[Ranking]]


def _estimates(images: Labelled, folds: list[list[int]]) -> dict[str, _Estimate]:
    def ranked(metric: HardnessMetric, part: Labelled = images, both: bool = False) -> Ranking:
        if isinstance(metric, CommitteeHardness):
            metric.update(part.preds, part.target, [part.preds, part.others] if both else [part.others])
        else:
            metric.update(part.preds, part.target)
        return metric.compute()  # type: ignore[return-value]

    @functools.cache
    def calibrations(method: Method, of_other: bool) -> list[Platt | Isotonic]:
        return _fitted(Labelled(images.others, images.target, images.preds) if of_other else images, folds, method)

    def cross_validated(
        method: Method, make: Callable[[Platt | Isotonic], HardnessMetric], of_other: bool = False
    ) -> Ranking:
        parts = [
            ranked(make(calibration), images.part(fold))
            for fold, calibration in zip(folds, calibrations(method, of_other), strict=True)
        ]
        return Ranking.of(*(torch.cat(columns) for columns in zip(*parts, strict=True)))

    def committee(d: BoxErrors) -> list[Ranking]:
        return [
            cross_validated("platt", lambda c, seed=seed: CommitteeHardness(d, None, 10, seed, c), of_other=True)  # type: ignore[misc]
            for seed in SEEDS
        ]

    def expected(d: BoxErrors, method: Method) -> list[Ranking]:
        return [cross_validated(method, lambda c: ExpectedHardness(d, c))]

    estimates: dict[str, _Estimate] = {
        "ScoreSampling(10)": lambda d: [ranked(ScoreSampling(d, 10, seed)) for seed in SEEDS],
        "FastScoreSampling(10)": lambda d: [ranked(FastScoreSampling(d, 10, seed)) for seed in SEEDS],
        "ScoreSampling(10), platt": lambda d: [
            cross_validated("platt", lambda c, seed=seed: ScoreSampling(d, 10, seed, c))  # type: ignore[misc]
            for seed in SEEDS
        ],
        "ExpectedHardness": lambda d: [ranked(ExpectedHardness(d))],
    }
    for method in get_args(Method):
        estimates[f"ExpectedHardness, {method}"] = functools.partial(expected, method=method)
    estimates |= {
        "CommitteeHardness(other)": lambda d: [ranked(CommitteeHardness(d))],
        "CommitteeHardness(other, 10)": lambda d: [ranked(CommitteeHardness(d, None, 10, seed)) for seed in SEEDS],
        "CommitteeHardness(both, 10)": lambda d: [
            ranked(CommitteeHardness(d, None, 10, seed), both=True) for seed in SEEDS
        ],
        "CommitteeHardness(other, 10), platt": committee,
        "mean of this and ExpectedHardness, platt": lambda d: [
            _mean(ranking, expected(d, "platt")[0]) for ranking in committee(d)
        ],
    }
    for threshold in (0.5, 0.0):
        for measure in get_args(Measure):
            metric = Uncertainty(measure, score_threshold=threshold, box_format="xywh")
            ranking = ranked(metric)
            estimates[f"{measure}, scores from {threshold:g}"] = lambda _, ranking=ranking: [ranking]  # type: ignore[misc]
    return estimates


def _fitted(images: Labelled, folds: list[list[int]], method: Method) -> list[Platt | Isotonic]:
    """For each fold the calibration that the others make."""
    calibrations = []
    for fold in folds:
        others = images.part([i for i in range(len(images.preds)) if i not in fold])
        calibrations.append(fit_calibration(others.preds, others.target, method, box_format="xywh"))
    return calibrations


def _mean(first: Ranking, second: Ranking) -> Ranking:
    by_id = [ranking.hardness[ranking.image_ids.argsort()] for ranking in (first, second)]
    return Ranking.of(first.image_ids.sort().values, torch.stack(by_id).mean(0))


def _agreement(estimate: Ranking, truth: Ranking) -> dict[str, float]:
    hardness = estimate.hardness[estimate.image_ids.argsort()]
    true_hardness = truth.hardness[truth.image_ids.argsort()]
    hardest = torch.isin(truth.image_ids.sort().values, truth.image_ids[: len(truth.image_ids) // 10])
    rank = hardness.unique(return_inverse=True)[1].float()  # binary_auroc takes numbers above 1 for logits
    return {
        "Spearman": float(spearman_corrcoef(hardness, true_hardness)),
        "nDCG": float(retrieval_normalized_dcg(hardness, true_hardness)),
        "AUROC of the hardest 10 %": float(binary_auroc(rank / rank.max().clamp(min=1), hardest.long())),
    }


def _print_reliability(detector: str, images: Labelled, folds: list[list[int]]) -> None:
    errors = {}
    for method in (None, *get_args(Method)):
        calibrations = [None] * len(folds) if method is None else _fitted(images, folds, method)
        errors[method or "uncalibrated"] = [
            reliability(part.preds, part.target, calibration, box_format="xywh").error
            for calibration, part in zip(calibrations, map(images.part, folds), strict=True)
        ]
    print(f"\n{detector}, expected calibration error on the fold left out, mean over folds\n")
    _print_markdown(pd.DataFrame(errors).mean().to_frame("error").rename_axis("calibration"))


def _print_markdown(table: pd.DataFrame) -> None:
    print(f"| {table.index.name} | " + " | ".join(table.columns) + " |")
    print("| --- " + "| ---: " * len(table.columns) + "|")
    for name, values in table.iterrows():
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in values) + " |")


def _shuffled(number: int) -> Tensor:
    return torch.randperm(number, generator=torch.Generator().manual_seed(0))


if __name__ == "__main__":
    main()
