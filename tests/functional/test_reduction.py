"""Extremes by index do not depend on the order, also where torch is asked to be deterministic."""

import pytest
import torch

from hardest_metrics.functional.reduction import scatter_extreme_


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("mode", ["default", "warn", "error"])
def test_the_mode_is_left_as_it_was(mode: str, device: str) -> None:
    torch.set_deterministic_debug_mode(mode)
    try:
        before = torch.get_deterministic_debug_mode()
        index = torch.tensor([0, 1, 1], device=device)
        highest = scatter_extreme_(torch.zeros(2, device=device), index, torch.tensor([1.0, 5, 3]).to(device), "amax")
        assert highest.tolist() == [1, 5]
        assert torch.get_deterministic_debug_mode() == before
    finally:
        torch.set_deterministic_debug_mode("default")


def test_rows_are_reduced_column_by_column() -> None:
    rows = torch.tensor([[1, 9], [4, 2]])
    assert scatter_extreme_(torch.full((1, 2), 5), torch.zeros(2, 2).long(), rows, "amin").tolist() == [[1, 2]]
