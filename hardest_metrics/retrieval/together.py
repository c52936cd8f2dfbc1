"""Members of a collection that hold the same, gathered and evaluated once."""

import operator
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors

from hardest_metrics.promises import require_equal_settings
from hardest_metrics.retrieval.evaluation import evaluate

if TYPE_CHECKING:
    from hardest_metrics.retrieval.base import RetrievalMetric


def compute_together(members: "Sequence[RetrievalMetric[Any]]") -> list[Any] | None:
    """What metrics that hold the same images give, gathered and evaluated once; None if each is left to itself.

    All processes agree on that, as all must then gather alike.

    Raises:
        ValueError: on all processes, if these compute different metrics, or what `compute` raises.
    """
    first = members[0]
    alike = all(_gathered_alike(first, member) and _same_state(first, member) for member in members)
    if first._to_sync and first.distributed_available_fn() and not first._is_synced:
        alike = _all_processes(alike, members)
    elif len(members) < 2 or any(vars(member)["_computed"] is not None for member in members):
        return None  # nothing to save
    if not alike:
        return None
    with torch.no_grad(), first.sync_context(dist_sync_fn=first.dist_sync_fn, should_sync=first._to_sync):
        rows = first._images_once()
        found = evaluate(members, rows.columns, first._sharing)
        return [member._result(rows, member._accepted(one)) for member, one in zip(members, found, strict=True)]


def same_chunks(some: Mapping[str, Sequence[Tensor]], others: Mapping[str, Sequence[Tensor]]) -> bool:
    """Whether two states are of the very same tensors."""
    pairs = [(chunks, others[name]) for name, chunks in some.items()]
    return all(len(one) == len(other) and all(map(operator.is_, one, other)) for one, other in pairs)


def _gathered_alike(first: "RetrievalMetric[Any]", member: "RetrievalMetric[Any]") -> bool:
    how = ("dist_sync_fn", "process_group", "_to_sync", "_is_synced", "device")
    return all(getattr(first, name) == getattr(member, name) for name in how)


def _same_state(first: "RetrievalMetric[Any]", member: "RetrievalMetric[Any]") -> bool:
    if same_chunks(first._chunks(), member._chunks()):
        return True
    ours, theirs = first._images(), member._images()
    pairs = [(ours.image_ids, theirs.image_ids), *((ours.columns[name], theirs.columns[name]) for name in ours.columns)]
    return all(torch.equal(one, other) for one, other in pairs)


def _all_processes(alike: bool, members: "Sequence[RetrievalMetric[Any]]") -> bool:
    """Whether the same is so on all processes; they must compute the same metrics."""
    first = members[0]
    gather = partial(first.dist_sync_fn or gather_all_tensors, group=first.process_group)
    # Settings first, as every metric sends when it is gathered: one that meets another is told so, and does not wait
    require_equal_settings(" and ".join(map(repr, members)), gather, first.device)
    return all(bool(part) for part in gather(torch.tensor(alike, device=first.device)))
