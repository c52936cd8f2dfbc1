"""Which image is meant: ids that are numbers or text, and file names."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import PurePosixPath

from hardest_metrics.numbering import Identifier
from hardest_metrics.numbering import image_number as image_number  # which this package exports


def posix(name: str) -> str:
    r"""A file name with ``/`` between its parts, whichever system wrote it.

    Example:
        >>> posix(r"images\x.png"), posix("./images//x.png")
        ('images/x.png', 'images/x.png')
    """
    return PurePosixPath(name.replace("\\", "/")).as_posix()


class KnownImages:
    r"""The images of a data set, to be found by what files of detections call them.

    A name means an image if it is its file name; else if one of both is the end of the other, folder by folder; else
    if it is so once the extension that only one of them has is taken off. So ``x.png``, ``x`` and ``images/x.png`` mean
    ``images\x.png``, as long as they mean no other image.

    Args:
        ids: of the images, as their source gives them.
        file_names: likewise.

    Example:
        >>> known = KnownImages([7, 8], ["images/x.png", "images/y.png"])
        >>> known.place(8), known.place("y"), known.place(7, "y.png"), known.place(9)
        (1, 1, 1, -1)
    """

    #: Instead of a place: nothing is known of the image; its id and its file name mean different images; its file
    #: name may mean several, and its id says no more than that name.
    UNKNOWN, CONTRADICTORY, AMBIGUOUS = -1, -2, -3

    def __init__(self, ids: Sequence[Identifier], file_names: Sequence[str]) -> None:
        self.ids, self.file_names = ids, file_names
        self._place_of_id: dict[object, int] = {identifier: place for place, identifier in enumerate(ids)}

    def place(self, image_id: object, file_name: object = None) -> int:
        """The place of the image in the set; below 0 one of the constants of this class.

        Args:
            image_id: an id, or the file name of just one image.
            file_name: where it is given, it decides: programs that make up ids from names know nothing of the set's.
        """
        place = self._place_of_id.get(image_id, self.UNKNOWN)
        if place < 0 and isinstance(image_id, str):
            found = self._named(image_id)
            place = found[0] if len(found) == 1 else self.UNKNOWN
        if not isinstance(file_name, str):
            return place
        found = self._named(file_name)
        if len(found) == 1:
            return found[0]
        if place < 0:
            return self.UNKNOWN
        if found:
            repeats = str(image_id) == (_stem(file_name).lstrip("0") or "0")
            return self.CONTRADICTORY if place not in found else self.AMBIGUOUS if repeats else place
        own = self.file_names[place]
        nameless = own == str(self.ids[place])
        return place if nameless or _stem(own) == _stem(file_name) else self.CONTRADICTORY

    def _named(self, name: str) -> Sequence[int]:
        """The places of all images that a name may mean."""
        whole, bare = self._names
        name = posix(name)
        without = _without_extension(name)
        return whole.meant_by(name) or bare.meant_by(name) or (whole.meant_by(without) if without != name else ())

    @cached_property
    def _names(self) -> "tuple[_Paths, _Paths]":
        paths = list(map(posix, self.file_names))
        return _Paths(paths), _Paths(list(map(_without_extension, paths)))


class _Paths:
    """Places by path, and by the ends of paths."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._whole: dict[str, list[int]] = defaultdict(list)
        self._end: dict[str, list[int]] = defaultdict(list)
        for place, path in enumerate(paths):
            self._whole[path].append(place)
            for end in _ends(path):
                self._end[end].append(place)

    def meant_by(self, name: str) -> Sequence[int]:
        for places in (self._whole.get(name), self._end.get(name), *map(self._whole.get, _ends(name))):
            if places:
                return places
        return ()


def _ends(path: str) -> Iterable[str]:
    """What is left of a path without its first folder, its first two, ..."""
    while "/" in path:
        path = path.partition("/")[2]
        yield path


def _without_extension(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return folder + slash + PurePosixPath(name).stem


def _stem(name: str) -> str:
    return PurePosixPath(posix(name)).stem
