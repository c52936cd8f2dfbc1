"""Members of a collection that hold the same, gathered and evaluated once."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torchmetrics.utilities.data import _squeeze_if_scalar
from torchmetrics.utilities.distributed import gather_all_tensors

from hardest_metrics.retrieval.evaluation import evaluate

if TYPE_CHECKING:
    from hardest_metrics.retrieval.base import RetrievalMetric


def compute_together(members: "Sequence[RetrievalMetric[Any]]") -> None:
    """Let metrics know their values at once where they hold the same images; else leave each to itself.

    All processes agree on that, as all must then gather alike.

    Raises:
        ValueError: on all processes, if these compute different metrics, or what `compute` raises.
    """
    first = members[0]
    available = first.distributed_available_fn
    if first._to_sync and callable(available) and available():
        for member in members:  # what one process kept, another may not have
            member._computed = None
    kept = [vars(member)["_computed"] is not None or not member.compute_with_cache for member in members]
    if len(members) < 2 or any(kept):
        return
    alike = all(_gathered_alike(first, member) and _same_state(first, member) for member in members)
    if first._to_sync and callable(available) and available() and not first._is_synced:
        alike = _all_processes(alike, first, len(members))
    if not alike:
        return
    with (
        torch.no_grad(),
        first.sync_context(
            dist_sync_fn=first.dist_sync_fn, should_sync=first._to_sync, should_unsync=first._should_unsync
        ),
    ):
        rows = first._images_once()
        found = evaluate(members, rows.columns, first._sharing)
        values = [member._result(rows, member._accepted(one)) for member, one in zip(members, found, strict=True)]
    for member, value in zip(members, values, strict=True):
        vars(member).update(_computed=_squeeze_if_scalar(value), _computed_just_now=True)


def same_chunks(some: Mapping[str, Sequence[Tensor]], others: Mapping[str, Sequence[Tensor]]) -> bool:
    """Whether two states are of the very same tensors."""
    return all(
        len(chunks) == len(others[name]) and all(map(_is, chunks, others[name])) for name, chunks in some.items()
    )


def _is(one: Tensor, other: Tensor) -> bool:
    return one is other


def _gathered_alike(first: "RetrievalMetric[Any]", member: "RetrievalMetric[Any]") -> bool:
    how = ("dist_sync_fn", "process_group", "_to_sync", "_should_unsync", "_is_synced", "device")
    return all(getattr(first, name) == getattr(member, name) for name in how)


def _same_state(first: "RetrievalMetric[Any]", member: "RetrievalMetric[Any]") -> bool:
    if same_chunks(first._chunks(), member._chunks()):
        return True
    ours, theirs = first._images(), member._images()
    pairs = [(ours.image_ids, theirs.image_ids), *((ours.columns[name], theirs.columns[name]) for name in ours.columns)]
    return all(map(torch.equal, *zip(*pairs, strict=True)))


def _all_processes(alike: bool, first: "RetrievalMetric[Any]", number: int) -> bool:
    """Whether the same is so on all processes; they must compute the same metrics."""
    # Bytes, as every metric sends first when it is gathered: one that meets another is told so, and does not wait
    said = f"{first.settings} x {number}#{'together' if alike else 'apart'}"
    here = torch.tensor(list(said.encode()), dtype=torch.uint8, device=first.device)
    parts = (first.dist_sync_fn or gather_all_tensors)(here, group=first.process_group)
    words = [bytes(part.tolist()).decode() for part in parts]
    for process, other in enumerate(words):
        if other.split("#")[0] != words[0].split("#")[0]:
            raise ValueError(
                f"Process {process} ranks by {other.split('#')[0]}, but process 0 by {words[0].split('#')[0]}: compute"
                " metrics of equal settings on all processes, in the same order."
            )
    return all(other.endswith("#together") for other in words)
