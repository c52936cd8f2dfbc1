"""Trees of labels, and what the authors' own code gives."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor


def tree(n: int, fan: tuple[int, ...], seed: int) -> Tensor:
    """Labels ``(n, L)``, finest level first: each class has ``fan`` children, and each leaf is drawn alike."""
    random = torch.Generator().manual_seed(seed)
    columns = [torch.zeros(n, dtype=torch.int64)]
    for children in fan:
        columns.append(columns[-1] * children + torch.randint(children, (n,), generator=random))
    return torch.stack(columns[:0:-1], dim=1)


class Goldens:
    """`retrieval.json`, and the inputs that it was made of."""

    def __init__(self, folder: Path) -> None:
        self.document: dict[str, Any] = json.loads((folder / "retrieval.json").read_text())
        self._make = runpy.run_path(str(folder / "retrieval_inputs.py"))["make"]

    def inputs(self, case: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Labels ``(n, L)``, and embeddings ``(n, D)`` of unit length, that ask for a gradient."""
        inputs = case["inputs"]
        labels, x = self._make(inputs["seed"], inputs["n"], inputs["fan"], inputs["dim"], inputs["spread"])
        return torch.from_numpy(labels), torch.from_numpy(x).requires_grad_()


@pytest.fixture(scope="session")
def goldens(shared_data: Path) -> Goldens:
    return Goldens(shared_data / "goldens")
