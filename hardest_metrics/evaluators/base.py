"""What evaluators share: results by key, a model that has not changed recognised, and runs kept."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hardest_metrics.data.json_file import PathLike
from hardest_metrics.evaluators.probe import Recognition, Values, fingerprint_of
from hardest_metrics.evaluators.processes import is_first, told
from hardest_metrics.numbering import Identifier, named_numbers
from hardest_metrics.ranking import Ranking
from hardest_metrics.results import DataSet, Hardness, Result, Run, RunStore
from hardest_metrics.results.run import canonical, peak_bytes
from hardest_metrics.results.store import chosen

_MOST_NAMED = 10


class Evaluated(NamedTuple):
    """What an evaluation of all images came to.

    Attributes:
        dataset: the images that were evaluated.
        results: by name.
        hardness: by name, in the order of the data set.
        predictions: ``(N,)`` int32, what was said of each image; None if that is not one class.
        outputs: a digest of everything that was said.
        probe: values of the images that the run is recognised by.
    """

    dataset: DataSet
    results: dict[str, Result]
    hardness: dict[str, Hardness]
    predictions: NDArray[np.int32] | None
    outputs: str
    probe: dict[Identifier, Values]


class _Part(NamedTuple):
    """What a process knows of the evaluation.

    Attributes:
        rows: what it was told of images.
        untimed: how many of them before the clock was set.
        seconds: from then to the last image.
        peak_bytes: the most memory it took on a device.
        recognised: the id of the run that this one is.
        id: for the run; that of the first process counts.
    """

    rows: Any
    untimed: int
    seconds: float
    peak_bytes: int | None
    recognised: str | None
    id: str


class Evaluator(ABC):
    """Takes what a model says of images by their key, and gives results.

    A subclass says how a batch is taken in, and what the results are.

    On several processes `cache_exists`, `get_results`, `ranking` and `save` ask all of them: call them equally often on
    all, as in loops over a ``DistributedSampler``. The first process writes.

    Args:
        dataset: keys and labels.
        model_name: as people call the model.
        paper_arxiv_id: of its paper.
        paper_pwc_id: of its paper on Papers with Code.
        paper_results: what the paper claims, by names of results.
        model_description: further words on the model.
        store: where runs are kept, or the path of the file; None for the default one, see
            :class:`~hardest_metrics.results.RunStore`.
        settings: what results depend on besides model and data, such as ``{"resize": 256}``; runs of other settings are
            not taken for the same.
        partial: evaluate the images that were added alone, on purpose.
        fingerprint: a module, or bytes, by which weights are told apart.
        paper_model_name: another name of `model_name`.
    """

    #: how images are named by what they come from, for messages
    source: str

    def __init__(
        self,
        dataset: DataSet,
        model_name: str | None,
        paper_arxiv_id: str | None,
        paper_pwc_id: str | None,
        paper_results: Mapping[str, float] | None,
        model_description: str | None,
        store: RunStore | PathLike | None,
        settings: Mapping[str, Any] | None,
        partial: bool,
        fingerprint: nn.Module | bytes | None,
        paper_model_name: str | None,
    ) -> None:
        if not len(dataset):
            raise ValueError(f"`{self.source}` holds no images, so there is nothing to evaluate.")
        if None not in (model_name, paper_model_name) and model_name != paper_model_name:
            raise ValueError(
                f"`model_name` is {model_name!r}, but `paper_model_name`, which means the same, is"
                f" {paper_model_name!r}. Give one of them."
            )
        self.dataset = dataset
        self.model_name = model_name if paper_model_name is None else paper_model_name
        self.paper_arxiv_id, self.paper_pwc_id = paper_arxiv_id, paper_pwc_id
        self.paper_results = _checked_claims(paper_results)
        self.model_description = model_description
        self.store = store if isinstance(store, RunStore) else RunStore(store)
        self.settings = dict(settings or {})
        canonical(self.settings)
        self.partial = partial
        self.fingerprint = fingerprint_of(fingerprint)
        self._recognition = Recognition(self.store, dataset, self.settings, self.fingerprint)
        self._recognised: Run | None = None
        self._changed: set[Identifier] = set()
        self._began = self._ended = time.perf_counter()
        self._untimed = 0

    def reset_time(self) -> None:
        """Measure speed from now on, of the images that are added from now on."""
        self._began = self._ended = time.perf_counter()
        self._untimed = self._number_in()

    def _took_in(self, changed: Collection[Identifier]) -> None:
        """To be called once a batch was taken in, with those images of which something else is known than before."""
        self._ended = time.perf_counter()
        self._changed |= set(changed)
        self._recognised = None

    @property
    def cache_exists(self) -> bool:
        """Whether what was added so far says that this very run is kept already: then the rest can be spared.

        That is so if images, labels and settings are equal, the fingerprint too if one is given, and of the up to 64
        images that runs are recognised by, all that were seen so far say the same within 1e-3; at least 16 of them, or
        all where there are fewer. The run's results, speed and hardness are given from then on, until more is added.
        """
        if self.partial:
            return False  # which part this will be is known at its end
        changed, self._changed = self._changed, set()
        self._recognised = self._recognition.recognised(self._seen(self._recognition.keys), changed)
        return self._recognised is not None

    def get_results(self) -> dict[str, float]:
        """The results by name.

        Raises:
            ValueError: if images are missing; of several processes on all.
        """
        run, _ = self._finished()
        return {name: result.value for name, result in run.results.items()}

    def ranking(self, name: str | None = None) -> Ranking:
        """The images by hardness, the hardest first; those whose keys are text by their number.

        Args:
            name: of the hardness; None for the first.

        Raises:
            ValueError: if images are missing, or no hardness has that name.
        """
        run, evaluated = self._finished()
        if evaluated is None:
            return self.store.ranking(run, name)
        _, hardness = chosen(evaluated.hardness, name)
        return Ranking.of(torch.tensor(named_numbers(evaluated.dataset.keys)[0]), torch.from_numpy(hardness.values))

    def save(self) -> Run:
        """Keep the run in the store; of one that was recognised as kept, only that it was made once more.

        Returns:
            The run; that it was recognised is said by its `kept`, and results, time and memory are then those of the
            first time.

        Raises:
            OSError: if the store cannot be written to.
            ValueError: if images are missing, or the store is not as it should be.
        """
        run, evaluated = self._finished()
        if evaluated is None:
            if is_first():
                self.store.save_again(run, self.paper_results)
            return replace(run, paper_results=self.paper_results or run.paper_results)
        run = replace(run, dataset=evaluated.dataset.digest)
        if is_first():
            self.store.save(run, evaluated.dataset, evaluated.hardness, evaluated.predictions, evaluated.probe)
        return run

    def _finished(self) -> tuple[Run, Evaluated | None]:
        """The run, and what the evaluation came to; None of a run that was recognised."""
        recognised = None if self._recognised is None else self._recognised.id
        seconds = self._ended - self._began
        parts = told(_Part(self._rows(), self._untimed, seconds, peak_bytes(), recognised, uuid4().hex))
        if self._recognised is not None and all(part.recognised == recognised for part in parts):
            return replace(self._recognised, kept=True), None
        evaluated = self._evaluated([part.rows for part in parts])
        seconds = max(part.seconds for part in parts)
        peaks = [part.peak_bytes for part in parts if part.peak_bytes is not None]
        images = len(evaluated.dataset)
        timed = images - sum(part.untimed for part in parts)
        run = Run(
            kind=type(self).__name__,
            results=evaluated.results,
            images=images,
            settings=self.settings,
            model_name=self.model_name,
            model_description=self.model_description,
            paper_arxiv_id=self.paper_arxiv_id,
            paper_pwc_id=self.paper_pwc_id,
            paper_results=self.paper_results,
            # of all images at the speed of those that were timed
            seconds=seconds * images / timed if timed > 0 and seconds > 0 else None,
            peak_bytes=max(peaks, default=None),
            partial=self.partial,
            outputs=evaluated.outputs,
            fingerprint=self.fingerprint,
            id=parts[0].id,
        )
        return run, evaluated

    @abstractmethod
    def _number_in(self) -> int:
        """Of how many images this process knows something."""

    @abstractmethod
    def _seen(self, keys: Collection[Identifier]) -> dict[Identifier, Values]:
        """What was said of those of some images that this process has seen whole."""

    @abstractmethod
    def _rows(self) -> Any:
        """What this process knows, to be sent to the others."""

    @abstractmethod
    def _evaluated(self, parts: list[Any]) -> Evaluated:
        """What the evaluation comes to.

        Args:
            parts: what each process gave as :meth:`_rows`.

        Raises:
            ValueError: if images are missing.
        """


def some(keys: Collection[Identifier]) -> str:
    """The first few of some keys, as messages name them."""
    shown = ", ".join(repr(key) for key, _ in zip(keys, range(_MOST_NAMED), strict=False))
    return f"{shown}, ..." if len(keys) > _MOST_NAMED else shown


def _checked_claims(paper_results: Mapping[str, float] | None) -> dict[str, float]:
    claims = {}
    for name, value in (paper_results or {}).items():
        if not math.isfinite(float(value)):
            raise ValueError(f"`paper_results` must be finite numbers by name, but {name!r} is {value!r}.")
        claims[name] = float(value)
    return claims
