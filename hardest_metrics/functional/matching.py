"""Which detection finds which object: COCO's protocol at one IoU threshold, on whole batches at once.

pycocotools visits the detections of an image and label in score order; each takes its best object that
is still free. That is a serial dictatorship: its result is the one stable matching in which every object
prefers the higher-ranked detection, whoever proposes when. So all detections may propose at the same time
(deferred acceptance): each to its best object left, each object keeps the best-ranked detection that
proposed, and pairs with a lower-ranked one are struck, until nothing is struck any more. A few rounds do,
over a list that holds only pairs of equal image, equal label and sufficient IoU.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from hardest_metrics.functional.boxes import Detections, GroundTruth, iou, ragged_pairs

AreaName = Literal["small", "medium", "large"]

#: COCO's area ranges in square pixels.
AREA_RANGES: dict[str, tuple[float, float]] = {
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}


class Outcome(IntEnum):
    """What became of one box.

    Of a detection: `TRUE_POSITIVE`, `FALSE_POSITIVE` or `IGNORED`. Of a ground-truth box: `TRUE_POSITIVE`
    (found), `FALSE_NEGATIVE` (missed) or `IGNORED`. Ignored is what the query leaves out of the count.
    """

    TRUE_POSITIVE = 0
    FALSE_POSITIVE = 1
    FALSE_NEGATIVE = 2
    IGNORED = 3


class Matches(NamedTuple):
    """What became of every box of a batch, in the order in which the boxes were given.

    Attributes:
        detections: ``(n,)`` uint8, the :class:`Outcome` of each detection.
        ground_truth: ``(m,)`` uint8, the :class:`Outcome` of each ground-truth box.
        detection_match: ``(n,)`` int64, the ground-truth box that each detection took, -1 for none.
        ground_truth_match: ``(m,)`` int64, the detection that took each box, -1 for none. Of the detections
            that a crowd absorbed, the best-ranked.
    """

    detections: Tensor
    ground_truth: Tensor
    detection_match: Tensor
    ground_truth_match: Tensor


@dataclass(frozen=True)
class Query:
    """Which boxes count, and what it takes for a detection to have found an object.

    Args:
        score_threshold: detections of a lower score take no part. Compared in the scores' own dtype.
        iou_threshold: least intersection over union of a match, in (0, 1].
        labels: the labels that count; None for all.
        area_range: ``"small"``, ``"medium"``, ``"large"`` (COCO's, bounds 32^2 and 96^2) or
            ``(low, high)`` in square pixels, both included; None for all. Objects outside are ignored.
        max_detections: only this many detections of highest score take part, per image and label.

    Raises:
        ValueError: if an argument is out of its range.
    """

    score_threshold: float = 0.5
    iou_threshold: float = 0.5
    labels: Collection[int] | None = None
    area_range: AreaName | tuple[float, float] | None = None
    max_detections: int = 100

    def __post_init__(self) -> None:
        if not 0 <= self.score_threshold <= 1:
            raise ValueError(f"`score_threshold` must lie in [0, 1], but is {self.score_threshold}.")
        if not 0 < self.iou_threshold <= 1:
            raise ValueError(f"`iou_threshold` must lie in (0, 1], but is {self.iou_threshold}.")
        if isinstance(self.max_detections, bool) or self.max_detections < 1:
            raise ValueError(f"`max_detections` must be at least 1, but is {self.max_detections}.")
        object.__setattr__(self, "score_threshold", float(self.score_threshold))
        object.__setattr__(self, "iou_threshold", float(self.iou_threshold))
        if self.labels is not None:
            if isinstance(self.labels, str) or not all(type(label) is int for label in self.labels):
                raise ValueError(f"`labels` must be integers, but are {self.labels!r}.")
            object.__setattr__(self, "labels", tuple(sorted(set(self.labels))))
        if isinstance(self.area_range, str):
            if self.area_range not in AREA_RANGES:
                raise ValueError(
                    f"`area_range` must be one of {tuple(AREA_RANGES)} or (low, high), but is {self.area_range!r}."
                )
        elif self.area_range is not None:
            low, high = map(float, self.area_range)
            if not 0 <= low <= high:
                raise ValueError(f"`area_range` must be 0 <= low <= high, but is {self.area_range}.")
            object.__setattr__(self, "area_range", (low, high))

    def counts_label(self, labels: Tensor) -> Tensor:
        """``(n,)`` bool: whether boxes of these labels count."""
        if self.labels is None:
            return torch.ones_like(labels, dtype=torch.bool)
        return torch.isin(labels, torch.tensor(self.labels, dtype=labels.dtype, device=labels.device))

    def counts_area(self, area: Tensor) -> Tensor:
        """``(n,)`` bool: whether boxes of these areas count."""
        if self.area_range is None:
            return torch.ones_like(area, dtype=torch.bool)
        low, high = AREA_RANGES[self.area_range] if isinstance(self.area_range, str) else self.area_range
        return (area >= low) & (area <= high)


def match(detections: Detections, ground_truth: GroundTruth, query: Query) -> Matches:
    """Match detections to ground truth as pycocotools' ``COCOeval`` does, all images at once.

    Per image and label, detections of at least the query's score are taken by score, highest first, ties in
    the order given; those past ``max_detections`` are ignored. Each takes the free object of highest IoU, the
    later one on equal IoU, if the IoU is at least the threshold. Objects that the query ignores (crowds, and
    areas outside the range) are taken only where no other can be; a crowd by any number of detections, its
    IoU being the intersection over the detection's area. A detection on an ignored object, or one without an
    object whose own area is outside the range, is ignored too.

    Args:
        detections: of any number of images. ground_truth: of the same images.
        query: which boxes count.

    Returns:
        The outcome of every box, on the device of the boxes.

    Example:
        >>> import torch
        >>> from hardest_metrics.functional import Query, match, pack
        >>> preds = [{"boxes": torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]]),
        ...           "scores": torch.tensor([0.6, 0.9, 0.7]), "labels": torch.tensor([1, 1, 1])}]
        >>> target = [{"boxes": torch.tensor([[0.0, 0, 10, 10], [80, 80, 90, 90]]), "labels": torch.tensor([1, 1])}]
        >>> batch = pack(preds, target)
        >>> matches = match(batch.detections, batch.ground_truth, Query())
        >>> matches.detections, matches.detection_match  # the second has the higher score and comes first
        (tensor([1, 0, 1], dtype=torch.uint8), tensor([-1,  0, -1]))
        >>> matches.ground_truth
        tensor([0, 2], dtype=torch.uint8)
    """
    ranked = _rank(detections, query)
    objects = (query.counts_label(ground_truth.labels)).nonzero().squeeze(1)
    objects = objects[ground_truth.group[objects].argsort(stable=True)]
    ignored = ground_truth.crowd[objects] | ~query.counts_area(ground_truth.area[objects])
    crowd = ground_truth.crowd[objects]

    det, obj, overlap = _candidates(detections, ground_truth, ranked, objects, query.iou_threshold)
    det, obj = _by_preference(det, obj, overlap, ignored)
    det, obj = _deferred_acceptance(det, obj, crowd, len(ranked))

    # `det` and `obj` are positions in `ranked` and `objects`; back to the order in which boxes were given
    taken_from = detections.labels.new_full((len(detections),), -1)
    taken_from[ranked[det]] = objects[obj]
    taken_by = torch.full_like(objects, len(ranked)).scatter_reduce_(0, obj, det, "amin")
    found = taken_by < len(ranked)
    ground_truth_match = ground_truth.labels.new_full((len(ground_truth),), -1)
    ground_truth_match[objects[found]] = ranked[taken_by[found]]

    of_detection = torch.full_like(taken_from, Outcome.IGNORED, dtype=torch.uint8)
    of_ranked = torch.where(query.counts_area(detections.box_area[ranked]), Outcome.FALSE_POSITIVE, Outcome.IGNORED)
    of_ranked[det] = torch.where(ignored[obj], Outcome.IGNORED, Outcome.TRUE_POSITIVE)
    of_detection[ranked] = of_ranked.to(torch.uint8)

    of_object = torch.where(found, Outcome.TRUE_POSITIVE, Outcome.FALSE_NEGATIVE).masked_fill_(ignored, Outcome.IGNORED)
    of_ground_truth = torch.full_like(ground_truth_match, Outcome.IGNORED, dtype=torch.uint8)
    of_ground_truth[objects] = of_object.to(torch.uint8)
    return Matches(of_detection, of_ground_truth, taken_from, ground_truth_match)


def _rank(detections: Detections, query: Query) -> Tensor:
    """Indices of the detections that take part, by group, and in a group by score, highest first."""
    takes_part = detections.scores >= query.score_threshold
    if query.labels is not None:
        takes_part &= query.counts_label(detections.labels)
    ranked = takes_part.nonzero().squeeze(1)
    ranked = ranked[detections.scores[ranked].argsort(descending=True, stable=True)]
    ranked = ranked[detections.group[ranked].argsort(stable=True)]
    group = detections.group[ranked]
    place = torch.arange(len(group), device=group.device)
    place_in_group = place - torch.searchsorted(group, group)
    return ranked[place_in_group < query.max_detections]


def _candidates(
    detections: Detections, ground_truth: GroundTruth, ranked: Tensor, objects: Tensor, iou_threshold: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs that may match: positions in `ranked`, ascending; positions in `objects`, ascending; their IoU."""
    group, object_group = detections.group[ranked], ground_truth.group[objects]
    first = torch.searchsorted(object_group, group)
    count = torch.searchsorted(object_group, group, right=True) - first
    d_xywh, g_xywh, crowd = detections.xywh[ranked], ground_truth.xywh[objects], ground_truth.crowd[objects]
    least = min(iou_threshold, 1 - 1e-10)  # pycocotools': at threshold 1, rounding must not lose a perfect box
    found = [(group[:0], group[:0], d_xywh[:0, 0])]
    for det, obj in ragged_pairs(first, count):
        overlap = iou(d_xywh[det], g_xywh[obj], crowd[obj])
        enough = overlap >= least
        found.append((det[enough], obj[enough], overlap[enough]))
    det, obj, overlap = (torch.cat(parts) for parts in zip(*found, strict=True))
    return det, obj, overlap


