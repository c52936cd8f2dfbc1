"""Images whose classes form a tree, for retrieval: the data set that all readers of such sets give."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.datasets.folder import IMG_EXTENSIONS

from hardest_metrics.data.json_file import PathLike
from hardest_metrics.data.table import Table, is_integer_text
from hardest_metrics.functional.retrieval.labels import torn_rows


class HierarchicalImage(NamedTuple):
    """One image of :class:`HierarchicalImages`; a loader stacks them to one of batches.

    Attributes:
        image: what the transform gives; without one, a PIL image in RGB.
        labels: ``(L,)`` int64, finest level first.
        image_id: its place in the data set.
    """

    image: Any
    labels: Tensor
    image_id: int


class HierarchicalImages(Dataset[HierarchicalImage]):
    """Image files and their labels at all levels of a tree.

    A reader of a set of one's own derives from it, finds files and labels, and hands them on. Nothing is downloaded.

    Args:
        files: one an image.
        labels: ``(N, L)`` int64, finest level first: images that are equal at a level are equal at all coarser ones.
        transform: from a PIL image in RGB to what a loader is to stack.
        class_names: by level, the name of each label; None for their numbers.
        n_queries: of the images, the first are queries, and the rest the gallery that they are looked up in; None where
            each image is both.

    Attributes:
        files: as given.
        labels: as given.
        transform: as given.
        class_names: as given, or the labels' numbers.
        n_queries: as given.

    Raises:
        TypeError: when labels are not int64.
        ValueError: when there are no images, or not as many labels; or when labels are no tree: the message names two
            files.

    Example:
        >>> images = HierarchicalImages(["tom.jpg", "rex.jpg"], torch.tensor([[7, 0], [4, 0]]))
        >>> len(images), images.num_classes
        (2, 2)
        >>> images.renumber().labels
        tensor([[1, 0],
                [0, 0]])
    """

    def __init__(
        self,
        files: Sequence[PathLike],
        labels: Tensor,
        transform: Callable[[Image.Image], Any] | None = None,
        class_names: Sequence[Mapping[int, str]] | None = None,
        n_queries: int | None = None,
    ) -> None:
        if labels.dtype != torch.int64:
            raise TypeError(f"labels must be int64, but are {labels.dtype}.")
        if labels.ndim != 2 or not labels.numel() or len(labels) != len(files):
            raise ValueError(f"labels must be ({len(files)}, L), one row a file, but are {tuple(labels.shape)}.")
        if n_queries is not None and not 0 < n_queries < len(files):
            raise ValueError(f"n_queries={n_queries}: must leave both queries and a gallery of {len(files)} images.")
        self.files = [Path(file) for file in files]
        self.labels = labels
        self.transform = transform
        self.class_names: list[Mapping[int, str]] = list(
            class_names or ({label: str(label) for label in level.unique().tolist()} for level in labels.T)
        )
        self.n_queries = n_queries
        if (torn := torn_rows(labels)) is not None:
            row, other, level = torn
            raise ValueError(
                f"labels are no tree: {files[row]} has {labels[row].tolist()} and {files[other]} "
                f"{labels[other].tolist()}, equal at level {level}, but not at level {level + 1}, which is coarser. "
                "Give labels finest level first, and other ones to classes of other parents."
            )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> HierarchicalImage:
        with Image.open(self.files[index]) as file:
            image: Any = file.convert("RGB")
        return HierarchicalImage(
            image if self.transform is None else self.transform(image), self.labels[index], range(len(self))[index]
        )

    @property
    def class_labels(self) -> Tensor:
        """``(C, L)``: the labels of each class of the finest level, in order of that."""
        rows: Tensor = self.labels.unique(dim=0)
        return rows

    @property
    def num_classes(self) -> int:
        """How many classes there are at the finest level."""
        return len(self.labels[:, 0].unique())

    def renumber(self) -> "HierarchicalImages":
        """Number the classes that occur at each level 0, 1, ... in the order of their labels, and give the data set.

        Losses with a proxy a class ask for that of the set they are trained on.
        """
        columns, names = list[Tensor](), list[Mapping[int, str]]()
        for level, known in zip(self.labels.T, self.class_names, strict=True):
            classes, column = level.unique(return_inverse=True)
            columns.append(column)
            names.append({number: known[label] for number, label in enumerate(classes.tolist())})
        self.labels, self.class_names = torch.stack(columns, dim=1), names
        return self


class HierarchicalFolder(HierarchicalImages):
    """Images in nested folders, one a class: ``folder/animal/cat/tom.jpg`` is a cat, and an animal.

    Labels number the folders of each depth in alphabetical order of their paths. Images are told by their suffix; names
    that start with a dot are passed over.

    Args:
        folder: with images all at the same depth, at least one folder below it.
        transform: see :class:`HierarchicalImages`.

    Raises:
        OSError: when the folder is missing.
        ValueError: when it has no images, or images at several depths.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("animal/cat/tom.png", "animal/dog/rex.png", "tool/saw/1.png"):
        ...     (folder / name).parent.mkdir(parents=True)
        ...     Image.new("RGB", (4, 4)).save(folder / name)
        >>> images = HierarchicalFolder(folder)
        >>> images.labels.tolist(), images.class_names[1]
        ([[0, 0], [1, 0], [2, 1]], {0: 'animal', 1: 'tool'})
    """

    def __init__(self, folder: PathLike, transform: Callable[[Image.Image], Any] | None = None) -> None:
        root = Path(folder)
        if not root.is_dir():
            raise NotADirectoryError(f"{folder}: no such folder. Check the path.")
        found = (Path(parent, name) for parent, _, names in os.walk(root, followlinks=True) for name in names)
        visible = (path.relative_to(root) for path in found if not path.name.startswith("."))
        files = sorted(path for path in visible if path.suffix.lower() in IMG_EXTENSIONS)
        if not files:
            raise ValueError(f"{folder}: no images in it. Give a folder of classes, each a folder of images.")
        depth = len(files[0].parts) - 1
        for file in files:
            if len(file.parts) != depth + 1 or not depth:
                raise ValueError(
                    f"{root / file}: lies in {len(file.parts) - 1} folders below {folder}, and {files[0]} in {depth}. "
                    "Put all images into as many folders, one a level, at least one."
                )
        labels, names = number_classes([file.parents[:depth] for file in files])
        super().__init__(
            [root / file for file in files],
            labels,
            transform,
            [{label: path.name for label, path in level.items()} for level in names],
        )


class HierarchicalCSV(HierarchicalImages):
    r"""Images that a CSV file lists, with a column for each level of labels.

    Labels that are integers are kept. Others are numbered in alphabetical order.

    Args:
        table: the file, with a header.
        folder: what its file names are relative to; by default the folder that it lies in.
        file_column: name of the column of file names.
        level_columns: names of the columns of labels, finest level first; by default all others, in their order.
        transform: see :class:`HierarchicalImages`.

    Raises:
        OSError: when the file cannot be read.
        ValueError: when it is not as it should be; the message names it, the line and the remedy.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "labels.csv")
        >>> written = path.write_text("file,species,kind\ntom.jpg,cat,animal\n1.jpg,saw,tool\nrex.jpg,dog,animal\n")
        >>> images = HierarchicalCSV(path)
        >>> images.labels.tolist(), images.class_names[0]
        ([[0, 0], [2, 1], [1, 0]], {0: 'cat', 1: 'dog', 2: 'saw'})
    """

    def __init__(
        self,
        table: PathLike,
        folder: PathLike | None = None,
        file_column: str = "file",
        level_columns: Sequence[str] | None = None,
        transform: Callable[[Image.Image], Any] | None = None,
    ) -> None:
        read = Table(table)
        names = read.texts(file_column)
        levels = [name for name in read.header if name != file_column] if level_columns is None else level_columns
        if not levels:
            raise ValueError(f"{table}: no levels in it. Add a column for each level of labels.")
        columns, class_names = zip(*(level_of([read], level) for level in levels), strict=True)
        root = Path(table).parent if folder is None else Path(folder)
        super().__init__([root / name for name in names], torch.stack(columns, dim=1), transform, list(class_names))


def level_of(tables: Sequence[Table], name: str) -> tuple[Tensor, dict[int, str]]:
    """A level of labels, of the rows of several tables one after the other.

    Labels that are all integers are kept; others are numbered in alphabetical order.

    Args:
        tables: that hold it.
        name: of its column.

    Returns:
        ``(N,)`` int64, and what each label is called.
    """
    texts = [text for table in tables for text in table.texts(name)]
    if all(map(is_integer_text, texts)):
        numbers = torch.tensor([number for table in tables for number in table.whole(name)])
        return numbers, {label: str(label) for label in numbers.unique().tolist()}
    numbered, (names,) = number_classes([(text,) for text in texts])
    return numbered[:, 0], names


def number_classes(keys: Sequence[Sequence[Any]]) -> tuple[Tensor, list[dict[int, Any]]]:
    """Number the classes of each level in the order of their keys.

    Args:
        keys: for each image one a level, finest level first.

    Returns:
        Labels ``(N, L)``, and by level the key of each label.

    Example:
        >>> number_classes([("cat", "animal"), ("saw", "tool")])
        (tensor([[0, 0],
                [1, 1]]), [{0: 'cat', 1: 'saw'}, {0: 'animal', 1: 'tool'}])
    """
    columns, names = [], []
    for level in zip(*keys, strict=True):
        number = {key: label for label, key in enumerate(sorted(set(level)))}
        columns.append(torch.tensor([number[key] for key in level]))
        names.append({label: key for key, label in number.items()})
    return torch.stack(columns, dim=1), names
