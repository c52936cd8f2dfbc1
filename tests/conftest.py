"""What all tests share: the environment they run in, real data, and the mark of GPU tests."""

import os
from pathlib import Path

# Both are read when torch and matplotlib are first imported, in this process or in a child.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["MPLBACKEND"] = "Agg"

import pytest
import torch


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images, labels and detections that lies beside the project."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("../shared/data, which these tests need, is absent: see CONTRIBUTING.md")
    return folder


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked `gpu` where torch finds no CUDA device."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device, torch finds none")
