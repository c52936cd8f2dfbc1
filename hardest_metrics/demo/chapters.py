"""All chapters of the demonstration."""

from collections.abc import Callable, Mapping
from pathlib import Path

from hardest_metrics.demo import classification, detection, retrieval, transferability, trust
from hardest_metrics.demo.chapter import Chapter

#: What makes each in a folder, by the name of that folder, in the order in which they are shown.
CHAPTERS: Mapping[str, Callable[[Path], Chapter]] = {
    "detection": detection.chapter,
    "trust": trust.chapter,
    "classification": classification.chapter,
    "retrieval": retrieval.chapter,
    "transferability": transferability.chapter,
}
