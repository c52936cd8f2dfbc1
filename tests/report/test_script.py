"""What the page does, in a browser."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.report.conftest import HOSTILE, ROW, Open, column, names, outlines, wait_until

ROWS_FILL_THE_WINDOW = """() => {
    const rows = [...document.querySelectorAll("#rows tr[data-image]")];
    const [first, last] = [rows[0], rows.at(-1)].map((row) => row.getBoundingClientRect());
    return first.top < 100 && last.bottom > innerHeight - 100;
}"""


def in_sight(page: Page, row: str) -> float:
    """How far below the upper end of the window a row is; fails where it is not in sight."""
    expect(page.locator(row)).to_be_in_viewport()
    box = page.locator(row).bounding_box()
    assert box is not None
    return box["y"]


# The table


def test_images_stand_hardest_first_with_their_errors_counted(few_report: Path, open_page: Open) -> None:
    page = open_page(few_report)
    assert names(page) == [f"{HOSTILE}.jpg", "middle.jpg", "easy.jpg"]
    assert column(page, "rank") == ["1", "2", "3"]
    assert column(page, "hardness") == ["4", "2", "0"]
    assert column(page, "count") == ["2", "2", "0", "1", "1", "0", "0", "0", "1"], "false, missed, found"


def test_a_click_on_a_heading_sorts_and_a_second_one_turns_the_order_round(
    compared_report: Path, open_page: Open
) -> None:
    page = open_page(compared_report, viewport={"width": 1300, "height": 4000})
    heading = page.get_by_role("columnheader", name="File name")
    heading.get_by_role("button").click()
    assert names(page) == [f"image{k}.png" for k in range(1, 31)], "2 before 10"
    expect(heading).to_have_attribute("aria-sort", "ascending")
    heading.get_by_role("button").click()
    assert names(page) == [f"image{k}.png" for k in range(30, 0, -1)]
    expect(heading).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="Missed objects").click()
    missed = [int(text) for text in column(page, "count")[1::3]]
    assert missed == sorted(missed, reverse=True)
    assert len(set(missed)) > 1
    expect(page.locator("th[aria-sort]")).to_have_count(1)


def test_equal_hardness_is_ranked_by_id(many_report: Path, open_page: Open) -> None:
    page = open_page(many_report)
    assert names(page)[:3] == ["frame999.jpg", "frame1999.jpg", "frame2999.jpg"]


def test_search_finds_parts_of_names_and_ids_whatever_the_case(many_report: Path, open_page: Open) -> None:
    page = open_page(many_report)
    page.get_by_role("searchbox").fill("FRAME123")
    expect(page.locator("#found")).to_have_text("11 of 10,000 images")
    assert set(names(page)) <= {f"frame{k}.jpg" for k in (123, *range(1230, 1240))}
    page.get_by_role("searchbox").fill("no such thing")
    expect(page.get_by_text("No image has such a name or id.")).to_be_visible()
    page.get_by_role("searchbox").fill("")
    expect(page.locator("#found")).to_have_text("10,000 images")
    expect(page.locator(ROW).first).to_be_visible()


def test_few_of_many_rows_are_in_the_document_wherever_one_scrolls(many_report: Path, open_page: Open) -> None:
    page = open_page(many_report)
    seen = []
    for share in (0, 0.3, 0.7, 1):
        page.evaluate("share => scrollTo(0, share * document.body.scrollHeight)", share)
        wait_until(page, ROWS_FILL_THE_WINDOW)
        assert page.locator(ROW).count() < 40
        seen.append(int(page.locator(ROW).last.get_attribute("aria-rowindex") or 0))
    assert seen == sorted(seen)
    assert seen[-1] == 10_001, "the head is row 1"
    page.get_by_role("button", name="File name").click()
    assert page.locator(ROW).count() < 40


def test_the_image_one_is_at_stays_in_sight_under_another_estimator(many_report: Path, open_page: Open) -> None:
    page = open_page(many_report)
    page.get_by_role("grid").focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    active = "#rows tr.active"
    expect(page.locator(active)).to_contain_text("frame2999.jpg")
    before = in_sight(page, active)
    page.get_by_label("Estimator").select_option("Reverse")
    expect(page.locator(active)).to_contain_text("frame2999.jpg")
    expect(page.locator(f"{active} .rank")).to_have_text("9993")
    assert in_sight(page, active) == pytest.approx(before, abs=1)
    expect(page.locator(f"{active} .labels")).to_have_text("3")


def test_rank_by_labels_stands_beside_the_rank_by_an_estimate_only(compared_report: Path, open_page: Open) -> None:
    page = open_page(compared_report)
    expect(page.get_by_role("columnheader", name="Rank by labels")).to_have_count(0)
    page.get_by_label("Estimator").select_option("Expected hardness")
    expect(page.get_by_role("columnheader", name="Rank by labels")).to_be_visible()
    page.get_by_role("button", name="Rank by labels").click()
    ranks = [int(rank) for rank in column(page, "labels")]
    assert ranks == sorted(ranks)


# Boxes


def test_kinds_differ_without_colour(few_report: Path, open_page: Open) -> None:
    page = open_page(few_report)
    page.get_by_label("Ignored by the query").check()
    page.get_by_label("Score < 0.5").check()
    looks = [
        page.locator(f"#rows path.kind{kind}:not(.halo)").first.evaluate(
            "(path) => { const {strokeWidth, strokeDasharray} = getComputedStyle(path);"
            " return `${strokeWidth} ${strokeDasharray}`; }"
        )
        for kind in range(5)
    ]
    assert len(set(looks)) == 5


# One image


def test_a_click_shows_an_image_large_with_the_list_of_its_boxes(few_report: Path, open_page: Open) -> None:
    page = open_page(few_report)
    page.locator(ROW).nth(1).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="middle.jpg")).to_be_visible()
    rows = [row.split("\t") for row in dialog.locator("#box-list tbody tr").all_inner_texts()]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["False positive: background", "cat", "0.800", "40×40"],
        ["Missed: not seen", "dog", "–", "40×40"],
    ]
    assert sorted(dialog.locator(".tags span").all_inner_texts()) == ["cat 0.80", "dog"]
    dialog.get_by_label("Missed objects").uncheck()
    assert dialog.locator("#box-list tbody tr").count() == 1
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert outlines(page, 2) == [0, 0, 0], "the same switches"
    expect(page.get_by_label("Missed objects")).to_be_visible()


def test_a_box_lies_where_it_was_found(few_report: Path, open_page: Open) -> None:
    page = open_page(few_report)
    page.locator(ROW).nth(1).click()
    frame = page.locator("#detail .frame").bounding_box()
    box = page.locator("#detail .boxes path.kind2:not(.halo)").evaluate(
        "(path) => { const {x, y, width, height} = path.getBoundingClientRect(); return {x, y, width, height}; }"
    )
    assert frame is not None
    assert frame["width"] / frame["height"] == pytest.approx(2, rel=0.01), "as the image, which is 100 x 50"
    placed = (box["x"] - frame["x"]) / frame["width"], (box["y"] - frame["y"]) / frame["height"]
    assert placed == pytest.approx((0.5, 0), abs=0.01)
    assert (box["width"] / frame["width"], box["height"] / frame["height"]) == pytest.approx((0.4, 0.8), abs=0.01)


def test_the_rank_under_every_definition_and_estimator_leads_there(compared_report: Path, open_page: Open) -> None:
    page = open_page(compared_report)
    page.locator(ROW).nth(4).click()
    dialog = page.get_by_role("dialog")
    ranks = dialog.locator("#rank-list button")
    assert ranks.count() == 8, "two detectors, two definitions, labels and an estimate"
    chosen = dialog.locator("#rank-list [aria-current]")
    expect(chosen).to_have_text("5")
    name = dialog.get_by_role("heading").first.inner_text()
    other = ranks.nth(7)
    expected = other.inner_text()
    other.click()
    expect(chosen).to_have_text(expected)
    expect(dialog.get_by_role("heading").first).to_have_text(name)
    page.keyboard.press("Escape")
    assert page.get_by_label("Detector").evaluate("(select) => select.selectedOptions[0].text") == "second"
    assert (
        page.get_by_label("Definition").evaluate("(select) => select.selectedOptions[0].text")
        == "False negatives, weighted by area"
    )
    assert page.get_by_label("Estimator").evaluate("(select) => select.selectedOptions[0].text") == "Expected hardness"
    in_sight(page, "#rows tr.active")
    expect(page.locator("#rows tr.active .name")).to_have_text(name)
    expect(page.locator("#rows tr.active .rank")).to_have_text(expected)


# Keyboard


def test_everything_is_done_with_keys_alone(compared_report: Path, open_page: Open) -> None:
    page = open_page(compared_report)
    page.keyboard.press("/")
    page.keyboard.type("image1")
    expect(page.locator("#found")).to_have_text("11 of 30 images")
    grid = page.get_by_role("grid")
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.id")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", f"focus on {focused} can be seen"
        if focused == "table":
            break
    expect(grid).to_be_focused()
    for key, place in (
        ("Home", 0),
        ("ArrowDown", 1),
        ("ArrowUp", 0),
        ("End", 10),
        ("PageDown", None),
    ):
        page.keyboard.press(key)
        row = page.locator("#rows tr.active")
        in_sight(page, "#rows tr.active")
        if place is not None:
            expect(row).to_have_attribute("aria-rowindex", str(place + 2))
        expect(grid).to_have_attribute("aria-activedescendant", row.get_attribute("id") or "")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    dialog, heading = page.get_by_role("dialog"), page.locator("#detail-name")
    expect(dialog).to_be_visible()
    first = heading.inner_text()
    page.keyboard.press("ArrowRight")
    expect(heading).not_to_have_text(first)
    second = heading.inner_text()
    page.keyboard.press("ArrowLeft")
    expect(heading).to_have_text(first)
    page.keyboard.press("ArrowLeft")
    expect(heading).to_have_text(first)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(grid).to_be_focused()
    expect(page.locator("#rows tr.active .name")).to_have_text(second)


def test_views_are_changed_with_arrow_keys(compared_report: Path, open_page: Open) -> None:
    page = open_page(compared_report)
    page.get_by_role("tab", name="Images").focus()
    for name in ("Agreement", "Plots", "About", "Images"):
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name=name)).to_be_focused()
        expect(page.get_by_role("tabpanel")).to_have_count(1)
        expect(page.get_by_role("tabpanel", name=name)).to_be_visible()


# Other views


def test_agreement_leads_to_the_ranking_by_an_estimate(compared_report: Path, open_page: Open) -> None:
    page = open_page(compared_report)
    page.get_by_role("tab", name="Agreement").click()
    panel = page.get_by_role("tabpanel")
    assert panel.locator("tbody td:first-child").count() == 2, "an estimate of two detectors"
    panel.get_by_role("button", name="Expected hardness").nth(1).click()
    expect(page.get_by_role("grid")).to_be_visible()
    assert page.get_by_label("Detector").evaluate("(select) => select.selectedOptions[0].text") == "second"
    assert page.get_by_label("Estimator").evaluate("(select) => select.selectedOptions[0].text") == "Expected hardness"


def test_the_page_says_how_it_was_made(compared_report: Path, open_page: Open) -> None:
    page = open_page(compared_report)
    page.get_by_role("tab", name="About").click()
    said = page.get_by_role("tabpanel").inner_text()
    for words in (
        "0.5: detections of a lower score",
        "Samples\n10",
        "torchmetrics\n",
        "hardest_metrics\n",
        "Python\n3.",
    ):
        assert words in said


# Addresses


NONSENSE = (
    "#detector=none&definition=x&estimator=y&sort=-z&image=77&open=1",
    "#boxes=9.x&without=-1&score=7&view=zzz&beside=zzz&pick=77&causeless=99&picked=1",
    "#%",
)


def test_an_address_that_makes_no_sense_does_no_harm(few_report: Path, open_page: Open) -> None:
    page = open_page(few_report)
    for address in NONSENSE:
        page.goto(few_report.as_uri() + address)
        page.reload()
        assert len(names(page)) == 3
        page.locator(ROW).first.click()
        expect(page.get_by_role("dialog")).to_be_visible()


# Harm


def test_names_that_mean_harm_are_shown_as_they_are(few_report: Path, open_page: Open) -> None:
    page = open_page(few_report)
    assert names(page)[0] == f"{HOSTILE}.jpg"
    expect(page.get_by_title(f"{HOSTILE}.jpg", exact=True)).to_be_visible()
    assert page.get_by_label("Detector").inner_text() == HOSTILE
    page.locator("#labels summary").click()
    expect(page.locator("#label-list").get_by_role("checkbox", name=HOSTILE)).to_be_checked()
    page.locator(ROW).first.click()
    expect(page.locator("#detail-name")).to_have_text(f"{HOSTILE}.jpg")
    expect(page.locator("#box-list")).to_contain_text(HOSTILE)
    expect(page.locator(".tags")).to_contain_text(f"{HOSTILE} 0.70")
    page.keyboard.press("Escape")
    for name in ("Plots", "About"):
        page.get_by_role("tab", name=name).click()
    assert page.locator("script").count() == 2, "the data and the page's own"
    page.wait_for_url(re.compile("view=about.*detector"))
    again = open_page(few_report, "#" + page.url.partition("#")[2])
    expect(again.get_by_role("tab", name="About")).to_have_attribute("aria-selected", "true")


def test_the_policy_runs_no_script_but_its_own(few_report: Path, tmp_path: Path, browser: Browser) -> None:
    harmed = tmp_path / "harmed.html"
    harm = "document.body.dataset.harmed = 1"
    injected = f"<script>{harm}</script><img src='x:' onerror='{harm}'><p onclick='{harm}'>Click me</p>"
    harmed.write_text(few_report.read_text().replace("<header", f"{injected}<header"))
    page = browser.new_page()
    page.goto(harmed.as_uri())
    page.get_by_text("Click me").click()
    assert page.locator(ROW).count() == 3
    assert page.evaluate("document.body.dataset.harmed ?? null") is None
    page.close()
