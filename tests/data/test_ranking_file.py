import csv
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from hardest_metrics import Ranking
from hardest_metrics.data import Annotations, write_ranking

SUFFIXES = (".csv", ".json", ".parquet")


def data_set(names: dict[int, str]) -> Annotations:
    return Annotations(list(names), list(names.values()), [None] * len(names), {}, [])


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".csv":
        return pd.DataFrame(pd.read_csv(path, keep_default_na=False))
    return pd.DataFrame(pd.read_parquet(path) if path.suffix == ".parquet" else json.loads(path.read_text()))


@pytest.fixture
def ranking() -> Ranking:
    """Ids that float64 cannot hold, and every kind of float32."""
    bits = np.random.default_rng(0).integers(0, 0x7F800000, 2000, dtype=np.int32)
    hardness = torch.from_numpy(bits.view(np.float32)).clone()
    hardness[:4] = torch.tensor([0.1, 3.0, 1 / 3, 0.0])
    return Ranking.of(2**53 + 1 + torch.arange(2000), hardness)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_ranking_comes_back_exactly(tmp_path: Path, ranking: Ranking, suffix: str) -> None:
    path = tmp_path / f"ranking{suffix}"
    write_ranking(ranking, path)
    table = read(path)
    assert list(table) == ["rank", "image_id", "hardness"]
    assert table["rank"].tolist() == list(range(1, 2001))
    assert table["image_id"].tolist() == ranking.image_ids.tolist()
    assert table["hardness"].astype("float32").tolist() == ranking.hardness.tolist()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_file_names_come_from_the_annotations(tmp_path: Path, suffix: str) -> None:
    names = {5: 'with, comma and "quotes".jpg', 3: "NA", 9: "naïve\nå.jpg"}
    path = tmp_path / f"ranking{suffix}"
    write_ranking(Ranking(torch.tensor([9, 5]), torch.tensor([2.0, 1.0])), path, data_set(names))
    table = read(path)
    assert list(table) == ["rank", "image_id", "hardness", "file_name"]
    assert table["file_name"].tolist() == [names[9], names[5]]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_ranking_has_columns_and_no_rows(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ranking{suffix}"
    write_ranking(Ranking(torch.empty(0, dtype=torch.int64), torch.empty(0)), path)
    assert len(read(path)) == 0


def test_csv_has_no_more_digits_than_needed(tmp_path: Path) -> None:
    path = tmp_path / "ranking.CSV"
    write_ranking(Ranking(torch.tensor([1, 2]), torch.tensor([12.1, 0.1])), path)
    with path.open(newline="") as file:
        assert list(csv.reader(file))[1:] == [["1", "1", "12.1"], ["2", "2", "0.1"]]


def test_parquet_keeps_the_types(tmp_path: Path, ranking: Ranking) -> None:
    path = tmp_path / "ranking.parquet"
    write_ranking(ranking, path)
    assert [str(dtype) for dtype in pd.read_parquet(path).dtypes] == ["int64", "int64", "float32"]


def test_another_suffix_is_refused(tmp_path: Path, ranking: Ranking) -> None:
    for name in ("ranking.txt", "ranking"):
        with pytest.raises(ValueError, match=rf"{name}: a ranking is written as \.csv, \.json, \.parquet"):
            write_ranking(ranking, tmp_path / name)


def test_annotations_without_an_image_of_the_ranking_are_refused(tmp_path: Path) -> None:
    ranking = Ranking(torch.tensor([9, 4]), torch.tensor([2.0, 1.0]))
    with pytest.raises(ValueError, match=r"`annotations` have no image 4, which is in the ranking"):
        write_ranking(ranking, tmp_path / "ranking.csv", data_set({9: "a.jpg"}))
    assert list(tmp_path.iterdir()) == []


def test_json_refuses_what_it_cannot_hold_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "ranking.json"
    path.write_text("old")
    with pytest.raises(ValueError, match=r"hardness of image 9 is inf, which JSON cannot hold\. Write CSV"):
        write_ranking(Ranking(torch.tensor([9]), torch.tensor([torch.inf])), path)
    assert path.read_text() == "old"
    write_ranking(Ranking(torch.tensor([9]), torch.tensor([torch.inf])), tmp_path / "ranking.csv")
    assert read(tmp_path / "ranking.csv")["hardness"].tolist() == [torch.inf]


def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, ranking: Ranking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "hardest_metrics\[parquet\]"'):
        write_ranking(ranking, tmp_path / "ranking.parquet")
    assert list(tmp_path.iterdir()) == []


FORMULA = "=cmd|' /C calc'!A0"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_names_are_exact_unless_a_spreadsheet_is_to_open_them(tmp_path: Path, suffix: str) -> None:
    ranking, names = Ranking(torch.tensor([9, 5]), torch.tensor([2.0, -1.0])), data_set({9: FORMULA, 5: "-.jpg"})
    write_ranking(ranking, tmp_path / f"exact{suffix}", names)
    assert read(tmp_path / f"exact{suffix}")["file_name"].tolist() == [FORMULA, "-.jpg"]
    write_ranking(ranking, tmp_path / f"safe{suffix}", names, for_spreadsheets=True)
    safe = read(tmp_path / f"safe{suffix}")
    assert safe["file_name"].tolist() == ([f"'{FORMULA}", "'-.jpg"] if suffix == ".csv" else [FORMULA, "-.jpg"])
    assert safe["hardness"].tolist() == [2.0, -1.0]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_name_that_is_no_text_is_refused_by_name(tmp_path: Path, suffix: str) -> None:
    ranking, names = Ranking(torch.tensor([9]), torch.tensor([2.0])), data_set({9: "a\ud800.jpg"})
    with pytest.raises(ValueError, match=rf"ranking\{suffix}: 'a\\ud800\.jpg' holds half a character.*write JSON"):
        write_ranking(ranking, tmp_path / f"ranking{suffix}", names)
    write_ranking(ranking, tmp_path / "ranking.json", names)
    assert json.loads((tmp_path / "ranking.json").read_text())[0]["file_name"] == "a\ud800.jpg"
