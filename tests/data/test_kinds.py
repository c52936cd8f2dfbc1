"""Files of other formats are named as what they are."""

import json
from pathlib import Path
from typing import Any

import pytest

from hardest_metrics.data import read_annotations, read_detections

BOX = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9]}
KINDS: dict[str, Any] = {
    "MegaDetector's output": {"images": [{"file": "a.jpg", "detections": []}], "detection_categories": {"1": "animal"}},
    "a calibration": {"calibration": "platt", "slope": 1, "offset": 0},
    "a LabelMe file": {"shapes": [], "imagePath": "a.jpg"},
    "GeoJSON": {"type": "FeatureCollection", "features": []},
    "VGG Image Annotator's output": {"a.jpg123": {"filename": "a.jpg", "regions": []}},
    "a list of COCO annotations without their images": [BOX],
    "a ranking": [{"rank": 1, "image_id": 7, "hardness": 2.5}],
    "Label Studio's output": [{"id": 1, "data": {}, "annotations": []}],
    "CreateML annotations": [{"image": "a.jpg", "annotations": []}],
    "Scalabel (BDD100K) labels": [{"name": "a.jpg", "labels": []}],
}


@pytest.mark.parametrize("kind", KINDS)
def test_another_kind_of_file_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps(KINDS[kind]))
    with pytest.raises(ValueError, match=r"other\.json: holds .*, not results") as refused:
        read_detections(path)
    assert kind in str(refused.value)
    with pytest.raises(ValueError, match=r"other\.json: is .*COCO annotations") as refused:
        read_annotations(path)
    assert kind in str(refused.value)


def test_a_file_of_no_known_kind_is_described(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(ValueError, match="results must be a list, but is an object"):
        read_detections(tmp_path / "other.json")
    with pytest.raises(ValueError, match="has no 'images'"):
        read_annotations(tmp_path / "other.json")
