"""Which detection finds which object: COCO's protocol at one IoU threshold, on whole batches at once.

pycocotools visits the detections of an image and label in score order; each takes its best object that
is still free. That is a serial dictatorship: its result is the one stable matching in which every object
prefers the higher-ranked detection, whoever proposes when. So all detections may propose at the same time
(deferred acceptance): each to its best object left, each object keeps the best-ranked detection that
proposed, and pairs with a lower-ranked one are struck, until nothing is struck any more. A few rounds do,
over a list that holds only pairs of equal image, equal label and sufficient IoU.

On a GPU the host waits only for numbers that size what follows: of detections that take part, of pairs, of
pairs that are not apart, of those that overlap enough, and in each round of pairs that stand.
"""

import math
import operator
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor

from hardest_metrics.functional.detection.boxes import SCORE_DTYPES, Detections, GroundTruth
from hardest_metrics.functional.eager import eager
from hardest_metrics.functional.order import ascending_order, first_places, positions, runs
from hardest_metrics.functional.reduction import scatter_extreme_

AreaName = Literal["small", "medium", "large"]

#: COCO's area ranges in square pixels.
AREA_RANGES: dict[str, tuple[float, float]] = {
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}


#: The bits of a score, which is at most 1, are below this.
_MOST_BITS = 2**30

_LEAST = torch.iinfo(torch.int64).min

_ANY_NUMBER = 2**31


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


