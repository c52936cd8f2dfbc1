"""Pascal VOC: a folder of XML files, one per image."""

import math
import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import torch

from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.digest import read_bytes
from hardest_metrics.data.folder import IMAGE_SUFFIXES, images_called, visible_files
from hardest_metrics.data.json_file import MOST_EXTENT, PathLike

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_voc_annotations(folder: PathLike, split: str | None = None) -> Annotations:
    """Read a data set in Pascal VOC format.

    Labels and image ids come from all XML files of the folder and its subfolders, whatever the split, so that they
    mean the same in every split: labels are 1, 2, ... over the class names in alphabetical order,
    image ids 1, 2, ... over the XML files in order of their names. Files and folders whose name starts with a dot are
    passed over.

    Corners are taken as torchvision takes them, without VOC's extra pixel: width is xmax - xmin.
    The VOC protocol neither rewards nor punishes the detection of an object marked ``difficult``;
    such an object becomes a crowd (``iscrowd`` 1), which COCO's protocol ignores in the same way.
    The file name of an image is that of its XML file with the extension of the image file of that name in
    ``JPEGImages/``, in ``images/`` or beside the XML file; where there is none, with that of its ``<filename>``, or
    without any where that is of another name.

    Args:
        folder: the data set, with ``Annotations/`` and ``ImageSets/Main/`` in it, or the folder of
            XML files itself.
        split: keep only the images listed in ``ImageSets/Main/<split>.txt``, in that order. By
            default all, in order of their ids. Of a list with -1, 0 or 1 behind each image, such as
            ``car_val``, those that hold an object of the class: 1, or 0 for difficult ones only.

    Returns:
        The annotations, without areas.

    Raises:
        OSError: when a file or folder is missing.
        ValueError: when a file is not as it should be; the message names it, the object and the
            remedy.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> written = (folder / "a.xml").write_text(
        ...     "<annotation><size><width>640</width><height>480</height></size><object>"
        ...     "<name>car</name><bndbox><xmin>10</xmin><ymin>20</ymin><xmax>40</xmax><ymax>60</ymax>"
        ...     "</bndbox></object></annotation>"
        ... )
        >>> annotations = read_voc_annotations(folder)
        >>> annotations.file_names, annotations.categories
        (['a'], {1: 'car'})
        >>> annotations.target[0]["boxes"]
        tensor([[10., 20., 30., 40.]], dtype=torch.float64)
    """
    xml_folder = _xml_folder(Path(folder))
    files = xml_files(xml_folder)
    if not files:
        raise ValueError(
            f"{folder}: no XML files in it. Give a Pascal VOC data set or its Annotations, or a COCO JSON file."
        )
    images = {stem: _parse_image(file, stem, xml_folder) for stem, file in files.items()}
    names = sorted({box.name for image in images.values() for box in image.objects})
    labels = {name: label for label, name in enumerate(names, start=1)}
    ids = {stem: image_id for image_id, stem in enumerate(images, start=1)}

    kept = list(images) if split is None else _read_split(xml_folder, split, images)
    return Annotations(
        image_ids=[ids[stem] for stem in kept],
        file_names=[images[stem].file_name for stem in kept],
        image_sizes=[images[stem].size for stem in kept],
        categories={label: name for name, label in labels.items()},
        target=[_target(ids[stem], images[stem], labels) for stem in kept],
        split=split,
    )


class _Object(NamedTuple):
    name: str
    box: list[float]  # x, y, width, height
    difficult: int


class _Image(NamedTuple):
    file_name: str
    size: tuple[int, int] | None  # height, width
    objects: list[_Object]


def _xml_folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: no such folder. Check the path.")
    inner = folder / "Annotations"
    return inner if inner.is_dir() else folder


def xml_files(folder: Path) -> dict[str, Path]:
    """The XML files by name, with folder and without extension, in the order of their names."""
    paths = {path.relative_to(folder).as_posix(): path for path in visible_files(folder) if _is_xml(path)}
    files: dict[str, Path] = {}
    for name, path in sorted(paths.items()):
        other = files.setdefault(name[: -len(path.suffix)], path)
        if other is not path:
            raise ValueError(f"{other} and {path.name}: both are labels of the same image. Remove one of the files.")
    return files


def _is_xml(path: Path) -> bool:
    return path.suffix.lower() == ".xml"


