"""What every metric here promises beyond what torchmetrics does."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


def whole_or_not_at_all(metric: Metric, update: Callable[..., Any]) -> Callable[..., Any]:
    """A metric's update that also leaves torchmetrics' bookkeeping as it was where it refuses a batch."""

    @functools.wraps(update)
    def updated(*args: Any, **kwargs: Any) -> None:
        bookkeeping = metric._update_count, metric._computed
        try:
            update(*args, **kwargs)
        except BaseException:
            metric._update_count, metric._computed = bookkeeping
            raise

    return updated


def following_device(fn: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """What a module applies to its tensors, without its change of dtype: ids and sums must stay exact."""

    def moved_only(tensor: Tensor) -> Tensor:
        moved = fn(tensor)
        return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

    return moved_only


def require_equal_settings(settings: str, gather: Callable[[Tensor], list[Tensor]], device: torch.device) -> None:
    """Refuse, on all processes, to put together what was measured by different settings.

    Args:
        settings: of this process.
        gather: gives a tensor of each process.
        device: on which processes exchange tensors.

    Raises:
        ValueError: naming the settings of two processes.
    """
    here = torch.tensor(list(settings.encode()), dtype=torch.uint8, device=device)
    first, *others = (bytes(part.tolist()).decode() for part in gather(here))
    for number, other in enumerate(others, 1):
        if other != first:
            raise ValueError(
                f"Process {number} ranks by {other}, but process 0 by {first}: compute metrics of equal settings"
                " on all processes, in the same order."
            )
