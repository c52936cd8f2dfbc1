"""Several metrics of hardness whose images are the same, ranked at once: images are sorted and joined once for all."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from hardest_metrics.ranking import Ranking
from hardest_metrics.rows import Rows, numbered_once


class Member(Protocol):
    """What has to be known of a metric of hardness."""

    _is_synced: bool
    _to_sync: bool
    _computed: Any
    _update_count: int
    compute_with_cache: bool
    distributed_available_fn: Any

    def _images(self) -> Rows: ...
    def _ranked(self, rows: Rows) -> tuple[Tensor, Tensor]: ...
    def _reduced(self, ranking: Ranking) -> Any: ...
    def _value(self, rows: Rows) -> Any: ...


def computed_together(members: Sequence[Member]) -> list[Any] | None:
    """What `compute` of each of several metrics gives; None to ask each, where they differ in their images."""
    if len(members) < 2 or not all(map(_ranks_alone, members)):
        return None
    parts = [member._images() for member in members]
    if not all(torch.equal(part.image_ids, parts[0].image_ids) for part in parts):
        return None
    with torch.no_grad():
        columns = {(place, name): part.columns[name] for place, part in enumerate(parts) for name in part.columns}
        once = numbered_once(Rows(parts[0].image_ids, cast(Mapping[str, Tensor], columns)))
        known = cast(Mapping[tuple[int, str], Tensor], once.columns)
        own = [{name: known[place, name] for name in part.columns} for place, part in enumerate(parts)]
        return ranked_together(members, [Rows(once.image_ids, columns) for columns in own])


def ranked_together(members: Sequence[Member], rows: Sequence[Rows]) -> list[Any]:
    """What `compute` of each of several metrics gives for its rows, of the same images."""
    ranked = [member._ranked(own) for member, own in zip(members, rows, strict=True)]
    image_ids, _ = ranked[0]
    if not all(ids is image_ids for ids, _ in ranked):  # some leave images out
        return [member._value(own) for member, own in zip(members, rows, strict=True)]
    each = Ranking.of_ascending(image_ids, torch.stack([hardness for _, hardness in ranked]))
    return [member._reduced(ranking) for member, ranking in zip(members, each, strict=True)]


def _ranks_alone(member: Member) -> bool:
    """Whether `compute` would gather from no other process, and has something to give that it did not before."""
    gathers = member._is_synced or (member._to_sync and member.distributed_available_fn())
    fresh = member._computed is None and member.compute_with_cache and member._update_count > 0
    return not gathers and fresh