class LabelThresholds(dict[int, float]):
    """A score threshold for each label."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self.items()))


#: A least score, or one for each label.
ScoreThreshold = float | Mapping[int, float]


@dataclass(frozen=True)
class Query:
    """Which boxes count, and what it takes for a detection to have found an object.

    Args:
        score_threshold: detections of a lower score take no part; a number in [0, 1], or one for each label. Then boxes
            of labels that have none are refused where they count. Compared in the scores' own dtype.
        iou_threshold: least intersection over union of a match, in (0, 1].
        labels: the labels that count; None for all.
        area_range: ``"small"``, ``"medium"``, ``"large"`` (COCO's, bounds 32^2 and 96^2) or
            ``(low, high)`` in square pixels, both included; None for all. Objects outside are ignored.
        max_detections: only this many detections of highest score take part, per image and label.

    Raises:
        ValueError: if an argument is out of its range.
    """

    score_threshold: ScoreThreshold = 0.5
    iou_threshold: float = 0.5
    labels: Collection[int] | None = None
    area_range: AreaName | tuple[float, float] | None = None
    max_detections: int = 100

    def __post_init__(self) -> None:
        for name, low in (("score_threshold", 0.0), ("iou_threshold", math.ulp(0.0))):
            value = getattr(self, name)
            if name == "score_threshold" and isinstance(value, Mapping):
                object.__setattr__(self, name, _label_thresholds(value))
                continue
            if not isinstance(value, Real) or not low <= float(value) <= 1:
                bounds = "[0, 1]" if name == "score_threshold" else "(0, 1]"
                raise ValueError(f"`{name}` must be a number in {bounds}, but is {value!r}.")
            object.__setattr__(self, name, float(value))
        most = self.max_detections
        if isinstance(most, bool) or not isinstance(most, Integral) or most < 1:
            raise ValueError(f"`max_detections` must be an integer of at least 1, but is {most!r}.")
        object.__setattr__(self, "max_detections", int(most))
        if self.labels is not None:
            labels = list(self.labels) if isinstance(self.labels, Iterable) else [None]
            if not all(hasattr(label, "__index__") and not isinstance(label, bool) for label in labels):
                raise ValueError(f"`labels` must be integers, in a list, but are {self.labels!r}.")
            numbers = sorted({operator.index(label) for label in labels})
            if numbers and not -(2**63) <= numbers[0] <= numbers[-1] < 2**63:
                raise ValueError(f"`labels` must be 64-bit integers, but are {self.labels!r}.")
            object.__setattr__(self, "labels", tuple(numbers))
            if isinstance(self.score_threshold, Mapping):
                self._require_thresholds(set(numbers))
        if isinstance(self.area_range, str):
            if self.area_range not in AREA_RANGES:
                raise ValueError(
                    f"`area_range` must be one of {tuple(AREA_RANGES)} or (low, high), but is {self.area_range!r}."
                )
        elif self.area_range is not None:
            try:
                low, high = map(float, self.area_range)
            except (TypeError, ValueError):
                low, high = math.nan, math.nan
            if not 0 <= low <= high:
                raise ValueError(f"`area_range` must be (low, high) with 0 <= low <= high, but is {self.area_range}.")
            object.__setattr__(self, "area_range", (low, high))

    @property
    def lowest_score(self) -> float:
        """That no detection that takes part is below."""
        threshold = self.score_threshold
        return min(threshold.values()) if isinstance(threshold, Mapping) else threshold

    @property
    def of_all_labels(self) -> "Query":
        """The same query, but all labels count that it has a threshold for."""
        every = tuple(self.score_threshold) if isinstance(self.score_threshold, Mapping) else None
        return replace(self, labels=every)

    def scored(self, detections: Detections) -> Tensor:
        """``(k,)`` int64 positions, ascending, of detections of enough score, compared in the dtype it was given in.

        Raises:
            ValueError: if a label counts that has no threshold, where each has its own.
        """
        if not isinstance(self.score_threshold, Mapping):
            return detections.scored(self.score_threshold)
        labels, scores = detections.labels, detections.scores
        counted = self.counts_label(labels)
        self.require_thresholds(labels[counted])
        known = torch.tensor(list(self.score_threshold), device=labels.device)
        place = first_places(known, labels).clamp_(max=len(known) - 1)
        counted &= known.index_select(0, place) == labels
        least = torch.tensor(list(self.score_threshold.values()), dtype=torch.float64, device=scores.device)
        if detections.given_as is None:
            return positions(counted & (scores >= least.to(scores.dtype).index_select(0, place)))
        limits = torch.stack([least.to(dtype).double() for dtype in SCORE_DTYPES])
        return positions(counted & (scores.double() >= limits[detections.given_as, place]))

    def require_thresholds(self, labels: Tensor) -> None:
        """Refuse labels of boxes that count, but have no score threshold where each label has its own.

        Raises:
            ValueError: naming them.
        """
        if isinstance(self.score_threshold, Mapping):
            self._require_thresholds(set(labels.unique().tolist()))

    def _require_thresholds(self, labels: set[int]) -> None:
        missing = sorted(labels - cast(Mapping[int, float], self.score_threshold).keys())
        if missing:
            shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
            raise ValueError(
                f"`score_threshold` has no threshold for label {shown}, which counts: add it, or leave it out of"
                " `labels`."
            )

    @property
    def least_iou(self) -> float:
        """What counts as the threshold, as pycocotools has it: at 1, rounding must not lose a perfect box."""
        return min(self.iou_threshold, 1 - 1e-10)

    def of_any_score(self) -> "Query":
        """The same of detections of any score and number."""
        return replace(self, score_threshold=0.0, max_detections=_ANY_NUMBER)

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


def _label_thresholds(given: Mapping[Any, Any]) -> LabelThresholds:
    """The thresholds by ascending label; refused if they are none."""
    for label, score in given.items():
        sound = hasattr(label, "__index__") and not isinstance(label, bool) and isinstance(score, Real)
        if not sound or not 0 <= float(score) <= 1:
            raise ValueError(f"`score_threshold` must be numbers in [0, 1] by label, but has {score!r} for {label!r}.")
    if not given:
        raise ValueError("`score_threshold` has no label: give each that counts a threshold.")
    return LabelThresholds((operator.index(label), float(given[label])) for label in sorted(given))


@eager
@torch.no_grad()
def match(detections: Detections, ground_truth: GroundTruth, query: Query) -> Matches:
    """Match detections to ground truth as pycocotools' ``COCOeval`` does, all images at once.

    Per image and label, detections of at least the query's score are taken by score, highest first, ties in
    the order given; those past ``max_detections`` are ignored. Each takes the free object of highest IoU, the
    later one on equal IoU, if the IoU is at least the threshold. Objects that the query ignores (crowds, and
    areas outside the range) are taken only where no other can be; a crowd by any number of detections, its
    IoU being the intersection over the detection's area. A detection on an ignored object, or one without an
    object whose own area is outside the range, is ignored too.

    Args:
        detections: of any number of images.
        ground_truth: of the same images.
        query: which boxes count.

    Returns:
        The outcome of every box, on the device of the boxes.

    Example:
        >>> import torch
        >>> from hardest_metrics.functional import Query, match, pack
        >>> preds = [
        ...     {
        ...         "boxes": torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]]),
        ...         "scores": torch.tensor([0.6, 0.9, 0.7]),
        ...         "labels": torch.tensor([1, 1, 1]),
        ...     }
        ... ]
        >>> target = [{"boxes": torch.tensor([[0.0, 0, 10, 10], [80, 80, 90, 90]]), "labels": torch.tensor([1, 1])}]
        >>> batch = pack(preds, target)
        >>> matches = match(batch.detections, batch.ground_truth, Query())
        >>> matches.detections, matches.detection_match  # the second has the higher score and comes first
        (tensor([1, 0, 1], dtype=torch.uint8), tensor([-1,  0, -1]))
        >>> matches.ground_truth
        tensor([0, 2], dtype=torch.uint8)
    """
    ranked = rank(detections, query)
    objects = positions(query.counts_label(ground_truth.labels))
    if isinstance(query.score_threshold, Mapping):
        query.require_thresholds(ground_truth.labels.index_select(0, objects))
    crowd = ground_truth.crowd.index_select(0, objects)
    ignored = crowd if ground_truth.ignored is None else crowd | ground_truth.ignored.index_select(0, objects)
    if query.area_range is not None:
        ignored = ignored | ~query.counts_area(ground_truth.area[objects])

    det, obj, overlap = overlapping(detections, ground_truth, ranked, objects, crowd, query.least_iou)
    det, obj = one_to_one(det, obj, overlap, ignored, crowd, len(ranked))

    # `det` and `obj` are positions in `ranked` and `objects`; back to the order in which boxes were given
    matched, taken = ranked.index_select(0, det), objects.index_select(0, obj)
    detection_match = torch.full_like(detections.labels, -1).index_copy_(0, matched, taken)
    taken_by = scatter_extreme_(torch.full_like(objects, len(ranked)), obj, det, "amin")
    taken_by = torch.cat((ranked, ranked.new_full((1,), -1))).index_select(0, taken_by)
    ground_truth_match = torch.full_like(ground_truth.labels, -1).index_copy_(0, objects, taken_by)

    of_detection = torch.full_like(detections.labels, Outcome.IGNORED, dtype=torch.uint8)
    counted = ranked if query.area_range is None else ranked[query.counts_area(detections.counted_area[ranked])]
    of_detection.index_fill_(0, counted, Outcome.FALSE_POSITIVE)
    on_ignored = ignored.index_select(0, obj).to(torch.uint8)
    of_detection.index_copy_(0, matched, on_ignored.mul_(Outcome.IGNORED))  # else TRUE_POSITIVE, which is 0

    of_object = (taken_by < 0).to(torch.uint8).mul_(Outcome.FALSE_NEGATIVE).masked_fill_(ignored, Outcome.IGNORED)
    of_ground_truth = torch.full_like(ground_truth.labels, Outcome.IGNORED, dtype=torch.uint8)
    of_ground_truth.index_copy_(0, objects, of_object)
    return Matches(of_detection, of_ground_truth, detection_match, ground_truth_match)


def rank(detections: Detections, query: Query) -> Tensor:
    """Indices of the detections that take part, by group, and in a group by score, highest first."""
    ranked = query.scored(detections)
    if query.labels is not None:
        counted = positions(query.counts_label(detections.labels.index_select(0, ranked)))
        ranked = ranked.index_select(0, counted)
    group = detections.group.index_select(0, ranked)
    least = query.lowest_score if detections.given_as is None else 0.0  # in its own dtype one may be a little below
    order = _by_group_and_score(group, detections.scores.index_select(0, ranked), least)
    ranked, most = ranked.index_select(0, order), query.max_detections
    if len(ranked) <= most:
        return ranked
    group = group.index_select(0, order)
    below = group[most:] != group[:-most]  # the one so many places ahead is of another group
    if below.all():
        return ranked
    return torch.cat((ranked[:most], ranked[most:].index_select(0, positions(below))))


def _by_group_and_score(group: Tensor, scores: Tensor, least: float) -> Tensor:
    """Order by group, and in a group by score, highest first, ties as given; no score is below the least."""
    bits = _sortable(scores)
    if group.dtype == bits.dtype == torch.int32:  # one sort by both takes less time than two
        width = (_MOST_BITS - _bits_of(least, scores.dtype)).bit_length()
        return ascending_order((group.long() << width) - bits, shuffled=True)
    order = ascending_order(-bits)
    return order.index_select(0, ascending_order(group.index_select(0, order)))


def overlapping(
    detections: Detections,
    ground_truth: Detections | GroundTruth,
    ranked: Tensor,
    objects: Tensor,
    crowd: Tensor,
    least: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of equal group that overlap enough to match.

    Args:
        detections: of any number of images.
        ground_truth: of the same images.
        ranked: ``(n,)`` int64, which detections take part, by group.
        objects: ``(m,)`` int64, which objects do.
        crowd: ``(m,)`` bool, which of these are crowds.
        least: intersection over union.

    Returns:
        Positions in `ranked`; positions in `objects`; their intersection over union.
    """
    group, object_group = detections.group.index_select(0, ranked), ground_truth.group.index_select(0, objects)
    first, count = runs(group, object_group)
    detected = detections.geometry.take(ranked)
    found = list(ground_truth.geometry.take(objects).similarities(detected, first, count, crowd, least))
    if not found:
        return first[:0], first[:0], first[:0].double()
    obj, det, overlap = found[0] if len(found) == 1 else (torch.cat(parts) for parts in zip(*found, strict=True))
    return det, obj, overlap


