"""What a page holds besides pictures: rankings, boxes, and how they were made."""

import base64
import math
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from hardest_metrics import __version__
from hardest_metrics.comparison import LABELS, Comparison, RankedBy
from hardest_metrics.data.digest import content_digest
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.functional.detection.keypoint_packing import checked_sigmas
from hardest_metrics.functional.detection.weighting import WeightingName
from hardest_metrics.names import WEIGHTINGS
from hardest_metrics.report.boxes import MOST_BELOW, ShownBoxes, shown_boxes
from hardest_metrics.report.lines import limbs_of
from hardest_metrics.report.probabilities import reliabilities
from hardest_metrics.report.words import words_for

_BATCH_SIZE = 256  # images whose boxes are matched at a time

_SIMILARITIES = {
    "bbox": ("IoU threshold", "least intersection over union of a match"),
    "segm": ("IoU threshold", "least intersection over union of the masks of a match"),
    "keypoints": ("OKS threshold", "least object keypoint similarity of a match"),
}


def facts_of(
    comparison: Comparison,
    order: Sequence[int],
    settings: Mapping[str, str],
    inputs: Sequence[PathLike] | Mapping[str, str],
) -> dict[str, Any]:
    """What the page shows besides boxes and pictures.

    Args:
        comparison: what the page shows.
        order: the places of images in the annotations, in the order of the page.
        settings: further lines on how rankings were made.
        inputs: what they were made from, with digests or to be digested.

    Raises:
        OSError: when an input cannot be read.
        ValueError: when a ranking has an image that the annotations lack.
    """
    if not isinstance(inputs, Mapping):
        inputs = {str(file): content_digest(file) for file in inputs}
    annotations = comparison.annotations
    detectors = list(comparison.detections)
    ids = torch.tensor([annotations.image_ids[i] for i in order], dtype=torch.int64)
    return {
        "ids": [str(annotations.shown_ids[i]) for i in order],  # scripts round integers above 2^53
        "names": [annotations.file_names[i] for i in order],
        "rankings": [
            {
                "detector": detectors.index(ranked.detector),
                "definition": ranked.definition,
                "estimator": ranked.estimator,
                "hardness": _base64(_hardness(ranked, ids).numpy().astype("<f4")),
            }
            for ranked in comparison.rankings
        ],
        "agreement": _agreement(comparison),
        "reliability": list(reliabilities(comparison)),
        "words": _words(comparison),
        "notes": list(comparison.notes),
        "threshold": comparison.query.lowest_score,
        "mostBelow": MOST_BELOW,
        "query": _in_words(comparison, annotations.categories),
        "settings": list(settings.items()),
        "versions": _versions(),
        "inputs": [[Path(file).name, digest] for file, digest in inputs.items()],
    }


def boxes_of(comparison: Comparison, order: Sequence[int], sizes: Sequence[tuple[int, int] | None]) -> dict[str, Any]:
    """Boxes by detector, the labels that occur, and the sizes of images.

    Args:
        comparison: what the page shows.
        order: the places of images in the annotations, in the order of the page.
        sizes: (height, width) of each image in the order of the annotations, None where it is not known.
    """
    annotations = comparison.annotations
    target = [annotations.target[i] for i in order]
    labelled = all(image.get("boxes") is not None for image in target)
    weightings = _weightings(comparison)
    shown = []
    for preds in comparison.detections.values():
        parts = []
        for start in range(0, len(order), _BATCH_SIZE):
            batch = slice(start, start + _BATCH_SIZE)
            of_batch = [preds[i] for i in order[batch]], target[batch] if labelled else None
            parts.append(shown_boxes(*of_batch, comparison.query, weightings, comparison.shapes))
        shown.append(ShownBoxes.joined(parts))
    labels = torch.cat([boxes.labels for boxes in shown]).unique()
    extents = torch.stack([boxes.least_sizes for boxes in shown]).amax(0)
    known = torch.tensor([sizes[i] or (math.nan, math.nan) for i in order], dtype=torch.float64).flip(1)
    widths_and_heights = torch.where(known.isnan(), extents.ceil(), known)
    return {
        "labelled": labelled,
        "shapes": None if comparison.shapes.iou_type == "bbox" else comparison.shapes.iou_type,
        "limbs": limbs_of(comparison.shapes.iou_type, checked_sigmas(comparison.shapes.sigmas)),
        "sizes": widths_and_heights.long().flatten().tolist(),
        "labels": _label_names(labels.tolist(), annotations.categories),
        "detectors": [
            {
                "name": name,
                "counts": _base64(boxes.counts.numpy().astype("<u4")),
                "boxes": _base64(boxes.packed(widths_and_heights, labels)),
                "weights": {name: _base64(of.numpy().astype("<f4")) for name, of in boxes.weights.items()},
                "lines": boxes.lines and boxes.lines.packed(widths_and_heights.repeat_interleave(boxes.counts, 0)),
            }
            for name, boxes in zip(comparison.detections, shown, strict=True)
        ],
    }


