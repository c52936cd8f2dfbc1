"""The area that pairs of boxes share, and how similar they are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools import mask

from hardest_metrics.functional.detection import geometry
from hardest_metrics.functional.detection.geometry import iou, ragged_pairs, shared_areas


def test_overlap_equals_pycocotools_to_the_last_bit() -> None:
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(60, 4, generator=generator, dtype=torch.float64) * 100
    b = torch.rand(70, 4, generator=generator, dtype=torch.float64) * 100
    a[:20], b[:20] = a[:20].round(), a[:20].round()
    a[20:25, 2], b[20:25, 3] = 0, 0
    crowd = torch.rand(70, generator=generator) < 0.5
    theirs = torch.from_numpy(mask.iou(a.numpy(), b.numpy(), crowd.long().tolist()))
    ours = torch.zeros_like(theirs)
    for i, j, shared in shared_areas(a, b, torch.zeros(60).long(), torch.full((60,), 70)):
        ours[i, j] = iou(shared, a[i, 2] * a[i, 3], b[j, 2] * b[j, 3], crowd[j])
    assert torch.equal(ours, theirs)


def test_boxes_that_touch_or_lie_apart_share_nothing() -> None:
    a = torch.tensor([[0.0, 0, 10, 10]], dtype=torch.float64)
    b = torch.tensor([[10.0, 0, 5, 5], [20, 20, 5, 5], [4, 6, 3, 30], [0, 10, 5, 5]], dtype=torch.float64)
    [(i, j, shared)] = shared_areas(a, b, torch.tensor([0]), torch.tensor([4]))
    assert list(zip(i.tolist(), j.tolist(), shared.tolist(), strict=True)) == [(0, 2, 12), (0, 3, 0)]


def test_torch_finds_the_shared_areas_that_numpy_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = torch.Generator().manual_seed(0)
    a, b = (torch.rand(number, 4, generator=rng, dtype=torch.float64) * 100 for number in (60, 70))
    first, count = (torch.randint(0, 35, (60,), generator=rng) for _ in range(2))
    monkeypatch.setattr(geometry, "_PAIRS_AT_ONCE", 100)
    monkeypatch.setattr(geometry, "_PAIRS_AT_ONCE_ON_DEVICE", 130)
    of_numpy = [torch.cat(parts) for parts in zip(*shared_areas(a, b, first, count), strict=True)]
    monkeypatch.setattr(geometry, "as_array", lambda tensor: tensor)  # as on another device
    of_torch = [torch.cat(parts) for parts in zip(*shared_areas(a, b, first, count), strict=True)]
    assert len(of_numpy[0]) > 100
    assert all(map(torch.equal, of_torch, of_numpy))


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
@pytest.mark.parametrize("at_once", [1, 2, 7, 10**6])
def test_rows_are_paired_with_their_partners_in_chunks(
    at_once: int, kind: Callable[[torch.Tensor], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geometry, "_PAIRS_AT_ONCE", at_once)
    monkeypatch.setattr(geometry, "_PAIRS_AT_ONCE_ON_DEVICE", at_once)
    generator = torch.Generator().manual_seed(0)
    for number in (0, 1, 5, 40):
        first = torch.randint(0, 100, (number,), generator=generator)
        count = torch.randint(0, 6, (number,), generator=generator) * torch.randint(
            0, 2, (number,), generator=generator
        )
        chunks = list(ragged_pairs(kind(first), kind(count)))
        found = [pair for rows, partners in chunks for pair in zip(rows.tolist(), partners.tolist(), strict=True)]
        starts = zip(range(number), first.tolist(), count.tolist(), strict=True)
        assert found == [(row, start + k) for row, start, length in starts for k in range(length)]
        assert all(len(rows) <= max(at_once, 5) for rows, _ in chunks)
