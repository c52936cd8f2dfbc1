"""Classifiers, evaluated by key."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchmetrics import MeanMetric

from hardest_metrics.data.json_file import PathLike
from hardest_metrics.evaluators.base import Evaluated, Evaluator, some
from hardest_metrics.evaluators.labels import LabelSource, class_labels
from hardest_metrics.evaluators.probe import Values
from hardest_metrics.functional.classification.measures import Asked, measure
from hardest_metrics.functional.classification.said import said_of
from hardest_metrics.numbering import Identifier
from hardest_metrics.results import DataSet, Hardness, Result, RunStore

_LOSS, _RANK = Asked("cross_entropy"), Asked("label_rank")

_DIGEST_BYTES = 16


class _Rows(NamedTuple):
    """What is known of images.

    Attributes:
        position: ``(n,)`` int64, in the data set.
        loss: ``(n,)`` float32, cross-entropy.
        rank: ``(n,)`` int32, how many classes have a strictly larger logit than the label.
        said: ``(n,)`` int32, the most probable class.
        digest: ``(n, 16)`` uint8, of the logits.
        probe: logits of the images that runs are recognised by.
    """

    position: NDArray[np.int64]
    loss: NDArray[np.float32]
    rank: NDArray[np.int32]
    said: NDArray[np.int32]
    digest: NDArray[np.uint8]
    probe: dict[Identifier, Values]


class ImageNetEvaluator(Evaluator):
    """Top-1 and top-5 accuracy of a classifier, on ImageNet or any set of images of one class each.

    Takes the arguments of ``sotabencheval``'s evaluator, and gives its results, locally: scripts written for that run
    with a changed import, once they say where labels are. Nothing is downloaded.

    An image counts as right among k if fewer than k classes have a strictly larger logit than its label. Of each image
    a few numbers are kept, not its logits. A key that is added again replaces what was said of it; of an image that
    several processes saw, the one it is hardest on counts. What is given is never changed.

    Args:
        labels: the class of each image: a mapping from keys, a CSV or JSON file, ImageNet's
            ``ILSVRC2012_validation_ground_truth.txt`` or a folder, see
            :func:`~hardest_metrics.evaluators.labels.class_labels`; None for the folder `root`.
        model_name: as people call the model.
        paper_arxiv_id: of its paper, such as ``"1906.06423"``.
        paper_pwc_id: of its paper on Papers with Code.
        paper_results: what the paper claims: ``{"Top 1 Accuracy": 0.854}``.
        model_description: further words on the model.
        store: where runs are kept, or the path of the file; None for ``HARDEST_METRICS_STORE``, else
            ``hardest_metrics.db``.
        settings: what results depend on besides model and data, such as ``{"resize": 256}``; runs of other settings are
            not taken for the same, nor compared.
        partial: evaluate the images that were added alone, on purpose; the result says so.
        fingerprint: the model, or bytes, by which weights are told apart.
        paper_model_name: another name of `model_name`.
        root: the folder of labels where `labels` is None.

    Raises:
        OSError, TypeError, ValueError: if labels cannot be read or make no sense, or arguments don't.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> evaluator = ImageNetEvaluator(
        ...     labels={"a": 0, "b": 1, "c": 1}, model_name="tiny", store=Path(tempfile.mkdtemp(), "runs.db")
        ... )
        >>> evaluator.add({"a": [2.0, 1.0], "b": [0.5, 0.1]})
        >>> evaluator.add({"c": torch.tensor([0.0, 1.0])})
        >>> evaluator.get_results()
        {'Top 1 Accuracy': 0.667, 'Top 5 Accuracy': 1.0}
        >>> evaluator.save().model_name
        'tiny'
    """

    source = "labels"

    def __init__(
        self,
        labels: LabelSource | None = None,
        model_name: str | None = None,
        paper_arxiv_id: str | None = None,
        paper_pwc_id: str | None = None,
        paper_results: Mapping[str, float] | None = None,
        model_description: str | None = None,
        store: RunStore | PathLike | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
        partial: bool = False,
        fingerprint: nn.Module | bytes | None = None,
        paper_model_name: str | None = None,
        root: PathLike = ".",
    ) -> None:
        classes = class_labels(root if labels is None else labels)
        super().__init__(
            DataSet({key: str(label) for key, label in classes.items()}), model_name, paper_arxiv_id, paper_pwc_id,
            paper_results, model_description, store, settings, partial, fingerprint, paper_model_name,
        )  # fmt: skip
        number = len(self.dataset)
        self._labels = torch.tensor([classes[key] for key in self.dataset.keys])
        self._classes: int | None = None
        self._loss = np.zeros(number, np.float32)
        self._rank = np.full(number, -1, np.int32)
        self._said = np.zeros(number, np.int32)
        self._digest = np.zeros((number, _DIGEST_BYTES), np.uint8)
        self._probe: dict[Identifier, Values] = {}

    def add(self, output_dict: Mapping[Any, Any]) -> None:
        """Add what the model said of some images.

        Args:
            output_dict: by key the logits over K classes: a list, an array or a tensor of shape ``(K,)``.

        Raises:
            TypeError: if a value is not of numbers.
            ValueError: if a key is unknown, or a value is of another shape, has another K or is not finite; the message
                names the key. Nothing is added then.
        """
        keys = list(output_dict)
        if not keys:
            return
        position = self._positions(keys)
        logits = self._logits(keys, list(output_dict.values()))
        target = self._labels[position].to(logits.device)
        found = measure([_LOSS, _RANK], logits, target)
        said = said_of(logits, target).said
        rows = logits.to("cpu", torch.float32).contiguous().numpy()
        digests = b"".join(hashlib.blake2b(row, digest_size=_DIGEST_BYTES).digest() for row in rows)

        place = position.numpy()
        self._classes = logits.shape[1]
        self._loss[place] = found[_LOSS].float().cpu().numpy()
        self._rank[place] = found[_RANK].cpu().numpy()
        self._said[place] = said.cpu().numpy()
        self._digest[place] = np.frombuffer(digests, np.uint8).reshape(-1, _DIGEST_BYTES)
        row_of = {key: row for row, key in enumerate(keys)}
        probed = {key: rows[None, row_of[key]].copy() for key in self._recognition.keys if key in row_of}
        changed = [key for key, row in probed.items() if not np.array_equal(row, self._probe.get(key, row))]
        self._probe |= probed
        self._took_in(changed)

    def _positions(self, keys: list[Identifier]) -> Tensor:
        known = self.dataset.position
        unknown = [key for key in keys if key not in known]
        if unknown:
            raise ValueError(
                f"`output_dict` has {len(unknown)} keys that `labels` lack ({some(unknown)}): give the key of an"
                f" image, such as {self.dataset.keys[0]!r}."
            )
        return torch.tensor([known[key] for key in keys])

    def _logits(self, keys: list[Identifier], values: list[Any]) -> Tensor:
        """``(n, K)`` of new memory, checked, with errors that name the key."""
        rows = [_as_tensor(key, value) for key, value in zip(keys, values, strict=True)]
        classes = self._classes or len(rows[0])
        for key, row in zip(keys, rows, strict=True):
            if len(row) != classes:
                raise ValueError(f"`output_dict` of {key!r} has {len(row)} logits, but others {classes}.")
        if classes < 2 or int(self._labels.max()) >= classes:
            raise ValueError(
                f"`output_dict` of {keys[0]!r} has {classes} logits, but `labels` have class {int(self._labels.max())}:"
                " give a logit for every class, at least 2."
            )
        dtype = torch.float64 if any(row.dtype == torch.float64 for row in rows) else torch.float32
        logits = torch.stack([row.to(rows[0].device, dtype) for row in rows])
        finite = logits.isfinite().all(1)
        if not finite.all():
            key = keys[int((~finite).nonzero()[0])]
            raise ValueError(f"`output_dict` of {key!r} holds NaN or infinity, but logits are finite.")
        return logits

    def _number_in(self) -> int:
        return int((self._rank >= 0).sum())

    def _seen(self, keys: Collection[Identifier]) -> dict[Identifier, Values]:
        return {key: self._probe[key] for key in keys if key in self._probe}

    def _rows(self) -> _Rows:
        place = np.flatnonzero(self._rank >= 0)
        return _Rows(place, self._loss[place], self._rank[place], self._said[place], self._digest[place], self._probe)

    def _evaluated(self, parts: list[_Rows]) -> Evaluated:
        place, *columns = (np.concatenate(column) for column in list(zip(*parts, strict=True))[:-1])
        # of an image that several processes saw, the harder row, by loss and digest
        order = np.lexsort((*columns[3].T, columns[0], place))
        last = np.append(place[order][1:] != place[order][:-1], True) if len(order) else np.zeros(0, bool)
        place, loss, rank, said, digest = (column[order][last] for column in (place, *columns))
        dataset = self._part(place)
        hits = torch.from_numpy(rank)
        results = {}
        for k in (1, 5):
            accuracy = MeanMetric().set_dtype(torch.float64)
            accuracy.update((hits < k).double())
            results[f"Top {k} Accuracy"] = Result(float(accuracy.compute()), higher_is_better=True)
        hardness = {
            "CrossEntropy": Hardness(loss, rank >= 1),
            "TopKMiss(k=5)": Hardness((rank >= 5).astype(np.float32), rank >= 5),
        }
        outputs = hashlib.sha256(digest.tobytes()).hexdigest()
        probe = {} if self.partial else {key: rows for part in parts for key, rows in part.probe.items()}
        return Evaluated(dataset, results, hardness, said, outputs, probe)

    def _part(self, place: NDArray[np.int64]) -> DataSet:
        """The images that are evaluated, if these are all, or a part on purpose."""
        number = len(self.dataset)
        if len(place) == number:
            return self.dataset
        if self.partial and len(place):
            return self.dataset.part(self.dataset.keys[one] for one in place)
        missing = np.setdiff1d(np.arange(number), place, assume_unique=True).tolist()
        first = some([self.dataset.keys[one] for one in missing])
        raise ValueError(
            f"{len(missing)} of {number} images are missing ({first}). Add what the model says of them, or, to"
            " evaluate a part on purpose, make the evaluator with `partial=True`."
        )


def _as_tensor(key: Identifier, value: Any) -> Tensor:
    """One image's logits."""
    try:
        row = value.detach() if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
    except (TypeError, ValueError) as error:
        raise TypeError(f"`output_dict` of {key!r} must be logits, but is a {type(value).__name__}.") from error
    if row.dtype == torch.bool or row.is_complex():
        raise TypeError(f"`output_dict` of {key!r} must be logits, but is {row.dtype}.")
    if row.ndim != 1:
        raise ValueError(f"`output_dict` of {key!r} must have shape (K,), but has {tuple(row.shape)}.")
    return row
