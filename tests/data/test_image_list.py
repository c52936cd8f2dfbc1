"""Lists of images without labels: from COCO files, Pascal VOC folders, and detections."""

import json
from pathlib import Path
from typing import Any

import pytest

from hardest_metrics.data import image_number, read_annotations, read_detections, read_image_list
from hardest_metrics.data.formats import parse_detections
from hardest_metrics.data.image_list import categories_of, image_list_of


def results(*image_ids: Any, label: int = 3) -> list[dict[str, Any]]:
    return [{"image_id": id_, "category_id": label, "bbox": [1, 2, 3, 4], "score": 0.5} for id_ in image_ids]


def exported(*labels: list[int]) -> list[dict[str, Any]]:
    """What `hardest` exports, of one image a list of labels."""
    return [{"boxes": [[0, 0, 9, 9]] * len(part), "labels": part, "scores": [0.5] * len(part)} for part in labels]


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    document = {
        "images": [
            {"id": 9, "file_name": "b.jpg", "height": 48, "width": 64},
            {"id": 2, "file_name": "a.jpg"},
        ],
        "annotations": [{"image_id": 9, "category_id": 3, "bbox": [0, 0, 9, 9]}],
        "categories": [{"id": 3, "name": "car"}],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(document))
    return path


def test_images_of_a_coco_file_are_read_and_labels_left_alone(coco: Path) -> None:
    images = read_image_list(coco)
    labelled = read_annotations(coco)
    for name in ("image_ids", "file_names", "image_sizes", "categories"):
        assert getattr(images, name) == getattr(labelled, name)
    assert images.target == [{"image_id": 9, "image_size": (48, 64)}, {"image_id": 2}]
    assert repr(images) == "Annotations(2 images, 0 boxes, 1 categories)"
    assert labelled.without_labels().target == images.target


@pytest.mark.parametrize("missing", [["annotations"], ["categories"], ["annotations", "categories"]])
def test_a_list_needs_neither_annotations_nor_categories(coco: Path, missing: list[str]) -> None:
    document = json.loads(coco.read_text())
    coco.write_text(json.dumps({key: value for key, value in document.items() if key not in missing}))
    images = read_image_list(coco)
    assert images.image_ids == [9, 2]
    assert images.categories == ({} if "categories" in missing else {3: "car"})


def test_labels_that_are_no_labels_do_not_matter(coco: Path) -> None:
    coco.write_text(json.dumps(json.loads(coco.read_text()) | {"annotations": "to come"}))
    assert read_image_list(coco).image_ids == [9, 2]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "is a list, but COCO annotations are an object"),
        ({"annotations": []}, "has no 'images'"),
        ({"images": [{"id": 1, "file_name": "a"}] * 2}, r"images\[1\] .* an id that no entry before it has"),
        ({"images": [{"id": 1, "file_name": 2}]}, "'file_name' is 2, but must be text"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path: Path, document: Any, message: str) -> None:
    (tmp_path / "images.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=message):
        read_image_list(tmp_path / "images.json")


def test_a_pascal_voc_folder_is_a_list(shared_data: Path) -> None:
    images = read_image_list(shared_data / "bccd", "val")
    labelled = read_annotations(shared_data / "bccd", "val")
    assert (images.image_ids, images.categories) == (labelled.image_ids, labelled.categories)
    assert all(image.keys() == {"image_id", "image_size"} for image in images.target)
    with pytest.raises(ValueError, match="`split` is 'val'"):
        read_image_list(shared_data / "voc100" / "instances.json", "val")


# Detections


def test_ids_of_results_are_the_images() -> None:
    images = image_list_of(results(7, 2, 7, 2**60), "results.json")
    assert images.image_ids == [2, 7, 2**60]
    assert images.categories == {3: "3"}
    assert images.target == [{"image_id": image_id} for image_id in images.image_ids]


def test_the_id_of_a_name_depends_on_the_name_alone() -> None:
    few, many = (image_list_of(results(*names), "results.json") for names in ("ba", [f"{n}.jpg" for n in range(999)]))
    assert few.file_names == ["a", "b"]
    again = image_list_of(results("c", "b"), "other.json")
    assert dict(zip(few.file_names, few.image_ids, strict=True))["b"] == again.image_ids[0]
    assert len(set(many.image_ids)) == 999
    assert all(0 <= image_id < 2**63 for image_id in many.image_ids)


def test_programs_that_number_numeric_names_alone_mix_numbers_and_names() -> None:
    images = image_list_of([results(key)[0] | {"file_name": f"{key}.jpg"} for key in ("b", 7, "a")], "results.json")
    assert images.shown_ids == [7, "a", "b"]
    assert images.image_ids == [7, image_number("a"), image_number("b")]
    assert images.file_names == ["7.jpg", "a.jpg", "b.jpg"]


def test_categories_may_be_text() -> None:
    images = image_list_of(results(7, label="car"), "results.json")  # type: ignore[arg-type]
    assert images.categories == {image_number("car"): "car"}


def test_what_hardest_exports_is_numbered_by_place() -> None:
    images = image_list_of(exported([3, 1], [], [2]), "detections.json")
    assert images.image_ids == [0, 1, 2]
    assert images.categories == {1: "1", 2: "2", 3: "3"}


@pytest.mark.parametrize("document", [results("a.jpg", "b.jpg", "a.jpg"), results(4, 2), exported([3], [])])
def test_detections_are_read_by_the_list_that_they_make(tmp_path: Path, document: Any) -> None:
    images = image_list_of(document, "detections.json")
    found = parse_detections(document, "detections.json", images)
    assert [image["image_id"] for image in found] == images.image_ids
    assert sum(len(image["labels"]) for image in found) == len(document) - (document == exported([3], []))
    (tmp_path / "detections.json").write_text(json.dumps(document))
    assert len(read_detections(tmp_path / "detections.json", images)) == len(found)


def test_no_results_name_no_image() -> None:
    images = image_list_of([], "results.json")
    assert (images.image_ids, images.categories) == ([], {})


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (results(1.5), r"results\[0\] .* must be an integer of at most 64 bits"),
        (results(1, label=None), "'category_id' is None"),  # type: ignore[arg-type]
        (
            [results(1)[0] | {"file_name": name} for name in ("1.jpg", "01.jpg")],
            r"results\[1\] \(image_id 1\): 'file_name' is '01.jpg', but an entry before it has '1.jpg' for the same",
        ),
        ([{"category_id": 1}], r"results\[0\]: has no 'image_id'"),
        ({"images": []}, "holds COCO annotations, not results"),
        ("detections", "results must be a list, but is a string"),
    ],
)
def test_detections_that_name_no_images_are_refused(document: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        image_list_of(document, "results.json")


def test_categories_are_named_by_their_number() -> None:
    assert categories_of(results(1) + results(2, label=1), "results.json") == {1: "1", 3: "3"}
