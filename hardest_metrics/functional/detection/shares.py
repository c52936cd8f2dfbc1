"""Sums of an image's errors, split by kind and by label: all that several definitions ask for, from one matching.

Hundreds of shares may be asked for, so that they are kept as a few tables, and looked up as pieces of these.
"""

from bisect import bisect_left
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor

from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.hardness import named_weighting, sums_by, weighed
from hardest_metrics.functional.detection.kinds import Kind, error_kinds
from hardest_metrics.functional.detection.matching import Matches, Query, match
from hardest_metrics.functional.detection.weighting import Errors, Weighting, WeightingName
from hardest_metrics.functional.eager import eager
from hardest_metrics.functional.order import first_places, positions


class Share(NamedTuple):
    """Which of an image's errors to add up, and how.

    Attributes:
        weighting: by name, or a function.
        kind: None for both sums, of false positives and of false negatives, side by side.
        background_threshold: what kinds are told apart by; None without.
        label: None for errors of all labels that the query counts. The label of an error is that of its box: what was
            detected, or what the object that was missed is.
    """

    weighting: WeightingName | Weighting
    kind: Kind | None = None
    background_threshold: float | None = None
    label: int | None = None


class Table(NamedTuple):
    """Shares that one table holds, ``(N, P)`` or ``(N, L, P)`` float32.

    Attributes:
        weighting: of all of them.
        background_threshold: then the `P` parts are kinds, in the order of :class:`Kind`; else they are false positives
            and false negatives.
        labels: the `L` labels, ascending; None where all count as one.
    """

    weighting: WeightingName | Weighting
    background_threshold: float | None
    labels: tuple[int, ...] | None


class Shares(Mapping[Hashable, Tensor]):
    """What shares of some images come to, looked up in tables.

    Args:
        places: the table of each share, see :func:`tables_of`.
        tables: their content.
    """

    def __init__(self, places: Mapping[Share, Table], tables: Mapping[Hashable, Tensor]) -> None:
        self._places, self._tables = places, tables

    def __getitem__(self, share: Hashable) -> Tensor:
        share = cast(Share, share)
        place = self._places[share]
        table = self._tables[place]
        if place.labels is not None:
            table = table[:, bisect_left(place.labels, cast(int, share.label))]
        return table if share.kind is None else table[:, share.kind]

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def tables_of(shares: Sequence[Share]) -> dict[Share, Table]:
    """The table that each share is to be found in: as few as can be."""
    labels: dict[tuple[WeightingName | Weighting, float | None], set[int]] = {}
    for share in shares:
        if share.label is not None:
            labels.setdefault((share.weighting, share.background_threshold), set()).add(share.label)
    together = {split: tuple(sorted(found)) for split, found in labels.items()}
    return {
        share: Table(
            share.weighting,
            share.background_threshold,
            None if share.label is None else together[share.weighting, share.background_threshold],
        )
        for share in shares
    }


@eager
@torch.no_grad()
def share_tables(batch: Batch, query: Query, tables: Sequence[Table]) -> dict[Hashable, Tensor]:
    """The content of tables. Boxes are matched and weighed once, and kinds found once a background threshold.

    Args:
        batch: `N` images.
        query: which boxes count.
        tables: what to add up.

    Returns:
        By table, float32.

    Raises:
        ValueError: if a weighting gives weights of another shape, negative or infinite ones.
    """
    matches = match(batch.detections, batch.ground_truth, query)
    weightings = list(dict.fromkeys(table.weighting for table in tables))
    errors, weights = weighed(batch, matches, [named_weighting(weighting) for weighting in weightings])
    weights_of = dict(zip(weightings, weights, strict=True))
    alike: dict[tuple[float | None, tuple[int, ...] | None], list[Table]] = {}
    for table in tables:
        alike.setdefault((table.background_threshold, table.labels), []).append(table)
    parts = {threshold: _part_of(errors, batch, matches, query, threshold) for threshold, _ in alike}
    found: dict[Hashable, Tensor] = {}
    for (threshold, labels), of_split in alike.items():
        number = 2 if threshold is None else len(Kind)
        asked = [weights_of[table.weighting] for table in of_split]
        found.update(zip(of_split, _added_up(errors, asked, labels, parts[threshold], number, len(batch)), strict=True))
    return found


def _part_of(errors: Errors, batch: Batch, matches: Matches, query: Query, threshold: float | None) -> Tensor:
    """``(n,)`` int64: the kind of each error; without a threshold whether it is missed."""
    if threshold is None:
        return errors.missed.long()
    kinds = error_kinds(batch, matches, query, threshold)
    (_, wrong), (_, missed) = errors.parts
    return torch.cat((kinds.detections.index_select(0, wrong), kinds.ground_truth.index_select(0, missed))).long()


def _added_up(
    errors: Errors, weights: Sequence[Tensor], labels: tuple[int, ...] | None, part: Tensor, parts: int, images: int
) -> Sequence[Tensor]:
    """Weights of `n` errors, added up by image, label where these are told apart, and part, for each weighting."""
    image = errors.image
    if labels is None:
        return (
            sums_by(image * parts + part, images * parts, weights).float().reshape(len(weights), images, parts).unbind()
        )
    counted = torch.tensor(labels, device=image.device)
    place = first_places(counted, errors.labels).clamp_(max=len(labels) - 1)
    asked = positions(counted.index_select(0, place) == errors.labels)
    place = ((image * len(labels) + place) * parts + part).index_select(0, asked)
    sums = sums_by(place, images * len(labels) * parts, [each.index_select(0, asked) for each in weights])
    return sums.float().reshape(len(weights), images, len(labels), parts).unbind()
