"""Two detectors side by side."""

from pathlib import Path

from playwright.sync_api import expect

from tests.report.conftest import ROW, Open, column, names


def test_two_detectors_are_sorted_by_their_difference(pair_report: Path, open_page: Open) -> None:
    page = open_page(pair_report)
    page.get_by_label("Side by side with").select_option("second")
    expect(page.get_by_role("columnheader", name="Difference")).to_have_attribute("aria-sort", "descending")
    assert names(page) == ['b,"x".jpg', "line\n4.jpg", "a.jpg", "=cmd().jpg"]
    assert column(page, "difference") == ["+2", "+1", "0", "0"]
    assert column(page, "hardness") == ["2", "0", "2", "1", "1", "1", "1", "1"], "of the first and of the second"
    assert page.get_by_role("columnheader", name="found").all_inner_texts() == ["Only first found", "Only second found"]
    assert column(page, "only") == ["0", "1", "0", "2", "1", "1", "1", "0"]
    page.get_by_role("button", name="Difference").click()
    assert column(page, "difference") == ["0", "0", "+1", "+2"]
    page.get_by_role("button", name="Only second found").click()
    assert names(page)[0] == "line\n4.jpg"

    page.locator("#labels summary").click()
    page.get_by_role("checkbox", name="dog").uncheck()
    page.get_by_role("button", name="Difference").click()
    assert (names(page), column(page, "difference")) == (
        ['b,"x".jpg', "a.jpg", "line\n4.jpg"],
        ["+1", "\u22121", "\u22121"],
    )
    assert column(page, "only") == ["0", "1", "1", "0", "0", "0"], "chairs"

    page.locator("#detector").select_option("second")
    expect(page.get_by_label("Side by side with").locator("option:checked")).to_have_text("first")
    assert column(page, "difference") == ["+1", "+1", "\u22121"]
    page.get_by_label("Side by side with").select_option("none")
    expect(page.get_by_role("columnheader", name="Difference")).to_have_count(0)
    expect(page.get_by_role("columnheader", name="Rank")).to_have_attribute("aria-sort", "ascending")


def test_one_image_by_two_detectors_says_what_each_found_that_the_other_missed(
    pair_report: Path, open_page: Open
) -> None:
    page = open_page(pair_report, "#beside=second")
    page.locator(ROW).filter(has_text="a.jpg").click()
    dialog = page.get_by_role("dialog")
    assert dialog.locator("figcaption").all_inner_texts() == ["first", "second"]
    rows = [row.split("\t")[0].strip() for row in dialog.locator("#box-list tbody tr").all_inner_texts()]
    assert rows == [
        "first", "Missed: not seen, found by the other", "True positive, only here",
        "second", "Missed: not seen, found by the other", "True positive, only here",
    ]  # fmt: skip
    expect(dialog.get_by_role("img", name="a.jpg with 2 boxes by second")).to_be_visible()
    assert dialog.locator(".view svg .sole:not(.halo)").count() == 2
    expect(dialog).to_contain_text("hardness 1 | 1, difference 0")
