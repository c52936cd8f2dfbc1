"""What commands show: progress on stderr, results on stdout."""

import sys
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hardest_metrics.input_warning import InputWarning


def printable(text: str) -> str:
    r"""One line of text that cannot steer a terminal: a space for each letter that is not to be seen.

    Example:
        >>> printable("a\x1b[2Jb\nc")
        'a [2Jb c'
    """
    return "".join(letter if letter.isprintable() else " " for letter in text)


def counted(number: int, noun: str) -> str:
    """A number of things.

    Example:
        >>> counted(1, "image"), counted(2, "image")
        ('1 image', '2 images')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@contextmanager
def noted() -> Iterator[list[str]]:
    """What is said of input within the block, once it has ended: for the notes of a command, each once."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InputWarning)
        yield notes
    notes += dict.fromkeys(str(one.message) for one in caught if issubclass(one.category, InputWarning))
    for other in caught:
        if not issubclass(other.category, InputWarning):
            warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)


def progress_bar() -> Progress:
    """Progress while it lasts; nothing where nobody looks."""
    terminal = Console(stderr=True)
    terminal.quiet = not terminal.is_terminal  # rich before 15 ends a bar that is disabled with an empty line
    return Progress(console=terminal, disable=terminal.quiet, transient=True)


def add_columns(table: Table, names: Sequence[str], texts: Collection[str] = (), left: Collection[str] = ()) -> None:
    """Columns that fit into narrow terminals without breaking the words above them, nor numbers below.

    Args:
        table: gets them.
        names: of the columns, a word a line.
        texts: those that hold text of any length, which is folded where there is no room; beside them nothing is.
        left: those that are aligned to the left.
    """
    for name in names:
        header, justify = "\n".join(name.split()), "left" if name in left else "right"
        if name in texts:
            longest = max(map(len, name.split()))
            table.add_column(header, justify=justify, overflow="fold", min_width=longest)  # type: ignore[arg-type]
        else:
            table.add_column(header, justify=justify, no_wrap=True)  # type: ignore[arg-type]


def results_console() -> Console:
    """Where results are printed. Where nobody looks, nothing needs to be cut or wrapped."""
    return Console(width=None if sys.stdout.isatty() else 10_000, highlight=False, markup=False, emoji=False)
