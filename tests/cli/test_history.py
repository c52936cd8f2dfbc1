from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from hardest_metrics.results import RunStore, history
from tests.cli.commands import Run
from tests.keyed import saved


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    store = RunStore(tmp_path / "runs.db")
    for losses in ([0.5, 2.0], [0.5, 0.6]):
        saved(store, losses, model_name="net", seconds=0.5, paper_results={"accuracy": 0.75})
    saved(store, [0.5], model_name="other")
    return store


def test_runs_are_listed_with_claims_beside(store: RunStore, run: Run) -> None:
    code, out, err = run("history", "--store", store.path)
    assert (code, err) == (0, "")
    assert "0.75 (-0.25)" in out
    assert out.endswith("3 runs over 2 data sets\n")
    assert all(one.id[:8] in out for one in store.runs())
    code, out, _ = run("history", "--store", store.path, "--model", "other")
    assert out.endswith("1 run over 1 data set\n")
    code, out, _ = run("history", "--store", store.path, "--dataset", store.runs()[0].dataset[:10])
    assert out.endswith("2 runs over 1 data set\n")


def test_the_table_and_a_plot_are_written(store: RunStore, run: Run, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("runs.csv", "runs.parquet", "runs.png")]
    code, out, _ = run("history", "--store", store.path, "--export", *files[:2], "--plot", files[2])
    assert code == 0
    assert [line for line in out.splitlines() if line.startswith("Wrote")] == [f"Wrote {file}" for file in files]
    known = history(store)
    for table in (pd.read_csv(files[0]), pd.read_parquet(files[1])):
        assert table["run"].tolist() == known["run"].tolist()
        assert table["accuracy"].tolist() == known["accuracy"].tolist()
    with Image.open(files[2]) as picture:
        assert picture.width > 500


def test_the_store_of_the_environment_is_the_default(
    store: RunStore, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARDEST_METRICS_STORE", str(store.path))
    assert run("history")[0] == 0


def test_where_there_is_nothing_that_is_said(store: RunStore, run: Run, tmp_path: Path) -> None:
    for arguments, message in (
        (["--store", tmp_path / "none.db"], "none.db: no such file"),
        (["--store", store.path, "--model", "none"], "holds no such runs. Leave out --dataset and --model"),
        (["--store", store.path, "--export", store.path], "`export` writes .csv"),
    ):
        code, out, err = run("history", *arguments)
        assert (code, out) == (2, "")
        assert message.replace("`export`", "--export") in err
