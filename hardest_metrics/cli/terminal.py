"""What commands show: progress on stderr, results on stdout."""

import sys

from rich.console import Console
from rich.progress import Progress


def progress_bar() -> Progress:
    """Progress while it lasts; nothing where nobody looks."""
    terminal = Console(stderr=True)
    return Progress(console=terminal, disable=not terminal.is_terminal, transient=True)


def results_console() -> Console:
    """Where results are printed. Where nobody looks, nothing needs to be cut or wrapped."""
    return Console(width=None if sys.stdout.isatty() else 10_000, highlight=False, markup=False, emoji=False)
