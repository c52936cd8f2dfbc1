"""Batches from Arrow's columns: the same, to the last bit, as from lists of dicts."""

import io
import json
from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json
import pytest
import torch

from hardest_metrics.functional import Batch, batch_from_arrow, pack
from hardest_metrics.functional.detection.checking import BoxFormat
from hardest_metrics.numbering import image_number
from tests.arrow_scenes import LAYOUTS, dicts, rows, table_of


def assert_equal(ours: Batch, theirs: Batch) -> None:
    for half in ("detections", "ground_truth"):
        for field in fields(getattr(ours, half)):
            mine, other = (getattr(getattr(batch, half), field.name) for batch in (ours, theirs))
            assert (mine is None) == (other is None), field.name
            if mine is not None:
                assert mine.dtype == other.dtype, field.name
                assert torch.equal(mine, other), field.name
    assert torch.equal(ours.image_ids, theirs.image_ids)
    assert torch.equal(ours.image_sizes.nan_to_num(-1), theirs.image_sizes.nan_to_num(-1))
    assert ours.sized == theirs.sized
    assert ours.label_range == theirs.label_range


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("box_format", ["xywh", "xyxy", "cxcywh"])
@pytest.mark.parametrize("min_score", [0.0, 0.5])
def test_every_layout_gives_the_batch_of_dicts(layout: str, box_format: BoxFormat, min_score: float) -> None:
    for seed, dtype in enumerate((np.float32, np.float64, np.float16)):
        found = rows(40, seed, box_format)
        theirs = pack(*dicts(found, dtype), box_format, min_score)
        assert_equal(batch_from_arrow(table_of(found, layout, dtype, box_format), box_format, min_score), theirs)


def test_optional_columns_may_be_absent() -> None:
    found = [{k: v for k, v in row.items() if k in REQUIRED} for row in rows(9, 3)]
    assert_equal(batch_from_arrow(table_of(found)), pack(*dicts(found), "xywh"))


REQUIRED = ("image_id", "boxes", "scores", "labels", "gt_boxes", "gt_labels")


def test_json_lines_are_read_as_they_are() -> None:
    found = rows(40, 5)
    lines = "\n".join(map(json.dumps, found)).encode()
    table = pyarrow.json.read_json(io.BytesIO(lines), pyarrow.json.ReadOptions(block_size=4096))
    assert table.column("boxes").num_chunks > 1
    assert_equal(batch_from_arrow(table), pack(*dicts(found, np.float64), "xywh"))


def test_whole_numbers_and_empty_lists_of_json_are_numbers() -> None:
    row = {"image_id": 1, "boxes": [[0, 0, 9, 9]], "scores": [1], "labels": [2], "gt_boxes": [], "gt_labels": []}
    table = pyarrow.json.read_json(io.BytesIO(json.dumps(row).encode()))
    batch = batch_from_arrow(table)
    assert batch.detections.scores.tolist() == [1.0]
    assert batch.detections.xywh.tolist() == [[0, 0, 9, 9]]
    assert not len(batch.ground_truth)


def test_no_images_are_an_empty_batch() -> None:
    for layout in LAYOUTS:
        assert len(batch_from_arrow(table_of(rows(3, 0), layout).slice(0, 0))) == 0


def test_text_for_an_id_is_numbered_as_everywhere() -> None:
    table = table_of(rows(3, 0)).set_column(0, "image_id", pa.array(["a", "é/b.jpg", "c"]))
    expected = [image_number(name) for name in ("a", "é/b.jpg", "c")]
    assert batch_from_arrow(table).image_ids.tolist() == expected
    encoded = table.set_column(0, "image_id", table.column("image_id").dictionary_encode())
    assert batch_from_arrow(encoded).image_ids.tolist() == expected


def test_what_arrow_holds_is_not_written_to() -> None:
    found = rows(5, 1, "xyxy")
    table = table_of(found, "lists", np.float64, "xyxy")
    before = table.to_pydict()
    batch = batch_from_arrow(table, "xyxy")
    batch.detections.xywh.fill_(0)
    assert table.to_pydict() == before


