import pytest
import torch
from torch import Tensor

from hardest_metrics.functional.retrieval.distances import Gallery, Similarity, check_embeddings


def random(n: int, dim: int, seed: int = 0) -> Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)) + 3


def direct(queries: Tensor, gallery: Tensor, metric: Similarity) -> Tensor:
    queries, gallery = queries.double(), gallery.double()
    if metric == "l2":
        return torch.cdist(queries, gallery, compute_mode="donot_use_mm_for_euclid_dist")
    if metric == "cosine":
        return -torch.cosine_similarity(queries[:, None], gallery, dim=-1)
    return -queries @ gallery.T


@pytest.mark.parametrize("metric", ["cosine", "inner_product", "l2"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_nearer_the_smaller(metric: Similarity, dtype: torch.dtype) -> None:
    queries, items = random(30, 8).to(dtype), random(70, 8, seed=1).to(dtype)
    order = torch.randperm(70, generator=torch.Generator().manual_seed(2))
    found = Gallery(items, order, metric).distances(queries)
    assert (found.argsort(dim=1) == direct(queries, items[order], metric).argsort(dim=1)).float().mean() > 0.99


@pytest.mark.parametrize("metric", ["cosine", "inner_product", "l2"])
@pytest.mark.parametrize("size", [1, 10, 300])
def test_a_row_does_not_depend_on_its_neighbours(metric: Similarity, size: int) -> None:
    queries, gallery = random(200, 96), Gallery(random(size, 96, seed=1), torch.arange(size), metric)
    whole = gallery.distances(queries)
    for chosen in (torch.tensor([17]), torch.tensor([3, 150]), torch.arange(60, 190), torch.arange(199, -1, -1)):
        assert torch.equal(gallery.distances(queries[chosen]), whole[chosen])


def test_equal_embeddings_are_equally_far() -> None:
    items = random(301, 96)
    items[[7, 130, 300]] = items[0].clone()
    found = Gallery(items, torch.arange(301), "cosine").distances(random(65, 96, seed=1))
    assert (found[:, [7, 130, 300]] == found[:, :1]).all()


def test_half_precision_is_compared_in_single() -> None:
    queries, items = random(20, 32).half(), random(500, 32, seed=1).half()
    found = Gallery(items, torch.arange(500), "cosine").distances(queries)
    assert found.dtype == torch.float32
    assert torch.equal(found, Gallery(items.float(), torch.arange(500), "cosine").distances(queries.float()))


def test_training_precision_changes_nothing_and_stays() -> None:
    queries, gallery = random(20, 32), Gallery(random(50, 32, seed=1), torch.arange(50), "cosine")
    expected = gallery.distances(queries)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(gallery.distances(queries), expected)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_what_is_given_stays_as_it_is() -> None:
    queries, items = random(5, 4), random(9, 4, seed=1)
    copies = queries.clone(), items.clone()
    Gallery(items, torch.arange(9), "cosine").distances(queries)
    assert torch.equal(queries, copies[0])
    assert torch.equal(items, copies[1])


def test_zeros_are_as_far_from_everything() -> None:
    assert not Gallery(random(9, 4), torch.arange(9), "cosine").distances(torch.zeros(1, 4)).any()


@pytest.mark.parametrize(
    ("embeddings", "error", "message"),
    [
        (torch.zeros(2, 3).long(), TypeError, "`gallery` must be floating-point numbers, but are torch.int64"),
        (torch.zeros(2), ValueError, r"`gallery` must have shape \(rows, dimensions\), but has \(2,\)"),
        (torch.zeros(2, 0), ValueError, r"but has \(2, 0\)"),
        (torch.zeros(3, 4), ValueError, "`gallery` has 3 rows, but there are labels of 2"),
        (torch.tensor([[0.0], [float("nan")]]), ValueError, r"`gallery`: row 1 holds NaN or infinity \(1 such row\)"),
        (torch.tensor([[float("inf")], [float("nan")]]), ValueError, r"row 0 holds NaN or infinity \(2 such rows\)"),
        (torch.tensor([[0.0], [1e30]]), ValueError, "row 1 is of length 1e.30, too long for float32"),
        (torch.tensor([[0.0], [1e200]], dtype=torch.float64), ValueError, "row 1 is of length 1e.200, too long"),
    ],
)
def test_embeddings_that_cannot_be_compared_are_refused(
    embeddings: Tensor, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        check_embeddings("gallery", embeddings, torch.zeros(2, 1).long())
