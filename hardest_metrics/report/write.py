"""A comparison of rankings as a page."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote_from_bytes

from hardest_metrics.comparison import Comparison
from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.atomic import atomic_write, remove_unfinished
from hardest_metrics.data.folder import IMAGE_SUFFIXES
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.data.lock import alone
from hardest_metrics.report.contents import boxes_of, facts_of
from hardest_metrics.report.page import render
from hardest_metrics.report.pictures import Picture, pictures
from hardest_metrics.report.store import PictureStore

#: Up to so many pictures stand in the page itself, more in a folder beside it.
MOST_EMBEDDED = 200


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
    the boxes on them, two detectors side by side, plots, agreement with the labels, and how it was all made. Labels and
    kinds of boxes are picked: images are ranked by, counted by and reduced to what is left. Images are picked too, and
    saved as lists. The pictures of more than :data:`MOST_EMBEDDED` images lie in a folder beside it, ``report_files``
    for ``report.html``, and move with it; links to the image files themselves hold as long as these lie where they do
    now, as seen from the page.

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
        >>> import torch
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
    data = facts_of(comparison, order, settings or {}, inputs)

    store = PictureStore(path, embed=len(order) <= MOST_EMBEDDED)
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
        data["files"] = None if images is None else [_address(shown[i].file, path) for i in order]
        data["turned"] = [place for place, i in enumerate(order) if shown[i].turned]
        data["problems"] = {place: shown[i].problem for place, i in enumerate(order) if shown[i].problem}
        data |= boxes_of(comparison, order, [picture.size for picture in shown])

        remove_unfinished(path.parent)
        with atomic_write(path) as file:
            file.write(render(data).encode())
        store.remove_others()
    return Written(path, store.folder if store.kept else None, [p.message for p in shown if p.message])


def _pictures(annotations: Annotations, images: PathLike | None) -> Iterator[Picture]:
    if images is None:
        return (Picture(b"", size) for size in annotations.image_sizes)
    return pictures(annotations, images)


def _address(file: Path | None, page: Path) -> str | None:
    """Of an image file, as seen from the page; None where there is none, or it is no picture that one can open."""
    if file is None or file.suffix.lower() not in IMAGE_SUFFIXES:
        return None
    try:
        relative = Path(os.path.relpath(Path(file).absolute(), page.absolute().parent))
    except ValueError:  # on another drive
        return None
    return "./" + quote_from_bytes(bytes(Path(relative.as_posix())))
