"""Where compiled programs leave their graph."""

from collections.abc import Callable
from typing import TypeVar, cast

import torch

_Function = TypeVar("_Function", bound=Callable[..., object])


def eager(function: _Function) -> _Function:
    """Run a function as it is, also when `torch.compile` compiles what calls it.

    Sizes here depend on what a batch holds: how many boxes score high enough, how many pairs overlap. There is no graph
    to compile, and looking for one takes minutes at the first batch.
    """
    return cast(_Function, torch.compiler.disable(function))
