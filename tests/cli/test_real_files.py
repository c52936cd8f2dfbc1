"""Files as they are found: ids that are text, names, categories that nobody labelled, pools without annotations."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from hardest_metrics.data import read_image_list
from tests.cli.commands import Run, rank


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def texts(coco: Path) -> Path:
    """The data set of :func:`coco` with text for ids."""
    ids = {1: "img-one", 2: "img-two", 3: "img-three", 2**60: "img-four"}
    document, results = load(coco / "instances.json"), load(coco / "results.json")
    for image in document["images"]:
        image["id"] = ids[image["id"]]
    for box in (*document["annotations"], *results):
        box["image_id"] = ids[box["image_id"]]
    (coco / "instances.json").write_text(json.dumps(document))
    (coco / "results.json").write_text(json.dumps(results))
    return coco


# Ids that are text


def test_rank_shows_text_ids_beside_file_names(texts: Path, run: Run) -> None:
    outputs = [texts / name for name in ("ranking.csv", "ranking.json", "hardest.json", "grid.png")]
    code, out, err = run(
        *rank(texts), "--out", *outputs[:2], "--subset", outputs[2], "--images", texts / "images", "--grid", outputs[3],
        "--top-k", 2,
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert re.search(r"img-four +│ four\.png", out)
    assert next((row["image_id"], row["file_name"]) for row in rows(outputs[0])) == ("img-four", "four.png")
    assert load(outputs[1])[0]["image_id"] == "img-four"
    assert load(outputs[2])["images"][0]["id"] == "img-four"


def test_a_ranking_of_text_ids_can_be_parquet(texts: Path, run: Run) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert run(*rank(texts), "--out", texts / "ranking.parquet")[0] == 0
    assert parquet.read_table(texts / "ranking.parquet").to_pylist()[0]["image_id"] == "img-four"


def test_report_and_compare_show_text_ids(texts: Path, run: Run) -> None:
    data = ("--annotations", texts / "instances.json", "--detections", texts / "results.json")
    assert run("report", *data, "--out", texts / "report.html")[0] == 0
    page = (texts / "report.html").read_text()
    shown = json.loads(re.findall(r"<script[^>]*application/json[^>]*>(.*?)</script>", page, re.DOTALL)[0])
    assert dict(zip(shown["ids"], shown["names"], strict=True))["img-two"] == "two.png"
    code, _, err = run(
        "compare", *data, "--definitions", "total_false/none", "--estimators", "expected_hardness", "--images",
        texts / "images", "--out", texts / "comparison",
    )  # fmt: skip
    assert (code, err) == (0, "")


def test_detections_alone_show_the_names_they_carry(coco: Path, run: Run) -> None:
    results = [result | {"file_name": f"{result['image_id'] % 100}.jpg"} for result in load(coco / "results.json")]
    (coco / "results.json").write_text(json.dumps(results))
    code, _, _ = run(
        "rank", "--estimator", "expected_hardness", "--detections", coco / "results.json", "--out", coco / "r.csv"
    )
    assert code == 0
    assert {row["image_id"]: row["file_name"] for row in rows(coco / "r.csv")}["2"] == "2.jpg"


# A detector of many classes on a set of few


def with_unknown(coco: Path) -> Path:
    results = load(coco / "results.json")
    extra = [{"image_id": 1, "category_id": 90, "bbox": [0, 0, 9, 9], "score": 0.9}] * 3
    (coco / "results.json").write_text(json.dumps(results + extra))
    return coco


def test_unknown_categories_have_one_option_that_deals_with_all(coco: Path, run: Run) -> None:
    command = rank(with_unknown(coco))
    code, _, err = run(*command)
    assert code == 2
    assert "'category_id' is 90" in err
    assert "(and 2 more of 10 like it)" in err
    assert err.endswith("To leave out all like it: --ignore-unknown-categories.\n")
    code, out, err = run(*command, "--ignore-unknown-categories")
    assert (code, err) == (0, "")
    assert "Note: " in out
    assert "left out 3 of 10 results" in out


@pytest.mark.parametrize("command", ["rank", "report", "compare", "calibrate"])
@pytest.mark.parametrize("option", [("--labels", "person", "car"), ("--ignore-unknown-categories",)])
def test_every_command_takes_a_detector_of_more_classes(
    coco: Path, run: Run, command: str, option: tuple[object, ...]
) -> None:
    with_unknown(coco)
    out = {"report": "r.html", "compare": "comparison", "calibrate": "c.json", "rank": "r.csv"}[command]
    more: tuple[object, ...] = ()
    if command == "compare":
        more = ("--definitions", "total_false/none", "--estimators", "expected_hardness")
    if command == "calibrate":
        pytest.importorskip("sklearn")
        # right detections on several images, so that a fit can be judged
        results = [
            {"image_id": image, "category_id": 1 + (image > 2), "bbox": [0, 0, 40, 40], "score": score}
            for image in (1, 2, 2**60)
            for score in (0.9, 0.3)
        ]
        (coco / "results.json").write_text(json.dumps([*results, results[0] | {"category_id": 90}]))
    arguments = (command, "--annotations", coco / "instances.json", "--detections", coco / "results.json")
    code, printed, err = run(*arguments, "--out", coco / out, *more, *option)
    assert (code, err) == (0, "")
    assert re.search(r"Note: .*left out [13] of", printed)


def test_other_images_and_bad_boxes_have_their_options(coco: Path, run: Run) -> None:
    results = load(coco / "results.json")
    bad = [results[0] | {"image_id": 99}] * 2 + [results[0] | {"bbox": [0, 0, -1, 5]}]
    (coco / "results.json").write_text(json.dumps(results + bad))
    code, _, err = run(*rank(coco))
    assert code == 2
    assert "--ignore-unknown-images" in err
    code, _, err = run(*rank(coco), "--ignore-unknown-images")
    assert code == 2
    assert "--ignore-bad-boxes" in err
    code, out, _ = run(*rank(coco), "--ignore-unknown-images", "--ignore-bad-boxes")
    assert code == 0
    assert out.count("left out") == 2


# Pools without annotations


def test_a_folder_is_a_pool_to_label_from(coco: Path, run: Run) -> None:
    """Results as ultralytics writes them: numbers where names are numbers, and the names."""
    for number, name in enumerate(("one", "two", "four"), start=1):
        (coco / "images" / f"{name}.png").rename(coco / "images" / f"{number:04}.png")
    numbers = {1: 1, 2: 2, 3: "[three]", 2**60: 3}
    results = [
        result | {"image_id": number, "file_name": f"{number:04}.png" if isinstance(number, int) else f"{number}.png"}
        for result in load(coco / "results.json")
        for number in [numbers[result["image_id"]]]
    ]
    (coco / "results.json").write_text(json.dumps(results))
    outputs = [coco / name for name in ("ranking.csv", "to_label.json", "grid.png")]
    code, out, err = run(
        "rank", "--estimator", "expected_hardness", "--detections", coco / "results.json", "--images", coco / "images",
        "--top-k", 2, "--out", outputs[0], "--subset", outputs[1], "--grid", outputs[2],
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert out.splitlines()[-3:] == [f"Wrote {path}" for path in outputs]
    assert [row["file_name"] for row in rows(outputs[0])[:2]] == ["0003.png", "0001.png"]
    images = load(outputs[1])["images"]
    assert images == [
        {"id": 3, "file_name": "0003.png", "height": 50, "width": 100},
        {"id": 1, "file_name": "0001.png", "height": 50, "width": 100},
    ]
    assert read_image_list(outputs[1]).file_names == ["0003.png", "0001.png"]
    code, _, err = run(
        "report", "--estimators", "expected_hardness", "--annotations", outputs[1],
        "--detections", coco / "results.json", "--ignore-unknown-images", "--out", coco / "report.html",
    )  # fmt: skip
    assert (code, err) == (0, ""), "a list to be labelled is not taken for labels"


def test_names_that_contradict_ids_are_refused_in_one_line(coco: Path, run: Run) -> None:
    results = [result | {"file_name": "other.png"} for result in load(coco / "results.json")]
    (coco / "results.json").write_text(json.dumps(results))
    code, _, err = run(*rank(coco))
    assert code == 2
    assert "'image_id' is that of 'one.png' in the annotations, but 'file_name' is 'other.png' (and 6 more of 7" in err


def test_images_of_a_list_without_extensions_are_found(coco: Path, run: Run) -> None:
    document = load(coco / "instances.json")
    for image in document["images"]:
        image["file_name"] = image["file_name"].removesuffix(".png").replace("/", "\\")
    (coco / "instances.json").write_text(json.dumps(document))
    code, _, err = run(*rank(coco), "--images", coco / "images", "--grid", coco / "grid.png")
    assert (code, err) == (0, "")
    (coco / "images" / "two.jpg").write_bytes((coco / "images" / "two.png").read_bytes())
    code, _, err = run(*rank(coco), "--images", coco / "images", "--grid", coco / "grid.png")
    assert code == 2
    assert "two.jpg and two.png: both may be image 2" in err
