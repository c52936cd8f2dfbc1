"""What is left of the table when one picks labels and kinds of boxes."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.report.conftest import Open, column, names, outlines

NAMES = ["a.jpg", 'b,"x".jpg', "=cmd().jpg", "line\n4.jpg"]
A, B, C, D = NAMES


def amounts(page: Page, home: str) -> dict[str, str]:
    """The number beside each switch, by its text."""
    rows = page.locator(f"{home} label").evaluate_all(
        "(labels) => labels.map((label) => [...label.querySelectorAll('span')].map((span) => span.textContent))"
    )
    return dict(rows)


def table(page: Page) -> list[tuple[str, str, str]]:
    """File name, rank and hardness of each row."""
    return list(zip(names(page), column(page, "rank"), column(page, "hardness"), strict=True))


def test_picked_labels_rank_count_and_reduce_images(pair_report: Path, open_page: Open) -> None:
    page = open_page(pair_report)
    assert table(page) == [(B, "1", "2"), (D, "2", "2"), (A, "3", "1"), (C, "4", "1")]
    assert amounts(page, "#label-list") == {"chair": "2", "dog": "6"}

    page.locator("#labels summary").click()
    page.get_by_role("button", name="None", exact=True).click()
    expect(page.get_by_text("No image has anything of what is picked.")).to_be_visible()
    page.get_by_role("checkbox", name="chair").check()
    assert table(page) == [(B, "1", "1"), (A, "2", "0")], "the chair that is missed; the one that is found"
    assert column(page, "count") == ["0", "1", "0", "0", "0", "1"], "false, missed, found"
    expect(page.locator("#found")).to_have_text("2 of 4 images")
    expect(page.locator("#summary")).to_have_text("2 of 4 images · mean hardness 0.5 · 1 (50 %) above 0")
    counts = amounts(page, "#kinds")
    assert [counts[name] for name in ("False positives", "Missed objects", "True positives")] == ["0", "1", "1"]
    assert amounts(page, "#label-list") == {"chair": "2", "dog": "6"}

    page.get_by_label("Definition").select_option("All errors, weighted by area")
    assert table(page) == [(B, "1", "0.32"), (A, "2", "0")]
    page.get_by_label("True positives").uncheck()
    assert table(page) == [(B, "1", "0.32")], "no error of a chair in the other"
    page.get_by_role("button", name="Show all again").click()
    assert len(names(page)) == 4


def test_picked_kinds_and_causes_rank_and_reduce_images(pair_report: Path, open_page: Open) -> None:
    page = open_page(pair_report)
    page.get_by_label("Missed objects").uncheck()
    assert table(page) == [(B, "1", "1"), (C, "2", "1"), (A, "3", "0")], "the last has missed objects only"
    page.locator(".causes summary").first.click()
    page.get_by_label("Classification").uncheck()
    assert table(page) == [(C, "1", "1"), (A, "2", "0")]
    page.get_by_role("slider").fill("0.65")
    assert table(page) == [(A, "1", "0"), (C, "2", "0")], "the false dog scored 0.6"
    assert outlines(page, 1) == [0, 0]
    page.get_by_role("button", name="Show all again").click()

    page.locator("#rows tr[data-image]").nth(1).click()
    counts = amounts(page, "#kinds")
    assert [counts[name] for name in ("False positives", "Missed objects", "Not seen")] == ["0", "2", "2"]
    assert amounts(page, "#label-list") == {"chair": "0", "dog": "2"}
    page.get_by_role("dialog").get_by_label("Missed objects").uncheck()
    expect(page.get_by_role("dialog")).to_contain_text("not in the table")


def test_estimates_of_whole_images_say_that_their_hardness_stays(pair_report: Path, open_page: Open) -> None:
    page = open_page(pair_report)
    page.get_by_label("Estimator").select_option("Expected hardness")
    before = {name: hardness for name, _, hardness in table(page)}
    expect(page.locator("#estimate-note")).to_be_hidden()
    page.locator("#labels summary").click()
    page.get_by_role("checkbox", name="dog").uncheck()
    expect(page.locator("#estimate-note")).to_be_visible()
    assert {name: hardness for name, _, hardness in table(page)} == {name: before[name] for name in (A, B)}
    page.get_by_label("Estimator").select_option("Labels")
    expect(page.locator("#estimate-note")).to_be_hidden()


def test_what_the_query_leaves_out_is_shown_on_demand(few_report: Path, open_page: Open) -> None:
    page = open_page(few_report)
    assert outlines(page, 3) == outlines(page, 4) == [0, 0, 0]
    page.get_by_label("Ignored by the query").check()
    page.get_by_label("Score < 0.5").check()
    assert outlines(page, 3) == [0, 0, 1], "the crowd"
    assert outlines(page, 4) == [0, 1, 0]
    assert column(page, "hardness") == ["4", "2", "0"]
