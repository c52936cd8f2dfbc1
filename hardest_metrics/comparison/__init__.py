"""Rankings by several detectors, definitions and estimators side by side, and how well they agree with the labels."""

from typing import TYPE_CHECKING

from hardest_metrics._lazy import lazy

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

__getattr__ = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
