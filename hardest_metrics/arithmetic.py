"""Arithmetic on metrics, as torchmetrics has it, is on numbers: a metric that gives a ranking refuses it at once."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

#: What torchmetrics makes a composition of; but ``[]``, as parts of a ranking are tensors, and ``==``, which lists ask.
_BINARY = ("add", "and", "floordiv", "matmul", "mod", "mul", "or", "pow", "sub", "truediv", "xor")
_ONE_WAY = ("ge", "gt", "le", "lt", "abs", "inv", "invert", "neg", "pos")
OPERATORS = [f"__{name}__" for name in (*_BINARY, *(f"r{name}" for name in _BINARY), *_ONE_WAY)]

C = TypeVar("C", bound=type)


def only_with_reduction(cls: C) -> C:
    """A class of metrics whose instances without `reduction` take no part in arithmetic.

    Args:
        cls: a class of metrics that have a `reduction`, None where they give rankings.
    """

    def checked(operation: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(operation)
        def composed(*operands: Any) -> Any:
            for operand in operands:
                if isinstance(operand, cls) and getattr(operand, "reduction", None) is None:
                    raise TypeError(
                        f"{operand!r} gives a ranking, which is no number to calculate with: give it a `reduction`,"
                        " such as reduction='mean'."
                    )
            return operation(*operands)

        return composed

    for name in OPERATORS:
        setattr(cls, name, checked(getattr(cls, name)))
    return cls
