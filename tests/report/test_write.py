import base64
import hashlib
import json
import re
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect

import hardest_metrics
from hardest_metrics.comparison import Comparison, RankedBy
from hardest_metrics.data import Annotations
from hardest_metrics.ranking import Ranking
from hardest_metrics.report import write, write_report
from hardest_metrics.report.page import render
from tests.report.conftest import HOSTILE, Open, wait_until


def data_of(page: Path) -> dict[str, Any]:
    (text,) = re.findall('<script type="application/json" id="data">(.*?)</script>', page.read_text())
    data: dict[str, Any] = json.loads(text)
    return data


@pytest.fixture
def in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pictures written to files already where there are few."""
    monkeypatch.setattr(write, "MOST_EMBEDDED", 0)


def test_hardness_is_exact_and_in_the_order_of_ids(few: Comparison, tmp_path: Path) -> None:
    data = data_of(write_report(few, tmp_path / "report.html").page)
    hardness = np.frombuffer(base64.b64decode(data["rankings"][0]["hardness"]), "<f4")
    expected = dict(zip(*(column.tolist() for column in few.rankings[0].ranking), strict=True))
    assert dict(zip(map(int, data["ids"]), hardness.tolist(), strict=True)) == expected
    assert data["names"] == ["easy.jpg", "middle.jpg", f"{HOSTILE}.jpg"]


def test_ids_above_what_scripts_count_are_exact(few: Comparison, tmp_path: Path) -> None:
    ids = [2**62 + 1, 2**62, 5]
    annotations = replace(few.annotations, image_ids=ids)
    ranking = Ranking.of(torch.tensor(ids), torch.tensor([1.0, 2.0, 3.0]))
    comparison = replace(
        few, annotations=annotations, rankings=[RankedBy(HOSTILE, "total_false/none", "labels", ranking)]
    )
    data = data_of(write_report(comparison, tmp_path / "report.html").page)
    assert data["ids"] == ["5", str(2**62), str(2**62 + 1)]
    assert data["names"] == [few.annotations.file_names[i] for i in (2, 1, 0)]


def test_an_image_that_a_ranking_lacks_is_shown_without_rank(few: Comparison, tmp_path: Path, open_page: Open) -> None:
    ranked = few.rankings[0]
    without_hardest = Ranking(ranked.ranking.image_ids[1:], ranked.ranking.hardness[1:])
    comparison = replace(few, rankings=[replace(ranked, ranking=without_hardest)])
    page = open_page(write_report(comparison, tmp_path / "report.html").page)
    assert page.locator("#rows .rank").all_inner_texts() == ["1", "2", "–"]
    assert page.locator("#rows .name").last.text_content() == f"{HOSTILE}.jpg"


def test_the_same_comparison_gives_the_same_page(few: Comparison, images: Path, tmp_path: Path) -> None:
    first, second = (write_report(few, tmp_path / f"{name}.html", images).page for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_the_page_names_inputs_by_digest_and_holds_no_path(few: Comparison, images: Path, tmp_path: Path) -> None:
    source = tmp_path / "secret place" / "instances.json"
    source.parent.mkdir()
    source.write_text("{}")
    written = write_report(few, tmp_path / "report.html", images, {"Seed": "7"}, [source])
    data = data_of(written.page)
    assert data["inputs"] == [["instances.json", hashlib.sha256(b"{}").hexdigest()]]
    known = write_report(few, tmp_path / "report.html", inputs={str(source): "0123"})
    assert data_of(known.page)["inputs"] == [["instances.json", "0123"]], "of the bytes that were read, as they were"
    assert data["settings"] == [["Seed", "7"]]
    assert dict(data["versions"])["hardest_metrics"] == hardest_metrics.__version__
    assert {"torch", "torchmetrics", "numpy", "Python"} <= dict(data["versions"]).keys()
    text = written.page.read_text()
    assert "secret place" not in text
    assert str(tmp_path) not in text


def test_few_pictures_stand_in_the_page_itself(few: Comparison, images: Path, tmp_path: Path, open_page: Open) -> None:
    done: list[int] = []
    written = write_report(few, tmp_path / "moved.html", images, advance=done.append)
    assert written.folder is None
    assert sum(done) == 3
    page = open_page(written.page.rename(images / "report.html"))
    pictures = page.locator("#rows img")
    expect(pictures).to_have_count(3)
    wait_until(page, "[...document.images].every((image) => image.naturalWidth === 100)")


def test_many_pictures_lie_in_a_folder_that_moves_with_the_page(
    few: Comparison, images: Path, tmp_path: Path, open_page: Open, in_files: None
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    written = write_report(few, old / "é #1 ?%20.html", images)
    assert written.folder == old / "é #1 ?%20_files"
    page = open_page(old.rename(tmp_path / "new") / written.page.name)
    wait_until(page, "[...document.images].every((image) => image.naturalWidth === 100)")
    assert page.locator("#rows img").count() == 3


def test_an_image_without_picture_is_shown_as_such(
    few: Comparison, images: Path, tmp_path: Path, open_page: Open
) -> None:
    (images / "middle.jpg").write_bytes(b"damaged")
    written = write_report(few, tmp_path / "report.html", images)
    (problem,) = written.problems
    assert problem.startswith(str(images / "middle.jpg"))
    page = open_page(written.page)
    expect(page.get_by_text("1 image has no picture")).to_be_visible()
    expect(page.get_by_role("gridcell", name="middle.jpg, no picture: file cannot be read")).to_be_visible()
    lacking = page.locator("#rows tr", has_text="middle.jpg")
    expect(lacking.locator("img")).to_have_count(0)
    expect(lacking.locator("path.kind2:not(.halo)")).to_have_count(1)


def test_a_folder_without_any_of_the_images_is_an_error(few: Comparison, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"none of the 3 images can be shown.*easy.jpg"):
        write_report(few, tmp_path / "report.html", tmp_path / "empty")
    assert not (tmp_path / "report.html").exists()


def test_a_page_that_fails_leaves_the_old_one_and_its_pictures(
    few: Comparison, images: Path, tmp_path: Path, in_files: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def contents() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in tmp_path.rglob("report*/**/*") if path.is_file()}

    old = write_report(few, tmp_path / "report.html", images)
    before = contents() | {old.page: old.page.read_bytes()}
    Image.new("RGB", (100, 50), "white").save(images / "easy.jpg")

    def fail(data: object) -> str:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(write, "render", fail)
        with pytest.raises(OSError, match="full"):
            write_report(few, tmp_path / "report.html", images)
    after = contents() | {old.page: old.page.read_bytes()}
    assert before.items() <= after.items()

    new = write_report(few, tmp_path / "report.html", images)
    assert new.folder is not None
    assert {path.name for path in new.folder.iterdir()} == {
        Path(address).name for address in data_of(new.page)["pictures"] if address
    }


def test_only_pictures_of_earlier_pages_are_removed(
    few: Comparison, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(write, "MOST_EMBEDDED", 0)
        folder = write_report(few, tmp_path / "report.html", images).folder
    assert folder is not None
    (folder / "notes.txt").write_text("mine")
    assert write_report(few, tmp_path / "report.html", images).folder is None
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_pictures_that_other_pages_show_stay(few: Comparison, images: Path, tmp_path: Path, in_files: None) -> None:
    written = write_report(few, tmp_path / "report.html", images)
    assert written.folder is not None
    older = {path.name for path in written.folder.iterdir()}
    (tmp_path / "older.html").write_bytes(written.page.read_bytes())
    Image.new("RGB", (100, 50), "white").save(images / "easy.jpg")
    write_report(few, tmp_path / "report.HTML", images)
    assert len(list(written.folder.iterdir())) == 4, "one is new, those of both older pages stay"
    (tmp_path / "report.html").unlink()
    write_report(few, tmp_path / "report.html", images)
    assert {path.name for path in written.folder.iterdir()} > older
    (tmp_path / "older.html").unlink()
    write_report(few, tmp_path / "report.html", images)
    assert len(list(written.folder.iterdir())) == 3


def test_one_at_a_time_writes_a_page(
    few: Comparison, images: Path, tmp_path: Path, in_files: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def addresses(page: Path) -> set[str]:
        return {address for address in data_of(page)["pictures"] if address}

    waiting, second = threading.Event(), list[threading.Thread]()
    other = tmp_path / "other"
    shutil.copytree(images, other)
    for picture in other.iterdir():
        Image.new("RGB", (100, 50), "white").save(picture)

    def run_second() -> None:
        write_report(few, tmp_path / "report.html", other, on_wait=lambda path: waiting.set())

    def rendered(data: dict[str, Any]) -> str:
        if not second:  # all pictures of the first page are there, the page is not
            second.append(threading.Thread(target=run_second))
            second[0].start()
            assert waiting.wait(timeout=60)
        return render(data)

    monkeypatch.setattr(write, "render", rendered)
    write_report(few, tmp_path / "report.html", images)
    second[0].join(timeout=60)
    shown = addresses(tmp_path / "report.html")
    assert shown == {f"report_files/{path.name}" for path in (tmp_path / "report_files").iterdir()}
    assert len(shown) == 1, "of the second, all of one colour"
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_what_a_killed_run_left_half_written_is_removed(
    few: Comparison, images: Path, tmp_path: Path, in_files: None
) -> None:
    folder = write_report(few, tmp_path / "report.html", images).folder
    assert folder is not None
    for place in (folder, tmp_path):
        (place / ".0123456789abcdef.tmp").write_bytes(b"half")
    write_report(few, tmp_path / "report.html", images)
    assert list(tmp_path.rglob("*.tmp")) == []


def test_without_sizes_boxes_are_drawn_in_the_extent_of_all(few: Comparison, tmp_path: Path) -> None:
    annotations = replace(few.annotations, image_sizes=[None] * 3)
    data = data_of(write_report(replace(few, annotations=annotations), tmp_path / "report.html").page)
    assert data["sizes"] == [90, 40] * 3


def test_without_labels_detections_are_shown_unjudged(few: Comparison, tmp_path: Path, open_page: Open) -> None:
    comparison = replace(few, annotations=few.annotations.without_labels())
    page = open_page(write_report(comparison, tmp_path / "report.html").page)
    assert page.locator("#kinds label").all_inner_texts() == ["Detections\n4", "Score < 0.5\n1"]
    assert page.locator("#rows path.kind5:not(.halo)").count() == 3


def test_what_makes_no_sense_is_refused(few: Comparison, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    with pytest.raises(ValueError, match="holds no ranking"):
        write_report(replace(few, rankings=[]), path)
    stranger = replace(few.rankings[0], ranking=Ranking(torch.tensor([1, 77]), torch.ones(2)))
    with pytest.raises(ValueError, match=r"ranks image 77 by .*, total_false/none, labels, but its annotations"):
        write_report(replace(few, rankings=[stranger]), path)
    nothing = replace(few.rankings[0], ranking=Ranking(torch.empty(0).long(), torch.empty(0)))
    with pytest.raises(ValueError, match="holds no image, so there is nothing to report"):
        write_report(
            Comparison(Annotations([], [], [], {}, []), {HOSTILE: []}, few.query, [nothing], few.agreement), path
        )
    assert not path.exists()
