"""Files of a classifier's logits (.npy, Parquet) and of its labels (CSV, a folder of images by class)."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hardest_metrics.data.array_file import read_array
from hardest_metrics.data.identity import KnownImages
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.data.table import FILE_COLUMNS, ID_COLUMNS, Table
from hardest_metrics.numbering import Identifier

#: What a column of labels is called.
_LABELS = ("label", "target")

_MOST_NAMED = 10


class LogitsFile(NamedTuple):
    """Logits of images, and what the file calls these.

    Attributes:
        logits: ``(N, K)`` floating point.
        ids: of the images, or their file names; None where the file has none.
    """

    logits: Tensor
    ids: list[Identifier] | None


class LabelledImages(NamedTuple):
    """Images and their classes.

    Attributes:
        ids: as the source has them; None where it has none.
        file_names: likewise.
        labels: class numbers.
        classes: their names, where the source has any.
    """

    ids: list[Identifier] | None
    file_names: list[str] | None
    labels: list[int]
    classes: list[str] | None

    @property
    def names(self) -> list[Identifier] | None:
        """Whatever tells which image is which."""
        return self.ids if self.ids is not None else None if self.file_names is None else [*self.file_names]


def read_logits(path: PathLike) -> LogitsFile:
    """Read logits over classes, one row an image.

    - ``.npy``: an array ``(N, K)`` of floating point, as ``numpy.save`` writes it.
    - ``.parquet``: a column ``logits`` of lists of K numbers, or a column of numbers for each class, in their order;
      besides, if wished, ``image_id`` (integers or text) or ``file_name``.

    Args:
        path: the file.

    Raises:
        ModuleNotFoundError: for Parquet when pyarrow is not installed.
        OSError: when it cannot be read.
        ValueError: when it is no such file; the message names the remedy.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "logits.npy")
        >>> np.save(path, np.zeros((5, 3), dtype=np.float32))
        >>> read_logits(path).logits.shape
        torch.Size([5, 3])
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".npy", ".parquet"):
        raise ValueError(f"{path}: logits are read from .npy and .parquet. Write one of these.")
    array, ids = (read_array(path, "logits"), None) if suffix == ".npy" else _of_parquet(path)
    return LogitsFile(torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="))), ids)


def read_labels(path: PathLike) -> LabelledImages:
    r"""Read the classes of images.

    - A CSV file with a column ``label`` (or ``target``) of class numbers, and, if wished, ``image_id`` (integers or
      text) and ``file_name``.
    - A folder with a subfolder of images for each class, as ``torchvision.datasets.ImageFolder`` reads it: classes by
      name, images by class and name. File names are those below the folder.

    Args:
        path: the file or folder.

    Raises:
        OSError: when it cannot be read.
        ValueError: when it is neither; the message names line and remedy.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "labels.csv")
        >>> written = path.write_text("file_name,label\na.jpg,3\nb.jpg,0\n")
        >>> read_labels(path)
        LabelledImages(ids=None, file_names=['a.jpg', 'b.jpg'], labels=[3, 0], classes=None)
    """
    return _of_folder(Path(path)) if Path(path).is_dir() else _of_csv(path)


def in_order_of(labelled: LabelledImages, logits: LogitsFile, labels_path: PathLike, path: PathLike) -> Tensor:
    """The logits in the order of the labels: by what both call images, else by position.

    Args:
        labelled: the labels.
        logits: of the same images, each once.
        labels_path: the file that the labels are from.
        path: the file that the logits are from.

    Raises:
        ValueError: when they are of different images; the message names the files and some images.
    """
    number = len(labelled.labels)
    if labelled.names is None or logits.ids is None:
        if len(logits.logits) != number:
            raise ValueError(
                f"{path}: has logits of {len(logits.logits)} images, but {labels_path} has labels of {number}. Give one"
                " row an image to both, in the same order, or ids to both."
            )
        return logits.logits
    known = KnownImages(labelled.names, labelled.file_names or list(map(str, labelled.names)))
    places = [known.place(identifier) for identifier in logits.ids]
    unknown = [identifier for identifier, place in zip(logits.ids, places, strict=True) if place < 0]
    if unknown:
        raise ValueError(
            f"{path}: {_some(unknown)} not among the images of {labels_path}. Give labels of the same set."
        )
    rows = np.full(number, -1)
    rows[places] = np.arange(len(places))
    if len(places) != len(set(places)):
        again = Counter(places).most_common(1)[0][0]
        raise ValueError(f"{path}: image {labelled.names[again]!r} comes twice. Leave one out.")
    if (rows < 0).any():
        missing = [labelled.names[int(place)] for place in np.flatnonzero(rows < 0)]
        raise ValueError(
            f"{path}: lacks {_some(missing)} of {labels_path}. Give logits of all images that have labels."
        )
    return logits.logits[torch.from_numpy(rows)]


def _some(images: Sequence[Identifier]) -> str:
    shown = ", ".join(map(repr, images[:_MOST_NAMED]))
    return f"{len(images)} image(s), {shown}{', ...' if len(images) > _MOST_NAMED else ''},"


def _of_parquet(path: PathLike) -> tuple[Any, list[Identifier] | None]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'Parquet needs pyarrow: pip install "hardest_metrics[parquet]", or write .npy.'
        ) from error
    try:
        table = parquet.read_table(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: cannot be read as Parquet ({error}). Write it again.") from error
    named = [name for name in (*ID_COLUMNS, *FILE_COLUMNS) if name in table.column_names]
    ids = table[named[0]].to_pylist() if named else None
    if ids is not None and not all(isinstance(one, int | str) for one in ids):
        raise ValueError(f"{path}: column {named[0]!r} must hold integers or text only. Fill or drop it.")
    others = [name for name in table.column_names if name not in named]
    if others == ["logits"] and (
        pa.types.is_list(table.schema.field("logits").type)
        or pa.types.is_large_list(table.schema.field("logits").type)
        or pa.types.is_fixed_size_list(table.schema.field("logits").type)
    ):
        column = table["logits"].combine_chunks()
        lengths = set(column.value_lengths().to_pylist()) if len(column) else {0}
        if len(lengths) > 1 or None in lengths:
            raise ValueError(f"{path}: 'logits' must hold lists of one length, one number a class. Write it again.")
        return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1), ids
    kinds = {name: table.schema.field(name).type for name in others}
    wrong = [name for name, kind in kinds.items() if not pa.types.is_floating(kind)]
    if wrong or not others:
        found = f"column {wrong[0]!r} is {kinds[wrong[0]]}" if wrong else "has no logits"
        raise ValueError(
            f"{path}: {found}, but must hold 'logits', a column of lists, or a floating-point column for each class,"
            f" besides {ID_COLUMNS[0]!r} or {FILE_COLUMNS[0]!r}."
        )
    return np.stack([table[name].to_numpy() for name in others], axis=1), ids


def _of_csv(path: PathLike) -> LabelledImages:
    table = Table(path)
    label = next((name for name in _LABELS if name in table.header), None)
    if label is None:
        raise ValueError(
            f"{path}: no column {_LABELS[0]!r} or {_LABELS[1]!r}, but {', '.join(map(repr, table.header))}. Name that"
            f" of the class numbers {_LABELS[0]!r}."
        )
    return LabelledImages(table.identifiers(), table.file_names(), table.whole(label), None)


def _of_folder(folder: Path) -> LabelledImages:
    from torchvision.datasets.folder import IMG_EXTENSIONS, find_classes, make_dataset

    try:
        classes, numbers = find_classes(str(folder))
        samples = make_dataset(str(folder), numbers, IMG_EXTENSIONS)
    except FileNotFoundError as error:  # of torchvision, which names neither file nor remedy
        raise ValueError(f"{folder}: must hold a folder of images for each class. {error}") from error
    names = [Path(path).relative_to(folder).as_posix() for path, _ in samples]
    return LabelledImages(None, names, [label for _, label in samples], classes)
