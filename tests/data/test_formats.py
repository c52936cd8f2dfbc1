import json
from pathlib import Path

import pytest
import torch

from hardest_metrics.data import read_annotations, read_detections


def test_a_folder_is_pascal_voc_and_a_file_coco(shared_data: Path) -> None:
    assert len(read_annotations(shared_data / "bccd").image_ids) == 364
    assert len(read_annotations(str(shared_data / "bccd"), split="val").image_ids) == 87
    assert len(read_annotations(shared_data / "voc100" / "instances.json").image_ids) == 100


def test_a_split_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`split` is 'val', but .*instances\.json is no folder"):
        read_annotations(tmp_path / "instances.json", split="val")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.json: no such file"):
        read_annotations(tmp_path / "none.json")
    with pytest.raises(FileNotFoundError, match=r"none\.json: no such file"):
        read_detections(tmp_path / "none.json")


def test_both_formats_of_one_detector_give_the_same_detections(shared_data: Path) -> None:
    folder = shared_data / "voc100"
    annotations = read_annotations(folder / "instances.json")
    for detector in ("fastestdet", "yolo_fastestv2"):
        coco = read_detections(folder / f"{detector}_results.json", annotations)
        exported = read_detections(folder / f"{detector}_torchvision.json.gz", annotations)
        for ours, theirs in zip(coco, exported, strict=True):
            assert ours["image_id"] == theirs["image_id"]
            assert ours["image_size"] == theirs["image_size"]
            assert ours["labels"].equal(theirs["labels"])
            assert ours["boxes"].dtype == theirs["boxes"].dtype == torch.float64
            torch.testing.assert_close(ours["boxes"], theirs["boxes"], rtol=0, atol=0.02)


@pytest.mark.parametrize("content", [{"images": []}, {"boxes": []}, "text", [[]], [{"box": 1}]])
def test_what_is_neither_format_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"other\.json: "):
        read_detections(path)
