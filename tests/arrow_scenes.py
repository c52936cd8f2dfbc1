"""Random images as rows of a table, in every layout that Arrow may have them in, and as dicts of tensors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch

LAYOUTS = ("lists", "large lists", "fixed size", "structs", "chunks", "slice")

_NAMES = {"xywh": ("x", "y", "w", "h"), "xyxy": ("xmin", "ymin", "xmax", "ymax"), "cxcywh": ("cx", "cy", "w", "h")}

Row = dict[str, Any]


def rows(number: int, seed: int, box_format: str = "xywh", first_id: int = 7) -> list[Row]:
    """Images with up to a dozen boxes that often match; some have none. Numbers that float16 holds exactly."""
    choose = np.random.default_rng(seed)

    def boxes(count: int) -> Any:
        corner, extent = choose.integers(0, 60, (count, 2)), choose.integers(1, 30, (count, 2))
        both = corner + extent if box_format == "xyxy" else extent
        return np.concatenate((corner, both), 1).astype(float)

    found = []
    for index in range(number):
        labelled = int(choose.integers(0, 6)) * int(choose.integers(0, 4) > 0)
        gt_boxes = boxes(labelled)
        near = np.concatenate((gt_boxes, boxes(int(choose.integers(0, 5)))))
        kept = choose.random(len(near)) < 0.8
        near, count = near[kept], int(kept.sum())
        found.append({
            "image_id": first_id + index,
            "boxes": near.tolist(),
            "scores": (choose.integers(0, 65, count) / 64).tolist(),
            "labels": choose.integers(1, 3, count).tolist(),
            "gt_boxes": gt_boxes.tolist(),
            "gt_labels": choose.integers(1, 3, labelled).tolist(),
            "gt_iscrowd": choose.integers(0, 2, labelled).tolist(),
            "gt_area": (choose.integers(1, 900, labelled) / 2).tolist(),
            "height": int(choose.integers(50, 200)),
            "width": int(choose.integers(50, 200)),
        })  # fmt: skip
    return found


def dicts(found: Sequence[Row], dtype: Any = np.float32) -> tuple[list[Row], list[Row]]:
    """The same as lists of dicts of tensors."""

    def tensor(values: Any, dtype: Any, *shape: int) -> torch.Tensor:
        return torch.from_numpy(np.array(values, dtype=dtype).reshape(-1, *shape))

    preds, target = [], []
    for row in found:
        preds.append({
            "boxes": tensor(row["boxes"], dtype, 4),
            "scores": tensor(row["scores"], dtype),
            "labels": tensor(row["labels"], np.int64),
        })  # fmt: skip
        target.append({
            "boxes": tensor(row["gt_boxes"], dtype, 4),
            "labels": tensor(row["gt_labels"], np.int64),
            "image_id": row["image_id"],
        })  # fmt: skip
        if "gt_iscrowd" in row:
            target[-1]["iscrowd"] = tensor(row["gt_iscrowd"], np.int64)
            target[-1]["area"] = tensor(row["gt_area"], np.float64)
        if "height" in row:
            target[-1]["image_size"] = (row["height"], row["width"])
    return preds, target


def table_of(
    found: Sequence[Row], layout: str = "lists", dtype: Any = np.float32, box_format: str = "xywh"
) -> pa.Table:
    """The same as a table."""
    value, a_list = pa.from_numpy_dtype(dtype), pa.large_list if layout == "large lists" else pa.list_
    names = _NAMES[box_format]
    box = {
        "fixed size": pa.list_(value, 4),
        "structs": pa.struct([(name, value) for name in (names[2], names[0], names[3], names[1])]),
    }.get(layout, a_list(value))
    types = {
        "boxes": a_list(box), "gt_boxes": a_list(box), "scores": a_list(value), "labels": a_list(pa.int32()),
        "gt_labels": a_list(pa.int64()), "gt_iscrowd": a_list(pa.int8()), "gt_area": a_list(pa.float64()),
    }  # fmt: skip
    of_half = value == pa.float16()

    def column(name: str) -> Any:
        values = [row[name] for row in found]
        if of_half and name in ("boxes", "gt_boxes", "scores"):
            values = _halves(values)
        if layout == "structs" and name in ("boxes", "gt_boxes"):
            values = [[dict(zip(names, one, strict=True)) for one in boxes] for boxes in values]
        return pa.array(values, types.get(name))

    table = pa.table({name: column(name) for name in found[0]} if found else {})
    if layout == "chunks":
        middle = len(found) // 3
        return pa.concat_tables([table.slice(0, middle), table.slice(middle, 1), table.slice(middle + 1)])
    if layout == "slice":
        return pa.concat_tables([table, table, table]).combine_chunks().slice(len(found), len(found))
    return table


def _halves(values: Any) -> Any:
    return list(map(_halves, values)) if isinstance(values, list) else np.float16(values)
