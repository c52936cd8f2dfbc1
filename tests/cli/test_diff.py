import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.commands import Run, ranking_of


@pytest.fixture
def worse(coco: Path) -> Path:
    """Detections like those of the fixture, but that find nothing on image 1."""
    results = json.loads((coco / "results.json").read_text())
    path = coco / "worse.json"
    path.write_text(json.dumps([one for one in results if one["image_id"] != 1]))
    return path


def arguments(coco: Path, old: Path, new: Path) -> list[object]:
    return ["diff", "--annotations", coco / "instances.json", "--detections", old, new]


def test_what_got_worse_is_ranked_drawn_and_listed(coco: Path, worse: Path, run: Run) -> None:
    outputs = {name: coco / name for name in ("rise.json", "objects.csv", "subset.json", "grid.png")}
    code, out, err = run(
        *arguments(coco, coco / "results.json", worse), "--top-k", "1", "--images", coco / "images",
        "--out", outputs["rise.json"], "--objects", outputs["objects.csv"], "--subset", outputs["subset.json"],
        "--grid", outputs["grid.png"],
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "1 became wrong, 0 right; McNemar's exact p = 1" in out
    assert "Objects: 1 found before and missed now, 0 found now and missed before" in out
    assert all(f"Wrote {path}" in out for path in outputs.values())
    assert ranking_of(outputs["rise.json"])[0] == (1, 1)
    (lost,) = csv.DictReader(outputs["objects.csv"].read_text().splitlines())
    assert lost == {
        "image_id": "1", "file_name": "one.png", "object": "0", "category": "person", "x": "0.0", "y": "0.0",
        "width": "40.0", "height": "40.0", "found_by": "old",
    }  # fmt: skip
    assert [image["id"] for image in json.loads(outputs["subset.json"].read_text())["images"]] == [1]
    with Image.open(outputs["grid.png"]) as picture:
        assert picture.width > 1.5 * 640


def test_a_page_ranks_by_the_rise_too(coco: Path, worse: Path, run: Run) -> None:
    page = coco / "diff.html"
    code, out, err = run(*arguments(coco, coco / "results.json", worse), "--report", page, "--images", coco / "images")
    assert (code, err) == (0, "")
    assert f"Wrote {page}" in out
    assert '"estimator":"rise from old"' in page.read_text()


def test_more_that_became_wrong_than_allowed_exit_with_3(coco: Path, worse: Path, run: Run) -> None:
    code, out, _ = run(*arguments(coco, coco / "results.json", worse), "--max-worse", "0")
    assert code == 3
    assert out.endswith("Worse: 1 image became wrong, which is more than 0\n")
    assert run(*arguments(coco, coco / "results.json", worse), "--max-worse", "1")[0] == 0
    assert run(*arguments(coco, worse, coco / "results.json"), "--max-worse", "0")[0] == 0


def test_the_query_decides_what_counts(coco: Path, worse: Path, run: Run) -> None:
    for query in (["--query", "false_positives"], ["--labels", "car"], ["--area-range", "large"]):
        _, out, _ = run(*arguments(coco, coco / "results.json", worse), *query)
        assert "0 became wrong, 0 right" in out


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--detections", "results.json"], "--detections must be two files, the older first, but are 1"),
        (["--max-worse", "-1"], "--max-worse is a number of images"),
        (["--grid", "grid.png"], "--grid needs --images"),
        (["--images", "images"], "--images is of use to --grid"),
        (["--top-k", "0"], "--top-k must be at least 1"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    coco: Path, run: Run, monkeypatch: pytest.MonkeyPatch, extra: list[str], message: str
) -> None:
    monkeypatch.chdir(coco)
    files = [] if "--detections" in extra else ["--detections", "results.json", "results.json"]
    code, out, err = run("diff", "--annotations", "instances.json", *files, *extra)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
