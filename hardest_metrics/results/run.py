"""Runs of models over a data set: what is kept of each, as values."""

import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
import torch
import torchmetrics
from numpy.typing import NDArray

from hardest_metrics import __version__
from hardest_metrics.data.json_file import is_identifier
from hardest_metrics.numbering import Identifier

#: Values of some images by their key, ``(rows, numbers)`` of floating point each, by which a run is recognised.
Probe = Mapping[Identifier, NDArray[Any]]

_VERSIONS: Mapping[str, str] = {
    "hardest_metrics": __version__,
    "torch": torch.__version__,
    "torchmetrics": torchmetrics.__version__,
    "python": platform.python_version(),
}


class DataSet:
    """Images and their labels, by what people call them.

    Args:
        labels: by the key of each image, an integer or text, its label as text.

    Attributes:
        keys: of the images, numbers first, both ascending: the order in which everything is kept.
        labels: in that order.

    Raises:
        TypeError: if a key is neither an integer of 64 bits nor text.

    Example:
        >>> data = DataSet({"b.jpg": "3", "a.jpg": "0"})
        >>> data.keys, data.labels, data.digest[:8]
        (['a.jpg', 'b.jpg'], ['0', '3'], '22af815f')
    """

    def __init__(self, labels: Mapping[Any, str]) -> None:
        for key in labels:
            if not is_identifier(key) or isinstance(key, float):
                raise TypeError(f"Keys of images must be integers of 64 bits or text, but one is {key!r}.")
        self.keys: list[Identifier] = sorted(labels, key=lambda key: (isinstance(key, str), key))
        self.labels = [labels[key] for key in self.keys]

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def digest(self) -> str:
        """Tells data sets apart: SHA-256 of sorted keys and labels, in hexadecimal digits."""
        return sha256(json.dumps([self.keys, self.labels]).encode()).hexdigest()

    @cached_property
    def position(self) -> Mapping[Identifier, int]:
        """Where each image stands."""
        return {key: position for position, key in enumerate(self.keys)}

    def part(self, keys: Iterable[Identifier]) -> "DataSet":
        """Some of the images."""
        return DataSet({key: self.labels[self.position[key]] for key in keys})


class Result(NamedTuple):
    """A number that a run is judged by.

    Attributes:
        value: NaN where there was nothing to measure.
        higher_is_better: None if nobody said.
    """

    value: float
    higher_is_better: bool | None


class Hardness(NamedTuple):
    """Of every image of a run, in the order of the data set.

    Attributes:
        values: ``(N,)`` float32, finite.
        in_error: ``(N,)`` bool.
    """

    values: NDArray[np.float32]
    in_error: NDArray[np.bool_]


@dataclass(frozen=True)
class Run:
    """What is known of a run, besides what it said of each image.

    Args:
        kind: what evaluated it, such as ``"ImageNetEvaluator"``.
        results: by name, in order.
        images: how many.
        settings: what the results depend on besides model and data, of types that JSON knows.
        model_name: as people call it.
        model_description: further words on it.
        paper_arxiv_id: of its paper.
        paper_pwc_id: of its paper on Papers with Code.
        paper_results: what the paper claims, by names of results.
        seconds: that it took; None if nobody measured.
        peak_bytes: the most memory that it took on a device; None where there is none.
        partial: whether it was over a part of a data set on purpose.
        outputs: a digest of all that the model gave.
        fingerprint: of its weights.
        dataset: the digest of images and labels.
        id: tells runs apart.
        time: when it was kept, in UTC.
        versions: of the programs that it was made with.
        kept: whether it was not run now, but recognised as one that was kept.
    """

    kind: str
    results: Mapping[str, Result]
    images: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    model_name: str | None = None
    model_description: str | None = None
    paper_arxiv_id: str | None = None
    paper_pwc_id: str | None = None
    paper_results: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    peak_bytes: int | None = None
    partial: bool = False
    outputs: str | None = None
    fingerprint: str | None = None
    dataset: str = ""
    id: str = field(default_factory=lambda: uuid4().hex)
    time: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="milliseconds"))
    versions: Mapping[str, str] = field(default_factory=lambda: _VERSIONS)
    kept: bool = False

    @property
    def images_per_second(self) -> float | None:
        """How fast it was."""
        return self.images / self.seconds if self.seconds else None

    @property
    def against_paper(self) -> Mapping[str, float]:
        """By how much each result is above what the paper claims."""
        claims = self.paper_results
        return {name: result.value - claims[name] for name, result in self.results.items() if name in claims}

    def __str__(self) -> str:
        """One line: ``4f0c2a9b resnet50, 2026-01-31 12:00 UTC, 5 images``."""
        name = self.model_name or self.kind
        when = f"{self.time[:16].replace('T', ' ')} UTC"
        part = "a part of " if self.partial else ""
        return f"{self.id[:8]} {name}, {when}, {part}{self.images} image{'' if self.images == 1 else 's'}"


def canonical(settings: Mapping[str, Any]) -> str:
    """Settings as text that is equal for equal settings.

    Raises:
        TypeError: if JSON does not know a value.
    """
    try:
        return json.dumps(settings, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise TypeError(f"`settings` must hold what JSON knows, such as numbers and text: {error}.") from error


def peak_bytes() -> int | None:
    """The most memory that this process took on its device so far; None where there is none."""
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() and torch.cuda.is_initialized() else None
