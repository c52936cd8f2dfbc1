"""All that scores of features need to know of any number of objects, in constant space.

Two halves of the objects, each by itself, give what all of them give together: so batches can be added one by one, and
processes joined at the end. Everything is centred, each batch by its own mean, so that neither a large mean nor many
objects cost digits.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hardest_metrics.functional.transferability.matrices import gram

_PIECE = 1 << 18
"""Numbers that are worked on at a time, at least: little enough for a cache."""


@dataclass(frozen=True)
class FeatureStatistics:
    """Moments of features f, of the K classes that occur, and with boxes b.

    Attributes:
        labels: ``(K,)`` int64, ascending.
        counts: ``(K,)`` int64, objects of each class.
        means: ``(K, D)`` float64, of each class.
        squares: ``(K, D)`` float64, squared deviations from it, added up.
        scatter: ``(D, D)`` float64, Σ z zᵀ, where z = f - mean.
        cubic: ``(D,)`` float64, Σ ‖z‖² z.
        quartic: ``()`` float64, Σ ‖z‖⁴.
        box_products: ``(D, 4)`` float64, Σ f bᵀ; ``(D, 0)`` without boxes.
        box_squares: ``(4,)`` float64, Σ b²; ``(0,)`` without boxes.
    """

    labels: Tensor
    counts: Tensor
    means: Tensor
    squares: Tensor
    scatter: Tensor
    cubic: Tensor
    quartic: Tensor
    box_products: Tensor
    box_squares: Tensor

    @classmethod
    def empty(cls) -> "FeatureStatistics":
        """Of no objects, with no features."""
        whole, real = (torch.zeros(0, dtype=dtype) for dtype in (torch.int64, torch.float64))
        table = real.reshape(0, 0)
        return cls(whole, whole, table, table, table, real, real.sum(), table, real)

    @classmethod
    def of(cls, features: Tensor, target: Tensor, boxes: Tensor | None = None) -> "FeatureStatistics":
        """Of objects.

        Args:
            features: ``(N, D)`` of any floating dtype.
            target: ``(N,)`` int64 labels.
            boxes: ``(N, 4)`` float64, or None.
        """
        number, width = features.shape
        if boxes is None:
            boxes = features.new_zeros(number, 0, dtype=torch.float64)
        if not number:
            return cls._none(features, boxes)
        labels, inverse, counts = target.unique(return_inverse=True, return_counts=True)
        mean = features.mean(0, dtype=torch.float64)
        sums, squares = mean.new_zeros(2, len(labels), width)
        scatter, cubic, quartic = mean.new_zeros(()), torch.zeros_like(mean), mean.new_zeros(())
        products = mean[:, None] * boxes.sum(0)
        rows = max(_PIECE // width, width // 2)
        # written again for each piece: memory that was never touched costs more than all that is done with it
        buffers = mean.new_empty(2, min(rows, number), width)
        for piece, places, its_boxes in zip(features.split(rows), inverse.split(rows), boxes.split(rows), strict=True):
            centred, squared = buffers[:, : len(piece)]
            torch.sub(piece, mean, out=centred)
            torch.mul(centred, centred, out=squared)
            lengths = squared.sum(1)
            sums.index_add_(0, places, centred)
            squares.index_add_(0, places, squared)
            scatter = gram(centred).add_(scatter)
            cubic += lengths @ centred
            quartic += lengths @ lengths
            products += (its_boxes.T @ centred).T
        offsets = sums / counts[:, None]
        return cls(
            labels,
            counts,
            mean + offsets,
            (squares - offsets * sums).clamp(min=0),
            scatter,
            cubic,
            quartic,
            products,
            (boxes * boxes).sum(0),
        )

    @classmethod
    def _none(cls, features: Tensor, boxes: Tensor) -> "FeatureStatistics":
        """Of no objects, but on their device."""
        return cls(*(getattr(cls.empty(), name).to(features.device) for name in cls.__dataclass_fields__))

    def merge(self, other: "FeatureStatistics") -> "FeatureStatistics":
        """Of the objects of both.

        Raises:
            ValueError: if one has another number of features, or boxes where the other has none.
        """
        if not len(other.labels) or not len(self.labels):
            return self if len(self.labels) else other
        check_widths(self.means.shape[1], other.means.shape[1])
        if len(self.box_squares) != len(other.box_squares):
            raise ValueError("`boxes` are given for some objects only: give them in every update, or in none.")
        ours, theirs = float(self.counts.sum()), float(other.counts.sum())
        gap = other.mean - self.mean
        cubic, quartic = self._about(gap * (-theirs / (ours + theirs)))
        other_cubic, other_quartic = other._about(gap * (ours / (ours + theirs)))
        labels, ((counts, other_counts), (means, other_means), (squares, other_squares)) = on_union(
            self.labels,
            other.labels,
            (self.counts, other.counts),
            (self.means, other.means),
            (self.squares, other.squares),
        )
        means, offsets, weights = joined_means(counts, means, other_counts, other_means)
        return FeatureStatistics(
            labels,
            counts + other_counts,
            means,
            squares + other_squares + weights[:, None] * offsets * offsets,
            (self.scatter + other.scatter).addr_(gap, gap, alpha=ours * theirs / (ours + theirs)),
            cubic + other_cubic,
            quartic + other_quartic,
            self.box_products + other.box_products,
            self.box_squares + other.box_squares,
        )

    def _about(self, shift: Tensor) -> tuple[Tensor, Tensor]:
        """`cubic` and `quartic` of z + shift."""
        turned, trace, number = self.scatter @ shift, self.scatter.trace(), self.counts.sum()
        length = shift @ shift
        cubic = self.cubic + 2 * turned + (trace + number * length) * shift
        quartic = self.quartic + 4 * (shift @ turned + self.cubic @ shift) + (2 * trace + number * length) * length
        return cubic, quartic

    @property
    def number(self) -> int:
        """Of objects, N."""
        return int(self.counts.sum())

    @property
    def mean(self) -> Tensor:
        """``(D,)``, of all objects."""
        return self.counts.double() @ self.means / self.counts.sum()

    @property
    def gram(self) -> Tensor:
        """``(D, D)``, Σ f fᵀ."""
        return self.scatter.addr(self.mean, self.mean, alpha=self.number)

    @property
    def offsets(self) -> Tensor:
        """``(K, D)``, the means of the classes less that of all objects."""
        return self.means - self.mean


def check_widths(ours: int, theirs: int) -> None:
    """Raise ValueError if objects have features of two sizes."""
    if ours != theirs:
        raise ValueError(
            f"`features` must be of one size, but objects have {ours} and {theirs}: use a metric for each layer, or"
            " project them to one size."
        )


def on_union(
    labels: Tensor, other_labels: Tensor, *pairs: tuple[Tensor, Tensor]
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Rows by class of two sets of classes, brought to the classes that are in either; zeros where there are none.

    Args:
        labels: ``(K,)`` ascending.
        other_labels: ``(L,)`` ascending.
        pairs: ``(K, ...)`` and ``(L, ...)`` each.

    Returns:
        The labels of both, ascending, and every pair with a row for each.
    """
    if torch.equal(labels, other_labels):
        return labels, list(pairs)
    union = torch.cat((labels, other_labels)).unique()
    places = [torch.searchsorted(union, own) for own in (labels, other_labels)]

    def spread(rows: Tensor, place: Tensor) -> Tensor:
        return rows.new_zeros(len(union), *rows.shape[1:]).index_copy_(0, place, rows)

    return union, [(spread(ours, places[0]), spread(theirs, places[1])) for ours, theirs in pairs]


def joined_means(
    counts: Tensor, means: Tensor, other_counts: Tensor, other_means: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Means by class of two sets of objects.

    Returns:
        ``(K, D)`` means of both sets, ``(K, D)`` by how much the two differ, and ``(K,)`` how much that adds to squared
        deviations from the mean.
    """
    total = counts + other_counts
    present = (counts > 0) & (other_counts > 0)
    gaps = torch.where(present[:, None], other_means - means, 0.0)
    share = other_counts.double() / total  # integers by integers would be float32
    joined = torch.where((counts > 0)[:, None], means, other_means) + share[:, None] * gaps
    return joined, gaps, counts * share
