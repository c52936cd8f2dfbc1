"""Arrow in, Arrow out: the hardness that metrics give for the same images as lists of dicts."""

from typing import Any

import pyarrow as pa
import pytest
import torch

from hardest_metrics import (
    CommitteeHardness,
    CrossEntropy,
    ErrorsOfKind,
    ExpectedHardness,
    FalseNegatives,
    FalsePositives,
    HardnessCollection,
    Ranking,
    ScoreSampling,
    TotalFalse,
    Uncertainty,
    WitnessHardness,
)
from hardest_metrics.data import hardness_rows
from tests.arrow_scenes import LAYOUTS, dicts, rows, table_of

DEFINITIONS = (FalsePositives, FalseNegatives, TotalFalse)


def nine(box_format: Any = "xywh", **settings: Any) -> dict[str, Any]:
    return {
        f"{kind.__name__}/{weighting}": kind(weighting, box_format=box_format, **settings)
        for kind in DEFINITIONS
        for weighting in ("none", "pixel", "overlap")
    }


def by_update(metrics: dict[str, Any], preds: Any, target: Any) -> dict[str, Ranking]:
    collection = HardnessCollection({name.replace("/", "_"): metric.clone() for name, metric in metrics.items()})
    collection.update(preds, target)
    values = collection.compute()
    return {name: values[name.replace("/", "_")] for name in metrics}


def assert_same(found: pa.Table, expected: dict[str, Ranking]) -> None:
    ids = torch.tensor(found.column("image_id").to_pylist())
    assert found.column_names[0] == "image_id"
    assert {*found.column_names} == {"image_id", *expected}
    for name, ranking in expected.items():
        hardness = found.column(name)
        assert hardness.type == pa.float32()
        assert Ranking.of(ids, torch.tensor(hardness.to_pylist())) == ranking, name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_nine_definitions_are_as_by_update(layout: str) -> None:
    found = rows(150, 1)
    metrics = nine(area_range=(30.0, 800.0), max_detections=3)
    table = table_of(found, layout)
    assert_same(hardness_rows(table, metrics), by_update(metrics, *dicts(found)))
    assert_same(hardness_rows(table, HardnessCollection(metrics)), by_update(metrics, *dicts(found)))
    assert all(metric.update_count == 0 for metric in metrics.values()), "nothing is added to them"


def test_more_images_than_are_measured_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hardest_metrics.data.arrow._AT_ONCE", 7)
    found = rows(50, 2, "xyxy")
    metrics = nine("xyxy")
    assert_same(hardness_rows(table_of(found, "chunks", box_format="xyxy"), metrics), by_update(metrics, *dicts(found)))


def test_estimators_need_no_labels() -> None:
    found = rows(60, 3)
    preds, target = dicts(found)
    metrics = {
        "expected": ExpectedHardness(TotalFalse("pixel", box_format="xywh")),
        "drawn": ScoreSampling(TotalFalse("overlap", box_format="xywh"), n_samples=5),
        "entropy": Uncertainty("binary_entropy", box_format="xywh"),
    }
    expected = {}
    for name, metric in metrics.items():
        metric.update(preds, target)
        expected[name] = metric.compute()
    table = table_of(found)
    assert_same(hardness_rows(table, metrics), expected)
    assert_same(hardness_rows(table.drop_columns(["gt_boxes", "gt_labels", "gt_area"]), metrics), expected)


def test_queries_and_kinds_side_by_side() -> None:
    found = rows(60, 4)
    metrics: dict[str, Any] = {
        "strict": TotalFalse(iou_threshold=0.9, box_format="xywh"),
        "sure": FalsePositives(score_threshold=0.9, box_format="xywh"),
        "background": ErrorsOfKind("background", box_format="xywh"),
        "by function": TotalFalse(lambda errors, _: errors.missed.double(), box_format="xywh"),
    }
    expected = {}
    for name, metric in metrics.items():
        one = metric.clone()
        one.update(*dicts(found))
        expected[name] = one.compute()
    assert_same(hardness_rows(table_of(found), metrics), expected)


def test_ids_come_back_as_they_were_given() -> None:
    names = pa.array(["a", "é/b.jpg", "a"]).dictionary_encode()
    table = table_of(rows(3, 0)).set_column(0, "image_id", names)
    assert hardness_rows(table, nine()).column("image_id").combine_chunks() == names


def test_no_images_give_no_rows() -> None:
    assert hardness_rows(table_of(rows(3, 0)).slice(0, 0), nine()).num_rows == 0


def test_record_batches_are_tables_too() -> None:
    table = table_of(rows(9, 0))
    assert hardness_rows(table.to_batches()[0], nine()).equals(hardness_rows(table, nine()))


@pytest.mark.parametrize(
    ("metrics", "error", "message"),
    [
        (TotalFalse(), TypeError, "`metrics` must be a mapping"),
        ({}, ValueError, "`metrics` holds none"),
        ({"loss": CrossEntropy()}, TypeError, "'loss' is CrossEntropy"),
        ({"image_id": TotalFalse()}, ValueError, "its name is that of a column"),
        ({"a": TotalFalse(iou_type="segm")}, TypeError, "segm.*goes by more than boxes"),
        ({"a": Uncertainty("entropy")}, TypeError, r"entropy.*goes by more than boxes"),
        ({"a": CommitteeHardness(TotalFalse())}, TypeError, "CommitteeHardness.*goes by more than boxes"),
        ({"a": WitnessHardness(TotalFalse())}, TypeError, "WitnessHardness.*goes by more than boxes"),
    ],
)
def test_what_cannot_be_measured_is_refused(metrics: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        hardness_rows(table_of(rows(3, 0, "xyxy"), box_format="xyxy"), metrics)


def test_pixel_weighting_needs_sizes() -> None:
    table = table_of(rows(3, 0)).drop_columns(["height", "width"])
    with pytest.raises(ValueError, match="image_size"):
        hardness_rows(table, nine())
