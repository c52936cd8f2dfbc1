"""What the tests of plots share."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def _no_figures() -> Iterator[None]:
    """Each test finds no figure and leaves none."""
    plt.close("all")
    yield
    plt.close("all")
