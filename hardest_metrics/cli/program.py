"""Which command runs, and how its errors are told."""

import errno
import io
import os
import re
import sys
import warnings
from argparse import ArgumentError
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from jsonargparse import Namespace

from hardest_metrics import __version__
from hardest_metrics.cli.options import PROGRAM, as_options, new_parser, option
from hardest_metrics.cli.terminal import printable

_LONGEST = 1000  # letters of an error; most of what is longer was given by users, or lists what there is

#: Every command and what it does. Its module here, of the same name, has a ``parser()`` and a ``run(options)``, which
#: may give an exit code.
COMMANDS = {
    "rank": "rank images by a detector's errors, with labels or without",
    "compare": "tell how far rankings without labels can be trusted",
    "calibrate": "learn how often detections of a score are right",
    "detect": "run a torchvision detector over images",
    "retrieve": "rank queries by how badly they retrieve their relatives",
    "transfer": "tell which pretrained model to start from",
    "report": "write a page to look through images and rankings",
    "history": "list the runs that were kept, and what papers claim",
    "regress": "tell what got worse from one run to another, as a gate",
    "diff": "tell what a detector gets wrong that an older one got right",
    "demo": "show all of it on data that it makes itself",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the arguments; None for those of the process.

    Returns:
        The exit code: 0; 2 when options or files are not as they should be, which one line on stderr explains; 3
        when `regress` or `diff` finds what is worse than allowed. 1 when nobody reads what it prints any more, 130
        when interrupted.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # file names may hold what the terminal cannot show
    if argv is None and not sys.warnoptions:
        warnings.simplefilter("ignore")  # of libraries: whoever runs a command can do nothing about them
    options: Namespace | None = None
    try:
        command, options = parse(sys.argv[1:] if argv is None else argv)
        code: int = _module(command).run(options) or 0
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()  # rich does the same and exits with 1
        return 1
    except (MemoryError, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, RuntimeError) and not _lacks_memory(error):
            raise
        print(f"{PROGRAM}: error: {_one_line(error, options)}", file=sys.stderr)
        if _is_of_output(error):
            _drop_output()
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def parse(argv: Sequence[str]) -> tuple[str, Namespace]:
    """The command that arguments name, and its options.

    Raises:
        ValueError: if they are not understood.
    """
    # Users of jsonargparse write --top_k, everyone else --top-k
    argv = [re.sub("^--[^=]+", lambda name: name[0].replace("_", "-"), argument) for argument in argv]
    for argument in argv:
        name, equals, value = argument.partition("=")
        if equals and value == "--":  # argparse takes it for no value at all, and lets that pass
            raise ValueError(f"{name} must be given a value, but '--' is none.")
    chosen = argv[0] if argv and argv[0] in COMMANDS else None
    parser = new_parser(
        prog=PROGRAM,
        description="Rank the images of a data set by how hard they are for a detector, or to retrieve.",
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
    if isinstance(error, OSError) and error.strerror:
        where = "standard output" if _is_of_output(error) else error.filename
        text = f"{where}: {error.strerror}" if where else error.strerror
    elif isinstance(error, MemoryError) or _lacks_memory(error):
        text = "there is not enough memory for this. Give it less at a time, or run it on a larger machine."
    line = " ".join(printable(as_options(text, options)).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST * 2 // 3]} [...] {line[-_LONGEST // 3 :]}"


def _is_of_output(error: Exception) -> bool:
    """Whether what is printed could not be written: files that could not are named."""
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return isinstance(error, OSError) and error.filename is None and error.errno in full


def _lacks_memory(error: Exception) -> bool:
    """Whether it says so in the way of torch, which has no error for it."""
    return "can't allocate memory" in str(error) or "out of memory" in str(error)


def _drop_output() -> None:
    """Let what is left to be printed go nowhere, so that the interpreter has nothing to say of it in the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
