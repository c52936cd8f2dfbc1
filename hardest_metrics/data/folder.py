"""Files in folders: which count, and where an image is whose extension nobody knows."""

import os
from collections.abc import Iterator
from pathlib import Path

#: Of images, in lower case.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp")


def visible_files(folder: Path, links_out: bool = True, below: Path | None = None) -> Iterator[Path]:
    """All files in a folder and its subfolders but those whose name, or a folder's, starts with a dot.

    So do the files that macOS leaves beside others on foreign disks, and what editors and version control keep. Links
    to folders in the folder are passed over: their files have names of their own. So are those to a folder that they
    are in.

    Args:
        folder: the folder.
        links_out: follow links to folders elsewhere.
        below: the subfolder to begin in.

    Raises:
        OSError: when it cannot be read.
        ValueError: when a link leads to a folder elsewhere, and these are not to be followed.
    """
    for path in (below or folder).iterdir():
        if path.name.startswith("."):
            continue
        if not path.is_dir():
            yield path
        elif not path.is_symlink():
            yield from visible_files(folder, links_out, path)
        elif is_inside(path, folder):
            continue
        elif not links_out:
            raise leads_out(path)
        elif not is_inside(path.parent, path):
            yield from visible_files(folder, links_out, path)


def is_inside(path: Path, folder: str | os.PathLike[str]) -> bool:
    """Whether a file or folder, once all links are followed, is in a folder or below."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def leads_out(path: Path) -> ValueError:
    """The error to raise about a link in a folder of images."""
    return ValueError(
        f"{path}: is a link that leads out of the folder `images`. Copy what it leads to, or give the folder that holds"
        " both."
    )


def images_called(path: Path) -> list[Path]:
    """The image files that a path without extension may mean, none where there is none."""
    for suffixes in (IMAGE_SUFFIXES, [suffix.upper() for suffix in IMAGE_SUFFIXES]):
        found = [file for suffix in suffixes if _is_file(file := path.with_name(path.name + suffix))]
        if found:
            return found
    return []


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False
