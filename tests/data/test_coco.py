import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hardest_metrics.data import Annotations, image_number, read_coco_annotations, read_coco_results

LARGE = 2**53 + 1  # float64 cannot hold it


def dump(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def coco() -> dict[str, Any]:
    """Two labelled images and one without boxes, not in the order of their ids."""
    return {
        "info": {"year": 2007},
        "images": [
            {"id": LARGE, "file_name": "train/0002.jpg", "height": 480, "width": 640},
            {"id": 7, "file_name": "train/0001.jpg"},
            {"id": 9, "file_name": "val/0003.png", "height": 100, "width": 50},
        ],
        "categories": [{"id": 3, "name": "car"}, {"id": 1, "name": "person"}],
        "annotations": [
            {"image_id": 7, "category_id": 1, "bbox": [0.1, 0.2, 30, 40.7], "iscrowd": 1},
            {"image_id": LARGE, "category_id": 3, "bbox": [1, 2, 3, 4], "iscrowd": 0},
            {"image_id": 7, "category_id": 3, "bbox": [5, 6, 0, 8]},
        ],
    }


def result(**changes: Any) -> dict[str, Any]:
    return {"image_id": 7, "category_id": 1, "bbox": [0.1, 0.2, 30, 40.7], "score": 0.25} | changes


@pytest.fixture
def annotations(tmp_path: Path) -> Annotations:
    return read_coco_annotations(dump(tmp_path / "instances.json", coco()))


class TestAnnotations:
    def test_images_are_in_the_order_of_the_file(self, annotations: Annotations) -> None:
        assert annotations.image_ids == [LARGE, 7, 9]
        assert annotations.file_names == ["train/0002.jpg", "train/0001.jpg", "val/0003.png"]
        assert annotations.image_sizes == [(480, 640), None, (100, 50)]
        assert annotations.categories == {3: "car", 1: "person"}
        assert [target["image_id"] for target in annotations.target] == [LARGE, 7, 9]
        assert ["image_size" in target for target in annotations.target] == [True, False, True]

    def test_boxes_are_those_of_the_file(self, annotations: Annotations) -> None:
        first, second, empty = annotations.target
        assert first["boxes"].tolist() == [[1, 2, 3, 4]]
        assert second["boxes"].tolist() == [[0.1, 0.2, 30, 40.7], [5, 6, 0, 8]]
        assert second["labels"].tolist() == [1, 3]
        assert second["iscrowd"].tolist() == [1, 0]
        assert empty["boxes"].shape == (0, 4)
        for target in annotations.target:
            dtypes = [target[key].dtype for key in ("boxes", "labels", "iscrowd")]
            assert dtypes == [torch.float64, torch.int64, torch.int64]

    def test_areas_are_given_only_where_the_source_has_them(self, annotations: Annotations, tmp_path: Path) -> None:
        assert not any("area" in target for target in annotations.target)
        document = coco()
        document["annotations"][0]["area"] = 11.5
        some = read_coco_annotations(dump(tmp_path / "some.json", document))
        areas = [target["area"].tolist() for target in some.target]
        assert areas == [[12.0], [11.5, 0.0], []]
        assert all(target["area"].dtype == torch.float64 for target in some.target)

    def test_a_file_without_boxes_or_images_is_read(self, tmp_path: Path) -> None:
        document = coco() | {"annotations": []}
        targets = read_coco_annotations(dump(tmp_path / "boxless.json", document)).target
        assert [target["boxes"].shape for target in targets] == [(0, 4)] * 3
        document["images"] = []
        assert read_coco_annotations(dump(tmp_path / "empty.json", document)).target == []

    def test_a_gzipped_file_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "instances.json.gz"
        path.write_bytes(gzip.compress(json.dumps(coco()).encode()))
        assert read_coco_annotations(path).image_ids == [LARGE, 7, 9]

    def test_it_agrees_with_pycocotools_on_real_annotations(self, shared_data: Path) -> None:
        coco_api = pytest.importorskip("pycocotools.coco")
        path = shared_data / "voc100" / "instances.json"
        theirs = coco_api.COCO(str(path))
        ours = read_coco_annotations(path)
        assert sorted(ours.image_ids) == sorted(theirs.getImgIds())
        assert ours.categories == {label: each["name"] for label, each in theirs.cats.items()}
        for target, name, size in zip(ours.target, ours.file_names, ours.image_sizes, strict=True):
            (image,) = theirs.loadImgs([target["image_id"]])
            boxes = theirs.loadAnns(theirs.getAnnIds([target["image_id"]]))
            assert (name, size) == (image["file_name"], (image["height"], image["width"]))
            assert target["image_size"] == size
            assert target["boxes"].tolist() == [box["bbox"] for box in boxes]
            assert target["labels"].tolist() == [box["category_id"] for box in boxes]
            assert target["iscrowd"].tolist() == [box["iscrowd"] for box in boxes]
            assert target["area"].tolist() == [box["area"] for box in boxes]

    @pytest.mark.parametrize(
        ("section", "index", "change", "message"),
        [
            ("images", 1, {"id": 7.5}, r"images\[1\] \(id 7\.5\): 'id' is 7\.5, but must be an integer"),
            ("images", 1, {"id": 2.0**60}, r"'id' is 1\.15.*e\+18, but must be an integer"),
            ("images", 1, {"id": True}, "'id' is True, but must be an integer"),
            ("images", 2, {"id": 7}, r"images\[2\] \(id 7\): 'id' is 7, .*that no entry before it has"),
            ("images", 0, {"file_name": 3}, r"images\[0\].*'file_name' is 3, but must be text"),
            ("images", 0, {"width": 0}, r"images\[0\].*'width' are 480 and 0\. Give both as integers"),
            ("images", 0, {"height": "480"}, "'height' and 'width' are '480' and 640"),
            ("images", 0, {"height": None}, "'height' and 'width' are None and 640.*or neither"),
            ("categories", 1, {"id": 3}, r"categories\[1\] \(id 3\): .*that no entry before it has"),
            ("categories", 1, {"id": None}, r"categories\[1\].*None, but must be an integer"),
            ("categories", 0, {"name": None}, r"categories\[0\] \(id 3\): 'name' is None, but must be a"),
            (
                "annotations",
                2,
                {"image_id": 8},
                r"annotations\[2\] \(image_id 8\): 'image_id' is 8, but must be the id of one of the images",
            ),
            ("annotations", 2, {"image_id": "0001"}, "'0001', but must be the id of one of the images"),
            ("annotations", 2, {"image_id": 7.5}, r"'image_id' is 7\.5, but must be the id"),
            ("annotations", 0, {"category_id": 2}, r"is 2, but must be a category .*\[1, 3\]"),
            ("annotations", 0, {"category_id": True}, "'category_id' is True, but must be an integer"),
            ("annotations", 0, {"bbox": [1, 2, 3]}, r"'bbox' is \[1, 2, 3\], but must be four finite"),
            ("annotations", 0, {"bbox": [1, 2, -3, 4]}, r"\[1, 2, -3, 4\].*width and height of at least 0"),
            ("annotations", 0, {"bbox": [1, 2, 3, float("nan")]}, "'bbox' is .*four finite numbers"),
            ("annotations", 0, {"area": -1}, "'area' is -1, but must be a finite number of square pixels"),
            ("annotations", 0, {"area": float("inf")}, "'area' is inf"),
            ("annotations", 0, {"area": "9"}, "'area' is '9'"),
            ("annotations", 0, {"iscrowd": 2}, r"annotations\[0\] \(image_id 7\): 'iscrowd' is 2, .* 0 or 1"),
            ("annotations", 0, {"iscrowd": "0"}, "'iscrowd' is '0', but must be 0 or 1"),
            ("annotations", 0, {"iscrowd": [0]}, r"'iscrowd' is \[0\], but must be 0 or 1"),
        ],
    )
    def test_a_bad_value_is_refused_with_its_entry(
        self, tmp_path: Path, section: str, index: int, change: dict[str, Any], message: str
    ) -> None:
        document = coco()
        document[section][index] |= change
        with pytest.raises(ValueError, match=rf"bad\.json: .*{message}"):
            read_coco_annotations(dump(tmp_path / "bad.json", document))

    @pytest.mark.parametrize(
        ("section", "key"),
        [
            ("images", "id"),
            ("categories", "id"),
            ("categories", "name"),
            ("annotations", "image_id"),
            ("annotations", "category_id"),
            ("annotations", "bbox"),
        ],
    )
    def test_a_missing_key_is_refused_with_its_entry(self, tmp_path: Path, section: str, key: str) -> None:
        document = coco()
        del document[section][1][key]
        with pytest.raises(ValueError, match=rf"bad\.json: {section}\[1\].*: has no '{key}'\. Add"):
            read_coco_annotations(dump(tmp_path / "bad.json", document))

    @pytest.mark.parametrize("section", ["images", "categories", "annotations"])
    def test_a_missing_or_misshapen_section_is_refused(self, tmp_path: Path, section: str) -> None:
        document = coco() | {section: {"1": {}}}
        with pytest.raises(ValueError, match=f"{section} must be a list, but is an object"):
            read_coco_annotations(dump(tmp_path / "bad.json", document))
        del document[section]
        with pytest.raises(ValueError, match=f"has no '{section}'. Give a complete COCO annotation"):
            read_coco_annotations(dump(tmp_path / "bad.json", document))

    def test_results_given_as_annotations_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"is a list \(COCO results\), but COCO annotations .*not the d"):
            read_coco_annotations(dump(tmp_path / "results.json", [result()]))


