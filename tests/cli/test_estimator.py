"""Ranking without labels: what is estimated, of which images, and what makes no sense."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from hardest_metrics.calibration import Platt, write_calibration
from hardest_metrics.data import read_annotations, read_detections
from hardest_metrics.detection import TotalFalse
from hardest_metrics.detection.naming import make_estimator
from hardest_metrics.names import ESTIMATORS, OF_LOGITS, OF_OTHERS, WITNESS
from tests.cli.commands import Run, ranking_of


def of_detections(folder: Path, *options: object, estimator: str = "expected_hardness") -> list[object]:
    return ["rank", "--estimator", estimator, "--detections", folder / "results.json", *options]


def of_list(folder: Path, *options: object, estimator: str = "expected_hardness") -> list[object]:
    return of_detections(folder, "--annotations", folder / "instances.json", *options, estimator=estimator)


def rename(coco: Path, change: Any) -> None:
    """Change the results of the data set."""
    results = json.loads((coco / "results.json").read_text())
    (coco / "results.json").write_text(json.dumps(change(results)))


def by_name(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = {1: "one.png", 2: "two.png", 3: "[three].png", 2**60: "four.png"}
    return [result | {"image_id": names[result["image_id"]]} for result in results]


def hardness(run: Run, folder: Path, *command: object) -> dict[int, float]:
    code, _, err = run(*command, "--out", folder / "ranking.json")
    assert (code, err) == (0, "")
    return dict(ranking_of(folder / "ranking.json"))


# What is estimated


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_command_and_class_agree(shared_data: Path, tmp_path: Path, run: Run, estimator: str) -> None:
    folder = shared_data / "voc100"
    of_hardest, of_coco = (f"fastestdet_{name}" for name in ("torchvision.json.gz", "results.json"))
    files = folder / (of_hardest if estimator in OF_LOGITS else of_coco), folder / "yolo_fastestv2_results.json"
    members: Sequence[object] = ("--members", files[1]) if estimator in OF_OTHERS else ()
    found = hardness(
        run, tmp_path, "rank", "--estimator", estimator, "--annotations", folder / "instances.json",
        "--detections", files[0], "--weighting", "pixel", *members,
    )  # fmt: skip

    annotations = read_annotations(folder / "instances.json")
    preds, other = (read_detections(file, annotations) for file in files)
    beside = "witnesses" if estimator == WITNESS else "members"
    metric = make_estimator(estimator, TotalFalse("pixel", box_format="xywh"))
    metric.update(preds, annotations.without_labels().target, **({beside: [other]} if members else {}))
    expected = dict(zip(*(column.tolist() for column in metric.summary().ranking), strict=True))
    assert found == pytest.approx(expected, rel=1e-6)
    assert sum(found.values()) > 0


def test_closed_form_by_hand(coco: Path, run: Run) -> None:
    assert hardness(run, coco, *of_list(coco)) == pytest.approx(
        {1: 0.1 + 0.4, 2: 0.1, 3: 0, 2**60: 0.1 + 0.2 + 0.3 + 0.4}
    )
    deviation = hardness(run, coco, *of_list(coco, "--statistic", "std", "--query", "false_negatives"))
    assert deviation == pytest.approx({1: (0.4 * 0.6) ** 0.5, 2: 0, 3: 0, 2**60: 0})
    bound = hardness(run, coco, *of_list(coco, "--statistic", "bound", "--c", -1, "--query", "false_negatives"))
    assert bound[1] == pytest.approx(0.4 - (0.4 * 0.6) ** 0.5)
    person = hardness(run, coco, *of_list(coco, "--labels", "person", "--score-threshold", 0))
    assert person == pytest.approx({1: 0.1 + 0.6, 2: 0.1, 3: 0, 2**60: 0.4})


def test_seed_and_number_of_samples_count(coco: Path, run: Run) -> None:
    first, again, other, many = (
        hardness(run, coco, *of_list(coco, "--n-samples", number, "--seed", seed, estimator="score_sampling"))
        for number, seed in ((10, 3), (10, 3), (10, 4), (3000, 3))
    )
    assert first == again != other
    assert many[2] == pytest.approx(2 * 0 + 0.1, abs=0.03)


def test_a_calibration_gives_the_probabilities(coco: Path, run: Run) -> None:
    write_calibration(Platt(0.0, 0.0), coco / "half.json")
    found = hardness(run, coco, *of_list(coco, "--calibration", coco / "half.json"))
    assert found == pytest.approx({1: 0.5 + 0.5, 2: 0.5, 3: 0, 2**60: 4 * 0.5})


def test_what_was_understood_is_said(coco: Path, run: Run) -> None:
    write_calibration(Platt(1.0), coco / "good.json")
    options = ("--statistic", "bound", "--c", -2, "--n-samples", 20, "--seed", 3)
    _, out, _ = run(*of_list(coco, *options, "--calibration", coco / "good.json", estimator="score_sampling"))
    said = "statistic bound, c -2, 20 samples, seed 3, scores calibrated by good.json; score >= 0.5"
    assert f"Estimate: score_sampling of total_false, weighting none, {said}" in out
    members = ("--members", coco / "results.json", "--member-weights", 2, "--member-calibrations", coco / "good.json")
    _, out, _ = run(*of_list(coco, *members, estimator="sampled_committee"))
    assert ", weighting none, members results.json (weight 2) calibrated by good.json; score >= 0.5" in out
    _, out, _ = run(*of_list(coco, estimator="max_uncertainty"))
    assert "Estimate: max_uncertainty; score >= 0.5, all labels" in out, "nothing is matched"


def test_members_are_weighted_and_calibrated_one_by_one(coco: Path, run: Run) -> None:
    (coco / "none.json").write_text("[]")
    members = ("--members", coco / "results.json", coco / "none.json")
    average = hardness(run, coco, *of_list(coco, *members, estimator="committee"))
    assert average == {1: 0.5, 2: 0.5, 3: 0, 2**60: 2}
    assert hardness(run, coco, *of_list(coco, *members, "--member-weights", 1, 0, estimator="committee"))[1] == 0
    write_calibration(Platt(0.0, -99.0), coco / "never.json")
    write_calibration(Platt(0.0, 99.0), coco / "always.json")
    sampled = of_list(
        coco, *members, "--member-weights", 1, 0, "--member-calibrations", coco / "never.json", coco / "always.json",
        "--query", "false_positives", estimator="sampled_committee",
    )  # fmt: skip
    assert hardness(run, coco, *sampled) == {1: 1, 2: 1, 3: 0, 2**60: 4}


# Which images


def test_labels_of_the_list_are_not_looked_at(coco: Path, run: Run) -> None:
    with_labels = hardness(run, coco, *of_list(coco))
    document = json.loads((coco / "instances.json").read_text())
    for annotation in document["annotations"]:
        annotation["bbox"] = "unreadable"
    (coco / "instances.json").write_text(json.dumps(document))
    assert hardness(run, coco, *of_list(coco)) == with_labels
    del document["annotations"], document["categories"]
    (coco / "instances.json").write_text(json.dumps(document))
    assert hardness(run, coco, *of_list(coco)) == with_labels
    code, out, _ = run(*of_list(coco, "--labels", 2))
    assert code == 0
    assert out.splitlines()[-3:] == [
        "Estimate: expected_hardness of total_false, weighting none; score >= 0.5, IoU >= 0.5, labels 2, all areas,"
        " at most 100 detections per image and label",
        f"Images: the 4 of {coco / 'instances.json'}; no labels were looked at",
        "4 images, mean hardness 0.15",
    ]


def test_detections_alone_name_the_images_that_have_any(coco: Path, run: Run) -> None:
    with_list = hardness(run, coco, *of_list(coco))
    assert hardness(run, coco, *of_detections(coco)) == {key: value for key, value in with_list.items() if key != 3}
    _, out, _ = run(*of_detections(coco))
    assert f"Images: the 3 that {coco / 'results.json'} names; those without any detection are not known" in out
    assert "file name" not in out


def test_images_named_by_file_have_the_same_ids_whatever_else_is_in_the_file(coco: Path, run: Run) -> None:
    rename(coco, by_name)
    ids = hardness(run, coco, *of_detections(coco))
    assert sorted(ids.values()) == pytest.approx([0.1, 0.5, 1.0])
    names = {row["file_name"] for row in json.loads((coco / "ranking.json").read_text())}
    assert names == {"one.png", "two.png", "four.png"}
    rename(coco, lambda results: [result for result in results[::-1] if result["image_id"] != "one.png"])
    fewer = hardness(run, coco, *of_detections(coco))
    assert fewer == pytest.approx({image_id: value for image_id, value in ids.items() if value != pytest.approx(0.5)})


def test_a_folder_lists_the_images_that_detections_name(coco: Path, run: Run) -> None:
    rename(coco, by_name)
    command = of_detections(coco, "--images", coco / "images", "--weighting", "pixel")
    numbered = {"[three].png": 1, "four.png": 2, "one.png": 3, "two.png": 4}
    found = hardness(run, coco, *command)
    assert found.keys() == set(numbered.values())
    assert found[numbered["two.png"]] == pytest.approx(0.1 * 1600 / 5000)
    assert found[numbered["[three].png"]] == 0
    assert "4 in" in run(*command)[1]


def test_sizes_come_from_the_files_where_the_list_has_none(coco: Path, run: Run) -> None:
    with_sizes = hardness(run, coco, *of_list(coco, "--weighting", "pixel"))
    document = json.loads((coco / "instances.json").read_text())
    document["images"] = [{"id": image["id"], "file_name": image["file_name"]} for image in document["images"]]
    (coco / "instances.json").write_text(json.dumps(document))
    pixel = ("--weighting", "pixel", "--images", coco / "images")
    assert hardness(run, coco, *of_list(coco, *pixel)) == with_sizes
    labelled = hardness(run, coco, "rank", *of_list(coco, *pixel)[3:])
    assert labelled[2] == pytest.approx(0.64)


def test_what_hardest_exports_lists_its_images_by_place(coco: Path, run: Run) -> None:
    empty: dict[str, Any] = {"boxes": [], "labels": [], "scores": [], "logits": []}
    one = {"boxes": [[0, 0, 9, 9]], "labels": [1], "scores": [0.75], "logits": [[0, 0]]}
    (coco / "results.json").write_text(json.dumps([one, empty]))
    assert hardness(run, coco, *of_detections(coco)) == {0: 0.25, 1: 0}
    assert hardness(run, coco, *of_detections(coco, estimator="entropy")) == pytest.approx({0: 0.6931472, 1: 0})
    assert "the 2 of" in run(*of_detections(coco))[1]


def test_no_detection_is_no_uncertainty(coco: Path, run: Run) -> None:
    (coco / "results.json").write_text("[]")
    for estimator in ("entropy", "max_uncertainty"):
        assert hardness(run, coco, *of_list(coco, estimator=estimator)) == {1: 0, 2: 0, 3: 0, 2**60: 0}


def test_a_pascal_voc_folder_is_a_list_too(shared_data: Path, tmp_path: Path, run: Run) -> None:
    bccd = shared_data / "bccd"
    listed = (bccd / "ImageSets" / "Main" / "val.txt").read_text().split()
    detections = [{"image_id": listed[0], "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.75}]
    (tmp_path / "results.json").write_text(json.dumps(detections))
    found = hardness(run, tmp_path, *of_detections(tmp_path, "--annotations", bccd, "--split", "val"))
    assert sorted(found.values()) == [0] * (len(listed) - 1) + [0.25]


def test_all_files_are_written_on_request(coco: Path, run: Run) -> None:
    outputs = [coco / name for name in ("ranking.csv", "to_label.json", "grid.png")]
    document = json.loads((coco / "instances.json").read_text())
    del document["annotations"]
    (coco / "instances.json").write_text(json.dumps(document))
    options = ("--out", outputs[0], "--subset", outputs[1], "--grid", outputs[2], "--images", coco / "images")
    code, out, err = run(*of_list(coco, *options, "--top-k", 2))
    assert (code, err) == (0, "")
    assert out.splitlines()[-3:] == [f"Wrote {path}" for path in outputs]
    assert [image["id"] for image in json.loads(outputs[1].read_text())["images"]] == [2**60, 1]
    with Image.open(outputs[2]) as grid:
        pixels = torch.frombuffer(bytearray(grid.tobytes()), dtype=torch.uint8).reshape(-1, 3)
    assert (pixels == torch.tensor((255, 170, 0))).all(1).sum() > 500  # detections
    for color in ((225, 30, 45), (40, 200, 90), (40, 110, 255)):
        assert (pixels == torch.tensor(color)).all(1).sum() == 0  # nothing was judged


# Bad input

COMMITTEE = ("--estimator", "committee", "--members", "{}/results.json")
SAMPLED = ("--estimator", "sampled_committee", "--members", "{}/results.json")
BAD: dict[str, tuple[Sequence[object], str]] = {
    "unknown estimator": (("--estimator", "guess"), "'score_sampling'"),
    "no samples": (("--estimator", "score_sampling", "--n-samples", 0), "--n-samples must be an integer of at least 1"),
    "samples of the closed form": (("--n-samples", 10), "--n-samples is of no use to expected_hardness"),
    "seed of the closed form": (("--seed", 1), "--seed is of no use to expected_hardness"),
    "unknown statistic": (("--statistic", "median"), "'bound'"),
    "c without bound": (("--c", 2), "--c is of the bound: give --statistic"),
    "statistic of uncertainty": (
        ("--estimator", "max_uncertainty", "--statistic", "std"), "--statistic is of no use to max_uncertainty"
    ),
    "calibrated logits": (
        ("--estimator", "entropy", "--calibration", "{}/good.json"), "--calibration is of no use to entropy"
    ),
    "logits of COCO results": (("--estimator", "evidential"), "holds no logits, which evidential goes by"),
    "no such calibration": (("--calibration", "{}/nowhere.json"), "nowhere.json: no such file"),
    "unreadable calibration": (("--calibration", "{}/results.json"), "Write it with `hardest-metrics calibrate`"),
    "committee without members": (("--estimator", "committee"), "--members is missing"),
    "members of none": (("--members", "{}/results.json"), "--members is of no use to expected_hardness"),
    "no such member": (("--estimator", "committee", "--members", "{}/none.json"), "none.json: no such file"),
    "weights of too few": ((*COMMITTEE, "--member-weights", 1, 2), "--member-weights needs one a member, but 2 are"),
    "weights below 0": ((*COMMITTEE, "--member-weights", -1), "--member-weights must be finite, at least 0"),
    "weights of nothing": ((*COMMITTEE, "--member-weights", 0), "--member-weights must be finite, at least 0"),
    "seed too large": (
        ("--estimator", "score_sampling", "--seed", 2**64), "--seed must be an integer between -2^62 and 2^62"
    ),
    "annotations for detections": (("--detections", "{}/instances.json"), "instances.json: holds COCO annotations"),
    "weights not numbers": ((*COMMITTEE, "--member-weights", "heavy"), "--member-weights must be a number, but"),
    "calibrations of too many": (
        (*SAMPLED, "--member-calibrations", "{}/good.json", "{}/good.json"), "--member-calibrations needs one a member"
    ),
    "calibrations of no samples": (
        (*COMMITTEE, "--member-calibrations", "{}/good.json"), "--member-calibrations is of no use to committee"
    ),
    "one calibration of a committee": (
        (*SAMPLED, "--calibration", "{}/good.json"), "--calibration is of no use to sampled_committee"
    ),
    "score above 1": (("--detections", "{}/above.json"), "'score' is 1.5, but must be a number in [0, 1]"),
    "images without need": (("--annotations", "{}/instances.json", "--images", "{}/images"), "--images is of use to"),
    "images that no name tells": (("--images", "{}/images"), "does not name images by file name"),
    "annotations for named detections": (
        ("--detections", "{}/instances.json", "--images", "{}/images"), "instances.json: holds COCO annotations"
    ),
    "grid without images": (("--grid", "{}/grid.png"), "--grid needs --images"),
    "subset of no annotations": (("--subset", "{}/subset.json"), "there are no --annotations"),
    "split of nothing": (("--split", "val"), "--split is of --annotations"),
    "pixels without sizes": (("--weighting", "pixel"), "needs. Give --annotations that have them, or choose"),
    "pixels without sizes of files": (
        ("--detections", "{}/named.json", "--weighting", "pixel"), "needs. Give the folder --images, or choose"
    ),
    "calibrated committee": (
        (*COMMITTEE, "--n-samples", 3), "no use to committee: leave it out. It takes --c, --coverage, --member-weights,"
    ),
    "other images of a member": (
        ("--estimator", "committee", "--members", "{}/other.json"), "other.json: has image '99', which"
    ),
    "fewer images of a member": (
        ("--estimator", "committee", "--members", "{}/fewer.json"), "fewer.json does not name"
    ),
    "other images than the list": (
        ("--annotations", "{}/instances.json", "--estimator", "committee", "--members", "{}/other.json"),
        "other.json: results[0] (image_id 99): 'image_id' is 99",
    ),
    "no images": (("--detections", "{}/empty.json"), "empty.json: names no image, so there is nothing to rank"),
    "names and half numbers": (("--detections", "{}/mixed.json"), "mixed.json: results[1] (image_id 1.5)"),
    "unknown label": (("--labels", "person"), "No category is named 'person'. Choose from: '1', '2'"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_in_one_line(coco: Path, run: Run, options: Sequence[object], message: str) -> None:
    result = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}
    write_calibration(Platt(1.0), coco / "good.json")
    for name, results in {
        "above": [result | {"score": 1.5}], "other": [result | {"image_id": 99}], "fewer": [result], "empty": [],
        "named": [result | {"image_id": "one.png"}], "mixed": [result | {"image_id": "b"}, result | {"image_id": 1.5}],
    }.items():  # fmt: skip
        (coco / f"{name}.json").write_text(json.dumps(results))
    before = sorted(coco.rglob("*"))
    arguments = [str(option).replace("{}", str(coco)) for option in options]
    code, out, err = run(*of_detections(coco), *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert sorted(coco.rglob("*")) == before


@pytest.mark.parametrize(
    ("option", "value"),
    [("--seed", 1), ("--n-samples", 5), ("--statistic", "std"), ("--c", 1), ("--calibration", "a.json"),
     ("--members", "a.json"), ("--member-weights", 1), ("--member-calibrations", "a.json")],
)  # fmt: skip
def test_options_of_estimates_are_refused_where_labels_decide(coco: Path, run: Run, option: str, value: object) -> None:
    code, _, err = run(*of_list(coco)[:1], *of_list(coco)[3:], option, value)
    assert code == 2
    assert f"{option} is of estimates: give --estimator too, or leave it out" in err
