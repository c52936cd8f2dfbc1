"""True values and order are the same wherever they are looked for."""

import pytest
import torch

from hardest_metrics.functional.order import ascending_order, positions


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("number", [0, 1, 7, 1000])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.9, 1.0])
def test_positions_are_those_of_true_values(number: int, share: float, device: str) -> None:
    mask = torch.rand(number, generator=torch.Generator().manual_seed(0)) < share
    found = positions(mask.to(device))
    assert found.dtype == torch.int64
    assert found.device.type == device
    assert found.tolist() == [place for place, is_true in enumerate(mask.tolist()) if is_true]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("number", [0, 1, 7, 5000])
def test_equal_keys_stay_as_given(number: int, dtype: torch.dtype, device: str) -> None:
    keys = torch.randint(-9, 9, (number,), generator=torch.Generator().manual_seed(0)).to(dtype)
    order = ascending_order(keys.to(device))
    assert order.dtype == torch.int64
    assert order.device.type == device
    assert order.tolist() == sorted(range(number), key=keys.tolist().__getitem__)
