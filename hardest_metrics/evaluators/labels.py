"""The classes of images by key, wherever they are written down."""

import re
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hardest_metrics.data.digest import read_bytes
from hardest_metrics.data.json_file import PathLike, is_integer, kind, load_json
from hardest_metrics.data.logits_file import read_labels
from hardest_metrics.input_warning import InputWarning
from hardest_metrics.numbering import Identifier

#: ImageNet's file of the classes of its validation images, a line each, and the file that says what they are.
GROUND_TRUTH, META = "ILSVRC2012_validation_ground_truth.txt", "meta.mat"

_KEY = "ILSVRC2012_val_{:08d}"

#: What may be given for labels: classes by key, an integer or text, or a file or folder of them.
LabelSource = Mapping[Any, int] | PathLike


def class_labels(source: LabelSource) -> dict[Identifier, int]:
    """Classes by key.

    - A mapping from keys to class numbers.
    - A CSV file with a column ``label`` (or ``target``) and ``image_id`` or ``file_name``.
    - A JSON file: one object with a class number for each key.
    - ImageNet's ``ILSVRC2012_validation_ground_truth.txt``: line 1 is ``ILSVRC2012_val_00000001``, and so on. Its
      classes are numbered in the order of the development kit. Where the kit's ``meta.mat`` lies beside it, they are
      numbered by the names of their WordNet synsets, as torchvision and most models have it.
    - A folder with that file in it, or with a folder of images for each class; keys are then the names of the files
      without folder and extension.

    Args:
        source: one of these.

    Raises:
        ModuleNotFoundError: when ``meta.mat`` is to be read and scipy is not installed.
        OSError: when a file cannot be read.
        TypeError, ValueError: when it is none of these; the message names place and remedy.

    Example:
        >>> class_labels({"a.jpg": 3})
        {'a.jpg': 3}
    """
    if isinstance(source, Mapping):
        return {_plain(key): _checked(label, f"`labels` of {key!r}") for key, label in source.items()}
    path = Path(source)
    if path.is_dir():
        inside = [path / name for name in (GROUND_TRUTH, f"data/{GROUND_TRUTH}") if (path / name).is_file()]
        return _of_ground_truth(inside[0]) if inside else _of_folder(path)
    if path.suffix.lower() == ".txt":
        return _of_ground_truth(path)
    if path.suffix.lower() == ".json":
        return _of_json(path)
    if path.suffix.lower() != ".csv":
        raise ValueError(f"{path}: labels are read from .csv, .json, ImageNet's {GROUND_TRUTH} and folders.")
    labelled = read_labels(path)
    if labelled.names is None:
        raise ValueError(f"{path}: has no column 'image_id' or 'file_name', by which images are known. Add one.")
    return _distinct(dict(zip(labelled.names, labelled.labels, strict=True)), labelled.names, path)


def _distinct(labels: dict[Identifier, int], keys: list[Identifier], path: Path) -> dict[Identifier, int]:
    if len(labels) < len(keys):
        again, number = Counter(keys).most_common(1)[0]
        raise ValueError(f"{path}: image {again!r} is there {number} times. Give each image a key of its own.")
    return labels


def _of_folder(folder: Path) -> dict[Identifier, int]:
    labelled = read_labels(folder)
    keys: list[Identifier] = [Path(name).stem for name in labelled.file_names or ()]
    return _distinct(dict(zip(keys, labelled.labels, strict=True)), keys, folder)


def _of_json(path: Path) -> dict[Identifier, int]:
    document = load_json(path)
    if not isinstance(document, dict):
        raise ValueError(f"{path}: is {kind(document)}, but must be an object with a class number for each key.")
    return {key: _checked(label, f"{path}: the label of {key!r}") for key, label in document.items()}


def _of_ground_truth(path: Path) -> dict[Identifier, int]:
    lines = read_bytes(path).decode("ascii", "replace").split()
    wrong = next((number for number, line in enumerate(lines, 1) if not re.fullmatch(r"[1-9]\d{0,3}", line)), None)
    if wrong is not None or not lines:
        found = f"line {wrong} is {lines[wrong - 1]!r}" if wrong else "the file is empty"
        raise ValueError(f"{path}: {found}, but must be a class from 1. Give {GROUND_TRUTH} as it is.")
    classes = [int(line) for line in lines]
    meta = path.with_name(META)
    if meta.is_file():
        places = _by_synset(meta)
        unknown = next((number for number in classes if number not in places), None)
        if unknown is not None:
            raise ValueError(f"{path}: has class {unknown}, which {meta} does not list. Give files of one kit.")
        labels = [places[number] for number in classes]
    else:
        warnings.warn(
            f"{path}: its classes are numbered in the order of the development kit, which is not that of torchvision"
            f" and most models: put the kit's {META} beside it, so that they are.",
            InputWarning,
            stacklevel=3,
        )
        labels = [number - 1 for number in classes]
    return {_KEY.format(number): label for number, label in enumerate(labels, 1)}


def _by_synset(meta: Path) -> dict[int, int]:
    """The place by name of the synset of each class of the development kit, among those that are classes."""
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'{meta}: to read it, scipy is needed: pip install "hardest_metrics[evaluators]".'
        ) from error
    try:
        synsets: Any = loadmat(str(meta), squeeze_me=True)["synsets"]
        leaves = [
            (str(synset["WNID"]), int(synset["ILSVRC2012_ID"])) for synset in synsets if not int(synset["num_children"])
        ]
    except Exception as error:  # of a damaged file anything
        raise ValueError(f"{meta}: cannot be read ({error}). Give the file of the development kit.") from error
    return {number: place for place, (_, number) in enumerate(sorted(leaves))}


def _checked(label: Any, what: str) -> int:
    plain = _plain(label)
    if not is_integer(plain) or int(plain) < 0:
        raise ValueError(f"{what} must be a class number from 0, but is {label!r}.")
    return int(plain)


def _plain(value: Any) -> Any:
    """A value of numpy or torch as Python has it."""
    return value.item() if hasattr(value, "item") else value
