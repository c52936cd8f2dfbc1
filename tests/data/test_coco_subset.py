import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hardest_metrics.data import read_coco_annotations, write_coco_subset

LARGE = 2**53 + 1  # float64 cannot hold it


def coco() -> dict[str, Any]:
    return {
        "info": {"year": 2007, "précis": "é"},
        "images": [{"id": 1, "license": 4}, {"id": LARGE, "file_name": "b.jpg"}, {"id": 3}],
        "annotations": [
            {"id": 1, "image_id": 3, "bbox": [0.1, 0.2, 1e-7, 4]},
            {"id": 2, "image_id": LARGE, "segmentation": [[1.5, 2]]},
            {"id": 3, "image_id": 1},
            {"id": 4, "image_id": 3, "own": None},
        ],
        "categories": [{"id": 3, "name": "car"}],
        "licenses": [{"id": 4}],
    }


def dump(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_only_the_images_asked_for_remain_in_that_order(tmp_path: Path) -> None:
    source, document = dump(tmp_path / "all.json", coco()), coco()
    write_coco_subset(source, [3, LARGE], tmp_path / "top.json")
    subset = json.loads((tmp_path / "top.json").read_text())
    assert list(subset) == list(document)
    assert subset["images"] == [document["images"][2], document["images"][1]]
    assert subset["annotations"] == [document["annotations"][index] for index in (0, 3, 1)]
    for section in ("info", "categories", "licenses"):
        assert subset[section] == document[section]


def test_ids_may_be_a_tensor(tmp_path: Path) -> None:
    source = dump(tmp_path / "all.json", coco())
    write_coco_subset(source, torch.tensor([LARGE]), tmp_path / "top.json")
    (image,) = json.loads((tmp_path / "top.json").read_text())["images"]
    assert image["id"] == LARGE


def test_a_file_can_be_replaced_by_its_own_subset(tmp_path: Path) -> None:
    path = dump(tmp_path / "all.json", coco())
    write_coco_subset(path, [1], path)
    assert [image["id"] for image in json.loads(path.read_text())["images"]] == [1]


def test_images_without_labels_can_be_picked(tmp_path: Path) -> None:
    source = dump(tmp_path / "all.json", {"images": [{"id": 1}, {"id": 2}]})
    write_coco_subset(source, [2], tmp_path / "top.json")
    assert json.loads((tmp_path / "top.json").read_text()) == {"images": [{"id": 2}]}


def test_a_subset_of_real_annotations_reads_as_part_of_them(tmp_path: Path, shared_data: Path) -> None:
    source = shared_data / "voc100" / "instances.json"
    write_coco_subset(source, [42, 7, 99], tmp_path / "top.json")
    everything, subset = read_coco_annotations(source), read_coco_annotations(tmp_path / "top.json")
    assert subset.image_ids == [42, 7, 99]
    assert subset.categories == everything.categories
    for target in subset.target:
        whole = everything.target[everything.image_ids.index(target["image_id"])]
        assert target["boxes"].equal(whole["boxes"])
        assert target["labels"].equal(whole["labels"])


def test_bad_ids_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    source = dump(tmp_path / "all.json", coco())
    with pytest.raises(ValueError, match=r"all\.json: has no image 8, which `image_ids` ask for"):
        write_coco_subset(source, [3, 8], tmp_path / "top.json")
    with pytest.raises(ValueError, match=r"`image_ids` have 3 twice"):
        write_coco_subset(source, [3, 1, 3], tmp_path / "top.json")
    for ids in ([3.0], torch.tensor([3.0]), ["3"]):
        with pytest.raises(TypeError, match=r"`image_ids` must be integers: .*Give the ids of the ranking"):
            write_coco_subset(source, ids, tmp_path / "top.json")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == [source]


def test_a_source_that_is_no_annotation_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a list, but COCO annotations are an object"):
        write_coco_subset(dump(tmp_path / "r.json", []), [1], tmp_path / "top.json")
    with pytest.raises(ValueError, match="has no 'images'"):
        write_coco_subset(dump(tmp_path / "r.json", {}), [1], tmp_path / "top.json")
