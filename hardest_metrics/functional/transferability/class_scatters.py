"""What TransRate needs to know of any number of objects: how each class scatters.

A class of fewer objects than features is known best by its objects; one of more, by its scatter. So objects wait, and
are turned into a scatter once there are enough of their class.
"""

from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from hardest_metrics.functional.transferability.statistics import check_widths, gram, joined_means, on_union

_BLOCK = 1 << 20
"""Numbers that are added at a time, at least."""


@dataclass(frozen=True)
class ClassScatters:
    """Scatters of the K classes that have one, and objects that wait.

    Memory is bounded by K scatters, and at most D waiting objects a class and half as many again, whatever the number
    of objects.

    Attributes:
        labels: ``(K,)`` int64, ascending.
        counts: ``(K,)`` int64, the objects in each scatter.
        means: ``(K, D)`` float64, of these.
        scatters: ``(K, D, D)`` float64, about these.
        rows: of ``(n, D)`` float64 each, features of objects that wait.
        row_labels: of ``(n,)`` int64 each, their labels.
    """

    labels: Tensor
    counts: Tensor
    means: Tensor
    scatters: Tensor
    rows: list[Tensor]
    row_labels: list[Tensor]

    @classmethod
    def empty(cls) -> "ClassScatters":
        """Of no objects, with no features."""
        whole, real = (torch.zeros(0, dtype=dtype) for dtype in (torch.int64, torch.float64))
        table = real.reshape(0, 0)
        return cls(whole, whole, table, real.reshape(0, 0, 0), [table], [whole])

    @classmethod
    def of(cls, features: Tensor, target: Tensor) -> "ClassScatters":
        """Of objects.

        Args:
            features: ``(N, D)`` of any floating dtype.
            target: ``(N,)`` int64 labels.
        """
        width = features.shape[1]
        whole, real = target[:0], features.new_zeros(0, width, dtype=torch.float64)
        size = max(_BLOCK // width, 2 * width)
        blocks = zip(features.split(size), target.split(size), strict=True)
        scatters = real.reshape(0, 1, width).expand(0, width, width)
        parts = (cls(whole, whole, real, scatters, [rows.double()], [labels]) for rows, labels in blocks)
        return reduce(cls.merge, parts)

    def merge(self, other: "ClassScatters") -> "ClassScatters":
        """Of the objects of both.

        Raises:
            ValueError: if one has another number of features.
        """
        if not other._width or not self._width:
            return self if self._width else other
        check_widths(self._width, other._width)
        # the first rows are those that were left over before: no row is copied more than about thrice
        rows, labels = [*self.rows, *other.rows], [*self.row_labels, *other.row_labels]
        joined = self._with(other.labels, other.counts, other.means, other.scatters) if len(other.labels) else self
        joined = ClassScatters(joined.labels, joined.counts, joined.means, joined.scatters, rows, labels)
        new = sum(map(len, rows[1:]))
        return joined._settled() if new >= max(2 * self._width, len(rows[0]) // 2) else joined

    def waiting(self) -> tuple[Tensor, Tensor]:
        """``(W, D)`` features and ``(W,)`` labels of the objects that wait."""
        return torch.cat(self.rows), torch.cat(self.row_labels)

    @property
    def _width(self) -> int:
        return self.rows[0].shape[1]

    def _settled(self) -> "ClassScatters":
        """The same, the objects of classes with enough of them turned into scatters."""
        rows, row_labels = self.waiting()
        labels, inverse, counts = row_labels.unique(return_inverse=True, return_counts=True)
        enough = counts >= self._width
        staying = ~enough[inverse]
        settled = self
        if enough.any():
            order = inverse.argsort(stable=True).split(counts.tolist())
            parts = [_scatter(rows[order[place]]) for place in enough.nonzero()[:, 0].tolist()]
            means, scatters = (torch.stack(part) for part in zip(*parts, strict=True))
            settled = self._with(labels[enough], counts[enough], means, scatters)
        return ClassScatters(
            settled.labels, settled.counts, settled.means, settled.scatters, [rows[staying]], [row_labels[staying]]
        )

    def _with(self, labels: Tensor, counts: Tensor, means: Tensor, scatters: Tensor) -> "ClassScatters":
        """The same, with further scatters."""
        labels, ((own_counts, counts), (own_means, means), (own_scatters, scatters)) = on_union(
            self.labels, labels, (self.counts, counts), (self.means, means), (self.scatters, scatters)
        )
        means, gaps, weights = joined_means(own_counts, own_means, counts, means)
        scatters = (own_scatters + scatters).baddbmm_(gaps[:, :, None], (weights[:, None] * gaps)[:, None])
        return ClassScatters(labels, own_counts + counts, means, scatters, self.rows, self.row_labels)


def _scatter(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of rows, and their scatter about it."""
    mean = rows.mean(0)
    return mean, gram(rows - mean)
