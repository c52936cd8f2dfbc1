import pytest
import torch

from hardest_metrics.functional.retrieval.labels import class_order, class_spans, shared_levels
from hardest_metrics.functional.retrieval.ranks import rank_positives, ranking_keys
from tests.functional.retrieval.trees import random_labels


def test_keys_ascend_by_distance_and_then_by_level() -> None:
    distances = torch.tensor([-torch.inf, -2.5, -1e-40, -0.0, 0.0, 1e-40, 2.5, torch.inf])
    levels = torch.tensor([0, 3, 255])
    keys = ranking_keys(distances[:, None].expand(-1, 3).contiguous(), levels.expand(8, -1))
    assert torch.equal(keys[3], keys[4]), "-0 is 0"
    distinct = keys[[0, 1, 2, 4, 5, 6, 7]].flatten()
    assert (distinct.diff() > 0).all()


@pytest.mark.parametrize("seed", range(60))
def test_positives_stand_where_a_sort_of_all_puts_them(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    gallery = random_labels(40, 1 + seed % 4, rng)
    gallery = gallery[class_order(gallery)]
    itself = torch.randint(-1, 40, (25,), generator=rng)
    queries = torch.where(itself[:, None] >= 0, gallery[itself], gallery[torch.randint(40, (25,), generator=rng)])
    queries[itself < 0] += 100 * (torch.rand(int((itself < 0).sum()), 1, generator=rng) < 0.3)  # of no class there is
    distances = torch.randint(-5, 5, (25, 40), generator=rng).float()
    spans = class_spans(queries, gallery)
    level = shared_levels(queries[:, None], gallery)
    for depth in (None, 1, 7, 100):
        found = rank_positives(distances.clone(), spans, itself, depth)
        parts = zip(found.rank.split(found.number.tolist()), found.level.split(found.number.tolist()), strict=True)
        for query, (rank, levels) in enumerate(parts):
            items = [item for item in range(40) if item != itself[query]]
            items.sort(key=lambda item: (distances[query, item].item(), level[query, item].item()))
            expected = [(at, level[query, item].item()) for at, item in enumerate(items, 1) if level[query, item]]
            assert list(zip(rank.tolist(), levels.tolist(), strict=True)) == [
                pair for pair in expected if depth is None or pair[0] <= depth
            ]
