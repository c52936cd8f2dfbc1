"""Runs of `validate` and `test`, kept in a store with the hardness of every image."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hardest_metrics.callbacks.evaluation import Stage
from hardest_metrics.callbacks.once import Once
from hardest_metrics.results import DataSet, Hardness, Result, Run, RunStore
from hardest_metrics.results.run import peak_bytes

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

    from hardest_metrics.callbacks.collecting import Collected

#: Of labels that are dicts, what says nothing of the image's truth.
_BESIDE = {"image_id", "image_size", "file_name"}


class _Waiting(NamedTuple):
    """A run that is kept once all scalars of the evaluation are known."""

    run: Run
    dataset: DataSet
    hardness: dict[str, Hardness]
    others: tuple[str, ...]  # how names of other loaders' scalars end


class Keeping:
    """Keeps a run for each loader of an evaluation outside `fit`.

    Args:
        store: where to.
        once: says what goes wrong.
    """

    def __init__(self, store: RunStore, once: Once) -> None:
        self.store, self._once = store, once
        self.begin()

    def begin(self) -> None:
        """An evaluation begins."""
        self._began = time.perf_counter()
        self._waiting: list[_Waiting] = []

    def take(self, stage: Stage, found: "Sequence[Collected]", suffixes: Sequence[str]) -> None:
        """Make runs of what came of an evaluation, to be kept at its end.

        Args:
            stage: of the evaluation.
            found: what came of each loader and metric.
            suffixes: of names, by loader.
        """
        seconds, self._waiting = time.perf_counter() - self._began, []
        for loader in dict.fromkeys(one.loader for one in found):
            of_loader = [one for one in found if one.loader == loader]
            first = of_loader[0]
            ids = first.details.image_ids.tolist()
            hardness, results = {}, {}
            for one in of_loader:
                if not torch.equal(one.details.image_ids, first.details.image_ids):
                    self._once.warn("kept images", f"does not keep {one.name!r}, which ranks other images.")
                    continue
                details = one.details
                hardness[one.name] = Hardness(_array(details.hardness), _array(details.in_error))
                for name in ("mean", "p95", "share_in_error"):
                    tag = f"{stage}/{one.name}/{name}{suffixes[loader]}"
                    results[tag] = Result(getattr(details.summary, name), higher_is_better=False)
            names = [first.names.get(image_id, image_id) for image_id in ids]
            dataset = DataSet({name: first.labels.get(image_id, "") for name, image_id in zip(names, ids, strict=True)})
            place = {name: place for place, name in enumerate(names)}
            order = [place[key] for key in dataset.keys]
            hardness = {name: Hardness(one.values[order], one.in_error[order]) for name, one in hardness.items()}
            settings = {
                "stage": stage,
                "loader": suffixes[loader],
                "metrics": {one.name: repr(one.metric) for one in of_loader},
            }
            run = Run("HardestImages", results, len(ids), settings, seconds=seconds, peak_bytes=peak_bytes())
            others = tuple(f"/dataloader_idx_{number}" for number in range(len(suffixes)) if number != loader)
            self._waiting.append(_Waiting(run, dataset, hardness, others))

    def save(self, trainer: "Trainer", pl_module: "LightningModule") -> None:
        """Keep the runs, with the scalars that were logged."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            logged = {
                name: Result(float(value), None)
                for name, value in trainer.callback_metrics.items()
                if name not in one.run.results and not (one.others and name.endswith(one.others))
            }
            results = {**logged, **one.run.results}
            run = replace(one.run, results=results, model_name=type(pl_module).__name__)
            with self._once.going_on("store", f"keep the run in {self.store.path}"):
                self.store.save(run, one.dataset, one.hardness)


def label_text(label: Any) -> str:
    """What tells whether the labels of an image are the same: a class by its number, others by a digest.

    Example:
        >>> label_text(torch.tensor(3)), len(label_text({"boxes": torch.zeros(1, 4), "labels": torch.tensor([1])}))
        ('3', 32)
    """
    if isinstance(label, Tensor) and not label.ndim and not label.is_floating_point():
        return str(int(label))
    digest = hashlib.sha256()
    parts = label if isinstance(label, Mapping) else {"": label}
    for name in sorted(parts.keys() - _BESIDE):
        value = parts[name]
        if isinstance(value, Tensor | np.ndarray):
            values = torch.as_tensor(value).detach().cpu()
            values = values.double() if values.is_floating_point() else values.long()
            digest.update(f"{name} {tuple(values.shape)}".encode() + values.numpy().tobytes())
        else:
            digest.update(f"{name} {json.dumps(value, default=str)}".encode())
    return digest.hexdigest()[:32]


def _array(values: Tensor) -> Any:
    return values.cpu().numpy()