BAD: list[tuple[str, Any, str]] = [
    ("boxes", None, r"column 'boxes' of image 101 is null: give an empty list"),
    ("boxes", [None], r"column 'boxes' of image 101 holds a null"),
    ("boxes", [[1.0, 2, None, 4]], r"column 'boxes' of image 101 holds a null"),
    ("boxes", [[1.0, 2, 3]], r"column 'boxes' of image 101 has a box of 3 numbers"),
    ("boxes", [[1.0, 2, -3, 4]], r"column 'boxes' of image 101 holds \[1.0, 2.0, -3.0, 4.0\]: a box in xywh"),
    ("scores", [0.5, 0.5], r"column 'scores' of image 101 has 2 values, but column 'boxes' has 1"),
    ("scores", [float("nan")], r"column 'scores' of image 101 holds nan: a score lies in"),
    ("scores", [None], r"column 'scores' of image 101 holds a null"),
    ("labels", [], r"column 'labels' of image 101 has 0 values"),
    ("gt_boxes", [[0.0, 0, float("inf"), 1]], r"column 'gt_boxes' of image 101 holds \[0.0, 0.0, inf, 1.0\]"),
    ("gt_labels", [1, 2], r"column 'gt_labels' of image 101 has 2 values, but column 'gt_boxes' has 1"),
    ("gt_iscrowd", [2], r"column 'gt_iscrowd' of image 101 holds 2: an object is a crowd"),
    ("gt_area", [-1.0], r"column 'gt_area' of image 101 holds -1.0: an area is finite"),
    ("height", 0, r"columns 'height' and 'width' of image 101 must be \(height, width\).*but is \(0, 50\)"),
    ("width", None, r"column 'width' of image 101 is null: give its size"),
    ("image_id", None, r"column 'image_id' is null in row 1"),
]


def three() -> list[dict[str, Any]]:
    one = {
        "boxes": [[1.0, 2.0, 3.0, 4.0]], "scores": [0.5], "labels": [1], "gt_boxes": [[1.0, 2.0, 3.0, 4.0]],
        "gt_labels": [1], "gt_iscrowd": [0], "gt_area": [12.0], "height": 50, "width": 50,
    }  # fmt: skip
    return [{"image_id": 100 + number, **one} for number in range(3)]


@pytest.mark.parametrize(("column", "value", "message"), BAD)
@pytest.mark.parametrize("sliced", [False, True])
def test_what_makes_no_sense_is_named_by_column_and_image(column: str, value: Any, message: str, sliced: bool) -> None:
    images = three()
    images[1][column] = value
    table = pa.Table.from_pylist(images)
    with pytest.raises(ValueError, match=message.replace("row 1", "row 0") if sliced else message):
        batch_from_arrow(table.slice(1) if sliced else table)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("boxes", pa.array([[1.0]] * 3), "lists of double, but must hold lists of boxes"),
        ("boxes", pa.array([1.0] * 3), "column 'boxes' is double, but must be a list an image"),
        ("boxes", pa.array([[[1.0] * 5]] * 3, pa.list_(pa.list_(pa.float64(), 5))), "boxes of 5 numbers"),
        ("boxes", pa.array([[{"a": 1.0}]] * 3), "has structs of a, but a box in xywh format is x y w h or"),
        ("labels", pa.array([[1.5]] * 3), "lists of torch.float64, but must hold lists of integers"),
        ("labels", pa.array([["car"]] * 3), "column 'labels' holds string, but must hold integers"),
        ("scores", pa.array([["1"]] * 3), "column 'scores' holds string"),
        ("image_id", pa.array([0.5] * 3), "column 'image_id' is double, but must be integers or text"),
    ],
)
def test_wrong_types_are_refused(column: str, values: Any, message: str) -> None:
    table = pa.Table.from_pylist(three())
    table = table.set_column(table.schema.names.index(column), column, values)
    with pytest.raises(TypeError, match=message):
        batch_from_arrow(table)


def test_columns_that_are_missing_or_no_table_are_named() -> None:
    table = pa.Table.from_pylist(three())
    for name in (*REQUIRED, "width"):
        with pytest.raises(ValueError, match=f"lacks the column '{name}': it has"):
            batch_from_arrow(table.drop_columns([name]))
    with pytest.raises(TypeError, match=r"`table` must be a pyarrow.Table or RecordBatch, but is a dict"):
        batch_from_arrow(table.to_pydict())
    with pytest.raises(ValueError, match="has several columns 'labels'"):
        batch_from_arrow(table.append_column("labels", table.column("labels")))
    with pytest.raises(ValueError, match="beyond 64 bits"):
        batch_from_arrow(table.set_column(0, "image_id", pa.array([2**63] * 3, pa.uint64())))
