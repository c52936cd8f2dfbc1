"""What was just measured, so that metrics fed the same batch one after the other measure it once."""

import operator
import weakref
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from hardest_metrics.functional.boxes import ImageDict

#: What a batch is measured from; other entries of its dicts do not matter here.
_KEYS = ("boxes", "scores", "labels", "iscrowd", "area", "image_id", "image_size")


class _Column:
    """Recognises what a batch holds under one key: the same tensor objects, unchanged since, the same plain values.

    Tensors are held weakly, so that a remembered batch does not stay alive. A change in place shows in a
    tensor's version counter; tensors made in inference mode have none, so their values are compared.
    """

    def __init__(self, values: list[Any]) -> None:
        tensors = [value for value in values if isinstance(value, Tensor)]
        self.refs = list(map(weakref.ref, tensors))
        self.plain = [
            None if isinstance(value, Tensor) else tuple(value) if isinstance(value, list) else value
            for value in (values if len(tensors) < len(values) else ())
        ]
        self.known = set(map(type, self.plain)) <= {int, tuple, type(None)}
        self.versions = None if any(map(torch.is_inference, tensors)) else [tensor._version for tensor in tensors]
        self.contents = torch.cat([tensor.reshape(-1) for tensor in tensors]) if self.versions is None else None

    def same_as(self, other: "_Column") -> bool:
        return (
            self.known
            and len(self.refs) == len(other.refs)
            and all(map(operator.is_, self.refs, other.refs))  # a live tensor has one weak reference object
            and self.versions == other.versions
            and self.plain == other.plain
            and (self.contents is None or torch.equal(self.contents, cast(Tensor, other.contents)))
        )


class _Inputs:
    """Recognises a batch by its columns."""

    def __init__(self, preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> None:
        self.columns = [
            _Column([image.get(key, ()) for image in images]) for images in (preds, target) for key in _KEYS
        ]

    def same_as(self, other: "_Inputs") -> bool:
        return all(ours.same_as(theirs) for ours, theirs in zip(self.columns, other.columns, strict=True))


class BatchMemory:
    """The results of the last batch, by what they were measured with.

    In a :class:`~torchmetrics.MetricCollection` every member sees every batch in `forward`, and the first one
    in `update`. Members of equal settings then share one measurement, at the cost of a look at the inputs.

    Args:
        size: how many settings to remember a batch for.
    """

    def __init__(self, size: int = 8) -> None:
        self._size = size
        self._results: dict[str, tuple[_Inputs, tuple[Tensor, Tensor]]] = {}

    def get(
        self,
        settings: str,
        preds: Sequence[ImageDict],
        target: Sequence[ImageDict],
        measure: Callable[[Sequence[ImageDict], Sequence[ImageDict]], tuple[Tensor, Tensor]],
    ) -> tuple[Tensor, Tensor]:
        """What ``measure(preds, target)`` gives, measured only if it is not the batch remembered."""
        try:
            inputs = _Inputs(preds, target)
        except (AttributeError, TypeError, RuntimeError):
            return measure(preds, target)  # not a batch at all; this says why
        known = self._results.get(settings)
        if known is not None and known[0].same_as(inputs):
            return known[1]
        result = measure(preds, target)
        self._results.pop(settings, None)
        self._results[settings] = inputs, result
        while len(self._results) > self._size:
            self._results.pop(next(iter(self._results)), None)
        return result
