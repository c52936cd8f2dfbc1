"""Products and decompositions of symmetric matrices."""

import pytest
import torch

from hardest_metrics.functional.transferability.matrices import eigh, gram, inverse_form
from tests.functional.transferability.objects import drawn


@pytest.mark.parametrize("width", [1, 7, 40])
def test_products_of_rows_and_of_their_transpose(width: int) -> None:
    rows = drawn(30, width)[0]
    torch.testing.assert_close(gram(rows), torch.einsum("ni,nj->ij", rows, rows))
    torch.testing.assert_close(gram(rows.T), torch.einsum("in,jn->ij", rows, rows))
    torch.testing.assert_close(gram(rows[:0]), torch.zeros(width, width, dtype=torch.float64))


def test_eigenvectors_make_the_matrix_again() -> None:
    matrix = gram(drawn(30, 9)[0])
    values, vectors = eigh(matrix)
    torch.testing.assert_close(vectors @ values.diag() @ vectors.T, matrix)


@pytest.mark.parametrize("number", [5, 40])  # singular, and not
@pytest.mark.parametrize("sizes", [0, 6])
def test_columns_in_the_range_of_a_matrix_are_measured_by_its_inverse(number: int, sizes: int) -> None:
    rows = drawn(number, 9)[0]
    columns = torch.randn(number, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    # of columns Fᵀt by F Fᵀ: the part of t in the range of F, whatever the sizes of F's columns
    expected = (rows @ torch.linalg.lstsq(rows, columns, driver="gelsd").solution).square().sum(0)
    rows = rows * torch.logspace(0, -sizes, 9, dtype=torch.float64)
    torch.testing.assert_close(inverse_form(gram(rows), rows.T @ columns), expected, rtol=1e-9, atol=0.0)


def test_noise_counts_as_nothing() -> None:
    matrix = torch.diag(torch.tensor([4.0, 1e-30], dtype=torch.float64))
    columns = torch.tensor([[2.0], [1e-15]], dtype=torch.float64)
    assert inverse_form(matrix, columns).tolist() == pytest.approx([2.0])
    assert inverse_form(matrix, columns, torch.tensor([0.0, 1e-20])).tolist() == pytest.approx([1.0])
