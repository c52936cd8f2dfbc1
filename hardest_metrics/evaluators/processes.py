"""What processes of one evaluation tell each other; one process alone tells itself."""

from typing import TypeVar

import torch.distributed as dist

_Told = TypeVar("_Told")


def several() -> bool:
    """Whether there are others."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def is_first() -> bool:
    """Whether this process writes."""
    return not several() or dist.get_rank() == 0


def told(mine: _Told) -> list[_Told]:
    """What each process says, by rank. All must ask together."""
    if not several():
        return [mine]
    parts: list[_Told | None] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, mine)
    return parts  # type: ignore[return-value]  # every place is filled


def of_first(mine: _Told) -> _Told:
    """What the first process says. All must ask together."""
    if not several():
        return mine
    said = [mine]
    dist.broadcast_object_list(said, src=0)
    return said[0]
