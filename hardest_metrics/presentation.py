"""How metrics and rankings show themselves: as text, in `help()` and in notebooks."""

import html
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

#: What a metric tells its base of itself: no argument of those who use it.
_OF_THE_BASE = {"settings", "reads"}

#: A section of a docstring in Google's form that tells of arguments, up to the next line that is not indented.
_OF_ARGUMENTS = re.compile(r"^(?:Args|Raises|Warns):\n(?:(?: .*)?\n)+", re.MULTILINE)


def arguments(cls: type) -> Iterator[inspect.Parameter]:
    """What a class takes by name, and what its bases take as long as each passes its ``**kwargs`` on."""
    seen = set(_OF_THE_BASE)
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        _, *parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        for parameter in parameters:
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) and parameter.name not in seen:
                seen.add(parameter.name)
                yield parameter
        if not any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters):
            return


def settings_text(cls: type, value_of: Callable[[str], object]) -> str:
    """The arguments of a call of the class, but those that are what they are by default: ``"weighting='pixel'"``.

    Args:
        cls: the class.
        value_of: gives the value of an argument; raises AttributeError if it is not known.
    """
    shown = []
    for parameter in arguments(cls):
        try:
            value = value_of(parameter.name)
        except AttributeError:
            continue
        if parameter.default is parameter.empty:
            shown.append(_text(value))
        elif not _same(value, parameter.default):
            shown.append(f"{parameter.name}={_text(value)}")
    return ", ".join(shown)


def with_inherited_arguments(cls: type) -> str | None:
    """The docstring of a class; with the arguments of the base that takes them, where it takes none of its own."""
    own = vars(cls).get("__doc__")
    if own is None or "__init__" in vars(cls) or _OF_ARGUMENTS.search(inspect.cleandoc(own) + "\n"):
        return cls.__doc__
    base = next(base for base in cls.__mro__ if "__init__" in vars(base))
    sections = _OF_ARGUMENTS.findall(inspect.cleandoc(base.__doc__ or "") + "\n")
    body, example, rest = (inspect.cleandoc(own) + "\n").partition("\nExample:\n")
    return "\n".join([body.rstrip("\n") + "\n", *(part.rstrip("\n") + "\n" for part in sections)]) + example + rest


def ranking_text(image_ids: "Tensor", hardness: "Tensor", shown: int = 3) -> str:
    """A ranking in a line: how many images, and the hardest of them."""
    head = zip(image_ids[:shown].tolist(), hardness[:shown].tolist(), strict=True)
    images = ", ".join(f"{image_id} ({value:.4g})" for image_id, value in head)
    more = ", ..." if len(image_ids) > shown else ""
    return f"Ranking({number_of_images(len(image_ids))}{', hardest first: ' if images else ''}{images}{more})"


def ranking_table(image_ids: "Tensor", hardness: "Tensor", shown: int = 10) -> str:
    """A ranking as an HTML table: the hardest images, and how many more there are."""
    head = zip(image_ids[:shown].tolist(), hardness[:shown].tolist(), strict=True)
    rows = [_row("td", (rank, image_id, f"{value:.6g}")) for rank, (image_id, value) in enumerate(head, 1)]
    more = f"<p>and {len(image_ids) - shown:,} more</p>" if len(image_ids) > shown else ""
    return (
        f"<table><caption>{number_of_images(len(image_ids))}, hardest first</caption>"
        f"<thead>{_row('th', ('rank', 'image_id', 'hardness'))}</thead><tbody>{''.join(rows)}</tbody></table>{more}"
    )


def number_of_images(number: int) -> str:
    """In words, such as ``"1 image"``."""
    return "1 image" if number == 1 else f"{number} images"


def counts_in_words(counts: Mapping[str, float]) -> str:
    """What there is of each of several things, the most first; nothing of none.

    Example:
        >>> counts_in_words({"localisation": 1, "background": 0, "missed": 2})
        '2 missed, 1 localisation'
    """
    most = sorted((name for name, number in counts.items() if number), key=lambda name: -counts[name])
    return ", ".join(f"{counts[name]:.0f} {name}" for name in most)


def _row(tag: str, values: Sequence[object]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(str(value))}</{tag}>' for value in values)}</tr>"


def _text(value: object) -> str:
    if callable(value) and hasattr(value, "__name__"):  # a function: where it lies in memory tells nobody anything
        return str(value.__name__)
    if type(value).__repr__ is object.__repr__:
        return f"{type(value).__name__}(...)"
    return repr(value)


def _same(value: object, default: object) -> bool:
    # by text: what `==` gives of tensors, arrays and metrics is neither true nor false
    numbers = isinstance(value, int | float) and isinstance(default, int | float)
    return value == default if numbers else _text(value) == _text(default)
