"""Masks and skeletons on pictures."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Page, expect

from hardest_metrics.comparison import compare
from hardest_metrics.data import Annotations
from hardest_metrics.report import write_report
from hardest_metrics.report.boxes import SCALE
from tests.report.conftest import Open, column, names

HEIGHT, WIDTH = 40, 80


def mask(left: int, top: int, right: int, bottom: int) -> torch.Tensor:
    inside = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    inside[top:bottom, left:right] = True
    return inside


def report_of(target: list[dict[str, Any]], preds: list[dict[str, Any]], folder: Path, **shapes: Any) -> Path:
    """A page of two images, by total false."""
    for number, image in enumerate(target, start=1):
        image |= {"boxes": torch.zeros(len(image["labels"]), 4), "image_id": number, "image_size": (HEIGHT, WIDTH)}
    annotations = Annotations([1, 2], ["a.jpg", "b.jpg"], [(HEIGHT, WIDTH)] * 2, {1: "cat", 2: "dog"}, target)
    definitions = ["total_false/none", "total_false/pixel"]
    comparison = compare(annotations, {"mine": preds}, None, definitions, [], **shapes)
    return write_report(comparison, folder / "report.html").page


@pytest.fixture
def masks_report(tmp_path: Path) -> Path:
    """The first image: a cat found, a dog missed. The second: a false dog with a hole, and a missed cat."""
    ring = mask(20, 10, 60, 30) & ~mask(30, 15, 50, 25)
    target = [
        {"masks": torch.stack((mask(0, 0, 20, 20), mask(40, 20, 80, 40))), "labels": torch.tensor([1, 2])},
        {"masks": mask(0, 0, 8, 4)[None], "labels": torch.tensor([1])},
    ]
    preds = [
        {"masks": mask(0, 0, 20, 20)[None], "labels": torch.tensor([1]), "scores": torch.tensor([0.9])},
        {"masks": ring[None], "labels": torch.tensor([2]), "scores": torch.tensor([0.8])},
    ]
    return report_of(target, preds, tmp_path, iou_type="segm")


def drawn(page: Page, kind: int, home: str = "#rows svg.boxes") -> list[list[list[tuple[float, float]]]]:
    """Of each drawing the polygons of a kind, corners in pixels of the image."""
    paths: list[str] = page.locator(home).evaluate_all(
        "(drawings, kind) => drawings.map((svg) => svg.querySelector(`.kind${kind}:not(.halo)`)?.getAttribute('d')"
        " ?? '')",
        kind,
    )
    scale = torch.tensor([WIDTH, HEIGHT]) / SCALE
    found = []
    for path in paths:
        polygons = [re.findall(r"(-?[\d.]+)[ ,](-?[\d.]+)", part) for part in path.split("M")[1:]]
        found.append([
            [tuple(round(v, 1) for v in (torch.tensor([float(x), float(y)]) * scale).tolist()) for x, y in polygon]
            for polygon in polygons
        ])  # fmt: skip
    return found


def rectangle(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (left, bottom), (right, top), (right, bottom)]


def test_masks_are_drawn_where_they_are_in_the_colour_of_their_outcome(masks_report: Path, open_page: Open) -> None:
    page = open_page(masks_report)
    assert names(page) == ["b.jpg", "a.jpg"]
    first, second = drawn(page, 1)
    assert sorted(map(sorted, first)) == sorted([rectangle(20, 10, 60, 30), rectangle(30, 15, 50, 25)])
    assert second == []
    assert [list(map(sorted, image)) for image in drawn(page, 0)] == [[], [rectangle(0, 0, 20, 20)]]
    assert [list(map(sorted, image)) for image in drawn(page, 2)] == [
        [rectangle(0, 0, 8, 4)], [rectangle(40, 20, 80, 40)]
    ]  # fmt: skip
    fill = page.locator("#rows .kind1:not(.halo)").evaluate("(path) => [getComputedStyle(path).fill,"
                                                             " getComputedStyle(path).stroke]")  # fmt: skip
    assert fill[0] == fill[1] != "none"
    # the middle of the hole is not filled
    inside = "(path, x) => path.isPointInFill(new DOMPoint(x, 65535 / 2))"
    at = [page.locator("#rows .kind1:not(.halo)").evaluate(inside, SCALE * x / WIDTH) for x in (25, 40)]
    assert at == [True, False]


def test_masks_are_picked_counted_and_ranked_anew_as_boxes_are(masks_report: Path, open_page: Open) -> None:
    page = open_page(masks_report)
    assert column(page, "count") == ["1", "1", "0", "0", "1", "1"], "false, missed, found"
    expect(page.locator("#filters > summary h2")).to_have_text("Masks")
    page.locator("#labels summary").click()
    page.get_by_role("checkbox", name="dog").uncheck()
    assert (names(page), column(page, "hardness")) == (["b.jpg", "a.jpg"], ["1", "0"])
    page.get_by_label("Missed objects").uncheck()
    assert (names(page), column(page, "hardness")) == (["a.jpg"], ["0"]), "a cat that was found"
    page.get_by_role("button", name="Show all again").click()
    page.get_by_label("Definition").select_option("All errors, weighted by area")
    ring = (40 * 20 - 20 * 10) / (HEIGHT * WIDTH)
    assert names(page) == ["a.jpg", "b.jpg"]
    assert [float(text) for text in column(page, "hardness")] == pytest.approx(
        [40 * 20 / (HEIGHT * WIDTH), ring + 8 * 4 / (HEIGHT * WIDTH)], rel=1e-4
    )
    page.locator("#rows tr[data-image]").last.click()
    expect(page.locator("#detail .frame")).to_have_attribute("aria-label", "b.jpg with 2 masks")
    expect(page.locator("#detail h2").filter(has_text="of this image")).to_have_text("Masks of this image (2)")
    page.locator("#tab-about").evaluate("(tab) => tab.click()")
    expect(page.locator("#about")).to_contain_text("least intersection over union of the masks of a match")


def test_skeletons_join_the_points_that_are_there(tmp_path: Path, open_page: Open) -> None:
    points = torch.stack((torch.linspace(8, 72, 17), torch.linspace(4, 36, 17), torch.full((17,), 2.0)), dim=1)
    lacking = points.clone()
    lacking[11:, 2] = 0  # hips, knees and ankles
    target = [
        {"keypoints": lacking[None], "labels": torch.tensor([1]), "area": torch.tensor([900.0])},
        {"keypoints": points[None], "labels": torch.tensor([1]), "area": torch.tensor([900.0])},
    ]
    preds = [
        {"keypoints": torch.zeros(0, 17, 3), "labels": torch.zeros(0, dtype=torch.int64), "scores": torch.zeros(0)},
        {"keypoints": points[None], "labels": torch.tensor([1]), "scores": torch.tensor([0.9])},
    ]
    page = open_page(report_of(target, preds, tmp_path, iou_type="keypoints"))
    assert names(page) == ["a.jpg", "b.jpg"]
    missed, found = drawn(page, 2)[0], drawn(page, 0)[1]
    assert ([len(part) for part in found].count(2), [len(part) for part in found].count(1)) == (19, 17)
    assert ([len(part) for part in missed].count(2), [len(part) for part in missed].count(1)) == (12, 11)
    assert [part[0] for part in missed if len(part) == 1] == [
        tuple(round(v, 1) for v in point) for point in points[:11, :2].tolist()
    ]
    expect(page.locator("#filters > summary h2")).to_have_text("Skeletons")
