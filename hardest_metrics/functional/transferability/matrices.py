"""Products and decompositions of symmetric matrices, by whatever is exact and quickest on the device."""

import numpy as np
import torch
from torch import Tensor

EPS = torch.finfo(torch.float64).eps

_SAFE_PIVOT = 1e-4


def gram(rows: Tensor) -> Tensor:
    """ZᵀZ of ``(N, D)`` rows."""
    if rows.device.type != "cpu":
        return rows.T @ rows
    array = rows.numpy()
    return torch.from_numpy(array.T @ array)  # numpy sees that this is symmetric, and takes half of torch's time


def eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, ascending, and eigenvectors of a symmetric matrix."""
    if matrix.device.type != "cpu":
        values, vectors = torch.linalg.eigh(matrix)
        return values, vectors
    values, vectors = np.linalg.eigh(matrix.numpy())  # in two thirds of torch's time
    return torch.from_numpy(values), torch.from_numpy(vectors)


def cholesky_diagonal(matrix: Tensor) -> Tensor:
    """``(D,)``, of the Cholesky factor of a positive definite matrix; NaN where numbers are beyond float64."""
    if matrix.device.type == "cpu":
        try:
            factor = torch.from_numpy(np.linalg.cholesky(matrix.numpy()))  # in half of torch's time
        except np.linalg.LinAlgError:
            factor = torch.full_like(matrix, torch.nan)
    else:
        factor = torch.linalg.cholesky_ex(matrix)[0]
    return factor.diagonal()


def inverse_form(matrix: Tensor, columns: Tensor, least: Tensor | None = None) -> Tensor:
    """``(T,)`` xᵀ S⁺ x of columns x that lie in the range of S, which may be singular.

    Args:
        matrix: ``(D, D)``, S, positive semidefinite.
        columns: ``(D, T)``, x.
        least: ``(D,)``; a row whose number on the diagonal is no larger is noise and counts as 0. None for 0.
    """
    # Invertible maps of both change nothing; with ones on the diagonal, rows of all sizes keep their digits
    diagonal = matrix.diagonal()
    there = diagonal > (0 if least is None else least)
    scale = torch.where(there, diagonal.rsqrt(), 0.0)
    matrix, columns = (matrix * scale).mul_(scale[:, None]), columns * scale[:, None]
    if there.all():
        factor, failed = torch.linalg.cholesky_ex(matrix)
        if not failed and factor.diagonal().min() > _SAFE_PIVOT:
            whitened: Tensor = torch.linalg.solve_triangular(factor, columns, upper=False)
            return whitened.square().sum(0)
    values, vectors = eigh(matrix)
    inverse = torch.where(values > len(values) * EPS * values.max(), 1 / values, 0.0)
    return inverse @ (columns.T @ vectors).T.square()
