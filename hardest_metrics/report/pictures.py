"""The pictures of a page: of a size that a screen shows well, without boxes."""

import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from PIL import ExifTags, Image

from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.detectors.image_files import ImageNotFoundError, find_image
from hardest_metrics.plot.grid import scaled

#: Longer side of a picture in pixels, at most.
SIDE = 512

_QUALITY = 80  # of JPEG


class Picture(NamedTuple):
    """An image as the page shows it.

    Attributes:
        jpeg: the content of a JPEG file; empty where there is no picture.
        size: (height, width) of the image that boxes refer to, None where it is not known.
        problem: why there is no picture, in a word or two; empty where there is one.
        message: likewise in full, with path and remedy.
        file: where the image is, None where it is not found.
        turned: whether its file says that it is to be shown turned, as browsers do; boxes are of it as it is stored.
    """

    jpeg: bytes
    size: tuple[int, int] | None
    problem: str = ""
    message: str = ""
    file: Path | None = None
    turned: bool = False


def pictures(annotations: Annotations, folder: PathLike) -> Iterator[Picture]:
    """One picture an image, in the order of the annotations.

    An image that is missing, cannot be read or has another size than its annotations say is no reason to do without
    a page: it becomes a :class:`Picture` that says so.

    Args:
        annotations: the set.
        folder: where the image files are, under their names or the last part of them.
    """
    columns = list(zip(annotations.shown_ids, annotations.file_names, annotations.image_sizes, strict=True))
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as threads:  # Pillow lets others run while it decodes
        for start in range(0, len(columns), 16 * workers):  # in turns: pictures that nobody takes fill the memory
            yield from threads.map(lambda image: _picture(folder, *image), columns[start : start + 16 * workers])


def _picture(folder: PathLike, image_id: int | str, name: str, size: tuple[int, int] | None) -> Picture:
    try:
        path = find_image(folder, name, image_id)
    except ImageNotFoundError as error:
        return Picture(b"", size, error.problem, str(error))
    try:
        if size is None:
            with Image.open(path) as file:
                size = file.height, file.width
        picture, _ = scaled(path, min(SIDE, max(size)), size)
    except (OSError, ValueError) as error:
        unreadable = isinstance(error, OSError) or error.__cause__ is not None
        problem = "file cannot be read" if unreadable else "file has another size than its annotations"
        return Picture(b"", size, problem, str(error), path)
    content = io.BytesIO()
    picture.save(content, format="JPEG", quality=_QUALITY, optimize=True)
    return Picture(content.getvalue(), size, file=path, turned=_is_turned(path))


def _is_turned(path: Path) -> bool:
    try:
        with Image.open(path) as file:
            return bool(file.getexif().get(ExifTags.Base.Orientation, 1) != 1)
    except Exception:  # Pillow meets damaged data with errors of every kind; browsers may take it for anything
        return True
