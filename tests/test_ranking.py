"""A ranking is images and their hardness, hardest first, wherever it is passed."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from hardest_metrics import Ranking, Summary
from tests.scenes import BIG_ID

IDS = torch.tensor([5, BIG_ID, 3])
RANKING = Ranking(IDS, torch.tensor([2.5, 1.0, 0.0]))


def test_images_are_ranked_hardest_first_and_by_id_where_equally_hard() -> None:
    ids = torch.tensor([BIG_ID + 1, 7, BIG_ID, -1, 3])
    ranking = Ranking.of(ids, torch.tensor([1.0, 0.0, 1.0, 1.0, 2.0]))
    assert ranking.image_ids.tolist() == [3, -1, BIG_ID, BIG_ID + 1, 7]
    assert ranking.hardness.tolist() == [2, 1, 1, 1, 0]
    assert ranking.image_ids.dtype == torch.int64


def test_the_order_in_which_images_come_does_not_matter() -> None:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randperm(500, generator=generator)
    hardness = torch.randint(0, 4, (500,), generator=generator).float()
    ranking = Ranking.of(ids, hardness)
    order = torch.randperm(500, generator=generator)
    assert Ranking.of(ids[order], hardness[order]) == ranking
    assert dict(zip(ranking.image_ids.tolist(), ranking.hardness.tolist(), strict=True)) == dict(
        zip(ids.tolist(), hardness.tolist(), strict=True)
    )


def test_a_ranking_unpacks_into_ids_and_hardness() -> None:
    ids, hardness = RANKING
    assert ids is RANKING.image_ids
    assert hardness is RANKING.hardness


@pytest.mark.parametrize(("k", "expected"), [(0, []), (1, [5]), (2, [5, BIG_ID]), (9, IDS.tolist())])
def test_the_top_is_the_hardest_images_or_all(k: int, expected: list[int]) -> None:
    assert RANKING.top(k).image_ids.tolist() == expected
    assert len(RANKING.top(k).hardness) == len(expected)


def test_a_top_of_fewer_than_no_images_is_refused() -> None:
    with pytest.raises(ValueError, match="`k` is a number of images, at least 0, but is -1"):
        RANKING.top(-1)


def test_one_image_stays_a_vector() -> None:
    squeezed = Ranking(torch.tensor(BIG_ID), torch.tensor(1.5))
    assert squeezed.image_ids.shape == squeezed.hardness.shape == (1,)
    assert squeezed == Ranking(torch.tensor([BIG_ID]), torch.tensor([1.5]))


def test_rankings_are_equal_if_they_hold_exactly_the_same() -> None:
    assert Ranking(IDS.clone(), RANKING.hardness.clone()) == RANKING
    assert Ranking(IDS.flip(0), RANKING.hardness) != RANKING
    assert Ranking(IDS, RANKING.hardness + 1e-6) != RANKING
    assert RANKING.top(2) != RANKING
    assert RANKING != "a ranking"
    with pytest.raises(TypeError):
        hash(RANKING)


def test_the_text_shows_the_hardest_three() -> None:
    assert repr(RANKING) == f"Ranking(3 images, hardest first: 5 (2.5), {BIG_ID} (1), 3 (0))"
    many = Ranking.of(torch.arange(1000), torch.arange(1000) / 3)
    assert str(many) == "Ranking(1000 images, hardest first: 999 (333), 998 (332.7), 997 (332.3), ...)"
    assert repr(RANKING.top(1)) == "Ranking(1 image, hardest first: 5 (2.5))"
    assert repr(RANKING.top(0)) == "Ranking(0 images)"


def test_a_data_frame_has_a_row_an_image() -> None:
    frame = RANKING.to_pandas()
    assert frame.columns.tolist() == ["rank", "image_id", "hardness"]
    assert frame["rank"].tolist() == [1, 2, 3]
    assert frame["image_id"].tolist() == [5, BIG_ID, 3]
    assert frame["image_id"].dtype == "int64"
    assert frame["hardness"].dtype == "float32"
    assert RANKING.top(0).to_pandas().empty


def test_copies_are_equal() -> None:
    for ranking in (RANKING, RANKING.top(1), RANKING.top(0)):
        for copied in (pickle.loads(pickle.dumps(ranking)), copy.deepcopy(ranking)):
            assert type(copied) is Ranking
            assert copied == ranking


def test_what_maps_over_tensors_gives_a_ranking_again() -> None:
    mapped = apply_to_collection(RANKING, Tensor, lambda tensor: tensor.clone())
    assert type(mapped) is Ranking
    assert mapped == RANKING
    squeezed = apply_to_collection({"a": [RANKING.top(1)]}, Tensor, torch.squeeze)["a"][0]
    assert type(squeezed) is Ranking
    assert squeezed == RANKING.top(1)


#: What people map over the tensors of a result, and what it makes of a vector of three.
MAPPED: dict[str, tuple[Callable[[Tensor], Any], Callable[[Tensor], Any]]] = {
    "lists": (Tensor.tolist, Tensor.tolist),
    "numbers": (lambda tensor: float(tensor.sum()), lambda tensor: float(tensor.sum())),
    "arrays": (lambda tensor: tensor.numpy().tolist(), Tensor.tolist),
    "shapes": (lambda tensor: tensor.shape, lambda tensor: tensor.shape),
    "text": (str, str),
    "scalars": (Tensor.sum, lambda tensor: tensor.sum()[None]),
    "matrices": (lambda tensor: tensor[None], lambda tensor: tensor[None]),
}


@pytest.mark.parametrize("kind", MAPPED)
@pytest.mark.parametrize("tree", [False, True])
def test_functions_that_give_something_else_than_vectors_can_be_mapped(kind: str, tree: bool) -> None:
    if tree and tree_leaves(RANKING) == [RANKING]:
        pytest.skip("to this torch's trees a class derived from a named tuple is a leaf")
    function, expected = MAPPED[kind]
    results = {"epoch": [RANKING]}
    mapped: Any = tree_map(function, results) if tree else apply_to_collection(results, Tensor, function)
    (result,) = mapped["epoch"]
    assert type(result) is Ranking
    assert result == Ranking(expected(RANKING.image_ids), expected(RANKING.hardness))
    assert result != RANKING
    assert repr(result).startswith("Ranking(")
    assert pickle.loads(pickle.dumps(result)) == result
    if kind != "scalars":
        assert result._repr_html_() is None


def test_a_ranking_with_its_summary_can_be_mapped() -> None:
    summary = Summary(RANKING, 1.0, 2.0, 0.5)
    assert tree_map(lambda value: value, summary) == summary
    shapes: Any = apply_to_collection(summary, Tensor, lambda tensor: len(tensor))
    assert shapes == Summary(Ranking(3, 3), 1.0, 2.0, 0.5)  # type: ignore[arg-type]
