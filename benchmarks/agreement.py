"""How well each estimate of hardness without labels agrees with hardness by labels.

    python -m benchmarks.agreement

On real images and the detections of two real detectors, for all nine definitions: Spearman's rank correlation, nDCG
with true hardness as the gain, and the area under the ROC curve of telling the truly hardest 10 % of the images.
Calibrated estimates are cross-validated: the images of a fold are ranked with a calibration fitted to the other folds.
Sampled estimates are measured with several seeds, and the mean is shown. The committee of each detector is the other.
"""

import argparse
from pathlib import Path

import pandas as pd

from hardest_metrics.comparison import compare
from hardest_metrics.comparison.estimates import ESTIMATES, estimate_named
from hardest_metrics.comparison.tables import markdown_table
from hardest_metrics.data import read_coco_annotations, read_hardest_detections

DETECTORS = ("fastestdet", "yolo_fastestv2")
ESTIMATORS = (*ESTIMATES, "expected_hardness+temperature", "expected_hardness+isotonic")
MEASURES = {"spearman": "Spearman", "ndcg": "nDCG", "auroc@10%": "AUROC of the hardest 10 %"}
KEYS = ["detector", "estimator", "definition"]


def main() -> None:
    """Measure, print Markdown tables and write all numbers as CSV."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/voc100"), help="folder of the image set")
    parser.add_argument("--seeds", type=int, default=5, help="of sampled estimates (default: 5)")
    parser.add_argument("--output", type=Path, default=Path("out/agreement.csv"), help="(default: out/agreement.csv)")
    args = parser.parse_args()

    agreement = measure(args.data, args.seeds)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    agreement.to_csv(args.output, index=False)
    for detector in DETECTORS:
        for column, measure_name in MEASURES.items():
            part = agreement[agreement["detector"] == detector]
            table = part.pivot_table(column, "estimator", "definition", sort=False)
            table.insert(0, "mean", table.mean(axis=1))
            print(f"\n{detector}, {measure_name}\n\n{markdown_table(table)}")
    print(f"\nAll numbers: {args.output}")


def measure(data: Path, seeds: int) -> pd.DataFrame:
    """One row a detector, estimator and definition, one column a measure, the mean over seeds."""
    annotations = read_coco_annotations(data / "instances.json")
    detections = {
        detector: read_hardest_detections(data / f"{detector}_torchvision.json.gz", annotations)
        for detector in DETECTORS
    }
    by_seed = []
    for seed in range(seeds):
        # the others are the same for every seed
        estimators = ESTIMATORS if seed == 0 else [name for name in ESTIMATORS if estimate_named(name).sampled]
        by_seed.append(compare(annotations, detections, estimators=estimators, seed=seed).agreement)
    return pd.concat(by_seed).groupby(KEYS, sort=False).mean().reset_index()


if __name__ == "__main__":
    main()
