"""What the tests of retrieval share."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def goldens(shared_data: Path) -> dict[str, Any]:
    """What the code of HAPPIER's authors gives; `trees` makes its inputs."""
    found: dict[str, Any] = json.loads((shared_data / "goldens" / "retrieval.json").read_text(encoding="utf-8"))
    return found
