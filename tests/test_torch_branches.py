"""What is numpy's in the host's memory and torch's on another device gives the same, bit by bit.

Torch's calls are made here on the CPU, so that they are tested where there is no GPU too; `test_gpu.py` has the rest.
"""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from hardest_metrics import HardnessCollection, HardnessMetric, Ranking
from tests.scenes import Batch, Scenery
from tests.test_collection import nine
from tests.test_gpu import ESTIMATES

#: Where batches end.
ENDS = (60, 76, 77, 77, 117)


@pytest.fixture
def not_on_host(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets every tensor say that it lies on another device, from now on."""
    return lambda: monkeypatch.setattr(Tensor, "is_cpu", property(lambda self: False))


def batches(ends: tuple[int, ...]) -> list[Batch]:
    preds, target = Scenery().draw(ends[-1], seed=0)
    return [(preds[start:end], target[start:end]) for start, end in pairwise((0, *ends))]


@pytest.mark.parametrize(("method", "ends"), [("update", ENDS), ("forward", ENDS), ("update", (1400,))])
def test_all_definitions_rank_alike(method: str, ends: tuple[int, ...], not_on_host: Callable[[], None]) -> None:
    def ranked() -> dict[str, Ranking]:
        collection = HardnessCollection(nine())
        for batch in batches(ends):
            (collection.update if method == "update" else collection)(*batch)
        return collection.compute()

    expected = ranked()
    not_on_host()
    assert not torch.zeros(1).is_cpu
    assert ranked() == expected


@pytest.mark.parametrize("make", ESTIMATES.values(), ids=ESTIMATES)
def test_estimates_rank_alike(make: Callable[[], HardnessMetric], not_on_host: Callable[[], None]) -> None:
    def ranked() -> Ranking:
        metric = make()
        for batch in batches(ENDS):
            metric.update(*batch)
        ranking = metric.compute()
        assert isinstance(ranking, Ranking)
        return ranking

    expected = ranked()
    not_on_host()
    assert ranked() == expected
