"""The scores equal those of the papers' authors."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

from hardest_metrics.functional import transferability

#: The authors' names for what is called otherwise here.
NAMES = {"logme_boxes": "box_logme", "tlogme": "total_logme", "gbc_diagonal": "gaussian_overlap"}

#: Traces an error of its authors' file, which takes a logarithm once instead of for every feature.
WRONG = "gbc_spherical"


@pytest.fixture(scope="module")
def goldens(shared_data: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shared_data / "goldens" / "transferability.json").read_text())
    return found


@pytest.fixture(scope="module")
def recipes(shared_data: Path) -> dict[str, Any]:
    return runpy.run_path(str(shared_data / "goldens" / "transferability_inputs.py"))


@pytest.mark.filterwarnings("ignore:.*with no more objects than")
@pytest.mark.parametrize("index", range(17))
def test_scores_equal_the_authors(goldens: dict[str, Any], recipes: dict[str, Any], index: int) -> None:
    assert len(goldens["cases"]) == 17
    case = goldens["cases"][index]
    arrays = recipes["inputs"](case["recipe"])
    assert recipes["checksum"](*arrays) == pytest.approx(case["checksum"], rel=1e-12)
    features, target, boxes = map(torch.from_numpy, arrays)
    given = {"features": features, "target": target, "boxes": boxes}
    takes = {"logme_boxes": ("features", "boxes"), "tlogme": ("features", "target", "boxes")}
    expected = {**case["expected"], **case.get("renumbered", {})}
    assert None not in expected.values()
    for name, value in expected.items():
        if name == WRONG:
            continue
        score = getattr(transferability, NAMES.get(name, name))
        if name in ("leep", "nce"):
            probabilities = torch.from_numpy(recipes["source_predictions"](case["recipe"], arrays[1]))
            source = {"leep": {"source_probabilities": probabilities}, "nce": {"source": probabilities.argmax(1)}}
            found = score(**source[name], target=target)
        else:
            found = score(*(given[argument] for argument in takes.get(name, ("features", "target"))))
        tolerance = case["rtol"].get(name, goldens["default_rtol"])
        assert float(found) == pytest.approx(value, rel=tolerance), name
