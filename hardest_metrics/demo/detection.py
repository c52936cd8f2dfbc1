"""Detection: the hardest images and why, and what a newer detector got wrong."""

from pathlib import Path

from hardest_metrics.demo.chapter import Chapter
from hardest_metrics.demo.made_up_detector import write_coco


def chapter(folder: Path) -> Chapter:
    """Scenes of digits and what two detectors make of them, as COCO files in ``folder``; files are replaced."""
    files = write_coco(folder)
    data = ("--annotations", files.annotations, "--images", files.images)
    hardest, kinds, slices, worse = (folder / f"{name}.png" for name in ("hardest", "kinds", "slices", "worse"))
    page = folder / "report.html"
    return Chapter(
        "Which images does a detector fail on, and why?",
        "scenes of digits, and two made-up detectors",
        [
            (
                "rank", *data, "--detections", files.detections, "--top-k", 6, "--grid", hardest,
                "--kinds", "--kinds-plot", kinds, "--slices", "object_size", "objects", "--slices-plot", slices,
            ),
            ("diff", *data, "--detections", files.older, files.detections, "--top-k", 3, "--grid", worse),
            ("report", *data, "--detections", files.detections, files.older, "--out", page),
        ],
        {
            hardest: "the hardest scenes: found green, wrong red, missed blue",
            kinds: "the kinds of errors, by digit",
            slices: "how hardness goes with the size and the number of digits",
            worse: "scenes that are harder for the newer detector than for the older one, side by side",
            page: "all scenes: pick labels and kinds of errors, and they are ranked by these",
        },
    )  # fmt: skip
