"""Scores that know which row of logits each of them was computed from."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

# By name, because one operation has several: `a * b`, `a.mul(b)`, `torch.mul(a, b)`.
_IN_PLACE = {"softmax", "sigmoid", "sqrt", "mul", "__mul__"}  # elements stay where they are
_MOVING = {"__getitem__", "__iter__", "cat", "flatten", "reshape", "split", "unbind", "view"}


class Traced(Tensor):
    """A tensor whose elements each come from one row of a table of logits, through whatever they pass.

    A detector's postprocessing turns logits into scores and then selects, sorts and joins them. Run on a traced
    tensor it does what it always does, on the same numbers, while the row of each element takes the same way.
    The result of an operation that is not followed is an ordinary tensor: rows are lost, never wrong.

    Attributes:
        rows: int64, of the tensor's shape: the row of the table that each element was computed from.
        logits_of: gives the logits, ``(n, K)``, of rows ``(n,)``.

    Example:
        >>> logits = torch.tensor([[0.0, 2.0], [3.0, 0.0], [1.0, 1.0]])
        >>> scores = trace(logits, logits.__getitem__).sigmoid().flatten().topk(2).values
        >>> scores.rows
        tensor([1, 0])
        >>> scores.logits_of(scores.rows)
        tensor([[3., 0.],
                [0., 2.]])
    """

    rows: Tensor
    logits_of: Callable[[Tensor], Tensor]

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **kwargs)
            name = getattr(func, "__name__", "")
            first: Any = args[0] if args else None
            rows: Any
            if name == "cat" and all(isinstance(part, Traced) for part in first):
                rows, logits_of = [part.rows for part in first], first[0].logits_of
            elif isinstance(first, Traced):
                rows, logits_of = first.rows, first.logits_of
            else:
                return result

            if name in _IN_PLACE:
                return _attach(result, rows, logits_of)
            if name == "topk" and first.ndim == 1:
                return type(result)((_attach(result.values, rows[result.indices], logits_of), result.indices))
            if name not in _MOVING:
                return result
            moved = func(rows, *args[1:], **kwargs)
            if isinstance(result, Tensor):
                return _attach(result, moved, logits_of)
            parts = [_attach(part, part_rows, logits_of) for part, part_rows in zip(result, moved, strict=True)]
            return iter(parts) if name == "__iter__" else parts


def trace(logits: Tensor, logits_of: Callable[[Tensor], Tensor]) -> Traced:
    """Logits ``(..., K)`` as a traced tensor, rows numbered 0, 1, ... in the order of ``logits.flatten(0, -2)``.

    Args:
        logits: ``(..., K)``, float.
        logits_of: gives the logits, ``(n, K)``, of rows ``(n,)``.
    """
    leading = logits.shape[:-1]
    rows = torch.arange(leading.numel(), device=logits.device).view(*leading, 1).expand_as(logits)
    return _attach(logits, rows, logits_of)


def _attach(values: Tensor, rows: Any, logits_of: Callable[[Tensor], Tensor]) -> Traced:
    traced = values.as_subclass(Traced)
    traced.rows, traced.logits_of = rows, logits_of
    return traced
