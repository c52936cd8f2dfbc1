"""The paper's experiments run on data sets as they lie on disk."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from examples.paper import CLASS_OF_CATEGORY, CLASSES, main, remapped_annotations, remapped_detections
from hardest_metrics.comparison import figures
from hardest_metrics.data import read_annotations, read_detections

FEW = ["--definitions", "total_false/none", "false_negatives/pixel", "--estimators", "expected_hardness", "committee"]

#: Category, box (xmin, ymin, xmax, ymax) and image of each object.
OBJECTS = [
    ("vehicle.car", [100, 200, 300, 400], 0),
    ("human.pedestrian.child", [500, 100, 550, 300], 0),
    ("movable_object.trafficcone", [700, 700, 720, 740], 0),
    ("vehicle.bus.bendy", [0, 0, 800, 600], 1),
    ("vehicle.bicycle", [900, 500, 1000, 600], 1),
    ("animal", [10, 10, 50, 50], 1),
    ("movable_object.barrier", [1200, 600, 1400, 700], 1),
]


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots as they would be drawn, but for the drawing, which takes a second each."""
    monkeypatch.setattr(figures, "_png", lambda figure: b"")


@pytest.fixture
def nuimages(tmp_path: Path) -> Path:
    """Two annotated images, and one more of a camera between them, in nuImages' tables."""
    names = [*CLASS_OF_CATEGORY, "animal", "vehicle.ego"]
    frames = [
        ("key1", "samples/CAM_FRONT/1.jpg"),
        ("between", "sweeps/CAM_FRONT/2.jpg"),
        ("key0", "samples/CAM_BACK/0.jpg"),
    ]
    tables: dict[str, list[dict[str, Any]]] = {
        "category": [{"token": f"c-{name}", "name": name, "description": ""} for name in names],
        "sample": [{"token": f"s{i}", "key_camera_token": f"key{i}", "timestamp": i, "log_token": ""} for i in (0, 1)],
        "sample_data": [
            {"token": token, "filename": name, "width": 1600, "height": 900, "is_key_frame": token != "between"}
            for token, name in frames
        ],
        "object_ann": [
            {"token": f"o{number}", "category_token": f"c-{name}", "bbox": box, "sample_data_token": f"key{image}",
             "attribute_tokens": [], "mask": None}
            for number, (name, box, image) in enumerate(OBJECTS)
        ],
    }  # fmt: skip
    (tmp_path / "nuimages" / "v1.0-val").mkdir(parents=True)
    for name, rows in tables.items():
        (tmp_path / "nuimages" / "v1.0-val" / f"{name}.json").write_text(json.dumps(rows))
    for _, name in frames:
        (tmp_path / "nuimages" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (1600, 900)).save(tmp_path / "nuimages" / name)
    return tmp_path / "nuimages"


def found() -> list[dict[str, Any]]:
    """What `hardest` exports: the objects, surely, and a cone that is none."""
    images = []
    for image in (0, 1):
        seen = [(name, box) for name, box, where in OBJECTS if where == image and name in CLASS_OF_CATEGORY]
        seen.append(("movable_object.trafficcone", [1500, 800, 1520, 840]))
        images.append({
            "boxes": [box for _, box in seen],
            "labels": [CLASSES.index(CLASS_OF_CATEGORY[name]) for name, _ in seen],
            "scores": [0.9 - 0.1 * number for number in range(len(seen))],
            "logits": [[float(place) for place in range(10)] for _ in seen],
        })  # fmt: skip
    return images


