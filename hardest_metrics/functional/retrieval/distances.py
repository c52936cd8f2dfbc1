"""Embeddings as they are compared: checked, in float32, and how far a block of queries is from the whole gallery.

A distance here is any number that is the smaller, the nearer an item is: that is all that a ranking needs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

#: How embeddings are compared: by the cosine of their angle (they are brought to unit length), by their inner product
#: as they are, or by Euclidean distance.
Similarity = Literal["cosine", "inner_product", "l2"]

# Of another number of rows the last digits of a row would depend on how many are multiplied with it.
_ROWS = 64

# Distances that are held at a time: the more rows are multiplied at once, the less a row takes.
_HELD = {"cpu": 1 << 23, "cuda": 1 << 26}

# Of longer embeddings a product may overflow.
_LONGEST = float(torch.finfo(torch.float32).max) ** 0.5


class Gallery:
    """The embeddings that queries are compared with.

    Args:
        embeddings: ``(M, D)`` floating point.
        order: ``(M,)`` int64, in which they are put.
        metric: how they are compared.
    """

    def __init__(self, embeddings: Tensor, order: Tensor, metric: Similarity) -> None:
        self.metric = metric
        self._rows = embeddings.detach()[order].float()  # a copy, which is worked on in place
        # distances stay as they are when all is moved, and are more exact near the origin
        self._centre = self._rows.mean(dim=0) if metric == "l2" else None
        self._half_squares: Tensor | None = None
        _prepare_(self._rows, metric, self._centre)
        if metric == "l2":
            self._half_squares = torch.linalg.vector_norm(self._rows, dim=1).square_().div_(2)

    @property
    def rows_at_once(self) -> int:
        """How many queries are best compared at a time."""
        return max(_HELD.get(self._rows.device.type, 1 << 23) // len(self._rows) // _ROWS, 1) * _ROWS

    def distances(self, embeddings: Tensor) -> Tensor:
        """Distances of some queries from all of the gallery, each row the same whatever other rows there are.

        Args:
            embeddings: ``(Q, D)`` floating point.

        Returns:
            ``(Q, M)`` float32: minus cosine or inner product; half the squared Euclidean distance, less what is the
            same for all items of a row.
        """
        rows = embeddings.detach().float().clone()
        _prepare_(rows, self.metric, self._centre)
        rows = F.pad(rows.neg_(), (0, 0, 0, -len(rows) % _ROWS))
        with _full_precision(rows.device):
            found = rows @ self._rows.T
        if self._half_squares is not None:
            found += self._half_squares
        return found[: len(embeddings)]


def _prepare_(rows: Tensor, metric: Similarity, centre: Tensor | None) -> None:
    """Bring embeddings into the form in which they are multiplied, in place."""
    if metric == "cosine":
        # zeros stay zeros, equally far from everything
        rows /= torch.linalg.vector_norm(rows, dim=1, keepdim=True).clamp_(min=1e-12)  # as torch normalises
    elif centre is not None:
        rows -= centre


def check_metric(metric: str) -> None:
    """Refuse what is no :data:`Similarity`."""
    if metric not in get_args(Similarity):
        raise ValueError(f"`metric` must be one of {', '.join(map(repr, get_args(Similarity)))}, but is {metric!r}.")


def check_embeddings(name: str, embeddings: Tensor, labels: Tensor) -> None:
    """Refuse embeddings that cannot be compared.

    Raises:
        TypeError: if they are not a tensor of floating-point numbers.
        ValueError: if they are not ``(N, D)``, not as many as labels, or hold a number that is not finite or too large
            for inner products in float32. The message names the row.
    """
    if not embeddings.is_floating_point():
        raise TypeError(f"`{name}` must be floating-point numbers, but are {embeddings.dtype}.")
    if embeddings.ndim != 2 or not embeddings.shape[1]:
        raise ValueError(f"`{name}` must have shape (rows, dimensions), but has {tuple(embeddings.shape)}.")
    if len(embeddings) != len(labels):
        raise ValueError(f"`{name}` has {len(embeddings)} rows, but there are labels of {len(labels)}: give one each.")
    at_least_single = torch.promote_types(embeddings.dtype, torch.float32)
    length = torch.linalg.vector_norm(embeddings.detach(), dim=1, dtype=at_least_single)
    wrong = (~(length < _LONGEST)).nonzero().flatten()
    if len(wrong):
        row = int(wrong[0])
        finite = bool(embeddings[row].isfinite().all())
        problem = f"is of length {float(length[row]):g}, too long for float32" if finite else "holds NaN or infinity"
        raise ValueError(
            f"`{name}`: row {row} {problem} ({len(wrong)} such {'row' if len(wrong) == 1 else 'rows'}):"
            " look at what the network gives for it."
        )


@contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    """Multiply in float32 whatever precision training chose: in half of it a quarter of all neighbours are equal."""
    chosen = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(chosen)
