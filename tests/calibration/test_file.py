"""Files of calibrations."""

from pathlib import Path
from typing import Any

import pytest
import torch

from hardest_metrics.calibration import Isotonic, Platt, read_calibration, write_calibration


@pytest.mark.parametrize("curve", [Platt(0.1 + 0.2, -1 / 3), Isotonic([0.1 + 0.2, 1 / 3], [1e-17, 2 / 3])], ids=repr)
def test_a_calibration_is_read_back_exactly(curve: Platt | Isotonic, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text("an older one")
    write_calibration(curve, path)
    copy = read_calibration(path)
    assert copy.settings == curve.settings
    scores = torch.linspace(0, 1, 101)
    assert torch.equal(copy(scores), curve(scores))
    assert list(tmp_path.iterdir()) == [path]


def test_a_calibration_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Cannot write"):
        write_calibration(Platt(1.0), tmp_path / "absent" / "calibration.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "must be an object, but is a list"),
        ("{}", "'calibration' must be one of .*, but is None"),
        ('{"calibration": ["platt"]}', "'calibration' must be one of"),
        ('{"calibration": "platt", "slope": 1}', "'offset' must be a number, but is None"),
        ('{"calibration": "platt", "slope": "1", "offset": 0}', "'slope' must be a number, but is '1'"),
        ('{"calibration": "platt", "slope": -1, "offset": 0}', "`slope` must be finite and at least 0"),
        ('{"calibration": "platt", "slope": NaN, "offset": 0}', "`slope` must be finite"),
        ('{"calibration": "isotonic", "scores": [true], "probabilities": [1]}', "'scores' must be a list of numbers"),
        ('{"calibration": "isotonic", "scores": [0.5], "probabilities": []}', "hold 1 and 0"),
        ('{"calibration": "isotonic", "scores": [0.5], "probabilities": [2]}', r"in \[0, 1\]"),
        ('{"calibration": "platt", "slo', "truncated"),
        ("", "empty"),
    ],
)
def test_what_is_no_calibration_is_refused_by_name(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"wrong.json: .*{message}"):
        read_calibration(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    arguments: Any = tmp_path / "absent.json"
    with pytest.raises(FileNotFoundError, match=r"absent\.json"):
        read_calibration(arguments)
