import torch

from hardest_metrics import Ranking
from hardest_metrics.comparison.encoding import decode, encode, ranking_hash
from tests.scenes import BIG_ID


def test_ids_and_hardness_come_back_exactly() -> None:
    ranking = Ranking(torch.tensor([BIG_ID, -1, 3]), torch.tensor([1 / 3, 1e-30, 0.0]))
    assert decode(encode(ranking)) == ranking
    assert decode(encode(ranking)).image_ids.dtype == torch.int64


def test_no_images() -> None:
    none = Ranking(torch.empty(0, dtype=torch.int64), torch.empty(0))
    assert decode(encode(none)) == none


def test_a_hash_tells_rankings_apart() -> None:
    ids = torch.tensor([1, 2])
    one, other = Ranking(ids, torch.tensor([2.0, 1.0])), Ranking(ids, torch.tensor([2.0, 1.0000001]))
    assert ranking_hash(one) == ranking_hash(Ranking(ids.clone(), torch.tensor([2.0, 1.0])))
    assert len({ranking_hash(one), ranking_hash(other), ranking_hash(Ranking(ids.flip(0), one.hardness))}) == 3
