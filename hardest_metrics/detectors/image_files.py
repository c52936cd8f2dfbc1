"""The image files of a data set: which there are, and what is in them."""

import hashlib
import io
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from hardest_metrics.data.coco import coco_section, listed_images, load_coco
from hardest_metrics.data.folder import IMAGE_SUFFIXES, images_called, is_inside, leads_out, visible_files
from hardest_metrics.data.identity import posix
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.numbering import Identifier

_MISSING = "no such file"

_LONGEST = 255  # letters of a name that a message shows


class ImageFile(NamedTuple):
    """One image of a data set.

    Attributes:
        image_id: its id in the data set.
        name: its name in the data set.
        path: the file.
        size: (height, width) in pixels as its annotations give it, None where nothing does.
    """

    image_id: Identifier
    name: str
    path: Path
    size: tuple[int, int] | None = None


class ImageNotFoundError(ValueError):
    """An image is not where it should be.

    Args:
        message: in full, with path and remedy.
        problem: in a few words.
    """

    def __init__(self, message: str, problem: str) -> None:
        super().__init__(message)
        self.problem = problem


def folder_images(folder: PathLike) -> list[ImageFile]:
    """All images in a folder and its subfolders, numbered 1, 2, ... in the order of their names.

    Images are told by their suffix. Names are relative to the folder, with ``/``; names that start with a dot are
    passed over, and so are links to folders in it, whose images have names of their own.

    Raises:
        OSError: when it is no folder.
        ValueError: when there is no image in it, or a link leads out of it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: no such folder, but `images` names it. Check the path.")
    paths = {path.relative_to(folder).as_posix(): path for path in visible_files(folder, links_out=False)}
    names = sorted(name for name, path in paths.items() if path.suffix.lower() in IMAGE_SUFFIXES)
    for name in names:
        if paths[name].is_symlink() and not is_inside(paths[name], folder):
            raise leads_out(paths[name])
    if not names:
        raise ValueError(f"{folder}: holds no images ({', '.join(sorted(IMAGE_SUFFIXES))}). Check the path.")
    return [ImageFile(i, name, paths[name]) for i, name in enumerate(names, start=1)]


def coco_images(annotations: PathLike, folder: PathLike) -> list[ImageFile]:
    """The images that a COCO file lists, in its order.

    Only its ``images`` are read: a file without annotations will do.

    Args:
        annotations: JSON file, plain or gzipped.
        folder: where the files are, see :func:`find_image`.

    Raises:
        OSError: when the file cannot be read.
        ValueError: when it is not such a file, lists no image, or one is missing from the folder.
    """
    if Path(annotations).is_dir():
        raise IsADirectoryError(f"{annotations}: is a folder. Give `annotations` the path of a COCO JSON file.")
    if not Path(folder).is_dir():
        raise NotADirectoryError(f"{folder}: no such folder, but `images` names it. Check the path.")
    entries = coco_section(load_coco(annotations), "images", annotations)
    images = []
    for image_id, name, size in zip(*listed_images(entries), strict=True):
        images.append(ImageFile(image_id, name, find_image(folder, name, image_id), size))
    if not images:
        raise ValueError(f"{annotations}: lists no images. Give a COCO file that does.")
    return images


def find_image(folder: PathLike, name: str, image_id: Identifier) -> Path:
    """Where an image is in a folder: under its name or the last part of it, with an extension where it has none.

    Nothing outside the folder is ever found, whatever the name says and wherever links lead.

    Raises:
        ImageNotFoundError: when it is under neither, or several files may be meant.
    """
    candidates = list(
        dict.fromkeys([Path(folder, name), Path(folder, posix(name)), Path(folder, Path(posix(name)).name)])
    )
    problems = [_problem(path, folder) for path in candidates]
    for path, problem in zip(candidates, problems, strict=True):
        if not problem:
            return path
    shown = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."
    for path in candidates:
        called = images_called(path) if path.name and path.suffix.lower() not in IMAGE_SUFFIXES else []
        of_called = [_problem(file, folder) for file in called]
        found = [file for file, problem in zip(called, of_called, strict=True) if not problem]
        if len(found) > 1:
            raise ImageNotFoundError(
                f"{found[0]} and {found[1].name}: both may be image {image_id}, which is {shown} in the annotations."
                " Give the extension there, or keep one of the files.",
                "several files may be meant",
            )
        if found:
            return found[0]
        problems += of_called
    problem = next((problem for problem in problems if problem != _MISSING), _MISSING)
    raise ImageNotFoundError(
        f"{Path(folder, shown)}: {problem}, but image {image_id} has this name in the annotations."
        " Let `images` name the folder where it is.",
        problem,
    )


def image_size(path: PathLike) -> tuple[int, int]:
    """(height, width) in pixels of a picture as it is stored; only the head of the file is read.

    Raises:
        ValueError: when the file is no image; the message names it.
    """
    try:
        with Image.open(path) as file:
            return file.height, file.width
    except Exception as error:  # Pillow's decoders meet damaged files with errors of every kind
        raise ValueError(f"{path}: not a picture that can be read ({error}).") from error


def load_image(image: ImageFile, content: bytes | None = None) -> Tensor:
    """The pixels of an image, ``(3, H, W)`` uint8.

    They are as stored, which is what COCO annotates; only where the annotations give the size of the picture
    turned as its EXIF orientation says, it is turned.

    Args:
        image: which.
        content: of the file, where it was read already.

    Raises:
        ValueError: when the file is no image, is damaged, has more than 8 bits a channel, or has another size than
            its annotations say; the message names the file.
    """
    try:
        with Image.open(image.path if content is None else io.BytesIO(content)) as file:
            stored, mode = (file.height, file.width), file.mode
            turned = file.getexif().get(ExifTags.Base.Orientation, 1) >= 5
            turn = turned and image.size == stored[::-1] != stored
            pixels = np.array((ImageOps.exif_transpose(file) if turn else file).convert("RGB"))
    except Exception as error:  # Pillow's decoders meet damaged files with errors of every kind
        raise ValueError(f"{image.path}: not a picture that can be read ({error}).") from error
    if mode == "F" or mode.startswith("I"):
        raise ValueError(f"{image.path}: has more than 8 bits a channel (Pillow's mode {mode}). Convert it to 8 bits.")
    if image.size not in (None, pixels.shape[:2]):
        height, width = pixels.shape[:2]
        raise ValueError(
            f"{image.path}: is {width} x {height} pixels (width x height), but the annotations of image"
            f" {image.image_id} say {image.size[1]} x {image.size[0]}. Correct them, or give the picture they are for."
        )
    return torch.from_numpy(pixels).permute(2, 0, 1)


def read_ahead(
    batches: Iterable[Sequence[ImageFile]],
) -> Iterator[tuple[Sequence[ImageFile], Iterator[tuple[Tensor, str]]]]:
    """Each batch with its pixels and digests, which are read while the batch before it is in use."""
    with ThreadPoolExecutor() as pool:
        waiting: deque[tuple[Sequence[ImageFile], Iterator[tuple[Tensor, str]]]] = deque()
        for batch in batches:
            waiting.append((batch, pool.map(_read, batch)))
            if len(waiting) > 1:
                yield waiting.popleft()
        yield from waiting


def _read(file: ImageFile) -> tuple[Tensor, str]:
    """The pixels of an image, and the digest of the very bytes they are from."""
    try:
        content = file.path.read_bytes()
    except OSError as error:
        raise ValueError(f"{file.path}: cannot be read ({error.strerror}).") from error
    return load_image(file, content), hashlib.sha256(content).hexdigest()


def _problem(path: Path, folder: PathLike) -> str:
    """Why there is no such file in a folder; empty if there is."""
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
        return "" if is_file and is_inside(path, folder) else "lies outside the folder" if is_file else "is no file"
    except (FileNotFoundError, NotADirectoryError):
        return "is a link that leads nowhere" if path.is_symlink() else _MISSING
    except OSError as error:  # 300 letters, links in a circle
        return str(error.strerror).lower()
    except ValueError:  # a lone half of a character, a NUL
        return "no file can have this name"
