"""What losses are given, checked: embeddings, and labels of a tree, finest level first."""

from typing import NamedTuple

import torch
from torch import Tensor


class Scored(NamedTuple):
    """A batch whose embeddings are at least float32, and all of one dtype."""

    embeddings: Tensor
    labels: Tensor
    references: Tensor
    reference_labels: Tensor


def as_scored(
    embeddings: Tensor, labels: Tensor, references: Tensor | None = None, reference_labels: Tensor | None = None
) -> Scored:
    """Check a batch; by default it refers to itself.

    Raises:
        TypeError: when labels are not integers, or embeddings not floating point.
        ValueError: when shapes do not go together.
    """
    if (references is None) != (reference_labels is None):
        missing = "reference_labels" if reference_labels is None else "references"
        raise ValueError(f"{missing} is missing: give references and reference_labels, or neither.")
    _check("embeddings", embeddings, "labels", labels)
    if references is None or reference_labels is None:
        references, reference_labels = embeddings, labels
    _check("references", references, "reference_labels", reference_labels)
    for name, given, expected in (
        ("references", references, embeddings),
        ("reference_labels", reference_labels, labels),
    ):
        if given.shape[1] != expected.shape[1]:
            raise ValueError(
                f"{name} has {given.shape[1]} columns, but {'embeddings' if name == 'references' else 'labels'} has "
                f"{expected.shape[1]}. Give as many."
            )
    dtype = torch.promote_types(torch.promote_types(embeddings.dtype, references.dtype), torch.float32)
    return Scored(embeddings.to(dtype), labels, references.to(dtype), reference_labels)


def levels_of_pairs(labels: Tensor, reference_labels: Tensor) -> Tensor:
    """How many levels each pair shares.

    Args:
        labels: ``(B, L)`` integers, finest level first.
        reference_labels: ``(M, L)``.

    Returns:
        ``(B, M)`` int64.

    Raises:
        ValueError: when two rows are equal at a level and differ at a coarser one; the message names them.

    Example:
        >>> levels_of_pairs(torch.tensor([[7, 3]]), torch.tensor([[7, 3], [8, 3], [9, 4]]))
        tensor([[2, 1, 0]])
    """
    equal = labels[:, None] == reference_labels  # (B, M, L)
    torn = equal[..., :-1] & ~equal[..., 1:]
    if torn.any():
        row, other, level = torn.nonzero()[0].tolist()
        raise ValueError(
            f"labels are no tree: row {row} is {labels[row].tolist()} and row {other}, of what it is compared with, "
            f"{reference_labels[other].tolist()}: equal at level {level}, but not at level {level + 1}, which is "
            "coarser. Give labels finest level first, and other numbers to classes of other parents."
        )
    return equal.sum(-1)


def _check(name: str, embeddings: Tensor, labels_name: str, labels: Tensor) -> None:
    if embeddings.ndim != 2 or not embeddings.is_floating_point():
        raise (TypeError if embeddings.ndim == 2 else ValueError)(
            f"{name} must be (B, D) in floating point, but is {tuple(embeddings.shape)} in {embeddings.dtype}."
        )
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f"{labels_name} must be integers, but are {labels.dtype}.")
    if labels.ndim != 2 or not labels.shape[1] or len(labels) != len(embeddings):
        raise ValueError(
            f"{labels_name} must be ({len(embeddings)}, L), a row for each row of {name}, finest level first, but is "
            f"{tuple(labels.shape)}."
        )
