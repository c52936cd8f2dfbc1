"""True values and order are the same wherever they are looked for."""

import pytest
import torch

from hardest_metrics.functional.order import (
    as_array,
    as_tensor,
    ascending_order,
    at_least,
    descending_order,
    first_places,
    positions,
    repeated,
    rows_at,
    runs,
)


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
@pytest.mark.parametrize("most", [9, 2**31 - 1])
@pytest.mark.parametrize("shuffled", [False, True])
def test_equal_keys_stay_as_given(shuffled: bool, most: int, number: int, dtype: torch.dtype, device: str) -> None:
    keys = torch.randint(-most, most, (number,), generator=torch.Generator().manual_seed(0)).to(dtype)
    order = ascending_order(keys.to(device), shuffled)
    assert order.dtype == torch.int64
    assert order.device.type == device
    assert order.tolist() == sorted(range(number), key=keys.tolist().__getitem__)


@pytest.mark.parametrize("bits", [48, 49, 50, 51, 62, 63])
def test_keys_too_large_to_hold_their_place_are_ordered_all_the_same(bits: int) -> None:
    keys = torch.arange(5000).flip(0) % 1000
    keys[::2] += 2**bits - 1000
    keys[::3] -= 2**bits
    assert torch.equal(ascending_order(keys, shuffled=True), keys.argsort(stable=True))


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("least", [0.0, 0.3, 1.0])
def test_numbers_are_compared_in_their_own_dtype(least: float, dtype: torch.dtype, device: str) -> None:
    own = torch.tensor(least, dtype=dtype)
    values = torch.stack((own, torch.nextafter(own, own - 1), own + 1, own * torch.nan, own - torch.inf)).to(device)
    assert at_least(values.requires_grad_(), least).tolist() == [0, 2]
    assert at_least(values[:0], least).tolist() == []


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("shape", [(9,), (9, 4), (9, 2, 2)])
def test_rows_stand_in_the_order_asked_for(shape: tuple[int, ...], dtype: torch.dtype, device: str) -> None:
    rows = torch.randint(9, shape, generator=torch.Generator().manual_seed(0)).to(device, dtype)
    rows.requires_grad_(rows.is_floating_point())
    chosen = torch.tensor([8, 0, 0, 3], device=device)
    for wanted in (chosen, chosen[:0], chosen.repeat(500)):
        taken = rows_at(rows.detach(), wanted)
        assert torch.equal(taken, rows[wanted])
        taken = rows_at(rows, wanted)
        assert torch.equal(taken, rows[wanted])
        assert taken.requires_grad == rows.requires_grad
        assert taken.dtype == dtype
        assert taken.device == rows.device


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("special", [[], [-torch.inf, torch.inf, -0.0, 0.0, 1e-40, -1e-40], [torch.nan, -torch.nan]])
@pytest.mark.parametrize("shape", [(0, 5), (1, 0), (1, 1), (3, 7), (2, 3000)])
def test_rows_descend_as_torch_sorts_them(
    shape: tuple[int, int], special: list[float], dtype: torch.dtype, device: str
) -> None:
    rng = torch.Generator().manual_seed(0)
    values = torch.randint(-4, 4, shape, generator=rng) / 3
    if values.numel() > 9:
        places = torch.randint(0, values.numel(), (len(special),), generator=rng)
        values.view(-1)[places] = torch.tensor(special)
    values = values.to(device, dtype)
    order = descending_order(values)
    assert torch.equal(order, values.argsort(dim=1, descending=True, stable=True))


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("most", [9, 10**6], ids=["counted", "searched"])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize(("number", "of_wanted"), [(0, 0), (0, 3), (3, 0), (1, 1), (500, 200)])
def test_runs_are_where_values_start_and_how_often_they_are(
    number: int, of_wanted: int, dtype: torch.dtype, most: int, device: str
) -> None:
    rng = torch.Generator().manual_seed(0)
    ascending = torch.randint(0, most, (number,), generator=rng).to(dtype).sort()[0]
    wanted = torch.cat((ascending[: of_wanted // 2], torch.randint(0, most, (of_wanted,), generator=rng).to(dtype)))
    first, count = runs(ascending.to(device), wanted.to(device))
    values = ascending.tolist()
    assert count.tolist() == [values.count(value) for value in wanted.tolist()]
    assert count.device.type == first.device.type == device
    starts = first_places(ascending.to(device), wanted.to(device))
    assert starts.tolist() == [sum(value < own for value in values) for own in wanted.tolist()]
    assert first[count > 0].tolist() == starts[count > 0].tolist()


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("counts", [[], [0, 0], [2, 0, 3], [1] * 400])
def test_places_are_repeated_as_counted(counts: list[int], device: str) -> None:
    places = repeated(as_array(torch.tensor(counts, dtype=torch.int64, device=device)), sum(counts))
    assert as_tensor(places).device.type == device
    assert places.tolist() == [place for place, count in enumerate(counts) for _ in range(count)]
