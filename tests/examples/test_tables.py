"""What the tables of the experiment say of numbers whose answer is known."""

import pandas as pd
import pytest
import torch

from examples.transferability import tables
from hardest_metrics.transfer import MEASURES

NAMES = ("a", "b", "c", "d", "e")


@pytest.fixture
def frames() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Scores: `logme` of boxes tells the mAP, of whole images the opposite; of sources those with less do better."""
    random = torch.Generator().manual_seed(0)
    sources = pd.DataFrame(
        [
            {"seed": seed, "source": name, "map": 0.5 - k / 10, "images": 700}
            for seed in (0, 1)
            for k, name in enumerate(NAMES)
        ]
    )
    scores, reached = [], []
    for seed in (0, 1):
        for source in NAMES:
            for target in NAMES:
                if source == target:
                    continue
                pair = {"seed": seed, "source": source, "target": target}
                value = NAMES.index(source) + 0.01 * float(torch.rand((), generator=random))
                reached.append(pair | {"map": value / 10})
                for pooling, sign in (("local", 1), ("global", -1)):
                    row = {"pooling": pooling, "layer": "neck", "score": "logme", "value": sign * value}
                    scores.append(pair | row)
    return pd.DataFrame(scores), pd.DataFrame(reached), sources


def test_what_tells_the_order_is_said_to(frames: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]) -> None:
    scores, reached, sources = frames
    scores = pd.concat([scores, tables.baselines(reached, sources)])
    found = tables.choices(scores, reached)
    assert len(found) == 2 * 5 * (2 + 2)
    local = found[found["pooling"] == "local"]
    for name in MEASURES:
        assert local[name].tolist() == pytest.approx([0.0 if name == "regret" else 1.0] * 10)
    text = tables.by_score(found)
    assert "| logme | 1.00 [1.00, 1.00] | 1.00 [1.00, 1.00] |" in text
    assert "| images of the source | – | – | – | – | 0.1" in text, "what tells nothing apart costs what chance costs"
    own = next(line for line in text.splitlines() if line.startswith("| mAP of the source"))
    assert own.startswith("| mAP of the source | -1.00 [-1.00, -")
    assert tables.by_place(found) == {"logme": {"neck, local": pytest.approx(1), "neck, global": pytest.approx(-1)}}
    assert tables.as_table(tables.by_place(found)).endswith("| logme | **1.00** | -1.00 |")
    assert tables.local_against_global(found).startswith(
        "Features of boxes against those of whole images: +2.00 of Pearson [+2.00, +2.00], mean over 1 pairs"
    )
    assert tables.best(found).startswith("Highest Pearson of 3: logme of neck, local, 1.00 [1.00, 1.00], regret 0.000")


def test_trainings_are_shown_as_sources_by_targets(frames: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]) -> None:
    _, reached, sources = frames
    lines = tables.trainings(reached, sources).splitlines()
    assert lines[0] == "| source | on its own data | → a | → b | → c | → d | → e |"
    assert lines[2].startswith("| a | 0.500 | – | 0.00")
    assert lines[-1].endswith("| – |")
    assert len(lines) == 2 + len(NAMES)


def test_targets_can_be_chosen_too(frames: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]) -> None:
    scores, reached, _ = frames
    found = tables.choices(scores, reached, by="source")
    assert set(found["source"]) == set(NAMES)
    assert len(found) == 2 * 5 * 2
