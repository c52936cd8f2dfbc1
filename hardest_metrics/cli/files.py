"""Files that commands read and write, checked before anything is done."""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from jsonargparse import Namespace

from hardest_metrics.cli.options import PROGRAM
from hardest_metrics.cli.terminal import printable
from hardest_metrics.data.atomic import atomic_write, remove_unfinished
from hardest_metrics.data.lock import alone


class Output(NamedTuple):
    """A file to be written.

    Attributes:
        path: the file.
        option: the option that names it.
        suffixes: how its name may end.
    """

    path: str
    option: str
    suffixes: tuple[str, ...]


def require_package(name: str, extra: str, what: str) -> None:
    """Refuse to begin what needs a package that is not installed.

    Args:
        name: of the package, as it is imported.
        extra: of this package, which brings it.
        what: needs it.
    """
    if importlib.util.find_spec(name) is None:
        raise ValueError(f'{what} needs {name}, which is not installed: pip install "hardest_metrics[{extra}]".')


def check_inputs(paths: Sequence[str]) -> None:
    """Refuse files and folders that are missing."""
    for path in paths:
        if not Path(path).exists():
            raise ValueError(f"{path}: no such file. Check the path.")


def check_images_folder(folder: str | None) -> None:
    """Refuse a folder of images that is not there."""
    if folder and not Path(folder).is_dir():
        raise ValueError(f"{folder}: no such folder, but `images` names it. Check the path.")


def check_out_folder(path: str) -> None:
    """Refuse a folder to write to that is a file, cannot be made, or cannot be written to."""
    out = Path(path)
    folder = out if out.exists() else out.absolute().parent
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out}: is a file, but `out` names a folder to write to. Choose another one.")
    if not folder.is_dir():
        raise ValueError(f"{out}: the folder that it is in does not exist. Create it, or choose another one.")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{folder}: cannot be written to, but `out` is to be there. Choose another one.")


def write_into(folder: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """Write files into a folder, folders in it made where absent; a hash of each by its name."""
    for inner in {(folder / name).parent for name in files}:
        remove_unfinished(inner)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(content)
    return {name: sha256(content).hexdigest() for name, content in files.items()}


def ranking_outputs(options: Namespace) -> list[Output]:
    """The files of rankings and pictures that a command was asked for."""
    outputs = [Output(path, "out", (".csv", ".json", ".parquet")) for path in options.out]
    return outputs + ([Output(options.grid, "grid", (".png",))] if options.grid else [])


def write_ranked(
    options: Namespace,
    write: Callable[[str], None],
    pictures: Mapping[str, bytes],
    further: Mapping[str, Callable[[str], None]] | None = None,
) -> list[str]:
    """Write what :func:`ranking_outputs` names, and more; the paths of all files written.

    Args:
        options: of the command.
        write: writes the ranking to a path.
        pictures: the content of each picture, by path.
        further: by the path of another file, what writes it.
    """
    further = further or {}
    written = [*options.out, *further, *pictures]
    with written_alone(written):
        for path in options.out:
            write(path)
        for path, write_it in further.items():
            write_it(path)
        for path, content in pictures.items():
            with atomic_write(path) as file:
                file.write(content)
    return written


def check_outputs(outputs: Sequence[Output], inputs: Sequence[str], made: Sequence[str] = ()) -> None:
    """Refuse files that can't be written, or would overwrite an input or each other.

    Args:
        outputs: to be written.
        inputs: to be read.
        made: folders that the command makes where they are absent; whether it can is not looked at here.
    """
    made = [os.path.realpath(folder) for folder in made]
    taken = {os.path.realpath(path) for path in inputs}
    for path, name, suffixes in outputs:
        suffix = Path(path).suffix.lower()
        folder = Path(os.path.realpath(path)).parent
        if suffix not in suffixes:
            raise ValueError(f"{path}: `{name}` writes {', '.join(suffixes)}. End the file's name so.")
        if suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
            raise ValueError(f'{path}: Parquet needs pyarrow: pip install "hardest_metrics[parquet]", or write CSV.')
        if Path(path).is_dir():
            raise ValueError(f"{path}: is a folder. Give the path of a file to `{name}`.")
        if str(folder) in made and not folder.exists():
            continue
        if not folder.is_dir():
            raise ValueError(f"{path}: its folder does not exist. Create it, or choose another one.")
        if not os.access(folder, os.W_OK):
            raise ValueError(f"{path}: its folder cannot be written to. Choose another one.")
        if os.path.realpath(path) in taken:
            raise ValueError(f"{path}: would overwrite a file of this very command. Give `{name}` another name.")
        taken.add(os.path.realpath(path))


@contextmanager
def written_alone(paths: Sequence[str]) -> Iterator[None]:
    """Let no other process write to these files meanwhile, so that all are of one run; tidy up after killed ones."""
    with alone(paths, say_waiting):
        for folder in {Path(os.path.realpath(path)).parent for path in paths}:
            remove_unfinished(folder)
        yield


def say_waiting(path: Path) -> None:
    """Say what is waited for."""
    print(f"{PROGRAM}: Waiting for another run that writes to {printable(str(path))}", file=sys.stderr)
