"""What TransRate needs to know of any number of objects: how each class scatters.

A class of fewer objects than features is known best by its objects; one of more, by its scatter. So objects wait, and
are turned into a scatter once there are enough of their class.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from hardest_metrics.functional.transferability.matrices import gram
from hardest_metrics.functional.transferability.statistics import check_widths

_BLOCK = 1 << 19
"""Numbers that are added at a time: little enough for a cache."""


class Scatter(NamedTuple):
    """Objects of one class: how many, ``(D,)`` their mean, and ``(D, D)`` their scatter about it."""

    number: int
    mean: Tensor
    matrix: Tensor

    @classmethod
    def of(cls, rows: Tensor) -> "Scatter":
        """Of ``(n, D)`` features."""
        mean = rows.mean(0)
        return cls(len(rows), mean, gram(rows - mean))

    def merge(self, other: "Scatter") -> "Scatter":
        """Of the objects of both."""
        total, gap = self.number + other.number, other.mean - self.mean
        matrix = (self.matrix + other.matrix).addr_(gap, gap, alpha=self.number * other.number / total)
        return Scatter(total, self.mean + gap * (other.number / total), matrix)


@dataclass(frozen=True)
class ClassScatters:
    """Scatters of the K classes that have one, and objects that wait.

    Memory is bounded by K scatters, and at most D waiting objects a class and half as many again, whatever the number
    of objects: once that half has come, all are looked through. What is large is in lists: one class changes, and no
    other is copied.

    Attributes:
        total: ``(D,)`` float64, the features of all objects, added up.
        labels: ``(K,)`` int64.
        counts: ``(K,)`` int64, the objects in each scatter.
        means: ``(K, D)`` float64, of these.
        scatters: together ``(K, D, D)`` float64, about these.
        rows: together ``(W, D)`` float64, features of the objects that wait, in runs of one class each; none is split.
        row_labels: ``(R,)`` int64, the label of each run.
        row_counts: ``(R,)`` int64, its length.
        left: ``()`` int64, how many waited still when the others were last turned into scatters.
    """

    total: Tensor
    labels: Tensor
    counts: Tensor
    means: Tensor
    scatters: list[Tensor]
    rows: list[Tensor]
    row_labels: Tensor
    row_counts: Tensor
    left: Tensor

    @classmethod
    def empty(cls) -> "ClassScatters":
        """Of no objects, with no features."""
        return cls._none(torch.zeros(0, 0), torch.zeros(0, dtype=torch.int64))

    @classmethod
    def of(cls, features: Tensor, target: Tensor) -> "ClassScatters":
        """Of objects.

        Args:
            features: ``(N, D)`` of any floating dtype.
            target: ``(N,)`` int64 labels.
        """
        size = max(_BLOCK // features.shape[1], 1)
        blocks = zip(features.split(size), target.split(size), strict=True)
        return reduce(cls.merge, (cls._of_block(*block) for block in blocks))

    @classmethod
    def _of_block(cls, features: Tensor, target: Tensor) -> "ClassScatters":
        none = cls._none(features[:0], target[:0])
        if not len(target):
            return none
        labels, inverse, counts = target.unique(return_inverse=True, return_counts=True)
        rows = features.index_select(0, inverse.argsort(stable=True)).double()
        return replace(none, total=rows.sum(0), rows=[rows], row_labels=labels, row_counts=counts)

    @classmethod
    def _none(cls, features: Tensor, target: Tensor) -> "ClassScatters":
        """Of no objects, as these are."""
        rows, width = features.double(), features.shape[1]
        matrices = rows.reshape(0, 1, width).expand(0, width, width)
        return cls(rows.sum(0), target, target, rows, [matrices], [rows], target, target, target.sum())

    def merge(self, other: "ClassScatters") -> "ClassScatters":
        """Of the objects of both.

        Raises:
            ValueError: if one has another number of features.
        """
        if not other._width or not self._width:
            return self if self._width else other
        check_widths(self._width, other._width)
        joined = self
        if len(other.labels):
            joined = self._with(other.settled().items())
        joined = replace(
            joined,
            total=self.total + other.total,
            rows=[*self.rows, *other.rows],
            row_labels=torch.cat((self.row_labels, other.row_labels)),
            row_counts=torch.cat((self.row_counts, other.row_counts)),
            left=self.left + other.left,
        )
        new = int(joined.row_counts.sum() - joined.left)
        enough = max(len(joined.row_labels.unique()), 2) * self._width // 2
        return joined._settle() if new >= enough else joined

    def settled(self) -> dict[int, Scatter]:
        """The scatter of each class that has one, by label."""
        matrices = [matrix for part in self.scatters for matrix in part]
        scatters = map(Scatter, self.counts.tolist(), self.means, matrices)
        return dict(zip(self.labels.tolist(), scatters, strict=True))

    def waiting(self) -> dict[int, list[Tensor]]:
        """``(n, D)`` objects that wait, by label, in runs."""
        chunks, by_class = iter(self.rows), dict[int, list[Tensor]]()
        chunk, start = next(chunks), 0
        for label, count in zip(self.row_labels.tolist(), self.row_counts.tolist(), strict=True):
            while start == chunk.shape[0]:
                chunk, start = next(chunks), 0
            by_class.setdefault(label, []).append(chunk[start : start + count])
            start += count
        return by_class

    @property
    def _width(self) -> int:
        return self.means.shape[1]

    def _settle(self) -> "ClassScatters":
        """The same, the objects of classes with enough of them turned into scatters."""
        waiting = self.waiting()
        settling = [label for label, runs in waiting.items() if sum(run.shape[0] for run in runs) >= self._width]
        joined = self._with((label, Scatter.of(torch.cat(waiting.pop(label)))) for label in settling)
        left = {label: torch.cat(runs) for label, runs in waiting.items()}  # copies, so that the others are let go
        counts = self.row_counts.new_tensor([len(rows) for rows in left.values()])
        return replace(
            joined,
            rows=[*left.values()] or [self.means[:0]],
            row_labels=self.row_labels.new_tensor([*left]),
            row_counts=counts,
            left=counts.sum(),
        )

    def _with(self, scatters: Iterable[tuple[int, Scatter]]) -> "ClassScatters":
        """The same, with further scatters by label."""
        own = self.settled()
        for label, scatter in scatters:
            own[label] = own[label].merge(scatter) if label in own else scatter
        if not own:
            return self
        counts, means, matrices = zip(*own.values(), strict=True)
        return replace(
            self,
            labels=self.labels.new_tensor(list(own)),
            counts=self.counts.new_tensor(counts),
            means=torch.stack(means),
            scatters=[matrix[None] for matrix in matrices],
        )
