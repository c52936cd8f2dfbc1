"""What detectors are called. Needs no torch."""

from collections.abc import Sequence
from pathlib import Path


def detector_names(files: Sequence[str]) -> list[str]:
    """A name for the detector of each file: the file's without folder and suffix, with a number where others have it.

    Names differ in more than case, so that each may name a folder.

    Example:
        >>> detector_names(["a/yolo.json.gz", "b/yolo.json", "b/detr.json"])
        ['yolo', 'yolo-2', 'detr']
    """
    names: list[str] = []
    taken: set[str] = set()
    for file in files:
        stem = Path(Path(file).name.removesuffix(".gz")).stem.strip(". ") or "detections"
        name, number = stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}"
        names.append(name)
        taken.add(name.casefold())
    return names
