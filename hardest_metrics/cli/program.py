"""Which command runs, and how its errors are told."""

import io
import os
import re
import sys
from argparse import ArgumentError
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from jsonargparse import Namespace

from hardest_metrics import __version__
from hardest_metrics.cli.options import PROGRAM, as_options, new_parser, option
from hardest_metrics.cli.terminal import printable

#: Every command and what it does. Its module here, of the same name, has a ``parser()`` and a ``run(options)``.
COMMANDS = {
    "rank": "rank images by a detector's errors, with labels or without",
    "compare": "tell how far rankings without labels can be trusted",
    "calibrate": "learn how often detections of a score are right",
    "detect": "run a torchvision detector over images",
    "report": "write a page to look through images and rankings",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the arguments; None for those of the process.

    Returns:
        The exit code: 0, or 2 when options or files are not as they should be, which one line on stderr
        explains. 1 when nobody reads what it prints any more, 130 when interrupted.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # file names may hold what the terminal cannot show
    options: Namespace | None = None
    try:
        command, options = parse(sys.argv[1:] if argv is None else argv)
        _module(command).run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # what is left must go somewhere when the interpreter flushes it; rich does the same and exits with 1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ValueError) as error:
        print(f"{PROGRAM}: error: {_one_line(error, options)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def parse(argv: Sequence[str]) -> tuple[str, Namespace]:
    """The command that arguments name, and its options.

    Raises:
        ValueError: if they are not understood.
    """
    # Users of jsonargparse write --top_k, everyone else --top-k
    argv = [re.sub("^--[^=]+", lambda name: name[0].replace("_", "-"), argument) for argument in argv]
    chosen = argv[0] if argv and argv[0] in COMMANDS else None
    parser = new_parser(
        prog=PROGRAM,
        description="Rank the images of a data set by how hard they are for a detector.",
        version=__version__,
    )
    commands = parser.add_subcommands(dest="command", metavar="COMMAND")
    for name, does in COMMANDS.items():
        # the others are listed only: their modules need not be imported
        commands.add_subcommand(name, _module(name).parser() if name == chosen else new_parser(), help=does)
    try:
        parsed = parser.parse_args(argv)
    except ArgumentError as error:
        message = str(error)
        wrong_type = re.search(r"\"(\w+)\"(?: element \d+)?:\s*Expected an? <class '(\w+)'>\. Got value: (.*)", message)
        if wrong_type:
            name, kind, value = wrong_type.groups()
            message = f"{option(name)} must be {'a whole number' if kind == 'int' else 'a number'}, but is {value!r}"
        see = f"{PROGRAM} {chosen} --help" if chosen else f"{PROGRAM} --help"
        raise ValueError(f"{message.rstrip('.')}, see {see}.") from error
    return parsed.command, parsed[parsed.command]


def _module(command: str) -> Any:
    return import_module(f"hardest_metrics.cli.{command}")


def _one_line(error: Exception, options: Namespace | None) -> str:
    """What an error says, arguments of functions named as the options they come from."""
    text = str(error)
    if isinstance(error, OSError) and error.filename and error.strerror:
        text = f"{error.filename}: {error.strerror}"
    return " ".join(printable(as_options(text, options)).split())
