"""A comparison of rankings as a page."""

import base64
import hashlib
import math
import platform
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes

import numpy as np
import torch
from torch import Tensor

from hardest_metrics import __version__
from hardest_metrics.comparison import Comparison, RankedBy
from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.atomic import atomic_write, remove_unfinished
from hardest_metrics.data.digest import content_digest
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.data.lock import alone
from hardest_metrics.functional.detection.matching import Query
from hardest_metrics.report.boxes import MOST_BELOW, shown_boxes
from hardest_metrics.report.page import data_uri, render
from hardest_metrics.report.pictures import Picture, pictures
from hardest_metrics.report.plots import NO_MATPLOTLIB, plots

#: Up to so many pictures stand in the page itself, more in a folder beside it.
MOST_EMBEDDED = 200

_PICTURE_FILE = re.compile(r"[0-9a-f]{32}\.jpg")


class Written(NamedTuple):
    """What :func:`write_report` did.

    Attributes:
        page: the HTML file.
        folder: of the pictures that belong to it, None where they stand in the page.
        problems: one message an image that has no picture, with path and remedy.
    """

    page: Path
    folder: Path | None
    problems: list[str]


def write_report(
    comparison: Comparison,
    path: PathLike,
    images: PathLike | None = None,
    settings: Mapping[str, str] | None = None,
    inputs: Sequence[PathLike] | Mapping[str, str] = (),
    advance: Callable[[int], None] = lambda n_images: None,
    on_wait: Callable[[Path], None] = lambda path: None,
) -> Written:
    """Write an HTML page of the images of a comparison by any of its rankings.

    The page is one file that opens from disk, without network or server: a table to search and sort, pictures with
    the boxes on them, plots, agreement with the labels, and how it was all made. The pictures of more than
    :data:`MOST_EMBEDDED` images lie in a folder beside it, ``report_files`` for ``report.html``, and move with it.

    The page is written as a whole or not at all, after the pictures. These are named by their content, so that an
    older page in its place keeps its own until it is replaced; the ones that no page in the same folder needs any more
    are removed then. Another process that writes this page, or its pictures, is waited for.

    An image whose file is missing, damaged or of another size than its annotations say has its boxes drawn on an
    empty canvas, and the page says why: a report with gaps is worth more than none when a file out of thousands is
    bad. If no image at all is found, the folder is wrong, and that is an error.

    Args:
        comparison: the rankings, and the boxes they were made from. With one ranking, a report on that.
        path: file ending in ``.html``, replaced if it exists.
        images: folder of the image files; None for boxes on an empty canvas.
        settings: further lines on how the rankings were made, as the page is to show them.
        inputs: files, or folders, that all this was made from; the page names them, without folder, and the SHA-256 of
            their content, which is taken now unless it is given with each.
        advance: called with numbers of images that add up to all of them, as their pictures are done.
        on_wait: called with a path that another process writes to, before it is waited for.

    Returns:
        What was written, and what images have no picture.

    Raises:
        OSError: when the file or an input cannot be read or written.
        ValueError: when the comparison has no ranking or no image, a ranking has an image that the annotations lack,
            or none of the images are in `images`.

    Example:
        >>> import tempfile
        >>> from hardest_metrics.comparison import compare
        >>> boxes, labels = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([1])
        >>> target = [{"boxes": boxes, "labels": labels, "image_id": 7, "image_size": (20, 20)}]
        >>> found = [{"boxes": boxes, "labels": labels, "scores": torch.tensor([0.9])}]
        >>> annotations = Annotations([7], ["a.jpg"], [(20, 20)], {1: "cat"}, target)
        >>> comparison = compare(annotations, {"mine": found}, definitions=["total_false/none"], estimators=[])
        >>> write_report(comparison, Path(tempfile.mkdtemp(), "report.html")).page.name
        'report.html'
    """
    path = Path(path)
    if not comparison.rankings:
        raise ValueError("`comparison` holds no ranking, so there is nothing to report. Rank the images first.")
    annotations = comparison.annotations
    if not annotations.image_ids:
        raise ValueError("`comparison` holds no image, so there is nothing to report. Compare on images first.")
    # The page takes images in this order, so that ties are broken as rankings break them
    order = sorted(range(len(annotations.image_ids)), key=annotations.image_ids.__getitem__)
    data = _data(comparison, order, settings or {}, inputs)

    store = _PictureStore(path, embed=len(order) <= MOST_EMBEDDED)
    with alone([path, store.folder], on_wait):
        addresses: list[str | None] = []
        shown: list[Picture] = []
        for picture in _pictures(annotations, images):
            addresses.append(store.keep(picture.jpeg) if picture.jpeg else None)
            shown.append(picture._replace(jpeg=b""))
            advance(1)
        if images is not None and all(address is None for address in addresses):
            raise ValueError(
                f"{images}: none of the {len(order)} images can be shown. {next((p.message for p in shown), '')}"
            )
        data["pictures"] = None if images is None else [addresses[i] for i in order]
        data["problems"] = {place: shown[i].problem for place, i in enumerate(order) if shown[i].problem}
        data |= _boxes(comparison, order, [picture.size for picture in shown])

        remove_unfinished(path.parent)
        with atomic_write(path) as file:
            file.write(render(data).encode())
        store.remove_others()
    return Written(path, store.folder if store.kept else None, [p.message for p in shown if p.message])


