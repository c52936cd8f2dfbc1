import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hardest_metrics import cli
from tests.cli.commands import Run


def report(folder: Path, *more: object) -> list[object]:
    files = ["--annotations", folder / "instances.json", "--detections", folder / "results.json"]
    return ["report", *files, "--out", folder / "report.html", *more]


def data_of(page: Path) -> dict[str, Any]:
    (text,) = re.findall('<script type="application/json" id="data">(.*?)</script>', page.read_text())
    data: dict[str, Any] = json.loads(text)
    return data


def rankings_of(page: Path) -> list[tuple[int, str, str]]:
    return [(one["detector"], one["definition"], one["estimator"]) for one in data_of(page)["rankings"]]


def test_by_default_images_are_ranked_by_all_errors_going_by_labels(coco: Path, run: Run) -> None:
    code, out, err = run(*report(coco, "--images", coco / "images"))
    assert (code, out, err) == (0, f"Wrote {coco / 'report.html'}\n", "")
    data = data_of(coco / "report.html")
    assert rankings_of(coco / "report.html") == [(0, "total_false/none", "labels")]
    assert data["ids"] == ["1", "2", "3", str(2**60)]
    assert all(picture.startswith("data:image/jpeg;base64,") for picture in data["pictures"])
    assert [name for name, _ in data["inputs"]] == ["instances.json", "results.json"]
    assert [detector["name"] for detector in data["detectors"]] == ["results"]


def test_the_query_is_that_of_rank(coco: Path, run: Run) -> None:
    options = ["--query", "false_negatives", "--weighting", "pixel", "--labels", "car", "--score-threshold", 0.25]
    code, _, _ = run(*report(coco, *options, "--area-range", "0,5000"))
    assert code == 0
    said = dict(data_of(coco / "report.html")["query"])
    assert rankings_of(coco / "report.html") == [(0, "false_negatives/pixel", "labels")]
    assert said["Score threshold"].startswith("0.25:")
    assert (said["Labels that count"], said["Areas that count"]) == ("car", "0 to 5000 px²")


def test_several_detectors_definitions_and_estimators_make_a_comparison(coco: Path, run: Run) -> None:
    other = coco / "other" / "results.json.gz"
    other.parent.mkdir()
    other.write_bytes(gzip.compress((coco / "results.json").read_bytes()))
    options = ["--query", "all", "--weighting", "none", "overlap", "--estimators", "expected_hardness", "committee"]
    code, _, err = run(*report(coco, *options, "--detections", coco / "results.json", other))
    assert (code, err) == (0, "")
    rankings = rankings_of(coco / "report.html")
    assert rankings[0] == (0, "total_false/none", "labels")
    assert len(rankings) == len(set(rankings)) == 2 * 6 * 3
    data = data_of(coco / "report.html")
    assert [detector["name"] for detector in data["detectors"]] == ["results", "results-2"]
    assert len(data["agreement"]["rows"]) == 2 * 6 * 2


def test_estimators_need_no_labels(coco: Path, run: Run) -> None:
    files = ["--detections", coco / "results.json", "--out", coco / "report.html"]
    code, _, _ = run("report", *files, "--estimators", "expected_hardness")
    assert code == 0
    data = data_of(coco / "report.html")
    assert data["labelled"] is False
    assert data["ids"] == ["1", "2", str(2**60)], "an image without any detection is not known"
    document = json.loads((coco / "instances.json").read_text())
    (coco / "images.json").write_text(json.dumps({"images": document["images"]}))
    code, _, _ = run("report", *files, "--estimators", "score_sampling", "--annotations", coco / "images.json")
    assert code == 0
    data = data_of(coco / "report.html")
    assert (data["labelled"], len(data["ids"])) == (False, 4)
    assert dict(data["settings"])["Samples"].startswith("10 ")


def test_what_an_estimator_lacks_is_told(coco: Path, run: Run) -> None:
    code, out, _ = run(*report(coco, "--estimators", "expected_hardness", "entropy"))
    assert code == 0
    assert re.search("Note: entropy: left out, .* no logits", out)
    code, _, err = run(
        "report", "--detections", coco / "results.json", "--out", coco / "x.html", "--estimators", "committee"
    )
    assert code == 2
    assert "--estimators leave nothing to rank by: committee: left out" in err
    assert not (coco / "x.html").exists()


def test_images_without_a_picture_are_warned_of(coco: Path, run: Run) -> None:
    (coco / "images" / "one.png").write_bytes(b"damaged")
    code, _, err = run(*report(coco, "--images", coco / "images"))
    assert code == 0
    assert re.fullmatch(r"hardest-metrics: warning: no picture: .*one.png: not a picture that can be read .*\n", err)


