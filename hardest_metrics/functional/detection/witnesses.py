"""What other detectors say of a detector's boxes, and of objects that it has no box for.

Each box that any of them proposes is an object with a probability that follows from log-odds: of the detector's own
score, and of the score of the one box of each witness that is matched to it. Hardness is then expected in closed form,
see :func:`~hardest_metrics.functional.detection.estimation.moments_given`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

from hardest_metrics.functional.detection.boxes import Batch, Detections, group_numbers
from hardest_metrics.functional.detection.estimation import moments_given, participants
from hardest_metrics.functional.detection.geometry import shared_areas
from hardest_metrics.functional.detection.matching import Query, one_to_one, overlapping, rank
from hardest_metrics.functional.detection.weighting import WeightingName
from hardest_metrics.functional.eager import eager
from hardest_metrics.functional.order import ascending_order, positions, runs

#: The score that a witness is taken to give an object for which it has no box.
ABSENT = 0.02

#: Scores nearer to 0 and 1 are taken for this far away: a witness is never so sure that no other is heard.
_NEAREST = 1e-4


def log_odds(scores: Tensor) -> Tensor:
    """``(n,)`` float64 log-odds of scores in [0, 1], within ±9.2."""
    return scores.double().logit(eps=_NEAREST)


def _nothing_unseen() -> Mapping[WeightingName, tuple[float, float]]:
    return dict.fromkeys(get_args(WeightingName), (0.0, 0.0))


@dataclass(frozen=True)
class WitnessModel:
    """How likely boxes are objects, by what the detector and its witnesses say of them.

    Without arguments it needs no labels: log-odds are the mean of the detector's own and the mean over the witnesses.
    :func:`hardest_metrics.calibration.fit_witness_model` learns one from some twenty to forty labelled images.

    Args:
        own: of the detector's boxes: what the log-odds of their score are multiplied by, what the mean log-odds of the
            witnesses are multiplied by, and what is added.
        alone: of boxes that witnesses alone have: what their mean log-odds are multiplied by, and what is added.
        unseen: by weighting, mean and variance of what objects that nobody proposes weigh in an image.

    Raises:
        ValueError: if it holds other than finite numbers, or as many as said; a mean or variance below 0; or another
            weighting.

    Example:
        >>> model = WitnessModel(own=(1.0, 0.5, -0.5))
        >>> model.probabilities(torch.tensor([0.5, 0.9]), torch.tensor([0.0, 1.0]), torch.tensor([True, True]))
        tensor([0.3775, 0.9000], dtype=torch.float64)
    """

    own: tuple[float, float, float] = (0.5, 0.5, 0.0)
    alone: tuple[float, float] = (0.5, 0.5 * math.log(ABSENT / (1 - ABSENT)))
    unseen: Mapping[WeightingName, tuple[float, float]] = field(default_factory=_nothing_unseen)

    def __post_init__(self) -> None:
        for name, number in (("own", 3), ("alone", 2)):
            object.__setattr__(self, name, _numbers(f"`{name}`", getattr(self, name), number))
        known = get_args(WeightingName)
        if not set(self.unseen) <= set(known):
            raise ValueError(
                f"`unseen` must give a mean and variance to some of {known}, by name, but is {self.unseen}."
            )
        unseen = {name: _numbers(f"`unseen` of {name}", self.unseen[name], 2) for name in known if name in self.unseen}
        for weighting, moments in unseen.items():
            if min(moments) < 0:
                raise ValueError(f"`unseen` of {weighting} must be at least 0, but is {moments}.")
        object.__setattr__(self, "unseen", MappingProxyType(unseen))

    def __reduce__(self) -> tuple[type["WitnessModel"], tuple[object, ...]]:
        return type(self), (self.own, self.alone, dict(self.unseen))  # a view of a dict is not pickled

    def __repr__(self) -> str:
        own, alone = (tuple(float(f"{number:.4g}") for number in numbers) for numbers in (self.own, self.alone))
        return f"WitnessModel(own={own}, alone={alone})"

    def __hash__(self) -> int:
        return hash(self.settings)

    @property
    def settings(self) -> str:
        """All that it is, as a call."""
        return f"witness_model(own={self.own}, alone={self.alone}, unseen={dict(self.unseen)})"

    def probabilities(self, scores: Tensor, witness: Tensor, own: Tensor) -> Tensor:
        """The probability of each box to be an object.

        Args:
            scores: ``(n,)`` in [0, 1], the detector's; not looked at where it has no such box.
            witness: ``(n,)``, mean log-odds of the witnesses.
            own: ``(n,)`` bool, whether the box is the detector's.

        Returns:
            ``(n,)`` float64 in [0, 1].
        """
        of_score, of_witness, offset = self.own
        of_alone, offset_alone = self.alone
        of_own = of_score * log_odds(scores) + of_witness * witness + offset
        return torch.where(own, of_own, of_alone * witness + offset_alone).sigmoid().double()


def _numbers(name: str, values: Sequence[float], number: int) -> tuple[float, ...]:
    """So many finite numbers."""
    try:
        numbers = tuple(map(float, values))
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != number or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{name} must hold {number} finite numbers, but is {values!r}.")
    return numbers


class Proposals(NamedTuple):
    """Boxes of a detector, and those of its witnesses that show other objects.

    Attributes:
        batch: all these as detections, image by image, those of witnesses alone with score 0; ground truth, ids and
            sizes are those of the detector's batch.
        witness: ``(n,)`` float64, what the witnesses say of a box: the mean of their log-odds.
        own: ``(n,)`` bool, whether the detector has the box.
        takes_part: ``(n,)`` bool, whether it is one of the detector's that take part in matching under the query.
    """

    batch: Batch
    witness: Tensor
    own: Tensor
    takes_part: Tensor


@eager
@torch.no_grad()
def propose(batch: Batch, witnesses: Sequence[Batch], query: Query) -> Proposals:
    """Hear witnesses: which of their boxes are those of a detector, and which show something else.

    Of each witness, boxes that overlap a higher-scoring one of the same label enough to match the same object are left
    out. The others are matched to the boxes proposed so far, the detector's first, one to one and whatever their
    scores; where a witness has no box for one, it is taken to have said :data:`ABSENT`. What it has besides, and lies
    on no box of that label, is proposed too.

    Args:
        batch: the detector's boxes in `N` images.
        witnesses: of each, its boxes in the same images; at least one.
        query: which labels count, and from which IoU on boxes are of the same object.

    Example:
        >>> from hardest_metrics.functional import no_labels, pack
        >>> def boxes(corners, scores):
        ...     labels = torch.ones(len(scores)).int()
        ...     return pack([{"boxes": torch.tensor(corners), "scores": scores, "labels": labels}], no_labels(1))
        >>> detector = boxes([[0.0, 0, 9, 9]], torch.tensor([0.9]))
        >>> witness = boxes([[0.0, 0, 9, 8], [0, 0, 8, 9], [20, 20, 29, 29]], torch.tensor([0.5, 0.3, 0.5]))
        >>> found = propose(detector, [witness], Query())
        >>> found.batch.detections.xywh.tolist(), found.witness, found.own
        ([[0.0, 0.0, 9.0, 9.0], [20.0, 20.0, 9.0, 9.0]], tensor([0., 0.], dtype=torch.float64), tensor([ True, False]))
    """
    every = replace(query.of_any_score(), area_range=None)  # an area says nothing about whose box it is
    boxes, number = batch.detections, len(batch)
    own = torch.ones(len(boxes), dtype=torch.bool, device=boxes.labels.device)
    takes_part = torch.zeros_like(own).index_fill_(0, participants(boxes, query), True)
    absent = log_odds(torch.tensor([ABSENT], dtype=torch.float64, device=own.device))
    sums = torch.zeros(len(boxes), dtype=torch.float64, device=own.device)
    limits = batch.label_range
    for heard, witness in enumerate(witnesses):
        limits = min(limits[0], witness.label_range[0]), max(limits[1], witness.label_range[1])
        seen = witness.detections
        seen = seen.take(_without_duplicates(seen, every))
        groups = group_numbers((boxes.labels, seen.labels), (boxes.image, seen.image), limits, number)
        boxes, seen = replace(boxes, group=groups[0]), replace(seen, group=groups[1])
        said = log_odds(seen.scores)
        match_of_box, elsewhere = _compared(boxes, seen, every)
        sums = sums + torch.cat((said, absent))[match_of_box]  # that of none is at -1, the last
        added = positions(elsewhere)
        boxes, order = _with_added(boxes, seen.take(added))
        sums = torch.cat((sums, said[added] + heard * absent))[order]
        own, takes_part = (torch.cat((mask, mask.new_zeros(len(added))))[order] for mask in (own, takes_part))
    objects = batch.ground_truth
    groups = group_numbers((boxes.labels, objects.labels), (boxes.image, objects.image), limits, number)
    together = replace(
        batch,
        detections=replace(boxes, group=groups[0]),
        ground_truth=replace(objects, group=groups[1]),
        label_range=limits,
    )
    return Proposals(together, sums / len(witnesses), own, takes_part)


def witness_moments(proposals: Proposals, query: Query, weighting: WeightingName, model: WitnessModel) -> Tensor:
    """Mean and standard deviation of hardness, going by what a detector and its witnesses propose.

    Args:
        proposals: from :func:`propose`, under the same query.
        query: which boxes count.
        weighting: ``"none"``, ``"pixel"`` or ``"overlap"``.
        model: how likely each box is an object.

    Returns:
        ``(N, 3, 2)`` float64: of false positives, of false negatives and of both together; mean and standard
        deviation. NaN for pixel weighting without image sizes.

    Raises:
        ValueError: if the model does not know the weighting.
    """
    require_weighting(model, weighting)
    scores = proposals.batch.detections.scores
    right = model.probabilities(scores, proposals.witness, proposals.own)
    moments = moments_given(proposals.batch, query, weighting, right, proposals.takes_part)
    mean, variance = model.unseen[weighting]
    moments[:, 1:, 0] += mean  # objects that nobody proposes are missed
    moments[:, 1:, 1] = (moments[:, 1:, 1].square() + variance).sqrt()
    return moments


def require_weighting(model: WitnessModel, weighting: WeightingName) -> None:
    """Refuse a model that was fitted without what a weighting needs.

    Raises:
        ValueError: if it does not know the weighting.
    """
    if weighting not in model.unseen:
        raise ValueError(
            f"`model` knows nothing of weighting {weighting!r}, but of {', '.join(model.unseen) or 'none'}: fit it to"
            " images whose 'image_size' is given."
        )


def _without_duplicates(boxes: Detections, query: Query) -> Tensor:
    """``(k,)`` int64, ascending: boxes that overlap no box that is kept of their group and of higher score enough."""
    # Non-maximum suppression asks the boxes in turn. Here all are asked at once, again and again: after as many rounds
    # as a chain of boxes that overlap is long nothing changes any more, and that is the same
    ranked = rank(boxes, query)
    kept = torch.ones(len(ranked), dtype=torch.bool, device=ranked.device)
    higher, lower = _too_close(boxes.take(ranked), query.iou_threshold)
    while True:
        suppressed = lower.index_select(0, positions(kept.index_select(0, higher)))
        now = torch.ones_like(kept).index_fill_(0, suppressed, False)
        if torch.equal(now, kept):
            chosen = torch.zeros(len(boxes), dtype=torch.bool, device=ranked.device)
            return positions(chosen.index_fill_(0, ranked.index_select(0, positions(kept)), True))
        kept = now


def _too_close(ranked: Detections, iou_threshold: float) -> tuple[Tensor, Tensor]:
    """Pairs of boxes of a group that overlap so much, the first of higher score; given in order of group and score."""
    first, count = runs(ranked.group, ranked.group)
    place, area = torch.arange(len(ranked), device=first.device), ranked.box_area
    pairs = [(place[:0], place[:0])]
    for i, j, shared in shared_areas(ranked.xywh, ranked.xywh, place + 1, first + count - place - 1):
        union = area.index_select(0, i) + area.index_select(0, j) - shared
        close = positions((shared >= iou_threshold * union) & (shared > 0))
        pairs.append((i.index_select(0, close), j.index_select(0, close)))
    higher, lower = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return higher, lower


def _compared(boxes: Detections, seen: Detections, query: Query) -> tuple[Tensor, Tensor]:
    """What a witness sees, matched to boxes one to one.

    Returns:
        ``(n,)`` int64, the match of each of `boxes` in `seen`, -1 for none; and ``(m,)`` bool, which of those seen
        overlap none of `boxes` of their group enough to show the same object.
    """
    ranked, counted = rank(boxes, query), query.counts_label(seen.labels)
    objects = positions(counted)
    no_crowd = torch.zeros_like(objects, dtype=torch.bool)
    box, object_, overlap = overlapping(boxes, seen, ranked, objects, no_crowd, query.least_iou)
    elsewhere = counted.index_fill(0, objects.index_select(0, object_), False)
    box, object_ = one_to_one(box, object_, overlap, no_crowd, no_crowd, len(ranked))
    match_of_box = torch.full_like(boxes.labels, -1)
    match_of_box.index_copy_(0, ranked.index_select(0, box), objects.index_select(0, object_))
    return match_of_box, elsewhere


def _with_added(boxes: Detections, added: Detections) -> tuple[Detections, Tensor]:
    """Both, image by image, those added with score 0; and the ``(n,)`` int64 places that they had before."""
    columns: dict[str, Any] = {
        name: torch.cat((getattr(boxes, name), getattr(added, name))) for name in ("xywh", "labels", "image", "group")
    }
    columns["scores"] = torch.cat((boxes.scores, boxes.scores.new_zeros(len(added))))
    if boxes.given_as is not None:
        columns["given_as"] = torch.cat((boxes.given_as, boxes.given_as.new_zeros(len(added))))
    order = ascending_order(columns["image"])
    return Detections(**columns).take(order), order
