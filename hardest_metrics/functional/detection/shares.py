"""Sums of an image's errors, split by kind and by label: all that several definitions ask for, from one matching."""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor

from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.error_kinds import Kind, error_kinds
from hardest_metrics.functional.detection.hardness import named_weighting, sums_by, weighed
from hardest_metrics.functional.detection.matching import Matches, Query, match
from hardest_metrics.functional.detection.weighting import Errors, Weighting, WeightingName
from hardest_metrics.functional.eager import eager
from hardest_metrics.functional.order import first_places, positions


class Share(NamedTuple):
    """Which of an image's errors to add up, and how.

    Attributes:
        weighting: by name, or a function.
        kind: None for both sums, of false positives and of false negatives, side by side.
        background_threshold: what kinds are told apart by; of no meaning without.
        label: None for errors of all labels that the query counts.
    """

    weighting: WeightingName | Weighting
    kind: Kind | None = None
    background_threshold: float = 0.0
    label: int | None = None


@eager
@torch.no_grad()
def share_sums(batch: Batch, query: Query, shares: Sequence[Share]) -> Mapping[Hashable, Tensor]:
    """The sums of all images that are asked for. Boxes are matched and weighed once, and kinds found once a threshold.

    The label of an error is that of its box: what was detected, or what the object that was missed is.

    Args:
        batch: `N` images.
        query: which boxes count.
        shares: what to add up.

    Returns:
        By share, float32 ``(N,)``, or ``(N, 2)`` without a kind.

    Raises:
        ValueError: if a weighting gives weights of another shape, negative or infinite ones.
    """
    matches = match(batch.detections, batch.ground_truth, query)
    weightings = list(dict.fromkeys(share.weighting for share in shares))
    errors, weights = weighed(batch, matches, [named_weighting(weighting) for weighting in weightings])
    weights_of = dict(zip(weightings, weights, strict=True))
    split: dict[tuple[float | None, bool], list[Share]] = {}
    for share in shares:
        threshold = None if share.kind is None else share.background_threshold
        split.setdefault((threshold, share.label is not None), []).append(share)
    found: dict[Hashable, Tensor] = {}
    for (threshold, by_label), alike in split.items():
        if threshold is None:
            parts, part = 2, errors.missed.long()
        else:
            parts, part = len(Kind), _kind_of(errors, batch, matches, query, threshold)
        found |= _added_up(alike, part, parts, errors, len(batch), weights_of, by_label)
    return found


def _kind_of(errors: Errors, batch: Batch, matches: Matches, query: Query, threshold: float) -> Tensor:
    """``(n,)`` int64: the kind of each error."""
    kinds = error_kinds(batch, matches, query, threshold)
    (_, wrong), (_, missed) = errors.parts
    return torch.cat((kinds.detections.index_select(0, wrong), kinds.ground_truth.index_select(0, missed))).long()


def _added_up(
    shares: Sequence[Share],
    part: Tensor,
    parts: int,
    errors: Errors,
    number: int,
    weights_of: Mapping[WeightingName | Weighting, Tensor],
    by_label: bool,
) -> dict[Hashable, Tensor]:
    """What shares that are split alike come to.

    Args:
        shares: all with a label, or none.
        part: ``(n,)`` int64, in which part of its image's errors each is.
        parts: how many there are.
        errors: all `n` of them.
        number: of images.
        weights_of: of the errors.
        by_label: whether the shares have labels.
    """
    weightings = list(dict.fromkeys(share.weighting for share in shares))
    weights = [weights_of[weighting] for weighting in weightings]
    image, place_of = errors.image, dict[int | None, int]({None: 0})
    place = part
    if by_label:
        labels = sorted({cast(int, share.label) for share in shares})
        place_of = {label: position for position, label in enumerate(labels)}
        asked = torch.tensor(labels, device=image.device)
        of_label = first_places(asked, errors.labels).clamp(max=len(labels) - 1)
        kept = positions(asked.index_select(0, of_label) == errors.labels)
        image, part, of_label = (column.index_select(0, kept) for column in (image, part, of_label))
        weights = [column.index_select(0, kept) for column in weights]
        place = of_label * parts + part
    # what is of one label and part lies side by side: each share is a piece of the memory of all
    sums = sums_by(place * number + image, len(place_of) * parts * number, weights).float()
    tables = dict(zip(weightings, sums.reshape(len(weightings), len(place_of), parts, number), strict=True))
    found: dict[Hashable, Tensor] = {}
    for share in shares:
        table = tables[share.weighting][place_of[share.label]]
        found[share] = table.T if share.kind is None else table[share.kind]
    return found