class TestResults:
    def test_images_are_in_the_order_of_the_annotations(self, annotations: Annotations, tmp_path: Path) -> None:
        path = dump(tmp_path / "r.json", [result(), result(image_id=LARGE, category_id=3)])
        preds = read_coco_results(path, annotations)
        assert [pred["image_id"] for pred in preds] == annotations.image_ids
        assert [len(pred["scores"]) for pred in preds] == [1, 1, 0]
        assert preds[0]["image_size"] == (480, 640)
        assert "image_size" not in preds[1]
        assert preds[2]["boxes"].shape == (0, 4)
        for pred in preds:
            dtypes = [pred[key].dtype for key in ("boxes", "scores", "labels")]
            assert dtypes == [torch.float64, torch.float64, torch.int64]

    def test_without_annotations_images_are_by_ascending_id(self, tmp_path: Path) -> None:
        ids = [LARGE + 1, 7, LARGE, 7]
        path = dump(tmp_path / "r.json", [result(image_id=image_id) for image_id in ids])
        preds = read_coco_results(path)
        assert [pred["image_id"] for pred in preds] == [7, LARGE, LARGE + 1]
        assert [len(pred["scores"]) for pred in preds] == [2, 1, 1]

    def test_values_are_exact_and_in_the_order_of_the_file(self, tmp_path: Path) -> None:
        """The order decides between equal scores."""
        rng = np.random.default_rng(0)
        entries = [
            result(
                image_id=int(rng.integers(20)),
                category_id=int(rng.integers(1, 4)),
                bbox=rng.uniform(0, 500, 4).tolist(),
                score=float(rng.integers(3) / 3),
            )
            for _ in range(2000)
        ]
        preds = read_coco_results(dump(tmp_path / "r.json", entries))
        for pred in preds:
            own = [entry for entry in entries if entry["image_id"] == pred["image_id"]]
            assert pred["boxes"].tolist() == [entry["bbox"] for entry in own]
            assert pred["scores"].tolist() == [entry["score"] for entry in own]
            assert pred["labels"].tolist() == [entry["category_id"] for entry in own]

    def test_an_image_can_be_named_by_its_file(self, annotations: Annotations, tmp_path: Path) -> None:
        for name in ("train/0001.jpg", "0001.jpg", "0001"):
            preds = read_coco_results(dump(tmp_path / "r.json", [result(image_id=name)]), annotations)
            assert [len(pred["scores"]) for pred in preds] == [0, 1, 0]

    def test_a_name_that_two_images_share_is_refused(self, tmp_path: Path) -> None:
        document = coco()
        document["images"][0]["file_name"] = "val/0001.jpg"
        annotations = read_coco_annotations(dump(tmp_path / "a.json", document))
        path = dump(tmp_path / "r.json", [result(image_id="0001")])
        with pytest.raises(ValueError, match=r"results\[0\].*'0001', but must be .*name of just one"):
            read_coco_results(path, annotations)
        read_coco_results(dump(path, [result(image_id="val/0001.jpg")]), annotations)

    def test_no_results_at_all_are_images_without_detections(self, annotations: Annotations, tmp_path: Path) -> None:
        path = dump(tmp_path / "r.json", [])
        assert [len(pred["boxes"]) for pred in read_coco_results(path, annotations)] == [0, 0, 0]
        assert read_coco_results(path) == []

    def test_an_image_takes_only_its_own_boxes_along(self, tmp_path: Path) -> None:
        entries = [result(image_id=image_id) for image_id in range(1000)]
        pred = read_coco_results(dump(tmp_path / "r.json", entries))[0]
        assert len(pickle.dumps(pred)) < 5000

    def test_real_results_are_read(self, shared_data: Path) -> None:
        annotations = read_coco_annotations(shared_data / "voc100" / "instances.json")
        path = shared_data / "voc100" / "fastestdet_results.json"
        preds = read_coco_results(path, annotations)
        assert [pred["image_id"] for pred in preds] == annotations.image_ids
        assert sum(len(pred["scores"]) for pred in preds) == len(json.loads(path.read_text()))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"image_id": 999}, r"\(image_id 999\): 'image_id' is 999, but must be .* of the annotations"),
            ({"image_id": 1.5}, r"'image_id' is 1\.5, but must be an id, or the file name"),
            ({"image_id": True}, "'image_id' is True"),
            ({"image_id": [7]}, r"'image_id' is \[7\]"),
            ({"image_id": "0009"}, "'image_id' is '0009', but must be"),
            ({"category_id": 2}, r"\(image_id 7\): 'category_id' is 2, but must be a category .*\[1, 3\]"),
            ({"category_id": 1.5}, r"'category_id' is 1\.5, but must be an integer"),
            ({"bbox": [1, 2, 3]}, r"'bbox' is \[1, 2, 3\], but must be four finite numbers"),
            ({"bbox": [1, 2, 3, 4, 5]}, r"'bbox' is \[1, 2, 3, 4, 5\]"),
            ({"bbox": 5}, "'bbox' is 5"),
            ({"bbox": None}, "'bbox' is None"),
            ({"bbox": "1234"}, "'bbox' is '1234'"),
            ({"bbox": [1, 2, 3, "4"]}, r"'bbox' is \[1, 2, 3, '4'\]"),
            ({"bbox": [1, 2, 3, True]}, r"'bbox' is \[1, 2, 3, True\]"),
            ({"bbox": [1, 2, 3, [4]]}, r"'bbox' is \[1, 2, 3, \[4\]\]"),
            ({"bbox": [1, 2, 3, 10**400]}, r"'bbox' is \[1, 2, 3, 1000"),
            ({"bbox": [1, float("nan"), 3, 4]}, r"'bbox' is \[1, nan, 3, 4\]"),
            ({"bbox": [1, float("inf"), 3, 4]}, r"'bbox' is \[1, inf, 3, 4\]"),
            ({"bbox": [1, 2, -0.5, 4]}, r"'bbox' is \[1, 2, -0\.5, 4\].*width and height of at least 0"),
            ({"bbox": [1, 2, 3, -4]}, r"'bbox' is \[1, 2, 3, -4\].*width and height of at least 0"),
            ({"score": 1.01}, r"'score' is 1\.01, but must be a number in \[0, 1\]"),
            ({"score": -0.1}, r"'score' is -0\.1"),
            ({"score": float("nan")}, "'score' is nan"),
            ({"score": "0.9"}, r"'score' is '0\.9'"),
            ({"score": True}, "'score' is True"),
            ({"score": None}, "'score' is None"),
        ],
    )
    def test_a_bad_value_is_refused_with_its_entry(
        self, annotations: Annotations, tmp_path: Path, change: dict[str, Any], message: str
    ) -> None:
        path = dump(tmp_path / "bad.json", [result(), result(), result(**change)])
        with pytest.raises(ValueError, match=rf"bad\.json: results\[2\].*{message}.* Correct or remove it\."):
            read_coco_results(path, annotations)

    @pytest.mark.parametrize("key", ["image_id", "category_id", "bbox", "score"])
    def test_a_missing_key_is_refused_with_its_entry(self, annotations: Annotations, tmp_path: Path, key: str) -> None:
        incomplete = result()
        del incomplete[key]
        path = dump(tmp_path / "bad.json", [result(), incomplete])
        for given in (annotations, None):
            with pytest.raises(ValueError, match=rf"bad\.json: results\[1\].*: has no '{key}'\. Add"):
                read_coco_results(path, given)

    def test_without_annotations_names_are_numbered_by_themselves_after_all_numbers(self, tmp_path: Path) -> None:
        ids = ["b", 2**60, "a", 7.0]
        preds = read_coco_results(dump(tmp_path / "r.json", [result(image_id=image_id) for image_id in ids]))
        assert [pred["image_id"] for pred in preds] == [7, 2**60, image_number("a"), image_number("b")]

    def test_annotations_given_as_results_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="holds COCO annotations, not results"):
            read_coco_results(dump(tmp_path / "instances.json", coco()))
        with pytest.raises(ValueError, match="results must be a list, but is an object"):
            read_coco_results(dump(tmp_path / "other.json", {"results": []}))
