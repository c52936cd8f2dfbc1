"""What all shards come to is what one ranking of all images says."""

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from hardest_metrics.shards import reduction
from hardest_metrics.shards.reduction import total
from hardest_metrics.shards.shard import Shard, rank_shard, shards_of
from tests.arrow_scenes import dicts
from tests.shards.small import save_shards, small_task


def saved(folder: Path, number: int, **columns: object) -> Shard:
    pyarrow.parquet.write_table(pa.table(columns), folder / f"{number}.parquet")
    return Shard(f"{number}", str(folder / f"{number}.parquet"))


def test_it_is_the_summary_of_one_ranking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reduction, "_AT_ONCE", 11)
    images, task = save_shards(tmp_path / "in"), small_task()
    shards = shards_of(f"{tmp_path}/in/**/*.parquet", str(tmp_path / "out"))
    for shard in shards:
        rank_shard(shard, task)
    metric = cast(Any, task.metrics["hardness"]).clone()
    metric.update(*dicts(images))
    summary = metric.summary()
    for k in (1, 7, 120, 500):
        found = total(shards, k, errors="errors")
        top = summary.ranking.top(k)
        assert [row["image_id"] for row in found.hardest] == top.image_ids.tolist()
        assert [row["hardness"] for row in found.hardest] == top.hardness.tolist()
    assert found.images == 120
    assert (found.mean, found.p95) == pytest.approx((summary.mean, summary.p95), rel=1e-12)
    assert found.share_in_error == summary.share_in_error
    assert found.hardest[0]["shard"] in {shard.path for shard in shards}


def test_ties_are_by_ascending_id_across_shards(tmp_path: Path) -> None:
    shards = [
        saved(tmp_path, index, image_id=ids, hardness=np.array(hardness, np.float32))
        for index, (ids, hardness) in enumerate([([9, 4], [1, 2]), ([7, -3], [2, 1]), ([5], [2])])
    ]
    assert [row["image_id"] for row in total(shards, 4).hardest] == [4, 5, 7, -3]


def test_ids_that_occur_twice_are_named_with_their_shards(tmp_path: Path) -> None:
    first = saved(tmp_path, 0, image_id=[1, 2, 3], hardness=np.zeros(3, np.float32))
    second = saved(tmp_path, 1, image_id=[3, 4, 2], hardness=np.ones(3, np.float32))
    with pytest.raises(ValueError, match=r"Ids occur twice: image 2 is in 0 and in 1; image 3 is in 0 and in 1. Give"):
        total([first, second], 1)
    with pytest.raises(ValueError, match="Ids occur twice: image 7 is in 2 twice and 9 more like it"):
        total([saved(tmp_path, 2, image_id=[7] * 11, hardness=np.ones(11, np.float32))], 1)


def test_names_of_one_number_are_told_from_images_that_occur_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = saved(tmp_path, 0, image_id=["a", "b", "c"], hardness=np.zeros(3, np.float32))
    assert total([named], 1).images == 3
    monkeypatch.setattr(reduction, "image_number", {"a": 1, "b": 2, "c": 1}.__getitem__)
    with pytest.raises(ValueError, match="The ids 'a' of 0 and 'c' of 0 have the same number: rename one"):
        total([named], 1)


def test_no_images_and_damaged_rows(tmp_path: Path) -> None:
    found = total([saved(tmp_path, 0, image_id=pa.array([], pa.int64()), hardness=np.zeros(0, np.float32))], 3)
    assert (found.images, found.hardest) == (0, [])
    assert math.isnan(found.mean)
    (tmp_path / "0.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"0\.parquet: "):
        total([Shard("0", str(tmp_path / "0.parquet"))], 3)