def _by_preference(det: Tensor, obj: Tensor, overlap: Tensor, ignored: Tensor) -> tuple[Tensor, Tensor]:
    """Sort pairs by detection; in a detection objects that count first, then by IoU, then the later object."""
    order = torch.arange(len(det) - 1, -1, -1, device=det.device)  # the later object first ...
    order = order[overlap[order].argsort(descending=True, stable=True)]  # ... where the IoU is equal ...
    order = order[ignored[obj[order]].argsort(stable=True)]  # ... among those that count alike ...
    order = order[det[order].argsort(stable=True)]  # ... for one detection
    return det[order], obj[order]


def _deferred_acceptance(det: Tensor, obj: Tensor, crowd: Tensor, num_detections: int) -> tuple[Tensor, Tensor]:
    """The stable matching of a list of pairs sorted by detection and preference; a smaller `det` ranks higher.

    Each round proposes along the first pair left of every detection. An object holds on to the best-ranked
    detection that proposed; it will never take a lower-ranked one, so all such pairs are struck.
    """
    held_by = torch.full(crowd.shape, num_detections, dtype=det.dtype, device=det.device)
    while True:
        proposes = torch.ones_like(det, dtype=torch.bool)
        proposes[1:] = det[1:] != det[:-1]
        held_by.scatter_reduce_(0, obj[proposes], det[proposes], "amin")
        stands = (det <= held_by[obj]) | crowd[obj]
        if stands.all():
            return det[proposes], obj[proposes]
        det, obj = det[stands], obj[stands]
