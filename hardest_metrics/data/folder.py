"""Files in folders: which count, and where an image is whose extension nobody knows."""

from collections.abc import Iterator
from pathlib import Path

#: Of images, in lower case.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp")


def visible_files(folder: Path) -> Iterator[Path]:
    """All files in a folder and its subfolders but those whose name, or a folder's, starts with a dot.

    So do the files that macOS leaves beside others on foreign disks, and what editors and version control keep.
    """
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from visible_files(path)
        else:
            yield path


def images_called(path: Path) -> list[Path]:
    """The image files that a path without extension may mean, none where there is none."""
    for suffixes in (IMAGE_SUFFIXES, [suffix.upper() for suffix in IMAGE_SUFFIXES]):
        found = [file for suffix in suffixes if (file := path.with_name(path.name + suffix)).is_file()]
        if found:
            return found
    return []
