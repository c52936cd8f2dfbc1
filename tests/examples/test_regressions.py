"""The example runs through all of it."""

from pathlib import Path

import pytest

from examples.regressions import __main__ as example
from examples.regressions.model import digits
from hardest_metrics.results import RunStore, regress

# Lightning and its command line warn of each other's and torch's deprecations, and of few workers.
pytestmark = pytest.mark.filterwarnings("default")


def test_two_trainings_are_kept_recognised_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(example, "OUT", tmp_path)
    code = example.main(epochs=1)
    out = capsys.readouterr().out
    assert "kept before, after" in out
    assert code in (0, 3)
    store = RunStore(tmp_path / "runs.db")
    assert len(store.runs()) == len(RunStore(tmp_path / "tests.db").runs()) == 2
    flips = regress(store).flips
    assert flips is not None
    assert flips.became_wrong
    assert (tmp_path / "worse.csv").exists()
    assert (tmp_path / "worse.png").exists()


def test_training_and_test_images_differ() -> None:
    train, test = digits()
    assert len(train) + len(test) == 1797
    assert test.tensors[0].max() <= 1
