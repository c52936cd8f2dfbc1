"""Rankings by several detectors, definitions and estimators side by side, and how well they agree with the labels."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hardest_metrics.comparison.comparison import LABELS, Comparison, RankedBy
    from hardest_metrics.comparison.engine import Kept, compare

__all__ = ["LABELS", "Comparison", "Kept", "RankedBy", "compare"]

_HOMES = {
    "LABELS": "comparison",
    "Comparison": "comparison",
    "Kept": "engine",
    "RankedBy": "comparison",
    "compare": "engine",
}


def __getattr__(name: str) -> object:
    """Import what is asked for when it is asked for: what was computed before is shown without torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
