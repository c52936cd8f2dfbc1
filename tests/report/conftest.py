"""Pages, and the browser that they are tried in."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Request, expect, sync_playwright

from hardest_metrics.comparison import LABELS, Comparison, RankedBy, compare
from hardest_metrics.data import Annotations
from hardest_metrics.functional import Query
from hardest_metrics.functional.detection.packing import ImageDict
from hardest_metrics.ranking import Ranking
from hardest_metrics.report import write_report

expect.set_options(timeout=30_000)  # milliseconds, as actions are given; a busy machine takes more than the usual 5,000

#: Opens a page of a report; keyword arguments are Playwright's for a new browser context.
Open = Callable[..., Page]

_QUIETLY = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
)

#: File name, label and detector of someone who means harm.
HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, without a window and without network traffic of its own."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs chromium, which is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_QUIETLY.split())
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens a report; afterwards no script may have failed, no dialog shown up and nothing left the report's folder."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_(report: Path, address: str = "", **settings: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1300, "height": 800}, **settings})
        contexts.append(context)
        page = context.new_page()
        allowed = (report.parent.as_uri(), "data:")

        def on_request(request: Request) -> None:
            if not request.url.startswith(allowed):
                complaints.append(f"request: {request.url}")

        def on_dialog(dialog: Dialog) -> None:
            complaints.append(f"dialog: {dialog.message}")
            dialog.dismiss()

        page.on("request", on_request)
        page.on("dialog", on_dialog)
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(report.as_uri() + address)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


#: A row of the table.
ROW = "#rows tr[data-image]"


def names(page: Page) -> list[str]:
    """File names of the rows in the document, from above."""
    return page.locator("#rows .file").all_text_contents()


def column(page: Page, style: str) -> list[str]:
    return [text.strip() for text in page.locator(f"#rows td.{style}").all_inner_texts()]


def outlines(page: Page, kind: int) -> list[int]:
    """How many boxes of a kind each thumbnail shows."""
    counts: list[int] = page.locator("#rows svg.boxes").evaluate_all(
        "(drawings, kind) => drawings.map((svg) => (svg.querySelector(`.kind${kind}:not(.halo)`)"
        "?.getAttribute('d').match(/M/g) ?? []).length)",
        kind,
    )
    return counts


def wait_until(page: Page, condition: str, arg: Any = None, seconds: float = 30) -> None:
    """Wait until a condition, a JavaScript expression or function of ``arg``, is true.

    Playwright's own ``wait_for_function`` is no use here: from its second look on the condition is a string that the
    page evaluates, which the page's content security policy forbids.
    """
    end = time.monotonic() + seconds
    while not page.evaluate(condition, arg):
        assert time.monotonic() < end, f"not true after {seconds} seconds: {condition}"
        page.wait_for_timeout(20)


def one_image(boxes: list[tuple[list[float], int]], scores: list[float] | None = None, **more: Any) -> dict[str, Any]:
    """Labels of an image, or detections where there are scores; boxes as (x, y, width, height)."""
    image: dict[str, Any] = {
        "boxes": torch.tensor([box for box, _ in boxes], dtype=torch.float64).reshape(-1, 4),
        "labels": torch.tensor([label for _, label in boxes], dtype=torch.int64),
        **more,
    }
    return image if scores is None else image | {"scores": torch.tensor(scores)}


@pytest.fixture(scope="session")
def few() -> Comparison:
    """Three images of 100 x 50 pixels, by labels.

    == =========== =====================================================
    id file name   boxes
    == =========== =====================================================
    1  easy.jpg    cat found (0.9), crowd of dogs
    2  middle.jpg  dog missed, cat false (0.8), cat of score 0.3
    9  hostile     cat and dog missed, hostile label false (0.6 and 0.7)
    == =========== =====================================================
    """
    left, right, small = [0.0, 0, 40, 40], [50.0, 0, 40, 40], [10.0, 10, 9, 9]
    target = [
        one_image([(left, 1), (right, 2)], iscrowd=torch.tensor([0, 1]), image_id=1, image_size=(50, 100)),
        one_image([(right, 2)], image_id=2, image_size=(50, 100)),
        one_image([(left, 1), (right, 2)], image_id=9, image_size=(50, 100)),
    ]
    preds = [
        one_image([(left, 1)], [0.9]),
        one_image([(left, 1), (small, 1)], [0.8, 0.3]),
        one_image([(small, 3), (small, 3)], [0.6, 0.7]),
    ]
    names = ["easy.jpg", "middle.jpg", f"{HOSTILE}.jpg"]
    annotations = Annotations([1, 2, 9], names, [(50, 100)] * 3, {1: "cat", 2: "dog", 3: HOSTILE}, target)
    return compare(annotations, {HOSTILE: preds}, None, ["total_false/none"], [])


@pytest.fixture(scope="session")
def few_report(few: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of :func:`few`."""
    return write_report(few, tmp_path_factory.mktemp("few") / "report.html").page


