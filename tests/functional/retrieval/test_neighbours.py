import pytest
import torch

from hardest_metrics.functional.retrieval import nearest_neighbours, score_queries, shared_levels
from tests.functional.retrieval.trees import random_case


@pytest.mark.filterwarnings("ignore:`k`")
@pytest.mark.parametrize("seed", range(30))
def test_neighbours_are_those_that_are_scored(seed: int) -> None:
    case = random_case(seed)
    scores = score_queries(**case.arguments, k=[1, 3], metric="inner_product")
    found = nearest_neighbours(**case.arguments, k=3, metric="inner_product")
    labels = case.labels if case.gallery_labels is None else case.gallery_labels
    assert torch.equal(found.level, shared_levels(case.labels[:, None], labels[found.items]))
    gains = (2.0**found.level - 1).double() / torch.arange(2, 2 + found.level.shape[1]).double().log2()
    for query in range(len(case.labels)):
        if case.gallery is None:
            assert query not in found.items[query].tolist()
        for column in range(case.labels.shape[1]):
            hits = found.level[query] >= case.labels.shape[1] - column
            expected = scores.precision_at[3][query, column]
            assert expected.isnan() or float(hits.double().mean()) == pytest.approx(float(expected))
        if not scores.ndcg[query].isnan():
            assert (gains[query].sum() > 0) == (scores.ndcg_at[3][query] > 0)


def test_of_equals_the_lower_level_and_then_the_first_comes_first() -> None:
    found = nearest_neighbours(torch.ones(5, 2), torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1], [3, 1]]), k=4)
    assert found.items[0].tolist() == [3, 4, 2, 1]
    assert found.level[0].tolist() == [0, 0, 1, 2]


@pytest.mark.parametrize(
    ("metric", "expected"), [("cosine", [1.0, 0.0]), ("inner_product", [6.0, 0.0]), ("l2", [-1.0, -(13**0.5)])]
)
def test_similarity_is_that_of_the_metric(metric: str, expected: list[float]) -> None:
    found = nearest_neighbours(
        torch.tensor([[2.0, 0.0]]),
        torch.tensor([[0]]),
        gallery=torch.tensor([[0.0, 3.0], [3.0, 0.0]]),
        gallery_labels=torch.tensor([[0], [1]]),
        k=2,
        metric=metric,  # type: ignore[arg-type]
    )
    assert found.items.tolist() == [[1, 0]]
    assert found.similarity[0].tolist() == pytest.approx(expected)


def test_more_than_there_are_is_clipped_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="`k`: 9 is more than the 2 items") as caught:
        found = nearest_neighbours(torch.eye(3), torch.zeros(3, 1).long(), k=9)
    assert caught[0].filename == __file__
    assert found.items.tolist() == [[1, 2], [0, 2], [0, 1]]


def test_a_block_more_changes_nothing() -> None:
    rng = torch.Generator().manual_seed(0)
    embeddings, labels = torch.randn(150, 8, generator=rng), torch.randint(9, (150, 1), generator=rng)
    whole = nearest_neighbours(embeddings, labels, k=5)
    part = torch.tensor([149, 3])
    some = nearest_neighbours(
        embeddings[part], labels[part], gallery=embeddings, gallery_labels=labels, itself=part, k=5
    )
    assert torch.equal(some.items, whole.items[part])
