"""The sum of two losses."""

import pytest
import torch
from torch.nn import functional as F

from hardest_metrics.losses import ClusterLoss, HAPPIERLoss, HierarchicalAPLoss, HRank
from tests.losses.conftest import tree


def test_it_is_the_weighted_sum_of_its_parts() -> None:
    labels = tree(20, (2, 3), seed=0)
    embeddings = F.normalize(torch.randn(20, 5))
    references, reference_labels = F.normalize(torch.randn(30, 5)), tree(30, (2, 3), seed=1)
    loss = HAPPIERLoss(6, 5, weight=0.7, temperature=0.1, alpha=2.0, start=0.0, offset=1.0, hrank=HRank())
    cluster = ClusterLoss(6, 5, temperature=0.1)
    cluster.load_state_dict(loss.cluster.state_dict())
    ranked = HierarchicalAPLoss(alpha=2.0, start=0.0, offset=1.0, hrank=HRank())
    for given in ([], [references, reference_labels]):
        expected = 0.7 * ranked(embeddings, labels, *given) + 0.3 * cluster(embeddings, labels)
        torch.testing.assert_close(loss(embeddings, labels, *given), expected)


def test_proxies_are_ordinary_parameters() -> None:
    loss = HAPPIERLoss(6, 5)
    (proxies,) = loss.parameters()
    assert proxies.shape == (5, 6)
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.1)
    labels = tree(20, (2, 3), seed=0)
    embeddings = F.normalize(torch.randn(20, 5))
    before = loss.cluster(embeddings, labels)
    before.backward()
    optimizer.step()
    assert loss.cluster(embeddings, labels) < before


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_is_a_share(weight: float) -> None:
    with pytest.raises(ValueError, match="weight="):
        HAPPIERLoss(6, 5, weight=weight)
