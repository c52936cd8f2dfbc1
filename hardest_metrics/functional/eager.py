"""Where compiled programs leave their graph, and nothing is cast."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar, cast

import torch

_Function = TypeVar("_Function", bound=Callable[..., object])


def eager(function: _Function) -> _Function:
    """Run a function as it is, also when `torch.compile` compiles what calls it.

    Sizes here depend on what a batch holds: how many boxes score high enough, how many pairs overlap. There is no graph
    to compile, and looking for one takes minutes at the first batch.
    """
    return cast(_Function, torch.compiler.disable(function))


@contextmanager
def without_autocast() -> Iterator[None]:
    """Leave dtypes as they are: what is compared and added up here must stay exact."""
    with ExitStack() as stack:
        for device_type in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device_type):
                stack.enter_context(torch.autocast(device_type, enabled=False))
        yield
