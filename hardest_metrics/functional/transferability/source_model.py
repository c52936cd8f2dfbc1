"""What a source model's own head says about target objects, without any features."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hardest_metrics.functional.transferability.inputs import (
    checked_features,
    checked_labels,
    permuted,
    refuse_rows,
    undefined,
)

_ROUNDING = 0.01
"""By how much a row of probabilities may miss 1: half precision does, by less."""


def energy_score(logits: Tensor) -> Tensor:
    """Minus the mean energy of the objects, the mean of ln Σ exp(logits): how much in-distribution they are.

    ETran's score of energy, after `ETran: Energy-Based Transferability Estimation <https://arxiv.org/abs/2308.02027>`_
    (Gholami et al., 2023). It needs no labels.

    Args:
        logits: ``(N, S)`` of the source model's S classes, or any features.

    Returns:
        A float64 scalar, the higher the better; NaN of no objects.

    Raises:
        TypeError, ValueError: on logits that make no sense.

    Example:
        >>> energy_score(torch.tensor([[0.0, 0.0], [2.0, 2.0]]))
        tensor(1.6931, dtype=torch.float64)
    """
    return energy_score_of(EnergySum.of(checked_features(logits, "logits")))


def nce(*, source: Tensor, target: Tensor, shuffled: int | None = None) -> Tensor:
    """Negative conditional entropy: how well what the source model takes objects for tells their labels, in nats.

    ``-H(y|z)`` after `Transferability and Hardness of Supervised Classification Tasks
    <https://arxiv.org/abs/1908.08142>`_ (Tran et al., 2019).

    Args:
        source: ``(N,)`` integers z, the source model's likeliest class of each object, of the training split of the
            target set.
        target: ``(N,)`` integer labels y.
        shuffled: a seed, to shuffle the labels first. What they score then is what a score means nothing below.

    Returns:
        A float64 scalar of at most 0, the higher the better; NaN with fewer than two classes in `target`.

    Raises:
        TypeError, ValueError: on labels that make no sense.

    Example:
        >>> nce(source=torch.tensor([5, 5, 7, 7]), target=torch.tensor([0, 0, 0, 1]))
        tensor(-0.3466, dtype=torch.float64)
    """
    target = checked_labels(target, len(target))
    source = checked_labels(source, len(target), "source").to(target.device)
    return nce_of(PairCounts.of(source, target[permuted(len(target), shuffled)]))


def leep(*, source_probabilities: Tensor, target: Tensor, shuffled: int | None = None) -> Tensor:
    """LEEP: the mean log likelihood of the labels, read from the source model's probabilities.

    ``mean ln Σ_z P(y|z) θ(x)_z``, P(y|z) being the share of y in what θ gives to z, after `LEEP: A New Measure to
    Evaluate Transferability of Learned Representations <https://arxiv.org/abs/2002.12462>`_ (Nguyen et al., 2020).

    Args:
        source_probabilities: ``(N, S)``, θ, of the source model's S classes for each object, of the training split of
            the target set.
        target: ``(N,)`` integer labels y.
        shuffled: a seed, to shuffle the labels first. What they score then is what a score means nothing below.

    Returns:
        A float64 scalar of at most 0, the higher the better; NaN with fewer than two classes in `target`.

    Raises:
        TypeError, ValueError: on probabilities or labels that make no sense.

    Example:
        >>> probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.2, 0.8]])
        >>> leep(source_probabilities=probabilities, target=torch.tensor([0, 0, 1, 1]))
        tensor(-0.3840, dtype=torch.float64)
    """
    probabilities = checked_probabilities(source_probabilities)
    target = checked_labels(target, len(probabilities)).to(probabilities.device)
    return leep_of(LabelledProbabilities.of(probabilities, target[permuted(len(target), shuffled)]))


def checked_probabilities(probabilities: Tensor) -> Tensor:
    """``(N, S)`` of a floating dtype, a distribution a row.

    Raises:
        TypeError: if they are no tensor of a floating dtype.
        ValueError: if they have another shape, or a row is no distribution.
    """
    name = "source_probabilities"
    probabilities = checked_features(probabilities, name)
    wrong = (probabilities < 0).any(1) | ((probabilities.sum(1, dtype=torch.float64) - 1).abs() > _ROUNDING)
    refuse_rows(wrong, f"`{name}` must be at least 0 and add up to 1", "turn logits into them by `.softmax(1)`.")
    return probabilities


@dataclass(frozen=True)
class EnergySum:
    """Of any number of objects.

    Attributes:
        total: ``()`` float64, ln Σ exp(logits), added up.
        number: ``()`` int64, of objects.
    """

    total: Tensor
    number: Tensor

    @classmethod
    def empty(cls) -> "EnergySum":
        """Of no objects."""
        return cls(torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.int64))

    @classmethod
    def of(cls, logits: Tensor) -> "EnergySum":
        """Of ``(N, S)`` logits."""
        return cls(logits.double().logsumexp(1).sum(), torch.tensor(len(logits), device=logits.device))

    def merge(self, other: "EnergySum") -> "EnergySum":
        """Of the objects of both."""
        return EnergySum(self.total + other.total, self.number + other.number)


@dataclass(frozen=True)
class PairCounts:
    """How often source class and label occur together, of the P pairs that occur.

    Attributes:
        pairs: ``(P, 2)`` int64, source class and label, in lexical order.
        counts: ``(P,)`` int64.
    """

    pairs: Tensor
    counts: Tensor

    @classmethod
    def empty(cls) -> "PairCounts":
        """Of no objects."""
        whole = torch.zeros(0, dtype=torch.int64)
        return cls(whole.reshape(0, 2), whole)

    @classmethod
    def of(cls, source: Tensor, target: Tensor) -> "PairCounts":
        """Of ``(N,)`` source classes and labels."""
        return cls(*torch.stack((source, target), dim=1).unique(dim=0, return_counts=True))

    def merge(self, other: "PairCounts") -> "PairCounts":
        """Of the objects of both."""
        pairs, inverse = torch.cat((self.pairs, other.pairs)).unique(dim=0, return_inverse=True)
        counts = self.counts.new_zeros(len(pairs)).index_add_(0, inverse, torch.cat((self.counts, other.counts)))
        return PairCounts(pairs, counts)


@dataclass(frozen=True)
class LabelledProbabilities:
    """All objects: P(y|z) is known at the end only, and each object is looked at again then.

    Attributes:
        rows: of ``(n, S)`` float64 each, the source model's probabilities.
        labels: of ``(n,)`` int64 each.
    """

    rows: list[Tensor]
    labels: list[Tensor]

    @classmethod
    def empty(cls) -> "LabelledProbabilities":
        """Of no objects, with no source classes."""
        return cls([torch.zeros(0, 0, dtype=torch.float64)], [torch.zeros(0, dtype=torch.int64)])

    @classmethod
    def of(cls, probabilities: Tensor, target: Tensor) -> "LabelledProbabilities":
        """Of objects."""
        return cls([probabilities.double()], [target])

    def merge(self, other: "LabelledProbabilities") -> "LabelledProbabilities":
        """The objects of both.

        Raises:
            ValueError: if one has another number of source classes.
        """
        ours, theirs = self.rows[0].shape[1], other.rows[0].shape[1]
        if not ours or not theirs:
            return self if ours else other
        if ours != theirs:
            raise ValueError(
                f"`source_probabilities` must be of the same source classes, but objects have {ours} and {theirs}:"
                " use a metric for each source model."
            )
        return LabelledProbabilities([*self.rows, *other.rows], [*self.labels, *other.labels])


def energy_score_of(energy: EnergySum) -> Tensor:
    """:func:`energy_score` of the objects that `energy` is of."""
    return energy.total / energy.number


def nce_of(objects: PairCounts) -> Tensor:
    """:func:`nce` of the objects that were counted."""
    source, target = objects.pairs.unbind(1)
    if len(target.unique()) < 2:
        return undefined(objects.counts)
    counts = objects.counts.double()
    sources, inverse = source.unique(return_inverse=True)
    of_source = counts.new_zeros(len(sources)).index_add_(0, inverse, counts)
    return (counts * (counts / of_source[inverse]).log()).sum() / counts.sum()


def leep_of(objects: LabelledProbabilities) -> Tensor:
    """:func:`leep` of these objects."""
    labels = torch.cat(objects.labels).unique()
    if len(labels) < 2:
        return undefined(objects.rows[0])
    places = [torch.searchsorted(labels, some) for some in objects.labels]
    joint = objects.rows[0].new_zeros(len(labels), objects.rows[0].shape[1])
    for rows, place in zip(objects.rows, places, strict=True):
        joint.index_add_(0, place, rows)
    conditional = torch.where(joint > 0, joint / joint.sum(0), 0.0)
    total = joint.new_zeros(())
    for rows, place in zip(objects.rows, places, strict=True):
        likelihoods = rows @ conditional.T
        total += likelihoods.gather(1, place[:, None]).log().sum()
    return total / sum(map(len, places))
