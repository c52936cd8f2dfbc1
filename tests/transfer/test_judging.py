"""How well scores choose among candidates."""

import math

import pandas as pd
import pytest
import scipy.stats
import torch

from hardest_metrics.transfer import BASELINE, MEASURES, judged

COLUMNS = ["candidate", "pooling", "layer", "score", "value"]


def test_every_score_and_baseline_is_judged_as_scipy_does() -> None:
    random = torch.Generator().manual_seed(0)
    names = [f"model{number}" for number in range(6)]
    reached = dict(zip(names, torch.rand(6, generator=random).tolist(), strict=True))
    rows = [
        (name, pooling, layer, score, float(torch.randn((), generator=random)))
        for name in reversed(names)
        for pooling in ("local", "global")
        for layer in ("neck", "backbone")
        for score in ("logme", "h_score")
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    sizes = dict(zip(names, [5.0, 3, 8, 1, 9, 2], strict=True))
    found = judged(table, reached, {"images": sizes})
    assert len(found) == 2 * 2 * 2 + 1
    for row in found.to_dict("records"):
        if row["layer"] == BASELINE:
            assert (row["pooling"], row["score"]) == (BASELINE, "images")
            values = sizes
        else:
            here = table[(table[["pooling", "layer", "score"]] == [row[k] for k in COLUMNS[1:4]]).all(axis=1)]
            values = dict(zip(here["candidate"], here["value"], strict=True))
        pair = [values[name] for name in names], [reached[name] for name in names]
        assert row["pearson"] == pytest.approx(scipy.stats.pearsonr(*pair).statistic, abs=1e-12)
        assert row["spearman"] == pytest.approx(scipy.stats.spearmanr(*pair).statistic, abs=1e-12)
        assert row["kendall"] == pytest.approx(scipy.stats.kendalltau(*pair).statistic, abs=1e-12)
        assert row["weighted_kendall"] == pytest.approx(scipy.stats.weightedtau(*pair).statistic, abs=1e-12)
        assert row["chosen"] == max(names, key=values.__getitem__)
        assert row["regret"] == pytest.approx(max(reached.values()) - reached[row["chosen"]])
        for name in MEASURES:
            assert row[f"{name}_low"] <= row[f"{name}_high"]


def test_a_score_that_is_undefined_for_any_candidate_chooses_none() -> None:
    rows = [("a", "local", "neck", "logme", 0.5), ("b", "local", "neck", "logme", math.nan)]
    (row,) = judged(pd.DataFrame(rows, columns=COLUMNS), {"a": 0.4, "b": 0.3}, {}).to_dict("records")
    assert row["chosen"] == ""
    assert all(math.isnan(row[name]) for name in MEASURES)


def test_a_baseline_that_tells_nothing_apart_costs_what_chance_costs() -> None:
    table = pd.DataFrame([], columns=COLUMNS)
    reached = {"a": 0.5, "b": 0.25, "c": 0.75}
    (row,) = judged(table, reached, {"images": dict.fromkeys(reached, 700.0)}).to_dict("records")
    assert math.isnan(row["pearson"])
    assert row["regret"] == 0.25