def _pictures(annotations: Annotations, images: PathLike | None) -> Iterator[Picture]:
    if images is None:
        return (Picture(b"", size) for size in annotations.image_sizes)
    return pictures(annotations, images)


class _PictureStore:
    """Where pictures are kept: in the page, or in files that are named by their content."""

    def __init__(self, page: Path, embed: bool) -> None:
        self.page = page
        self.folder = page.with_name(f"{page.stem}_files")
        self.embed = embed
        self.kept: set[str] = set()

    def keep(self, jpeg: bytes) -> str:
        """Keep a picture; its address, as seen from the page."""
        if self.embed:
            return data_uri(jpeg, "image/jpeg")
        name = hashlib.sha256(jpeg).hexdigest()[:32] + ".jpg"
        file = self.folder / name
        if name not in self.kept and not (file.is_file() and file.read_bytes() == jpeg):
            self.folder.mkdir(exist_ok=True)
            with atomic_write(file) as written:
                written.write(jpeg)
        self.kept.add(name)
        return self._address + name

    @property
    def _address(self) -> str:
        """Of the folder, as seen from the page."""
        return f"{quote_from_bytes(bytes(Path(self.folder.name)))}/"

    def remove_others(self) -> None:
        """Remove the pictures that earlier pages needed and no other one needs, and the folder if it is empty then."""
        if self.folder.is_dir():
            remove_unfinished(self.folder)
            pictures = [file for file in self.folder.iterdir() if _PICTURE_FILE.fullmatch(file.name)]
            others = {file.name for file in pictures} - self.kept
            with suppress(OSError):  # a page that cannot be read: who knows what it needs
                for name in others - self._needed_by_others() if others else ():
                    (self.folder / name).unlink()
            with suppress(OSError):  # something else is in it
                self.folder.rmdir()

    def _needed_by_others(self) -> set[str]:
        """Pictures that other pages beside this one show: copies of earlier ones, `report.htm` for `report.html`."""
        address = re.compile(rb"[\"/]" + re.escape(self._address.encode()) + rb"([0-9a-f]{32}\.jpg)")
        return {
            name.decode()
            for page in self.page.parent.iterdir()
            if page.suffix.lower() in (".htm", ".html") and page.is_file() and page != self.page
            for name in address.findall(page.read_bytes())
        }


def _data(
    comparison: Comparison,
    order: Sequence[int],
    settings: Mapping[str, str],
    inputs: Sequence[PathLike] | Mapping[str, str],
) -> dict[str, Any]:
    """What the page shows besides boxes and pictures."""
    if not isinstance(inputs, Mapping):
        inputs = {str(file): content_digest(file) for file in inputs}
    annotations = comparison.annotations
    detectors = list(comparison.detections)
    ids = torch.tensor([annotations.image_ids[i] for i in order], dtype=torch.int64)
    return {
        "ids": [str(annotations.shown_ids[i]) for i in order],  # scripts round integers above 2^53
        "names": [annotations.file_names[i] for i in order],
        "rankings": [
            {
                "detector": detectors.index(ranked.detector),
                "definition": ranked.definition,
                "estimator": ranked.estimator,
                "hardness": _base64(_hardness(ranked, ids).numpy().astype("<f4")),
            }
            for ranked in comparison.rankings
        ],
        "agreement": _agreement(comparison),
        "plots": plots(comparison),
        "noPlots": NO_MATPLOTLIB,
        "notes": list(comparison.notes),
        "threshold": comparison.query.lowest_score,
        "mostBelow": MOST_BELOW,
        "query": _in_words(comparison.query, annotations.categories),
        "settings": list(settings.items()),
        "versions": _versions(),
        "inputs": [[Path(file).name, digest] for file, digest in inputs.items()],
    }