def one_to_one(
    det: Tensor, obj: Tensor, overlap: Tensor, ignored: Tensor, crowd: Tensor, num_detections: int
) -> tuple[Tensor, Tensor]:
    """Which of the pairs from :func:`overlapping` match: one an object, but of crowds any number.

    Args:
        det: ``(p,)`` int64, detections; a smaller one has the higher score.
        obj: ``(p,)`` int64, objects.
        overlap: ``(p,)`` float64, of each pair.
        ignored: ``(m,)`` bool, which objects are taken only where no other can be.
        crowd: ``(m,)`` bool, which objects are crowds.
        num_detections: how many there are.

    Returns:
        ``(k,)`` detections and ``(k,)`` objects of the pairs that match.
    """
    preference = _sortable(overlap) - ignored.index_select(0, obj) * 2**62  # the bits of an IoU are below 2^62
    return _deferred_acceptance(det, obj, preference, crowd, num_detections)


def _sortable(values: Tensor) -> Tensor:
    """Integers that sort as floats of at least 0 do, and three times as fast: their bits."""
    if values.dtype != torch.float64:
        return (values.float() + 0.0).view(torch.int32)  # + 0 turns -0 into 0
    return (values + 0.0).view(torch.int64)


@cache
def _bits_of(score: float, dtype: torch.dtype) -> int:
    """What :func:`_sortable` makes of a number in a dtype."""
    return int(_sortable(torch.tensor(score, dtype=dtype, device="cpu")))


