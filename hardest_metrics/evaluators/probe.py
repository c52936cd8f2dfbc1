"""Recognising a run: do the images seen so far say what they said in a run that is kept?

Values are compared, not hashes of rounded ones: of 1,000 logits, a third of one moves to another third decimal under
noise of 1e-6.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hardest_metrics.evaluators.processes import is_first, of_first, told
from hardest_metrics.numbering import Identifier
from hardest_metrics.results import DataSet, Run, RunStore

#: What was said of an image: ``(rows, numbers)`` of floating point.
Values = NDArray[Any]

#: How many images are looked at, how many of them must have been seen, and how far values may be apart.
MOST_KEYS, LEAST_SEEN, TOLERANCE = 64, 16, 1e-3


def probe_keys(keys: Sequence[Identifier], most: int = MOST_KEYS) -> list[Identifier]:
    """The images that runs are recognised by: those of least hash, whatever the order or size of batches.

    Args:
        keys: of all images.
        most: how many to take.

    Example:
        >>> probe_keys(["a.jpg", "b.jpg", "c.jpg"], most=2) == probe_keys(["c.jpg", "b.jpg", "a.jpg"], most=2)
        True
    """
    by_hash = sorted(keys, key=lambda key: hashlib.sha256(repr(key).encode(errors="surrogateescape")).digest())
    return by_hash[:most]


def agree(ours: Values, theirs: Values | None) -> bool:
    """Whether rows of values are the same within :data:`TOLERANCE`, in any order.

    Args:
        ours: ``(n, k)``.
        theirs: ``(m, k)``; None if nothing is known, which agrees with nothing.

    Example:
        >>> agree(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[3.0, 4.0005], [1.0, 2.0]]))
        True
    """
    if theirs is None or len(ours) != len(theirs) or (len(ours) and ours.shape != theirs.shape):
        return False
    left = np.ones(len(theirs), dtype=bool)
    for row in ours:
        alike = left & (np.abs(theirs.astype(np.float64) - row) <= TOLERANCE).all(1)
        if not alike.any():
            return False
        left[alike.argmax()] = False
    return True


def fingerprint_of(weights: nn.Module | bytes | None) -> str | None:
    """SHA-256 of a module's parameters and buffers, or of bytes, in hexadecimal digits.

    Args:
        weights: the module, compiled or distributed or not; None for None.

    Raises:
        TypeError: if it is neither.

    Example:
        >>> fingerprint_of(b"abc")[:8]
        'ba7816bf'
    """
    if weights is None:
        return None
    if isinstance(weights, bytes):
        return hashlib.sha256(weights).hexdigest()
    if not isinstance(weights, nn.Module):
        raise TypeError(f"`fingerprint` must be a module or bytes, but is a {type(weights).__name__}.")
    digest = hashlib.sha256()
    for name, values in sorted(weights.state_dict().items()):
        name = name.removeprefix("module.").removeprefix("_orig_mod.")
        if not isinstance(values, torch.Tensor):
            digest.update(f"{name} {values!r}".encode())
            continue
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


class Recognition:
    """Tells from the images of the probe whether the run under way is one that is kept.

    Of several processes the first looks into the store, at what all of them have seen.

    Args:
        store: of earlier runs.
        dataset: that is evaluated.
        settings: of the evaluation.
        fingerprint: of the weights; None for any.

    Attributes:
        keys: of the images that are looked at.
    """

    def __init__(
        self, store: RunStore, dataset: DataSet, settings: Mapping[str, object], fingerprint: str | None
    ) -> None:
        self._store, self._dataset, self._settings, self._fingerprint = store, dataset, settings, fingerprint
        self.keys = probe_keys(dataset.keys)
        self.begin()

    def begin(self) -> None:
        """Forget what was seen."""
        self._told: set[Identifier] = set()
        self._seen: set[Identifier] = set()
        self._candidates: list[Run] | None = None
        self._needed: dict[str, int] = {}

    def recognised(self, values: Mapping[Identifier, Values], changed: Collection[Identifier]) -> Run | None:
        """The run that is kept and says the same; None if there is none, or too little was seen.

        All processes must ask together.

        Args:
            values: ``(rows, numbers)`` of each image of the probe that this process has seen.
            changed: images whose values are not what they were when they were last asked about.
        """
        anew = any(told(not self._told.isdisjoint(changed)))
        if anew:
            self.begin()
        fresh = {key: rows for key, rows in values.items() if key not in self._told}
        self._told |= fresh.keys()
        parts = told(fresh)
        verdict: Run | Exception | None = None
        if is_first():
            try:
                verdict = self._judged(parts)
            except Exception as error:  # the others must hear of it
                verdict = error
        verdict = of_first(verdict)
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    def _judged(self, parts: Sequence[Mapping[Identifier, Values]]) -> Run | None:
        if self._candidates is None and not self._store.path.exists():
            self._candidates = []
        if self._candidates == []:
            return None
        with self._store.probing() as probing:
            if self._candidates is None:
                found = probing.candidates(self._dataset.digest, self._settings, self._fingerprint)
                rows = {run.id: probing.positions(run) for run in found}
                # an image of which nothing was said cannot be seen
                said = {name: sum(map(bool, of_run.values())) for name, of_run in rows.items()}
                self._candidates = [run for run in found if said[run.id]]
                self._needed = {name: min(LEAST_SEEN, number) for name, number in said.items()}
            for part in parts:
                for key, ours in part.items():
                    self._seen.add(key)
                    position = self._dataset.position[key]
                    self._candidates = [run for run in self._candidates if agree(ours, probing.values(run, position))]
        return next((run for run in self._candidates if len(self._seen) >= self._needed[run.id]), None)