def _boxes(comparison: Comparison, order: Sequence[int], sizes: Sequence[tuple[int, int] | None]) -> dict[str, Any]:
    """Boxes by detector, the labels that occur, and the sizes of images."""
    annotations = comparison.annotations
    target = [annotations.target[i] for i in order]
    labelled = all(image.get("boxes") is not None for image in target)
    shown = [
        shown_boxes([preds[i] for i in order], target if labelled else None, comparison.query)
        for preds in comparison.detections.values()
    ]
    labels = torch.cat([boxes.labels for boxes in shown]).unique()
    extents = torch.stack([boxes.extents() for boxes in shown]).amax(0)
    known = torch.tensor([sizes[i] or (math.nan, math.nan) for i in order], dtype=torch.float64).flip(1)
    widths_and_heights = torch.where(known.isnan(), extents.ceil(), known)
    return {
        "labelled": labelled,
        "sizes": widths_and_heights.long().flatten().tolist(),
        "labels": [annotations.categories.get(label, str(label)) for label in labels.tolist()],
        "detectors": [
            {
                "name": name,
                "counts": _base64(boxes.counts.numpy().astype("<u4")),
                "boxes": _base64(boxes.packed(widths_and_heights, labels)),
            }
            for name, boxes in zip(comparison.detections, shown, strict=True)
        ],
    }


def _hardness(ranked: RankedBy, ids: Tensor) -> Tensor:
    """``(N,)`` hardness in the order of ascending `ids`, NaN for images that the ranking does not have."""
    ranking_ids = ranked.ranking.image_ids.cpu()
    places = torch.searchsorted(ids, ranking_ids).clamp(max=len(ids) - 1)
    unknown = ids[places] != ranking_ids
    if unknown.any():
        raise ValueError(
            f"`comparison` ranks image {int(ranking_ids[unknown][0])} by {ranked.detector}, {ranked.definition},"
            f" {ranked.estimator}, but its annotations have no such image. Give the annotations of the set ranked."
        )
    hardness = torch.full((len(ids),), torch.nan)
    return hardness.index_copy_(0, places, ranked.ranking.hardness.cpu().float())


def _agreement(comparison: Comparison) -> dict[str, Any]:
    table = comparison.agreement
    rows = [
        [value if isinstance(value, str) else float(value) if math.isfinite(value) else None for value in row]
        for row in table.itertuples(index=False)
    ]
    return {"columns": [str(column) for column in table.columns], "rows": rows}


def _in_words(query: Query, categories: Mapping[int, str]) -> list[tuple[str, str]]:
    area = "all" if query.area_range is None else query.area_range
    labels = None if query.labels is None else [categories.get(label, str(label)) for label in query.labels]
    return [
        ("Score threshold", f"{query.lowest_score:g}: detections of a lower score take no part"),
        ("IoU threshold", f"{query.iou_threshold:g}: least intersection over union of a match"),
        ("Labels that count", "all" if labels is None else ", ".join(labels)),
        ("Areas that count", area if isinstance(area, str) else "{:g} to {:g} px²".format(*area)),
        ("Most detections", f"{query.max_detections} per image and label, those of highest score"),
    ]  # fmt: skip


def _versions() -> list[tuple[str, str]]:
    packages = ("torch", "torchvision", "torchmetrics", "numpy", "pillow")
    return [
        ("hardest_metrics", __version__),
        *((package, version(package)) for package in packages),
        ("Python", platform.python_version()),
    ]


def _base64(array: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(array.tobytes()).decode()
