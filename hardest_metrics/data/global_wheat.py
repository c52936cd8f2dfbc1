"""Global Wheat: heads of wheat in a CSV file, as both editions of the data set are published."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.coco import per_image
from hardest_metrics.data.folder import images_called
from hardest_metrics.data.json_file import MOST_EXTENT, PathLike, are_boxes, is_number
from hardest_metrics.data.table import Table, number_of
from hardest_metrics.numbering import numbers_of

#: Columns by which the editions of 2021 and 2020 are known.
COLUMNS_2021, COLUMNS_2020 = ("image_name", "BoxesString"), ("image_id", "bbox")

_NO_BOX = "no_box"
_EXTENT = f"finite, ends no earlier than it begins, and is at most {MOST_EXTENT:g} wide and high"


def read_global_wheat_annotations(path: PathLike) -> Annotations:
    r"""Read annotations of the Global Wheat Head Dataset.

    - The edition of 2021: a row an image, ``image_name`` and ``BoxesString``, its boxes as ``xmin ymin xmax ymax``,
      between semicolons, or ``no_box``.
    - That of 2020, as Kaggle has it: a row a box, ``image_id``, ``width`` and ``height`` of the image, and ``bbox`` as
      ``[x, y, width, height]``. Images without boxes do not appear in it, nor do extensions of their files: these are
      looked for beside the file, in ``images/`` and in ``train/``.

    Other columns make no difference. Everything is labelled 1, "wheat". Ids are text, the name of the image without
    extension; see :func:`~hardest_metrics.data.image_number`.

    Args:
        path: the CSV file.

    Returns:
        The annotations, in the order of the file, without areas; image sizes only of the edition of 2020.

    Raises:
        OSError: when the file cannot be read.
        ValueError: when it is not as it should be; the message names it, the line and the remedy.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "train.csv")
        >>> written = path.write_text("image_name,BoxesString,domain\na.png,10 20 40 60;0 0 5 5,x\nb.png,no_box,x\n")
        >>> annotations = read_global_wheat_annotations(path)
        >>> annotations, annotations.file_names
        (Annotations(2 images, 2 boxes, 1 categories), ['a.png', 'b.png'])
        >>> annotations.target[0]["boxes"]
        tensor([[10., 20., 30., 40.],
                [ 0.,  0.,  5.,  5.]], dtype=torch.float64)
    """
    table = Table(path)
    if set(COLUMNS_2021) <= set(table.header):
        return _by_image(table)
    return _by_box(table)


def _by_image(table: Table) -> Annotations:
    names = table.texts("image_name")
    seen: set[str] = set()
    boxes, rows = list[list[float]](), list[int]()
    for row, (name, text) in enumerate(zip(names, table.texts("BoxesString"), strict=True)):
        if name in seen:
            raise table.error(row, f"image {name!r} has a row already.")
        seen.add(name)
        for box in [] if text == _NO_BOX else text.rstrip("; ").split(";"):
            corners = [number_of(part) for part in box.split()]
            if len(corners) != 4:
                problem = f"box {box.strip()!r} is not xmin ymin xmax ymax, between blanks; boxes stand between ';'."
                raise table.error(row, problem)
            boxes.append([*corners[:2], corners[2] - corners[0], corners[3] - corners[1]])
            rows.append(row)
    return _annotations(table, np.array(rows, dtype=np.int64), boxes, rows, names, [None] * len(names))


def _by_box(table: Table) -> Annotations:
    places: dict[str, int] = {}
    sizes, boxes, rows = list[tuple[int, int]](), list[list[float]](), list[int]()
    columns = (table.texts("image_id"), table.integers("height"), table.integers("width"), table.texts("bbox"))
    for row, (name, height, width, text) in enumerate(zip(*columns, strict=True)):
        place = places.setdefault(name, len(places))
        if place == len(sizes):
            if min(height, width) <= 0:
                raise table.error(row, f"height and width are {height} and {width}, but must be pixels above 0.")
            sizes.append((height, width))
        elif sizes[place] != (height, width):
            raise table.error(row, f"image {name!r} is {height} by {width} here, and {sizes[place]} before.")
        boxes.append(_box(table, row, text))
        rows.append(place)
    return _annotations(table, np.arange(len(boxes)), boxes, rows, _files(Path(table.path).parent, places), [*sizes])


def _box(table: Table, row: int, text: str) -> list[float]:
    try:
        box = json.loads(text)
    except ValueError:
        box = None
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
        raise table.error(row, f"'bbox' is {text!r}, but must be [x, y, width, height].")
    return [float(value) for value in box]


def _annotations(
    table: Table,
    lines: NDArray[np.int64],
    boxes: list[list[float]],
    images: list[int],
    file_names: list[str],
    sizes: list[tuple[int, int] | None],
) -> Annotations:
    """Of boxes, each in a row `lines` of the table, on an image of that number."""
    columns: dict[str, NDArray[Any]] = {
        "boxes": np.array(boxes, dtype=np.float64).reshape(-1, 4),
        "labels": np.ones(len(boxes), dtype=np.int64),
        "iscrowd": np.zeros(len(boxes), dtype=np.int64),
    }
    wrong = ~are_boxes(columns["boxes"])
    if wrong.any():
        box = int(np.flatnonzero(wrong)[0])
        raise table.error(int(lines[box]), f"box {boxes[box]} (x, y, width, height) is not {_EXTENT}.")
    ids: list[int | str] = [Path(name).stem for name in file_names]
    if len(set(ids)) < len(ids):
        raise ValueError(f"{table.path}: two images differ by their extension only. Rename one of them.")
    numbers = numbers_of(ids)
    target = per_image(columns, np.array(images, dtype=np.int64), numbers, sizes)
    return Annotations(numbers, file_names, sizes, {1: "wheat"}, target, source_ids=ids)


def _files(folder: Path, names: dict[str, int]) -> list[str]:
    """The names of image files, with extension where there is such a file."""
    folders = [folder / inner for inner in ("images", "train", ".")]
    found = {name: file.name for inner in folders for name in names for file in images_called(inner / name)[:1]}
    return [found.get(name, name) for name in names]
