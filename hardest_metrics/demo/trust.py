"""Estimates: how far a ranking without labels can be trusted."""

from pathlib import Path

from hardest_metrics.demo.chapter import Chapter
from hardest_metrics.demo.made_up_detector import write_coco


def chapter(folder: Path) -> Chapter:
    """The scenes and detectors of :func:`hardest_metrics.demo.detection.chapter`, in ``folder``; files are replaced."""
    files = write_coco(folder)
    compared, plots = folder / "compared", folder / "compared" / "plots" / files.detections.stem
    return Chapter(
        "Can hard images be found without labels?",
        "the same scenes, whose labels judge what is said without them; that these detectors err independently"
        " flatters the witness",
        [
            (
                "compare", "--annotations", files.annotations, "--detections", files.detections, files.older,
                "--definitions", "total_false/none", "total_false/pixel", "false_negatives/none",
                "--estimators", "expected_hardness", "expected_hardness+platt", "witness", "max_uncertainty",
                "--out", compared,
            ),
        ],
        {
            plots / "regret.png": "how much hardness is met by labelling what an estimate names first",
            plots / "reliability.png": "whether scores are probabilities, on which most estimates stand",
            plots / "correlation.png": "which definitions of hardness rank alike",
        },
    )  # fmt: skip