def as_results(images: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """The same in COCO's format, images by name."""
    return [
        {"image_id": name, "category_id": label, "bbox": [x, y, right - x, bottom - y], "score": score}
        for name, image in zip(names, images, strict=True)
        for (x, y, right, bottom), label, score in zip(image["boxes"], image["labels"], image["scores"], strict=True)
    ]


def test_two_classes_are_left_of_ten(nuimages: Path, tmp_path: Path) -> None:
    document, left_out = remapped_annotations(nuimages / "v1.0-val")
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    annotations = read_annotations(tmp_path / "annotations.json")
    assert annotations.file_names == ["samples/CAM_BACK/0.jpg", "samples/CAM_FRONT/1.jpg"], "in the order of samples"
    assert annotations.image_sizes == [(900, 1600)] * 2
    assert annotations.categories == {0: "vehicle", 1: "pedestrian"}
    assert annotations.target[0]["labels"].tolist() == [0, 1]
    assert annotations.target[0]["boxes"].tolist() == [[100, 200, 200, 200], [500, 100, 50, 200]]
    assert annotations.target[1]["labels"].tolist() == [0, 0]
    assert left_out == {"movable_object.trafficcone": 1, "animal": 1, "movable_object.barrier": 1}


def test_the_ten_classes_are_covered() -> None:
    assert set(CLASS_OF_CATEGORY.values()) == set(CLASSES)
    remapped, left_out = remapped_detections(
        [{"image_id": 0, "category_id": label, "bbox": [0, 0, 1, 1], "score": 0.5} for label in range(10)], "x.json"
    )
    assert [result["category_id"] for result in remapped] == [0] * 7 + [1]
    assert left_out == {"traffic_cone": 1, "barrier": 1}


def test_cones_and_barriers_are_no_errors(nuimages: Path, tmp_path: Path) -> None:
    document, _ = remapped_annotations(nuimages / "v1.0-val")
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    annotations = read_annotations(tmp_path / "annotations.json")
    both = {}
    for name, detections in (("a", found()), ("b", as_results(found(), annotations.file_names))):
        remapped, left_out = remapped_detections(detections, name)
        assert left_out == {"traffic_cone": 3, "barrier": 1}
        (tmp_path / f"{name}.json").write_text(json.dumps(remapped))
        both[name] = read_detections(tmp_path / f"{name}.json", annotations)
    for of_export, of_results, target in zip(both["a"], both["b"], annotations.target, strict=True):
        assert of_export["boxes"].tolist() == of_results["boxes"].tolist() == target["boxes"].tolist()
        assert of_export["labels"].tolist() == of_results["labels"].tolist() == target["labels"].tolist()
        assert len(of_export["logits"]) == len(of_export["scores"])


def test_all_data_sets_at_once(
    nuimages: Path, tmp_path: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    voc = shared_data / "voc100"
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    (tmp_path / "coco" / "annotations" / "instances_val2017.json").write_bytes((voc / "instances.json").read_bytes())
    (tmp_path / "detections.json").write_text(json.dumps(found()))
    results = [str(voc / f"{name}_results.json") for name in ("fastestdet", "yolo_fastestv2")]
    code = main([
        "--coco", str(tmp_path / "coco"), "--coco-detections", *results,
        "--nuimages", str(nuimages), "--nuimages-detections", str(tmp_path / "detections.json"),
        "--annotations", str(voc / "instances.json"), "--detections", results[0],
        "--out", str(tmp_path / "results"), *FEW,
    ])  # fmt: skip
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    assert "labels: left out, being neither vehicle nor pedestrian: 1 movable_object.trafficcone, 1 animal" in out
    tables = {name: pd.read_csv(tmp_path / "results" / name / "agreement.csv") for name in ("own", "coco", "nuimages")}
    assert {name: len(table) for name, table in tables.items()} == {"own": 2, "coco": 8, "nuimages": 2}
    assert tables["coco"]["spearman"].max() > 0.6


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        (
            "sample",
            {"key_camera_token": "gone"},
            "'key_camera_token' is 'gone', but must be the token of one of sample_data",
        ),
        (
            "object_ann",
            {"category_token": "gone"},
            "'category_token' is 'gone', but must be the token of one of category",
        ),
        ("object_ann", {"sample_data_token": "between"}, "'sample_data_token' is 'between'"),
        ("object_ann", {"bbox": [1, 2]}, "four numbers xmin, ymin, xmax, ymax"),
    ],
)
def test_broken_tables_are_refused(nuimages: Path, table: str, change: dict[str, Any], message: str) -> None:
    path = nuimages / "v1.0-val" / f"{table}.json"
    rows = json.loads(path.read_text())
    rows[0] |= change
    path.write_text(json.dumps(rows))
    with pytest.raises(ValueError, match=f"{table}.json: {table}") as error:
        remapped_annotations(nuimages / "v1.0-val")
    assert message in str(error.value)


@pytest.mark.parametrize("label", [10, -1, "car", None])
def test_other_labels_are_refused(label: Any) -> None:
    with pytest.raises(ValueError, match=r"mine\.json: results\[0\]: label .* must be one of 0 to 9"):
        remapped_detections([{"image_id": 0, "category_id": label, "bbox": [0, 0, 1, 1], "score": 0.5}], "mine.json")


@pytest.mark.parametrize("arguments", [[], ["--coco", "x"], ["--detections", "x"]])
def test_half_a_data_set_is_refused(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*arguments, "--out", str(tmp_path)])
