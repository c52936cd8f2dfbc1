"""Open Images: boxes of many classes in a CSV file, as shares of images whose sizes it does not say."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.coco import per_image
from hardest_metrics.data.digest import read_bytes
from hardest_metrics.data.folder import images_called
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.data.table import Table
from hardest_metrics.numbering import numbers_of

#: Columns by which the format is known.
COLUMNS = ("ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax")

_NAMES = "*class-descriptions*.csv"


def read_open_images_annotations(path: PathLike, images: PathLike | None = None) -> Annotations:
    r"""Read annotations of Open Images, of any of its versions or cut out of it.

    Labels are 1, 2, ... over the classes that occur, in the alphabetical order of their codes, such as ``/m/01g317``;
    they are named by a file ``*class-descriptions*.csv`` beside, a code and a name a line, or by their codes where
    there is none. Boxes of groups (``IsGroupOf``) are crowds, as in the challenge's protocol: neither reward nor
    punishment for what is found in them. Ids are text, see :func:`~hardest_metrics.data.image_number`. Images without
    boxes do not appear in the file.

    Args:
        path: the CSV file, with a header.
        images: the folder of the image files, ``<ImageID>.jpg``, whose sizes boxes are shares of; by default the first
            of ``images/``, a folder of the file's name without extension, and the file's own, that has the first image.

    Returns:
        The annotations, in the order of the file, without areas.

    Raises:
        OSError: when a file cannot be read.
        ValueError: when it is not as it should be; the message names it, the line and the remedy.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new("RGB", (200, 100)).save(folder / "a1.jpg")
        >>> written = (folder / "boxes.csv").write_text(
        ...     "ImageID,LabelName,XMin,XMax,YMin,YMax\na1,/m/0k4j,0.25,0.5,0,1\n"
        ... )
        >>> annotations = read_open_images_annotations(folder / "boxes.csv")
        >>> annotations.categories, annotations.target[0]["boxes"]
        ({1: '/m/0k4j'}, tensor([[ 50.,   0.,  50., 100.]], dtype=torch.float64))
    """
    table = Table(path)
    codes, names = table.texts("LabelName"), table.texts("ImageID")
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    rows = np.array([places[name] for name in names], dtype=np.int64)
    labels = {code: label for label, code in enumerate(sorted(set(codes)), start=1)}

    shares = _shares(table)
    files = _files(table, list(places), images)
    sizes = [_size(file) for file in files]
    scale = np.array(sizes, dtype=np.float64)[rows][:, [1, 0]]  # width, height
    columns: dict[str, NDArray[Any]] = {
        "boxes": np.concatenate((shares[:, :2] * scale, (shares[:, 2:] - shares[:, :2]) * scale), axis=1),
        "labels": np.array([labels[code] for code in codes], dtype=np.int64),
        "iscrowd": _groups(table),
    }
    ids: list[int | str] = [*places]
    numbers = numbers_of(ids)
    known = _class_names(Path(path).parent)
    return Annotations(
        numbers,
        [file.name for file in files],
        [*sizes],
        {label: known.get(code, code) for code, label in labels.items()},
        per_image(columns, rows, numbers, [*sizes]),
        source_ids=ids,
    )


def _shares(table: Table) -> NDArray[np.float64]:
    """``(n, 4)``, xmin, ymin, xmax, ymax."""
    shares = np.stack([table.numbers(name) for name in ("XMin", "YMin", "XMax", "YMax")], axis=1)
    wrong = (shares < 0).any(1) | (shares > 1).any(1) | (shares[:, 2:] < shares[:, :2]).any(1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        shown = ", ".join(f"{share:g}" for share in shares[row])
        problem = f"box {shown} (XMin, YMin, XMax, YMax) is not between 0 and 1, each Min at most its Max."
        raise table.error(row, problem)
    return shares


def _groups(table: Table) -> NDArray[np.int64]:
    if "IsGroupOf" not in table.header:
        return np.zeros(len(table), dtype=np.int64)
    groups = np.array(table.integers("IsGroupOf"), dtype=np.int64)
    if wrong := np.flatnonzero(~np.isin(groups, (-1, 0, 1))).tolist():  # -1: nobody looked
        raise table.error(wrong[0], f"'IsGroupOf' is {groups[wrong[0]]}, but must be 0, 1 or -1.")
    crowds: NDArray[np.int64] = (groups == 1).astype(np.int64)
    return crowds


def _files(table: Table, names: Sequence[str], images: PathLike | None) -> list[Path]:
    path = Path(table.path)
    own = [path.parent / "images", path.with_suffix(""), path.parent]
    folders = own if images is None else [Path(images)]
    folder = next((folder for folder in folders if images_called(folder / names[0])), folders[0])
    files = []
    for name in names:
        found = images_called(folder / name)
        if not found:
            raise ValueError(
                f"{path}: image {name!r} is not in {folder}: boxes are shares of its size. Put the images into `images`"
                " beside the file, or remove the rows of those that are missing."
            )
        files.append(found[0])
    return files


def _size(file: Path) -> tuple[int, int]:
    """Height and width."""
    try:
        with Image.open(file) as image:  # reads no more than the head
            return image.height, image.width
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{file}: cannot be read as an image ({error}). Copy or export it again.") from error


def _class_names(folder: Path) -> dict[str, str]:
    """Names by code, of the first file of descriptions in a folder; none where there is none."""
    for file in sorted(folder.glob(_NAMES)):
        try:
            lines = list(csv.reader(io.StringIO(read_bytes(file).decode("utf-8-sig"), newline="")))
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{file}: cannot be read as a table ({error}). Export it again, in UTF-8.") from error
        return {line[0].strip(): line[1].strip() for line in lines if len(line) == 2}
    return {}