def _deferred_acceptance(
    det: Tensor, obj: Tensor, preference: Tensor, crowd: Tensor, num_detections: int
) -> tuple[Tensor, Tensor]:
    """The stable matching of a list of pairs; a smaller `det` ranks higher.

    Each round every detection proposes along the pair left that it prefers, of several to the later object. An object
    holds on to the best-ranked detection that proposed; it will never take a lower-ranked one, so all such pairs are
    struck.
    """
    held_by = torch.full_like(crowd, num_detections, dtype=torch.int64)
    favourite = torch.empty(num_detections, dtype=torch.int64, device=det.device)
    while True:
        best = scatter_extreme_(favourite.fill_(_LEAST), det, preference, "amax").index_select(0, det)
        of_best = torch.where(preference == best, obj, -1)
        proposes = obj == scatter_extreme_(favourite.fill_(-1), det, of_best, "amax").index_select(0, det)
        scatter_extreme_(held_by, obj, torch.where(proposes, det, num_detections), "amin")
        stands = positions((det <= held_by.index_select(0, obj)) | crowd.index_select(0, obj))
        if len(stands) == len(det):
            accepted = positions(proposes)
            return det.index_select(0, accepted), obj.index_select(0, accepted)
        det, obj, preference = (part.index_select(0, stands) for part in (det, obj, preference))
