"""Images picked by hand, files of them, and the address that keeps all that one has chosen."""

import csv
import io
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.report.conftest import ROW, Open, column, names


def saved(page: Page, button: str) -> str:
    """The text of the file that a button saves."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return download.value.path().read_bytes().decode()


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_what_is_filtered_or_picked_is_saved(pair_report: Path, open_page: Open) -> None:
    page = open_page(pair_report)
    page.get_by_role("searchbox").fill("k")
    head, *rows = rows_of(saved(page, "As CSV"))
    assert head[:4] == ["rank", "file_name", "image_id", "hardness"]
    assert rows[0] == ["1", 'b,"x".jpg', "k, 2", "2", "1", "1", "0"]
    assert [row[2] for row in rows] == ["k, 2", "k4", "k1"]
    assert saved(page, "As list of names") == 'b,"x".jpg\na.jpg\n'
    expect(page.locator("#export-notes")).to_contain_text("1 name holds a line break")

    page.get_by_role("searchbox").fill("")
    page.get_by_label("Pick =cmd().jpg").check()
    page.get_by_role("grid").focus()
    page.keyboard.press("End")
    page.keyboard.press("Space")  # lets the same one go
    page.keyboard.press("Space")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_label("Pick", exact=True).check()
    page.keyboard.press("Escape")
    expect(page.locator("#picked-count")).to_have_text("2 picked")
    assert rows_of(saved(page, "As CSV"))[2][1:3] == ["=cmd().jpg", "=3+4"], "exactly, unless one asks"
    expect(page.locator("#export-notes")).to_contain_text("1 image has a name or id that a spreadsheet would run")
    page.get_by_label("CSV for spreadsheets").check()
    assert rows_of(saved(page, "As CSV"))[2][1:3] == ["'=cmd().jpg", "'=3+4"]
    page.get_by_label("Show only these").check()
    assert names(page) == ['b,"x".jpg', "=cmd().jpg"]
    page.get_by_role("button", name="Drop all").click()
    assert len(names(page)) == 4
    page.get_by_role("searchbox").fill("a.jpg")
    page.get_by_role("button", name="Pick all in the table").click()
    expect(page.locator("#picked-count")).to_have_text("1 picked")


def test_two_detectors_are_saved_side_by_side(pair_report: Path, open_page: Open) -> None:
    page = open_page(pair_report, "#beside=second&definition=total_false/pixel")
    head, first, *_ = rows_of(saved(page, "As CSV"))
    assert head[3:] == [
        "hardness first",
        "hardness second",
        "difference",
        "found only by first",
        "found only by second",
    ]
    assert first[1:] == ['b,"x".jpg', "k, 2", "0.64", "0", "0.64", "0", "1"]


def test_an_address_leads_back_to_what_was_shown(pair_report: Path, open_page: Open) -> None:
    page = open_page(pair_report)
    page.get_by_label("Definition").select_option("All errors, weighted by area")
    page.get_by_label("Side by side with").select_option("second")
    page.get_by_role("button", name="File name").click()
    page.get_by_role("searchbox").fill("k")
    page.locator(".causes summary").first.click()
    page.get_by_label("Background").uncheck()
    page.locator("#labels summary").click()
    page.get_by_role("checkbox", name="chair").uncheck()
    page.get_by_label("True positives").uncheck()
    page.get_by_role("slider").fill("0.4")
    for name in ("line", "b,"):
        page.locator(ROW, has_text=name).locator(".pick input").check()
    page.get_by_label("Show only these").check()
    page.locator(ROW).nth(0).click()
    page.wait_for_url(re.compile("open=1"))
    other = open_page(pair_report, "#" + page.url.partition("#")[2])
    expect(other.locator("#detail-name")).to_have_text(page.locator("#detail-name").inner_text())
    for one in (page, other):
        one.keyboard.press("Escape")
        expect(one.locator("#picked-count")).to_have_text("2 picked")
        expect(one.get_by_label("Background")).not_to_be_checked()
    assert names(other) == names(page) == ['b,"x".jpg', "line\n4.jpg"]
    for style in ("hardness", "difference", "only"):
        assert column(other, style) == column(page, style)
    expect(other.get_by_role("searchbox")).to_have_value("k")
