"""What the page looks like, as far as that can be told by rules."""

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from hardest_metrics.comparison import Comparison
from hardest_metrics.report import write_report
from tests.report.conftest import Open

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}

# Of each text in sight: what it says, and its contrast with what it stands on, as WCAG defines it
CONTRASTS = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map((part, i) => part * (/srgb/.test(color) && i < 3 ? 255 : 1));
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const color = channels(getComputedStyle(node).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility()) continue;
    if (node.closest("option, script, noscript, [aria-disabled=true], :disabled")) continue;
    const [a, b] = [luminance(channels(getComputedStyle(node).color)), luminance(ground(node))].sort((a, b) => b - a);
    found.push([walker.currentNode.data.trim(), (a + 0.05) / (b + 0.05)]);
  }
  return found;
}"""


# Of each heading in sight: what it says, and by how much its text is wider than its cell
OVERHANGS = """() => [...document.querySelectorAll("#head button span, #head .title")].map((text) => {
  const cell = text.closest("th").getBoundingClientRect(), range = document.createRange();
  range.selectNodeContents(text);
  return [text.textContent, range.getBoundingClientRect().width - cell.width];
})"""


def paper(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_the_theme_is_that_of_the_system_until_another_is_chosen(few_report: Path, open_page: Open) -> None:
    light = paper(open_page(few_report, color_scheme="light"))
    page = open_page(few_report, color_scheme="dark")
    dark = paper(page)
    assert light != dark
    toggle = page.get_by_role("button", name="Theme")
    shown = []
    for _ in range(3):
        toggle.click()
        shown.append((toggle.inner_text(), paper(page)))
    assert shown == [("Theme: light", light), ("Theme: dark", dark), ("Theme: auto", dark)]
    page.emulate_media(color_scheme="light")
    assert paper(page) == light


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 360])
def test_all_text_is_readable(compared_report: Path, open_page: Open, scheme: str, width: int) -> None:
    page = open_page(compared_report, color_scheme=scheme, viewport={"width": width, "height": 800})
    texts: list[tuple[str, float]] = []
    for view in ("Agreement", "Plots", "About", "Images"):
        page.get_by_role("tab", name=view).click()
        texts += page.evaluate(CONTRASTS)
    page.get_by_label("Side by side with").select_option("second")
    page.get_by_label("Estimator").select_option("Expected hardness")
    page.locator("#rows tr[data-image]").first.click()
    texts += page.evaluate(CONTRASTS)
    assert len(texts) > 150
    assert [(text, ratio) for text, ratio in texts if ratio < 4.5] == []


def test_a_phone_shows_everything_without_scrolling_sideways(compared_report: Path, open_page: Open) -> None:
    page = open_page(compared_report, **PHONE)
    page.get_by_label("Estimator").select_option("Expected hardness")
    for view in ("Agreement", "Plots", "About", "Images"):
        page.get_by_role("tab", name=view).click()
        assert page.evaluate("document.documentElement.scrollWidth") == 360, view
    row = page.locator("#rows tr[data-image]").first
    for style in ("name", "id", "rank", "hardness", "labels"):
        expect(row.locator(f".{style}")).to_be_visible()
    assert row.locator(".count").count() == 3
    heights = page.locator("#rows tr[data-image]").evaluate_all("(rows) => rows.map((row) => row.offsetHeight)")
    assert set(heights) == {118}, "as high as the script takes them to be"
    page.get_by_role("button", name="Missed objects").click()
    expect(page.locator("th[aria-sort]")).to_have_text("Missed objects")
    row.click()
    dialog = page.get_by_role("dialog").bounding_box()
    assert dialog is not None
    assert (dialog["width"], dialog["height"]) == (360, 740)
    for control in page.get_by_role("dialog").locator(".bar button").all():
        box = control.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44, "fingers meet it"


def test_rows_are_as_high_as_the_script_takes_them_to_be(few_report: Path, open_page: Open) -> None:
    page = open_page(few_report)
    heights = page.locator("#rows tr[data-image]").evaluate_all(
        "(rows) => rows.map((row) => row.getBoundingClientRect().height)"
    )
    assert heights == [pytest.approx(100, abs=0.5)] * 3


def test_nothing_moves_for_those_who_want_it_so(few_report: Path, open_page: Open) -> None:
    page = open_page(few_report, reduced_motion="reduce")
    moving = page.evaluate(
        "[...document.querySelectorAll('*')].filter((node) => {"
        " const {transitionDuration, animationName} = getComputedStyle(node);"
        " return transitionDuration !== '0s' || animationName !== 'none'; }).length"
    )
    assert moving == 0


def test_of_a_long_file_name_the_end_is_shown_at_least(few: Comparison, tmp_path: Path, open_page: Open) -> None:
    long = f"{'folder/' * 40}image_0001.jpg"
    names = [long, *few.annotations.file_names[1:]]
    comparison = replace(few, annotations=replace(few.annotations, file_names=names))
    report = write_report(comparison, tmp_path / "report.html").page
    for settings in ({}, PHONE):
        page = open_page(report, **settings)
        name = page.get_by_title(long)
        assert name.text_content() == long
        cell, end = page.locator("#rows td.name").last.bounding_box(), name.locator("span").last.bounding_box()
        assert cell is not None
        assert end is not None
        assert end["x"] + end["width"] <= cell["x"] + cell["width"]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_every_width_has_room_for_names_and_headings(compared_report: Path, open_page: Open) -> None:
    page = open_page(compared_report)
    for beside in ("none", "second"):
        page.get_by_label("Side by side with").select_option(beside)
        for width in (360, 480, 761, 800, 960, 1100, 1101, 1240, 1241, 1280, 1920):
            page.set_viewport_size({"width": width, "height": 800})
            name = page.locator("#rows td.name").first.bounding_box()
            assert name is not None
            assert name["width"] >= 110, (beside, width)
            assert page.evaluate("document.documentElement.scrollWidth") == width, beside
            assert [one for one in page.evaluate(OVERHANGS) if one[1] > 0] == [], (beside, width)
            heights = page.locator("#rows tr[data-image]").evaluate_all("(rows) => rows.map((row) => row.offsetHeight)")
            assert set(heights) == {(216 if beside == "second" else 118) if width <= 760 else 100}


def test_a_table_that_scrolls_sideways_says_so(compared_report: Path, open_page: Open) -> None:
    page = open_page(compared_report)
    page.get_by_role("tab", name="Agreement").click()
    hint = page.get_by_text("Wider than there is room")
    page.set_viewport_size({"width": 480, "height": 800})
    expect(hint).to_be_visible()
    page.set_viewport_size({"width": 3000, "height": 800})
    expect(hint).to_be_hidden()
