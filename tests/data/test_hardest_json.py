import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hardest_metrics.data import Annotations, read_coco_annotations, read_hardest_detections


def dump(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def image(n: int = 1, **changes: Any) -> dict[str, Any]:
    one = {"boxes": [10, 20, 40, 60], "labels": 3, "scores": 0.5}
    return {key: [value] * n for key, value in one.items()} | changes


def data_set(*image_ids: int) -> Annotations:
    sizes: list[tuple[int, int] | None] = [(480, 640)] * len(image_ids)
    return Annotations(list(image_ids), [""] * len(image_ids), sizes, {3: "car", 4: "bus"}, [])


def test_images_are_those_of_the_annotations_in_order(tmp_path: Path) -> None:
    path = dump(tmp_path / "d.json", [image(2), image(0)])
    first, second = read_hardest_detections(path, data_set(2**53 + 1, 5))
    assert (first["image_id"], second["image_id"]) == (2**53 + 1, 5)
    assert first["image_size"] == (480, 640)
    assert first["labels"].tolist() == [3, 3]
    assert second["boxes"].shape == (0, 4)
    for pred in (first, second):
        dtypes = [pred[key].dtype for key in ("boxes", "scores", "labels")]
        assert dtypes == [torch.float64, torch.float32, torch.int64]


def test_without_annotations_images_are_numbered_from_zero(tmp_path: Path) -> None:
    preds = read_hardest_detections(dump(tmp_path / "d.json", [image(), image()]))
    assert [pred["image_id"] for pred in preds] == [0, 1]
    assert not any("image_size" in pred for pred in preds)


def test_widths_are_computed_in_float32(tmp_path: Path) -> None:
    """The package computes with float32 tensors: its hardness hangs on their rounding."""
    corners = torch.tensor([[0.1, 190.87, 1000.7, 320.57]])
    path = dump(tmp_path / "d.json", [image(boxes=corners.tolist())])
    (pred,) = read_hardest_detections(path)
    x1, y1, x2, y2 = corners[0]
    assert pred["boxes"].tolist() == [[x1.item(), y1.item(), (x2 - x1).item(), (y2 - y1).item()]]


def test_what_hardest_loads_and_exports_again_is_read(tmp_path: Path) -> None:
    """It loads labels as float32, and writes them so."""
    (pred,) = read_hardest_detections(dump(tmp_path / "d.json", [image(labels=[3.0])]))
    assert pred["labels"].tolist() == [3]
    assert pred["labels"].dtype == torch.int64


def test_logits_are_kept_and_empty_images_have_as_many_classes(tmp_path: Path) -> None:
    content = [image(0, logits=[]), image(2, logits=[[1, 2, 3], [4, 5.5, float("-inf")]]), image(0)]
    preds = read_hardest_detections(dump(tmp_path / "d.json", content))
    assert [pred["logits"].shape for pred in preds] == [(0, 3), (2, 3), (0, 3)]
    assert preds[1]["logits"].tolist() == [[1, 2, 3], [4, 5.5, float("-inf")]]
    assert all(pred["logits"].dtype == torch.float32 for pred in preds)


def test_real_exports_are_read(shared_data: Path) -> None:
    path = shared_data / "voc100" / "fastestdet_torchvision.json.gz"
    annotations = read_coco_annotations(shared_data / "voc100" / "instances.json")
    preds = read_hardest_detections(path, annotations)
    assert [pred["image_id"] for pred in preds] == annotations.image_ids
    assert all(pred["logits"].shape == (len(pred["scores"]), 80) for pred in preds)
    results = json.loads((shared_data / "voc100" / "fastestdet_results.json").read_text())
    for pred in preds:
        own = [result for result in results if result["image_id"] == pred["image_id"]]
        expected = torch.tensor([result["bbox"] for result in own], dtype=torch.float64).reshape(-1, 4)
        torch.testing.assert_close(pred["boxes"], expected, rtol=0, atol=0.02)
        assert pred["labels"].tolist() == [result["category_id"] for result in own]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": [[1, 2, 3]]}, r"boxes\[0\] is \[1, 2, 3\], but must be four numbers between"),
        ({"boxes": [[5, 2, 3, 4]]}, r"boxes\[0\] is \[5, 2, 3, 4\], .*with x2 >= x1"),
        ({"boxes": [[1, 5, 3, 4]]}, r"boxes\[0\] is \[1, 5, 3, 4\]"),
        ({"boxes": [[1, 2, float("nan"), 4]]}, r"boxes\[0\] is \[1, 2, nan, 4\]"),
        ({"boxes": [[1, 2, 1e39, 4]]}, r"boxes\[0\] is \[1, 2, 1e\+39, 4\]"),
        ({"boxes": [[1, 2, "3", 4]]}, r"boxes\[0\] is \[1, 2, '3', 4\]"),
        ({"boxes": 3}, "'boxes' must be a list, but is a number"),
        ({"boxes": []}, "has 0 boxes, 1 labels and 1 scores"),
        ({"labels": [3, 3]}, "has 1 boxes, 2 labels and 1 scores"),
        ({"labels": [3.5]}, r"labels\[0\] is 3\.5, but must be an integer"),
        ({"labels": [True]}, r"labels\[0\] is True"),
        ({"labels": ["car"]}, r"labels\[0\] is 'car'"),
        ({"labels": [5]}, r"labels\[0\] is 5, which is no category .*\[3, 4\]\. Map the detector's labels"),
        ({"scores": [1.5]}, r"scores\[0\] is 1\.5, but must be a number in \[0, 1\]"),
        ({"scores": [float("nan")]}, r"scores\[0\] is nan"),
        ({"scores": ["1"]}, r"scores\[0\] is '1'"),
        ({"logits": [[1, 2], [3, 4]]}, "has 1 scores, but logits of 2 rows of length 2"),
        ({"logits": []}, "has 1 scores, but logits of 0 rows of length 0"),
        ({"logits": [3]}, r"logits\[0\] is 3, but must be a list of numbers"),
        ({"logits": [[1, float("nan")]]}, r"logits\[0\] is \[1, nan\]"),
    ],
)
def test_a_bad_value_is_refused_with_its_image(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = dump(tmp_path / "bad.json", [image(), image(**change)])
    with pytest.raises(ValueError, match=rf"bad\.json: image 1 \(image_id 12\): {message}"):
        read_hardest_detections(path, data_set(11, 12))


@pytest.mark.parametrize("key", ["boxes", "labels", "scores"])
def test_a_missing_key_is_refused_with_its_image(tmp_path: Path, key: str) -> None:
    incomplete = image()
    del incomplete[key]
    path = dump(tmp_path / "bad.json", [image(), incomplete])
    with pytest.raises(ValueError, match=rf"image 1 \(image_id 1\): has no '{key}'\. Export it again"):
        read_hardest_detections(path)


def test_logits_of_different_length_are_refused(tmp_path: Path) -> None:
    ragged = dump(tmp_path / "bad.json", [image(2, logits=[[1, 2], [3]])])
    with pytest.raises(ValueError, match=r"image 0 \(image_id 0\): .*rows of length 1 and 2"):
        read_hardest_detections(ragged)
    for other in (image(logits=[[1, 2, 3]]), image()):
        uneven = dump(tmp_path / "bad.json", [image(logits=[[1, 2]]), other])
        with pytest.raises(ValueError, match=r"image 1 \(image_id 1\) has logits of [03] classes, but image 0"):
            read_hardest_detections(uneven)


def test_a_number_of_images_that_differs_is_refused(tmp_path: Path) -> None:
    path = dump(tmp_path / "bad.json", [image()])
    with pytest.raises(ValueError, match=r"bad\.json: holds detections of 1 images, .*annotations have 2"):
        read_hardest_detections(path, data_set(11, 12))


def test_another_shape_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be a list with one object per image, but is an object"):
        read_hardest_detections(dump(tmp_path / "bad.json", {}))
    with pytest.raises(ValueError, match=r"image 1 \(image_id 1\): must be an object, but is a list"):
        read_hardest_detections(dump(tmp_path / "bad.json", [image(), []]))


def test_a_truncated_export_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.json.gz"
    path.write_bytes(gzip.compress(json.dumps([image(1000)]).encode())[:-20])
    with pytest.raises(ValueError, match=r"cut\.json\.gz: truncated or damaged gzip file"):
        read_hardest_detections(path)
