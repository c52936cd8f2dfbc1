"""What the README shows beside its doctests works as shown; its commands are in tests/cli/test_readme.py."""

import re
from pathlib import Path

import pytest
from torch.utils.data import DataLoader

from hardest_metrics.calibration import Platt, write_calibration
from tests.callbacks.runs import Module, Scenes, collate, files, trainer

pytestmark = pytest.mark.filterwarnings("default")  # Lightning's own

README = Path(__file__).parents[1] / "README.md"


class Predicting(Module):
    def predict_step(self, batch: object, batch_idx: int) -> object:
        return self.validation_step(batch, batch_idx)  # type: ignore[arg-type]


def test_python_that_is_shown_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_calibration(Platt(1.0), Path("calibration.json"))
    shown = re.findall(r"^```python\n(?!>>>)(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    loader = DataLoader(Scenes(8), 4, collate_fn=collate)
    names = {
        "Trainer": lambda callbacks: trainer(tmp_path, *callbacks),
        "model": Predicting(),
        "data": None,
        "pool": loader,
        "names": {1: "cat", 2: "dog", 3: "bird"},
    }
    for code in shown:
        exec(code.replace("fit(model, data)", "fit(model, pool, pool)"), names)
    assert len(shown) == 2
    assert [name.split("-")[0] for name in files(tmp_path)]


def test_it_is_short_and_leads_to_what_exists() -> None:
    text = README.read_text()
    assert text.count("\n") < 200
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (README.parent / target).exists(), target
    headings = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)", text, re.M)
    }
    for anchor in re.findall(r"\]\(#([^)]+)\)", text):
        assert anchor in headings, anchor
