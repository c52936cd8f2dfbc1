"""Shards are found, read piece by piece, and their rows written whole."""

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from hardest_metrics.data import hardness_rows
from hardest_metrics.shards.shard import Shard, is_ranked, rank_shard, shards_of
from tests.arrow_scenes import dicts, rows, table_of
from tests.shards.small import save_shards, small_task, spoil


def read(path: str | Path) -> pa.Table:
    return pyarrow.parquet.read_table(path)


def test_rows_are_called_as_their_shards_below_what_the_pattern_leaves_open(tmp_path: Path) -> None:
    save_shards(tmp_path / "in")

    def names(pattern: str) -> list[str]:
        return [os.path.relpath(shard.rows, tmp_path / "out") for shard in shards_of(pattern, str(tmp_path / "out"))]

    assert names(f"{tmp_path}/in/*.parquet") == names(f"{tmp_path}/in") == ["0.parquet", "1.parquet", "2.parquet"]
    assert names(f"{tmp_path}/in/**/*.parquet") == [*names(f"{tmp_path}/in"), "deep/3.parquet"]
    assert names(f"{tmp_path}/in/deep/3.parquet") == ["3.parquet"]


def test_what_is_no_shard_is_refused(tmp_path: Path) -> None:
    save_shards(tmp_path / "in")
    with pytest.raises(ValueError, match="no such file"):
        shards_of(f"{tmp_path}/in/*.json", "out")
    with pytest.raises(ValueError, match="would take its place"):
        shards_of(f"{tmp_path}/in/*.parquet", str(tmp_path / "in"))
    (tmp_path / "in" / "_SUCCESS").touch()
    assert len(shards_of(str(tmp_path / "in"), "out")) == 3, "engines leave notes beside what they write"
    (tmp_path / "in" / "0.jsonl").touch()
    with pytest.raises(ValueError, match="would have the name of those of"):
        shards_of(f"{tmp_path}/in/0*", "out")
    (tmp_path / "in" / "0.jsonl").unlink()
    (tmp_path / "in" / "a.csv").touch()
    with pytest.raises(ValueError, match=r"a\.csv: shards end in \.parquet, \.jsonl, \.ndjson"):
        shards_of(f"{tmp_path}/in", "out")


def test_rows_of_parquet_json_lines_and_tables_are_equal(tmp_path: Path) -> None:
    found, task = rows(50, 1), small_task()
    pyarrow.parquet.write_table(table_of(found), tmp_path / "a.parquet", row_group_size=7)
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, found)))
    expected = hardness_rows(table_of(found), task.metrics)
    for name in ("a.parquet", "b.jsonl"):
        rank_shard(Shard(str(tmp_path / name), str(tmp_path / "rows.parquet")), task)
        assert read(tmp_path / "rows.parquet").equals(expected)
    metric = task.metrics["hardness"].clone()
    metric.update(*dicts(found))
    by_id = dict(zip(*(column.tolist() for column in metric.compute()), strict=True))
    assert dict(zip(expected["image_id"].to_pylist(), expected["hardness"].to_pylist(), strict=True)) == by_id


def test_rows_are_made_again_where_shard_or_settings_changed(tmp_path: Path) -> None:
    save_shards(tmp_path)
    shard, task = Shard(str(tmp_path / "0.parquet"), str(tmp_path / "rows.parquet")), small_task()
    assert not is_ranked(shard, task)
    rank_shard(shard, task)
    assert is_ranked(shard, task)
    assert not is_ranked(shard, task._replace(settings="other"))
    before = Path(shard.rows).read_bytes()
    Path(shard.rows).write_bytes(before[:-9])
    assert not is_ranked(shard, task)
    rank_shard(shard, task)
    assert Path(shard.rows).read_bytes() == before
    spoil(Path(shard.path), 0, "gt_area", [])
    assert not is_ranked(shard, task)


def test_an_empty_shard_has_no_rows_and_ids_have_one_type(tmp_path: Path) -> None:
    table = table_of(rows(3, 0))
    small = table.set_column(0, "image_id", table.column("image_id").cast(pa.int16()))
    named = table.set_column(0, "image_id", pa.array(["a", "b", "a"]).dictionary_encode())
    for name, one, kind in (("a", small.slice(0, 0), pa.int64()), ("b", small, pa.int64()), ("c", named, pa.string())):
        pyarrow.parquet.write_table(one, tmp_path / f"{name}.parquet")
        rank_shard(Shard(str(tmp_path / f"{name}.parquet"), str(tmp_path / "rows.parquet")), small_task())
        made = read(tmp_path / "rows.parquet")
        assert (made.num_rows, made.schema.field("image_id").type) == (one.num_rows, kind)


def test_a_bad_shard_is_named_with_its_row_group_and_leaves_no_rows(tmp_path: Path) -> None:
    save_shards(tmp_path, 2)
    shard = Shard(str(tmp_path / "0.parquet"), str(tmp_path / "rows.parquet"))
    spoil(tmp_path / "0.parquet", 25, "scores", [2.0])
    spoil(tmp_path / "0.parquet", 25, "boxes", [[0.0, 0, 1, 1]])
    spoil(tmp_path / "0.parquet", 25, "labels", [1])
    with pytest.raises(ValueError, match=r"0\.parquet: row group 2: column 'scores' of image 26 holds 2\.0: a score"):
        rank_shard(shard, small_task())
    content = (tmp_path / "deep" / "1.parquet").read_bytes()
    (tmp_path / "0.parquet").write_bytes(content[:-20])
    with pytest.raises(ValueError, match=r"0\.parquet: (row group|Parquet|Couldn)"):
        rank_shard(shard, small_task())
    middle = content.find(b"PAR1") + 200
    (tmp_path / "0.parquet").write_bytes(content[:middle] + bytes(300) + content[middle + 300 :])
    with pytest.raises(ValueError, match=r"0\.parquet: row group \d: "):
        rank_shard(shard, small_task())
    (tmp_path / "0.jsonl").write_text('{"image_id": 1, "boxes": [')
    with pytest.raises(ValueError, match=r"0\.jsonl: JSON parse error"):
        rank_shard(shard._replace(path=str(tmp_path / "0.jsonl")), small_task())
    assert not (tmp_path / "rows.parquet").exists()
