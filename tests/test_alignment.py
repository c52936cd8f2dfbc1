"""Two rankings of the same images."""

import math

import pytest
import torch

from hardest_metrics import Ranking
from hardest_metrics.alignment import join
from tests.scenes import BIG_ID


def test_rankings_are_joined_by_id() -> None:
    hardness = torch.tensor([1.0, 2, 3])
    estimated = Ranking.of(torch.tensor([5, BIG_ID, 2]), hardness)
    true = Ranking.of(torch.tensor([2, 5, BIG_ID]), hardness)
    first, second = join(estimated, true)
    assert first.tolist() == [3, 1, 2]
    assert second.tolist() == [1, 2, 3]


@pytest.mark.parametrize("dtype", [torch.int16, torch.uint8, torch.int32])
def test_ids_are_compared_whatever_integers_they_are(dtype: torch.dtype) -> None:
    narrow = Ranking(torch.tensor([2, 9, 5], dtype=dtype), torch.tensor([3.0, 2, 1]))
    assert torch.equal(torch.stack(join(narrow, ranking(5, 9, 2))), torch.tensor([[3.0, 1, 2], [1, 1, 1]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.bool])
def test_ids_that_are_no_integers_are_refused(dtype: torch.dtype) -> None:
    wrong = Ranking(torch.tensor([1], dtype=dtype), torch.ones(1))
    with pytest.raises(TypeError, match=f"`true` has ids of {dtype}, but ids must be integers"):
        join(ranking(1), wrong)


def test_no_images_can_be_joined() -> None:
    none = Ranking(torch.empty(0).long(), torch.empty(0))
    assert [len(part) for part in join(none, none)] == [0, 0]


def ranking(*ids: int) -> Ranking:
    return Ranking.of(torch.tensor(ids), torch.ones(len(ids)))


@pytest.mark.parametrize(
    ("estimated", "true", "message"),
    [
        (ranking(1, 2, 3), ranking(1, 3), "`true` lacks image 2 of the 3 images that `estimated` ranks: rank the same"),
        (
            ranking(BIG_ID),
            ranking(1, 2, BIG_ID, 3, 4),
            r"`estimated` lacks 4 images \(1, 2, 3, ...\) of the 5 images that `true` ranks",
        ),
        (ranking(1, 2), ranking(3, 4), r"`true` lacks 2 images \(1, 2\) of the 2"),
        (ranking(1, 2, 2), ranking(1, 2), "`estimated` ranks image 2 more than once: give different images"),
        (ranking(1, 2), ranking(2, 2, 1, 1, 1), r"`true` ranks 2 images \(1, 2\) more than once"),
        (
            Ranking(torch.tensor([7]), torch.tensor([math.nan])),
            ranking(7),
            "`estimated` has no finite hardness for image 7: leave out of both",
        ),
        (ranking(7), Ranking(torch.tensor([7]), torch.tensor([math.inf])), "`true` has no finite hardness for image 7"),
    ],
)
def test_rankings_of_different_images_are_refused_by_name(estimated: Ranking, true: Ranking, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        join(estimated, true)


def test_what_is_no_ranking_is_refused() -> None:
    with pytest.raises(TypeError, match="`true` must be a `Ranking`, but is Tensor"):
        join(ranking(1), torch.ones(1))  # type: ignore[arg-type]
