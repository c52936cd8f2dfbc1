"""What is read in a fraction of the time is what the readers of single entries read, or is left to them."""

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hardest_metrics.data import coco, coco_columns, coco_results, read_coco_annotations, read_coco_results
from hardest_metrics.data.coco_columns import annotation_columns, result_columns


def made(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    choose = random.Random(seed)
    ids = choose.sample(range(-5, 2**40), 30)

    def box() -> list[float]:
        return [choose.choice([choose.uniform(-50, 500), choose.randint(0, 9)]) for _ in range(2)] + [
            choose.choice([choose.uniform(0, 500), choose.randint(0, 9), 1e-7]) for _ in range(2)
        ]

    annotations = []
    for number in range(100):
        one: dict[str, Any] = {"image_id": choose.choice(ids), "category_id": choose.choice([3, 7]), "bbox": box()}
        optional = {
            "id": number, "iscrowd": choose.randint(0, 1), "area": choose.choice([None, choose.uniform(0, 99), 3]),
            "segmentation": choose.choice([[[1.5, 2]], {"counts": "a:b\"c", "size": [1]}, {"counts": [1], "size": []}]),
        }  # fmt: skip
        annotations.append(one | {key: value for key, value in optional.items() if choose.random() < 0.7})
    results = [
        {"image_id": choose.choice(ids), "category_id": 7, "bbox": box(), "score": choose.choice([choose.random(), 1])}
        for _ in range(200)
    ]
    document = {
        "info": {"url": "http://a:b"},
        "images": [{"id": key, "file_name": f"é:{key}.jpg", "width": 5, "height": 4} for key in ids],
        "annotations": annotations,
        "categories": [{"id": 3, "name": "car"}, {"id": 7, "name": "cat"}],
    }
    return document, results


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return bool(one == other)


@pytest.mark.parametrize("seed", range(5))
def test_ordinary_files_are_read_as_entry_by_entry(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    document, results = made(seed)
    (tmp_path / "a.json").write_bytes(gzip.compress(json.dumps(document, ensure_ascii=seed % 2 == 0).encode()))
    (tmp_path / "r.json").write_text(json.dumps(results, indent=seed % 2 or None))
    monkeypatch.setattr(coco_columns, "_AT_ONCE", 17)

    def read() -> list[Any]:
        annotations = read_coco_annotations(tmp_path / "a.json")
        known = [read_coco_results(tmp_path / "r.json", one) for one in (annotations, None)]
        return [vars(annotations), *known]

    assert annotation_columns(json.dumps(document).encode()) is not None
    assert result_columns(json.dumps(results).encode()) is not None
    quick = read()
    monkeypatch.setattr(coco, "annotation_columns", lambda content: None)
    monkeypatch.setattr(coco_results, "result_columns", lambda content: None)
    assert equal(quick, read())


def changed(change: Callable[[dict[str, Any]], None]) -> bytes:
    one = {"image_id": 1, "category_id": 2, "bbox": [0, 0, 9, 9], "score": 0.5}
    change(one)
    return json.dumps([one]).encode()


GOOD = changed(lambda one: None)


@pytest.mark.parametrize(
    "content",
    [
        changed(lambda one: one.update(image_id="a")),
        changed(lambda one: one.update(image_id=1.0)),
        changed(lambda one: one.update(image_id=2**63)),
        changed(lambda one: one.update(file_name="a.jpg")),
        changed(lambda one: one.update(score=1.5)),
        changed(lambda one: one.update(score=True)),
        changed(lambda one: one.update(score=float("nan"))),
        changed(lambda one: one.update(bbox=[0, 0, 9])),
        changed(lambda one: one.update(bbox=[0, 0, -9, 9])),
        changed(lambda one: one.update(bbox=[2**63, 0, 9, 9])),
        changed(lambda one: one.pop("score")),
        GOOD.replace(b'"score"', b'"score": 0.1, "score"'),
        GOOD.replace(b'"score"', b'"image_id": 1, "score"'),
        GOOD[:-1],
        GOOD + b"]",
        b"[]",
        b"{}",
        b"\xff\xfe[",
        GOOD.decode().encode("utf-16"),
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_others(content: bytes) -> None:
    assert result_columns(GOOD) is not None
    assert result_columns(content) is None


def test_keys_that_stand_twice_anywhere_are_found() -> None:
    document, _ = made(1)
    content = json.dumps(document).encode()
    assert annotation_columns(content) is not None
    for key in ("bbox", "image_id", "segmentation", "counts", "annotations", "file_name", "url", "images", "name"):
        position = content.index(f'"{key}":'.encode())
        twice = content[:position] + f'"{key}": [], '.encode() + content[position:]
        assert annotation_columns(twice) is None, key
    assert annotation_columns(content.replace(b'"area": 3', b'"area": -3')) is None
    assert annotation_columns(content.replace(b"[[1.5, 2]]", b'"\xff"')) is None