def _read_split(xml_folder: Path, split: str, images: dict[str, _Image]) -> list[str]:
    lists = xml_folder.resolve().parent / "ImageSets" / "Main"
    path = lists / f"{split}.txt"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in lists.glob("*.txt"))) or "none"
        raise FileNotFoundError(f"{path}: no such split. Choose from: {known}.")
    text = read_bytes(path).decode("utf-8-sig", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    stems = lines if all(line in images for line in lines) else _of_class(lines) or lines
    seen: set[str] = set()
    for stem in stems:
        if stem not in images:
            raise ValueError(
                f"{path}: image {stem!r} has no {stem}.xml in {xml_folder}. "
                "Add the file or remove the image from the split."
            )
        if stem in seen:
            raise ValueError(f"{path}: image {stem!r} is listed twice. Remove one of the lines.")
        seen.add(stem)
    return stems


def _of_class(lines: list[str]) -> list[str] | None:
    """The images that hold a class, of a list that says so of each; None where it is no such list."""
    flagged = [re.fullmatch(r"(.*\S)\s+(-1|0|1)", line) for line in lines]
    return None if None in flagged else [match[1] for match in flagged if match and match[2] != "-1"]


def _target(image_id: int, image: _Image, labels: dict[str, int]) -> dict[str, Any]:
    target: dict[str, Any] = {
        "boxes": torch.tensor([box.box for box in image.objects], dtype=torch.float64).reshape(-1, 4),
        "labels": torch.tensor([labels[box.name] for box in image.objects], dtype=torch.int64),
        "iscrowd": torch.tensor([box.difficult for box in image.objects], dtype=torch.int64),
        "image_id": image_id,
    }
    if image.size is not None:
        target["image_size"] = image.size
    return target


def _parse_image(path: Path, stem: str, xml_folder: Path) -> _Image:
    try:
        root = ElementTree.fromstring(read_bytes(path))
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # the last two: odd encodings
        raise ValueError(f"{path}: not readable as XML ({error}). Export it again.") from error
    if root.tag != "annotation":
        raise ValueError(f"{path}: is <{root.tag}>, but must be a Pascal VOC <annotation>. Remove it.")
    file_name = _file_name(PureWindowsPath(root.findtext("filename", "").strip()).name, stem, xml_folder)
    objects = [
        _parse_object(element, f"{path}: object {number}")
        for number, element in enumerate(root.findall("object"), start=1)
    ]
    return _Image(file_name, _parse_size(root, path), objects)


def _file_name(given: str, stem: str, xml_folder: Path) -> str:
    """The name of the image file, in the folder that the XML file is in, seen from the folder of all.

    Args:
        given: what the XML file says.
        stem: name of the XML file without extension, with folder.
        xml_folder: the folder of all XML files.
    """
    parent = PurePosixPath(stem).parent
    own = PurePosixPath(stem).name
    named = Path(given).stem == own and Path(given).suffix.lower() in IMAGE_SUFFIXES
    folders = [folder / parent for folder in _image_folders(xml_folder)]
    if named and any((folder / given).is_file() for folder in folders):
        return (parent / given).as_posix()
    for folder in folders:
        if found := images_called(folder / own):
            return (parent / found[0].name).as_posix()
        if given and (folder / given).is_file() and Path(given).suffix.lower() in IMAGE_SUFFIXES:
            return (parent / given).as_posix()
    return (parent / given).as_posix() if named else stem


def _image_folders(xml_folder: Path) -> list[Path]:
    beside = xml_folder.resolve().parent
    return [folder for folder in (beside / "JPEGImages", beside / "images", xml_folder) if folder.is_dir()]


def _parse_size(root: Element, path: Path) -> tuple[int, int] | None:
    size = root.find("size")
    if size is None:
        return None
    lengths = [_number(size, side, f"{path}: <size>") for side in ("height", "width")]
    if not all(length > 0 and length.is_integer() for length in lengths):
        shown = " and ".join(f"{length:g}" for length in lengths)
        raise ValueError(
            f"{path}: height and width are {shown}, but must be whole pixels above 0. Correct them or remove <size>."
        )
    return int(lengths[0]), int(lengths[1])


def _parse_object(element: Element, where: str) -> _Object:
    name = element.findtext("name", "").strip()
    if not name:
        raise ValueError(f"{where}: has no <name>. Add it or remove the object.")
    where = f"{where} ({name})"
    corners = element.find("bndbox")
    if corners is None:
        raise ValueError(f"{where}: has no <bndbox>. Add it or remove the object.")
    xmin, ymin, xmax, ymax = (_number(corners, corner, where) for corner in _CORNERS)
    if xmax < xmin or ymax < ymin:
        raise ValueError(
            f"{where}: box {xmin:g}, {ymin:g}, {xmax:g}, {ymax:g} (xmin, ymin, xmax, ymax) ends before "
            "it begins. Correct or remove the object."
        )
    if max(xmax - xmin, ymax - ymin) > MOST_EXTENT:
        raise ValueError(f"{where}: box is more than {MOST_EXTENT:g} wide or high. Correct or remove the object.")
    difficult = element.findtext("difficult", "0").strip()
    if difficult not in ("0", "1"):
        raise ValueError(f"{where}: <difficult> is {difficult!r}, but must be 0 or 1. Correct it.")
    return _Object(name, [xmin, ymin, xmax - xmin, ymax - ymin], int(difficult))


def _number(parent: Element, tag: str, where: str) -> float:
    text = parent.findtext(tag)
    if text is None:
        raise ValueError(f"{where}: has no <{tag}>. Add it.")
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{where}: <{tag}> is {text!r}, but must be a finite number. Correct it.")
    return number
