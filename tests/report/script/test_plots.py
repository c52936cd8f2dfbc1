"""Plots of whole rankings."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.report.conftest import Open


def drawings(page: Page) -> list[str]:
    """What each plot consists of."""
    found: list[str] = page.locator("#plots figure").evaluate_all("(all) => all.map((figure) => figure.innerHTML)")
    return found


def test_every_plot_follows_what_one_chooses_and_picks(pair_report: Path, open_page: Open) -> None:
    page = open_page(pair_report)
    page.get_by_role("tab", name="Plots").click()
    panel = page.get_by_role("tabpanel")
    titles = panel.locator("figcaption")
    expect(titles).to_have_text([
        "first: hardness of 4 images",
        "first: hardness met with a labelling budget",
        "first: definitions that rank the images alike, Labels",
        "first: scores as probabilities",
    ])  # fmt: skip
    expect(panel).to_contain_text("first, mean 1.5")
    by_labels = drawings(page)
    page.get_by_label("Estimator").select_option("Expected hardness")
    by_estimate = drawings(page)
    assert [a == b for a, b in zip(by_labels, by_estimate, strict=True)] == [False, False, False, True]
    page.locator("#definition").select_option("All errors, weighted by area")
    by_area = drawings(page)
    assert [a == b for a, b in zip(by_estimate, by_area, strict=True)] == [False, False, False, True]
    page.get_by_label("Estimator").select_option("Labels")
    page.locator("#labels summary").click()
    page.get_by_role("checkbox", name="dog").uncheck()
    expect(panel).to_contain_text("first: hardness of 2 images")
    expect(panel).to_contain_text("first, mean 0.16")
    page.get_by_label("Side by side with").select_option("second")
    expect(panel).to_contain_text("first and second: hardness of 3 images")
    page.get_by_role("button", name="None", exact=True).click()
    expect(panel).to_contain_text("No image is left to plot")
