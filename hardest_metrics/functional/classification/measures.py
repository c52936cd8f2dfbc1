"""All hardness of classified images from one look at their logits: what several measures share is computed once.

Everything is float64, a piece of the batch at a time, so that a value follows from its row alone, whatever the dtype of
the logits, and memory stays within bounds.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

#: Numbers of a piece: few enough for a processor's cache, or for little of an accelerator's memory.
_PIECE, _PIECE_ON_DEVICE = 1 << 18, 1 << 24


class Asked(NamedTuple):
    """Something to measure.

    Attributes:
        name: one of :data:`OF_LABELS`, :data:`OF_SEVERAL_LABELS` or :data:`OF_LOGITS`.
        temperature: that logits are divided by before they become probabilities.
    """

    name: str
    temperature: float = 1.0


class _Predicted:
    """Some images' probabilities, and what follows from these; each computed when it is first asked for.

    Args:
        logits: ``(n, K)`` float64.
        target: ``(n,)`` int64; None without labels.
    """

    def __init__(self, logits: Tensor, target: Tensor | None) -> None:
        self.logits = logits
        self._target = target

    @property
    def target(self) -> Tensor:
        """``(n, 1)``, to gather by."""
        assert self._target is not None
        return self._target[:, None]

    @cached_property
    def highest(self) -> Tensor:
        return self.logits.amax(1)

    @cached_property
    def below_highest(self) -> Tensor:
        return self.logits - self.highest[:, None]

    @cached_property
    def log_total(self) -> Tensor:
        """Of the exponentials of what logits are below the highest."""
        return self._exponentials.sum(1).log()

    @cached_property
    def _exponentials(self) -> Tensor:
        return self.below_highest.exp()

    @cached_property
    def probabilities(self) -> Tensor:
        return self._exponentials / self._exponentials.sum(1, keepdim=True)

    @cached_property
    def of_label(self) -> Tensor:
        """The label's logit."""
        return self.logits.gather(1, self.target).squeeze(1)

    @cached_property
    def of_best_other(self) -> Tensor:
        """The highest logit of another class."""
        return self.logits.scatter(1, self.target, -torch.inf).amax(1)

    @cached_property
    def rank_of_label(self) -> Tensor:
        """How many classes have a strictly larger logit."""
        return (self.logits > self.of_label[:, None]).sum(1)

    @cached_property
    def two_highest(self) -> Tensor:
        return self.logits.topk(2, dim=1).values

    def probability(self, logits: Tensor) -> Tensor:
        """Of the classes that have these logits."""
        return (logits - self.highest - self.log_total).exp()


def _el2n(rows: _Predicted) -> Tensor:
    difference = rows.probabilities.scatter_add(1, rows.target, -torch.ones_like(rows.probabilities[:, :1]))
    norm: Tensor = torch.linalg.vector_norm(difference, dim=1)
    return norm


def _entropy(rows: _Predicted) -> Tensor:
    return (rows.log_total - (rows.probabilities * rows.below_highest).sum(1)).clamp(min=0)


def _two_best_gap(rows: _Predicted) -> Tensor:
    first, second = map(rows.probability, rows.two_highest.unbind(1))
    return 1 - (first - second)


def _binary_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(logits, target.double(), reduction="none").mean(1)


def _wrong_labels(logits: Tensor, target: Tensor) -> Tensor:
    return ((logits > 0) != target.bool()).sum(1)


#: Measures without labels.
OF_LOGITS: Mapping[str, Callable[[_Predicted], Tensor]] = {
    "entropy": _entropy,
    "least_confidence": lambda rows: -torch.expm1(-rows.log_total),
    "two_best_gap": _two_best_gap,
}

#: Measures by one label an image. ``mistakes``: the number of classes of strictly larger logit.
OF_LABELS: Mapping[str, Callable[[_Predicted], Tensor]] = {
    "cross_entropy": lambda rows: rows.log_total - (rows.of_label - rows.highest),
    "margin": lambda rows: (1 + rows.probability(rows.of_best_other) - rows.probability(rows.of_label)) / 2,
    "logit_margin": lambda rows: rows.of_best_other - rows.of_label,
    "confidence": lambda rows: -torch.expm1(rows.of_label - rows.highest - rows.log_total),
    "el2n": _el2n,
    "label_rank": lambda rows: rows.rank_of_label,
    "mistakes": lambda rows: rows.rank_of_label,
}

#: Measures by several labels an image, of ``(n, K)`` logits and labels 0 and 1. ``mistakes``: the number of wrong ones.
OF_SEVERAL_LABELS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": _binary_cross_entropy,
    "wrong_labels": _wrong_labels,
    "mistakes": _wrong_labels,
}


def needs_target(names: Sequence[str]) -> list[str]:
    """Those of some measures that go by labels."""
    return [name for name in names if name not in OF_LOGITS]


def measure(asked: Sequence[Asked], preds: Tensor, target: Tensor | None) -> dict[Hashable, Tensor]:
    """What is asked for of each image, what several measures share computed once.

    Args:
        asked: what to measure.
        preds: ``(N, K)`` checked logits.
        target: ``(N,)`` or ``(N, K)`` checked labels; None if nothing goes by labels.

    Returns:
        ``(N,)`` float64, or int64 counts, each.

    Raises:
        ValueError: if a measure is not of such labels.
    """
    if target is not None:
        _check_fits(asked, target.ndim)
    parts: dict[Asked, list[Tensor]] = {one: [] for one in asked}
    size = max((_PIECE if preds.device.type == "cpu" else _PIECE_ON_DEVICE) // preds.shape[1], 1)
    labels = [None] * len(preds.split(size)) if target is None else target.split(size)
    for logits, label in zip(preds.split(size), labels, strict=True):
        for one, values in _measured(asked, logits.double(), label).items():
            parts[one].append(values)
    return {one: pieces[0] if len(pieces) == 1 else torch.cat(pieces) for one, pieces in parts.items()}


def _measured(asked: Sequence[Asked], logits: Tensor, target: Tensor | None) -> dict[Asked, Tensor]:
    found = {}
    for temperature in dict.fromkeys(one.temperature for one in asked):
        scaled = logits if temperature == 1 else logits / temperature
        several = target is not None and target.ndim == 2
        one_label = _Predicted(scaled, None if several else target)
        for one in asked:
            if one.temperature != temperature:
                continue
            if one.name in OF_LOGITS:
                found[one] = OF_LOGITS[one.name](one_label)
            elif target is not None and several:
                found[one] = OF_SEVERAL_LABELS[one.name](scaled, target)
            else:
                found[one] = OF_LABELS[one.name](one_label)
    return found


def _check_fits(asked: Sequence[Asked], ndim: int) -> None:
    known: Mapping[str, object] = OF_LABELS if ndim == 1 else OF_SEVERAL_LABELS
    for name in needs_target([one.name for one in asked]):
        if name not in known:
            found, wanted, other = (
                ("(N,)", "(N, K) of 0 and 1", "cross_entropy, margin, label_rank")
                if ndim == 1
                else ("(N, K)", "(N,), one label an image", "cross_entropy and wrong_labels")
            )
            raise ValueError(f"`target` has shape {found}, but {name} goes by {wanted}: such labels have {other}.")
