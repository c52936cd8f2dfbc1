"""Stored detections at scale: Parquet laid straight into the batch, against the same rows as lists of dicts."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from pyarrow import parquet

from benchmarks.timing import Line, Section, Spread, Task, compared, race
from benchmarks.workloads import Scenes, coco_sized
from hardest_metrics import HardnessCollection, Ranking, TotalFalse
from hardest_metrics.data import hardness_rows

_DETECTIONS = 30
_AT_ONCE = 256


def stored_detections(quick: bool) -> Section:
    """How long images take from Parquet to hardness, reading included, on one thread."""
    scenes = coco_sized(500 if quick else 20_000)
    stored = _stored(scenes)
    ours, theirs = _from_arrow(stored), _from_dicts(stored)
    if ours != theirs:
        raise AssertionError("rankings differ")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        timed = race(
            {"arrow": Task(lambda _: _from_arrow(stored)), "dicts": Task(lambda _: _from_dicts(stored))},
            rounds=3 if quick else 5,
            budget=60.0,
        )
    finally:
        torch.set_num_threads(threads)
    line = compared(
        timed,
        f"{len(scenes):,} images of {_DETECTIONS} detections, read and ranked",
        "arrow",
        "dicts",
        "lists of dicts",
        faster=True,
        limit=None if quick else 15.0,
    )
    rate = len(scenes) / timed.clock("arrow").median
    rate_line = Line("images a second", f"{rate:,.0f}", "none", Spread.of([rate]), "{:,.0f} a second")
    return Section("Stored detections", [line, rate_line])


def _metrics() -> HardnessCollection:
    return HardnessCollection({"total": TotalFalse(box_format="xyxy")})


def _stored(scenes: Scenes) -> bytes:
    preds, target = scenes.preds, scenes.target
    columns: dict[str, Any] = {
        "image_id": [image["image_id"] for image in target],
        "boxes": [image["boxes"][:_DETECTIONS].tolist() for image in preds],
        "scores": [image["scores"][:_DETECTIONS].numpy() for image in preds],
        "labels": [image["labels"][:_DETECTIONS].numpy() for image in preds],
        "gt_boxes": [image["boxes"].tolist() for image in target],
        "gt_labels": [image["labels"].numpy() for image in target],
        "gt_iscrowd": [image["iscrowd"].numpy() for image in target],
        "height": [image["image_size"][0] for image in target],
        "width": [image["image_size"][1] for image in target],
    }
    box = pa.list_(pa.list_(pa.float32()))
    types = {"boxes": box, "gt_boxes": box}
    table = pa.table({name: pa.array(values, types.get(name)) for name, values in columns.items()})
    content = io.BytesIO()
    parquet.write_table(table, content, row_group_size=4096)
    return content.getvalue()


def _read(stored: bytes) -> pa.Table:
    return parquet.read_table(io.BytesIO(stored), use_threads=False)


def _from_arrow(stored: bytes) -> Ranking:
    rows = hardness_rows(_read(stored), _metrics())
    ids, hardness = (torch.from_numpy(np.array(rows.column(name).to_numpy())) for name in ("image_id", "total"))
    return Ranking.of(ids, hardness)


def _from_dicts(stored: bytes) -> Ranking:
    """As one does without: rows in Python, tensors of each, and `update` batch by batch."""
    metrics = _metrics()
    for batch in _read(stored).to_batches(_AT_ONCE):
        images = batch.to_pylist()
        preds = [
            {
                "boxes": torch.tensor(image["boxes"], dtype=torch.float32).reshape(-1, 4),
                "scores": torch.tensor(image["scores"], dtype=torch.float32),
                "labels": torch.tensor(image["labels"], dtype=torch.int64),
            }
            for image in images
        ]
        target = [
            {
                "boxes": torch.tensor(image["gt_boxes"], dtype=torch.float32).reshape(-1, 4),
                "labels": torch.tensor(image["gt_labels"], dtype=torch.int64),
                "iscrowd": torch.tensor(image["gt_iscrowd"], dtype=torch.bool),
                "image_id": image["image_id"],
                "image_size": (image["height"], image["width"]),
            }
            for image in images
        ]
        metrics.update(preds, target)
    ranking: Ranking = metrics.compute()["total"]
    return ranking