def _weightings(comparison: Comparison) -> list[WeightingName]:
    """Those that rankings by labels weigh with, but for the one by which each error counts 1."""
    names = [one.definition.partition("/")[2] for one in comparison.rankings if one.estimator == LABELS]
    known = [name for name in dict.fromkeys(names) if name in WEIGHTINGS and name != "none"]
    if any(size is None for size in comparison.annotations.image_sizes):
        known = [name for name in known if name != "pixel"]
    return cast(list[WeightingName], known)


def _label_names(labels: Sequence[int], categories: Mapping[int, str]) -> list[str]:
    """The names of labels; with the number where several are called the same."""
    names = [categories.get(label, str(label)) for label in labels]
    return [f"{name} ({label})" if names.count(name) > 1 else name for name, label in zip(names, labels, strict=True)]


def _words(comparison: Comparison) -> dict[str, str]:
    ranked = [name for one in comparison.rankings for name in (one.definition, one.estimator)]
    return words_for([*ranked, *map(str, comparison.agreement.columns)])


def _hardness(ranked: RankedBy, ids: Tensor) -> Tensor:
    """``(N,)`` hardness in the order of ascending `ids`, NaN for images that the ranking does not have."""
    ranking_ids = ranked.ranking.image_ids.cpu()
    places = torch.searchsorted(ids, ranking_ids).clamp(max=len(ids) - 1)
    unknown = ids[places] != ranking_ids
    if unknown.any():
        raise ValueError(
            f"`comparison` ranks image {int(ranking_ids[unknown][0])} by {ranked.detector}, {ranked.definition},"
            f" {ranked.estimator}, but its annotations have no such image. Give the annotations of the set ranked."
        )
    hardness = torch.full((len(ids),), torch.nan)
    return hardness.index_copy_(0, places, ranked.ranking.hardness.cpu().float())


def _agreement(comparison: Comparison) -> dict[str, Any]:
    table = comparison.agreement
    rows = [
        [value if isinstance(value, str) else float(value) if math.isfinite(value) else None for value in row]
        for row in table.itertuples(index=False)
    ]
    return {"columns": [str(column) for column in table.columns], "rows": rows}


def _in_words(comparison: Comparison, categories: Mapping[int, str]) -> list[tuple[str, str]]:
    query = comparison.query
    area = "all" if query.area_range is None else query.area_range
    labels = None if query.labels is None else [categories.get(label, str(label)) for label in query.labels]
    name, means = _SIMILARITIES[comparison.shapes.iou_type]
    return [
        ("Score threshold", f"{query.lowest_score:g}: detections of a lower score take no part"),
        (name, f"{query.iou_threshold:g}: {means}"),
        ("Labels that count", "all" if labels is None else ", ".join(labels)),
        ("Areas that count", area if isinstance(area, str) else "{:g} to {:g} px²".format(*area)),
        ("Most detections", f"{query.max_detections} per image and label, those of highest score"),
    ]  # fmt: skip


def _versions() -> list[tuple[str, str]]:
    packages = ("torch", "torchvision", "torchmetrics", "numpy", "pillow")
    return [
        ("hardest_metrics", __version__),
        *((package, version(package)) for package in packages),
        ("Python", platform.python_version()),
    ]


def _base64(array: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(array.tobytes()).decode()