def test_warnings_name_options_and_cannot_steer_the_terminal(coco: Path, run: Run) -> None:
    (coco / "images" / "one.png").unlink()
    document = json.loads((coco / "instances.json").read_text())
    document["images"][0]["file_name"] = "\x1b[2J\none.png"
    (coco / "instances.json").write_text(json.dumps(document))
    code, _, err = run(*report(coco, "--images", coco / "images"))
    assert code == 0
    assert err.count("\n") == 1
    assert "\x1b" not in err
    assert "Let --images name the folder" in err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--out", "report.pdf"], r"report.pdf: --out writes .html"),
        (["--out", "absent/report.html"], r"absent/report.html: its folder does not exist"),
        (["--images", "absent"], r"absent: no such folder, but --images names it"),
        (["--annotations", "absent.json"], r"absent.json: no such file"),
        (["--estimators", "magic"], r"--estimators has no 'magic'. Choose from score_sampling"),
        (["--estimators", "all", "magic"], r"--estimators has no 'magic'. Choose from score_sampling"),
        (["--estimators", "entropy", "all"], r"--estimators names all and also entropy"),
        (["--annotations", "bare.json", "--weighting", "pixel"], r"bare.json: image 1 .*--images.*another --weighting"),
        (["--n-samples", "0"], r"--n-samples must be at least 1"),
        (["--query", "nonsense"], r"--query.*see hardest-metrics report --help"),
        (["--labels", "unicorn"], r"No category is named 'unicorn'"),
        (["--iou-threshold", "2"], r"--iou-threshold must be a number in \(0, 1\]"),
        (["--images", "empty"], r"empty: none of the 4 images can be shown.*one.png"),
    ],
)
def test_bad_input_is_told_in_one_line(
    coco: Path, run: Run, monkeypatch: pytest.MonkeyPatch, options: list[str], complaint: str
) -> None:
    monkeypatch.chdir(coco)
    (coco / "empty").mkdir()
    document = json.loads((coco / "instances.json").read_text())
    document["images"] = [{"id": image["id"], "file_name": image["file_name"]} for image in document["images"]]
    (coco / "bare.json").write_text(json.dumps(document))
    code, out, err = run(*report(coco, *options))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert re.search(complaint, err)
    assert not (coco / "report.html").exists()


def test_nothing_of_a_file_outside_the_folder_gets_into_the_page(coco: Path, run: Run) -> None:
    secret = coco / "secret.png"
    Image.new("RGB", (100, 50), (200, 10, 10)).save(secret)
    document = json.loads((coco / "instances.json").read_text())
    (coco / "images" / "link.png").symlink_to(secret)
    for image, name in zip(document["images"], (str(secret), "../secret.png", "link.png"), strict=False):
        image["file_name"] = name
    (coco / "instances.json").write_text(json.dumps(document))
    code, _, err = run(*report(coco, "--images", coco / "images"))
    assert code == 0
    assert err.count("lies outside the folder, but image") == 3
    data = data_of(coco / "report.html")
    assert [picture is None for picture in data["pictures"]] == [True, True, True, False]
    files = ["--annotations", coco / "instances.json", "--detections", coco / "results.json", "--images"]
    code, _, err = run("rank", *files, coco / "images", "--grid", coco / "grid.png")
    assert (code, (coco / "grid.png").exists()) == (2, False)
    assert "lies outside the folder" in err


def test_names_that_no_file_can_have_are_gaps_that_are_named(coco: Path, run: Run) -> None:
    document = json.loads((coco / "instances.json").read_text())
    (coco / "images" / "dangling.png").symlink_to(coco / "nowhere")
    for image, name in zip(document["images"], ("n" * 300, "\ud800.png", "dangling.png"), strict=False):
        image["file_name"] = name
    (coco / "instances.json").write_text(json.dumps(document))
    code, _, err = run(*report(coco, "--images", coco / "images"))
    assert (code, len(err.splitlines())) == (0, 3)
    assert list(data_of(coco / "report.html")["problems"].values()) == [
        "file name too long", "no file can have this name", "is a link that leads nowhere"
    ]  # fmt: skip


def test_labels_or_estimators_are_needed(coco: Path, run: Run) -> None:
    code, _, err = run("report", "--detections", coco / "results.json", "--out", coco / "report.html")
    assert code == 2
    assert "--annotations is missing: give labels, or --estimators, which need none" in err


def test_help_lists_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["report", "--help"])
    said = capsys.readouterr().out
    for option in ("--annotations", "--detections", "--images", "--query", "--estimators", "--labels", "--out"):
        assert option in said
