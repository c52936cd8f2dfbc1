"""Pictures enlarged, and the files they are of."""

from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import expect

from hardest_metrics.comparison import Comparison
from hardest_metrics.report import write_report
from tests.report.conftest import ROW, Open, wait_until


def test_a_picture_is_enlarged_and_moved_and_two_of_them_together(pair_report: Path, open_page: Open) -> None:
    page = open_page(pair_report, "#beside=second")
    page.locator(ROW).filter(has_text="a.jpg").click()
    dialog = page.get_by_role("dialog")
    frames, views = dialog.locator(".frame"), dialog.locator(".view")
    width = "(frames) => frames.map((frame) => frame.clientWidth)"
    before = frames.evaluate_all(width)
    dialog.get_by_role("button", name="Enlarge").click()
    page.keyboard.press("+")
    wider = frames.evaluate_all(width)
    assert [after / one for after, one in zip(wider, before, strict=True)] == pytest.approx([2.25, 2.25], rel=0.02)
    views.first.evaluate("(view) => view.scrollTo(60, 5)")
    wait_until(page, "[...document.querySelectorAll('.view')].every((view) => view.scrollLeft === 60)")
    views.first.dblclick()
    assert frames.evaluate_all(width) == before, "all of it again"

    dialog.get_by_role("button", name="Full size").click()
    expect(page.locator("#zoom")).to_contain_text("%")
    wait_until(page, "[...document.querySelectorAll('.frame')].slice(-2).every((f) => f.dataset.file === 'shown')")
    assert dialog.locator("img").first.evaluate("(img) => img.src").endswith("images%20%231/a.jpg")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("0")
    box = dialog.locator(".frame").first.bounding_box()
    assert box is not None
    assert box["width"] / box["height"] == 2


def test_links_lead_to_the_files_of_any_name(pair_report: Path, pair: Comparison, open_page: Open) -> None:
    page = open_page(pair_report)
    page.locator(ROW).first.click()
    found = set()
    for _ in pair.annotations.file_names:
        address = page.get_by_role("link", name="Open file").evaluate("(link) => link.href")
        file = Path(unquote(address.removeprefix("file://")))
        assert file.is_file()
        found.add(file.name)
        page.keyboard.press("ArrowRight")
    assert found == set(pair.annotations.file_names)


def test_only_pictures_are_linked_and_without_a_folder_nothing_is(
    few: Comparison, few_report: Path, tmp_path: Path, images: Path, open_page: Open
) -> None:
    page = open_page(few_report)
    page.locator(ROW).first.click()
    expect(page.locator("#file")).to_be_hidden()
    (images / "easy.jpg").rename(images / "easy.html")
    few.annotations.file_names[0] = "easy.html"
    try:
        page = open_page(write_report(few, tmp_path / "report.html", images).page)
    finally:
        few.annotations.file_names[0] = "easy.jpg"
    page.locator(ROW).last.click()
    expect(page.locator("#file")).to_be_hidden()
