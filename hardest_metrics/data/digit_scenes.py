"""Scenes of digits: a text file an image, a line an object."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.digest import read_bytes
from hardest_metrics.data.folder import images_called, visible_files
from hardest_metrics.data.json_file import MOST_EXTENT, PathLike
from hardest_metrics.data.table import is_integer_text, number_of
from hardest_metrics.numbering import numbers_of

_FORM = "label,xmin,ymin,xmax,ymax: a whole label of at least 0, and four finite numbers"


class _Object(NamedTuple):
    number: int
    box: list[float]  # x, y, width, height


def read_digit_scenes(folder: PathLike) -> Annotations:
    r"""Read a folder of text files, one an image, with a line ``label,xmin,ymin,xmax,ymax`` for each object.

    Numbers in the files begin with 0, which torchvision's detectors keep for the background; so labels are the numbers
    and 1, and categories are named by the numbers, whichever files there are. An empty file is an image without
    objects. Files and folders whose name starts with a dot are passed over.

    Args:
        folder: the data set, with ``labels/`` or ``annotations/`` in it, or the folder of text files itself. Images lie
            beside the text files or, of the same name, in ``images/`` beside or in the folder.

    Returns:
        The annotations in the order of the files' names, without areas and sizes. Ids are the names of the files, as
        numbers where all are; see :func:`~hardest_metrics.data.image_number`.

    Raises:
        OSError: when a file or folder is missing.
        ValueError: when a file is not as it should be; the message names it, the line and the remedy.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> written = (folder / "0.txt").write_text("0,10,20,40,60\n7,0,0,5,5\n")
        >>> annotations = read_digit_scenes(folder)
        >>> annotations.categories, annotations.target[0]["labels"]
        ({1: '0', 8: '7'}, tensor([1, 8]))
    """
    if not Path(folder).is_dir():
        raise NotADirectoryError(f"{folder}: no such folder. Check the path.")
    inner = _label_folder(Path(folder))
    files = scene_files(inner)
    if not files:
        raise ValueError(f"{folder}: no text files in it. Give a folder with one for each image.")
    scenes = [_read(file) for file in files]
    stems = [file.relative_to(inner).with_suffix("").as_posix() for file in files]
    plain = all(stem.isdecimal() and str(int(stem)) == stem for stem in stems)
    ids: list[int | str] = [int(stem) if plain else stem for stem in stems]
    numbers = numbers_of(ids)
    found = sorted({item.number for scene in scenes for item in scene})
    return Annotations(
        numbers,
        [_image_name(inner, stem) for stem in stems],
        [None] * len(files),
        {number + 1: str(number) for number in found},
        [_target(number, scene) for number, scene in zip(numbers, scenes, strict=True)],
        source_ids=None if plain else ids,
    )


def scene_files(folder: Path) -> list[Path]:
    """The text files of a data set or of its folder of labels, in the order of their names, numbers by their value."""
    folder = _label_folder(folder)
    files = [path for path in visible_files(folder) if path.suffix.lower() == ".txt"]
    return sorted(files, key=lambda path: (path.parent, len(path.stem) if path.stem.isdecimal() else 0, path.stem))


def _label_folder(folder: Path) -> Path:
    return next((folder / name for name in ("labels", "annotations") if (folder / name).is_dir()), folder)


def _read(path: Path) -> list[_Object]:
    try:
        lines = read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is no text ({error}). Export it again, in UTF-8.") from error
    return [_object(line, f"{path}: line {number}") for number, line in enumerate(lines, start=1) if line.strip()]


def _object(line: str, where: str) -> _Object:
    parts = [part.strip() for part in line.split(",")]
    label, corners = parts[0], [number_of(part) for part in parts[1:]]
    if len(corners) != 4 or not is_integer_text(label) or not 0 <= int(label) < 2**31:
        raise ValueError(f"{where}: is {line.strip()!r}, but must be {_FORM}. Correct or remove it.")
    xmin, ymin, xmax, ymax = corners
    if not all(abs(corner) <= MOST_EXTENT for corner in corners) or xmax < xmin or ymax < ymin:
        raise ValueError(
            f"{where}: box {xmin:g}, {ymin:g}, {xmax:g}, {ymax:g} (xmin, ymin, xmax, ymax) must be finite, and"
            " not end before it begins. Correct or remove it."
        )
    return _Object(int(label), [xmin, ymin, xmax - xmin, ymax - ymin])


def _image_name(folder: Path, stem: str) -> str:
    folders = (folder.parent / "images", folder / "images", folder)
    found = next((files[0].name for images in folders if (files := images_called(images / stem))), None)
    return stem if found is None else Path(stem).with_name(found).as_posix()


def _target(image_id: int, scene: list[_Object]) -> dict[str, Any]:
    return {
        "boxes": torch.tensor([item.box for item in scene], dtype=torch.float64).reshape(-1, 4),
        "labels": torch.tensor([item.number + 1 for item in scene], dtype=torch.int64),
        "iscrowd": torch.zeros(len(scene), dtype=torch.int64),
        "image_id": image_id,
    }