@pytest.fixture(scope="session")
def compared() -> Comparison:
    """Thirty images by two detectors, two definitions, labels and an estimate."""
    generator = torch.Generator().manual_seed(0)
    target = []
    detections: dict[str, list[ImageDict]] = {"first": [], "second": []}
    for image_id in range(1, 31):
        boxes = [((torch.rand(4, generator=generator) * 40 + 5).tolist(), 1) for _ in range(3)]
        target.append(one_image(boxes, image_id=image_id, image_size=(90, 90)))
        for preds in detections.values():
            found = boxes[: int(torch.randint(1, 4, (), generator=generator))]
            preds.append(one_image(found, torch.rand(len(found), generator=generator).tolist()))
    names = [f"image{image_id}.png" for image_id in range(1, 31)]
    annotations = Annotations(list(range(1, 31)), names, [(90, 90)] * 30, {1: "cat"}, target)
    definitions = ["total_false/none", "false_negatives/pixel"]
    return compare(annotations, detections, None, definitions, ["expected_hardness"])


@pytest.fixture(scope="session")
def compared_report(compared: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of :func:`compared`."""
    settings = {"Samples": "10"}
    return write_report(compared, tmp_path_factory.mktemp("compared") / "report.html", settings=settings).page


@pytest.fixture(scope="session")
def many_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 10,000 images; image k of hardness k % 1000 by labels, and the other way round by an estimate."""
    number = 10_000
    ids = list(range(1, number + 1))
    box = [([5.0, 5, 20, 20], 1)]
    target = [one_image(box, image_id=image_id, image_size=(60, 80)) for image_id in ids]
    preds: list[ImageDict] = [one_image(box * 5, [0.9, 0.8, 0.7, 0.6, 0.2]) for _ in ids]
    annotations = Annotations(ids, [f"frame{i}.jpg" for i in ids], [(60, 80)] * number, {1: "cat"}, target)
    by_labels = torch.tensor(ids).remainder(1000).float()
    rankings = [
        RankedBy("mine", "total_false/none", LABELS, Ranking.of(torch.tensor(ids), by_labels)),
        RankedBy("mine", "total_false/none", "reverse", Ranking.of(torch.tensor(ids), 1000 - by_labels)),
    ]
    comparison = Comparison(annotations, {"mine": preds}, Query(), rankings, pd.DataFrame())
    return write_report(comparison, tmp_path_factory.mktemp("many") / "report.html").page


@pytest.fixture(scope="session")
def pair() -> Comparison:
    """Four images of 100 x 50 pixels with awkward names and ids, by two detectors.

    ====== =============== ================ ======================================= =======================
    id     file name       objects          first                                   second
    ====== =============== ================ ======================================= =======================
    k1     a.jpg           chair, dog       chair found                             dog found
    k, 2   b,"x".jpg       chair            takes it for a dog (0.8)                chair found
    =3+4   =cmd().jpg      dog              dog found, and one in the background    nothing
    k4     line<LF>4.jpg   two dogs         nothing                                 both found, false chair
    ====== =============== ================ ======================================= =======================
    """
    left, right, small = [0.0, 0, 40, 40], [50.0, 0, 40, 40], [10.0, 10, 9, 9]
    chair, dog = 1, 2
    truth = [[(left, chair), (right, dog)], [(left, chair)], [(right, dog)], [(right, dog), (left, dog)]]
    target = [one_image(of, image_id=i, image_size=(50, 100)) for i, of in enumerate(truth, start=1)]
    first = [
        one_image([(left, chair)], [0.9]),
        one_image([(left, dog)], [0.8]),
        one_image([(right, dog), (small, dog)], [0.9, 0.6]),
        one_image([], []),
    ]
    second = [
        one_image([(right, dog)], [0.9]),
        one_image([(left, chair)], [0.7]),
        one_image([], []),
        one_image([*truth[3], (small, chair)], [0.9, 0.9, 0.6]),
    ]
    names = ["a.jpg", 'b,"x".jpg', "=cmd().jpg", "line\n4.jpg"]
    annotations = Annotations(
        [1, 2, 3, 4], names, [(50, 100)] * 4, {1: "chair", 2: "dog"}, target, source_ids=["k1", "k, 2", "=3+4", "k4"]
    )
    definitions = ["total_false/none", "total_false/pixel"]
    return compare(annotations, {"first": first, "second": second}, None, definitions, ["expected_hardness"])


@pytest.fixture(scope="session")
def pair_report(pair: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of :func:`pair`, with pictures."""
    folder = tmp_path_factory.mktemp("pair")
    images = folder / "images #1"
    images.mkdir()
    for name, color in zip(pair.annotations.file_names, ("red", "green", "blue", "white"), strict=True):
        Image.new("RGB", (100, 50), color).save(images / name)
    return write_report(pair, folder / "report.html", images).page


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with the three images of :func:`few`."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name, color in (("easy", "red"), ("middle", "green")):
        Image.new("RGB", (100, 50), color).save(folder / f"{name}.jpg")
    Image.new("RGB", (100, 50), "blue").save(folder / Path(f"{HOSTILE}.jpg").name)
    return folder
