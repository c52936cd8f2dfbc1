from pathlib import Path

import pandas as pd

from hardest_metrics.results import RunStore, history
from tests.keyed import saved


def test_runs_are_rows_with_what_papers_claim_beside_results(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs.db")
    saved(store, [0.5, 2.0], model_name="one", seconds=0.5, paper_results={"accuracy": 0.75})
    saved(store, [0.5], model_name="two", peak_bytes=5)
    table = history(store)
    assert table["accuracy"].tolist() == [0.5, 1]
    assert table["accuracy (paper)"].isna().tolist() == [False, True]
    assert table["accuracy - paper"][0] == -0.25
    assert table["images_per_second"][0] == 4
    assert table["images_per_second"].isna().tolist() == [False, True]
    assert table["peak_bytes"].isna().tolist() == [True, False]
    assert isinstance(table["time"].dtype, pd.DatetimeTZDtype)
    assert history(store, model_name="two")["images"].tolist() == [1]
    assert history(store, dataset=table["dataset"][0])["model"].tolist() == ["one"]
    assert len(history(store, dataset="nothing")) == 0
