"""A part of the demonstration: data, what is asked of them, and where to look."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Chapter(NamedTuple):
    """What one domain shows.

    Attributes:
        question: that is answered.
        data: what it is asked of.
        commands: arguments of ``hardest-metrics``, one call after the other.
        look_at: of files that the commands make, what is to be seen there.
    """

    question: str
    data: str
    commands: Sequence[Sequence[object]]
    look_at: Mapping[Path, str]
