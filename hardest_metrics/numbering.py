"""Numbers for images whose ids are text."""

from collections.abc import Iterable
from hashlib import sha256

#: What a file may have for an id.
Identifier = int | str


def image_number(name: str) -> int:
    """The number that stands for an image whose id is text: metrics keep integers.

    It follows from the text alone, so that it is the same in every file, batch, process and run. It is a hash of 63
    bits, never negative: that two of a billion images get the same has a chance of one in twenty. Programs that have no
    integers but float64 cannot hold it.

    Args:
        name: the id, or the file name.

    Example:
        >>> image_number("a.jpg")
        2904125369912386013
    """
    return int.from_bytes(sha256(name.encode(errors="surrogatepass")).digest()[:8], "big") >> 1


def numbers_of(ids: Iterable[Identifier]) -> list[int]:
    """The ids as metrics keep them: numbers as they are, text by :func:`image_number`."""
    return [image_number(identifier) if isinstance(identifier, str) else identifier for identifier in ids]


def named_numbers(ids: Iterable[Identifier]) -> tuple[list[int], dict[int, str]]:
    """The ids as metrics keep them, and by its number what each that is text is called.

    Raises:
        ValueError: if two texts have the same number.
    """
    given = list(ids)
    numbers, names = numbers_of(given), dict[int, str]()
    for number, identifier in zip(numbers, given, strict=True):
        if isinstance(identifier, str) and names.setdefault(number, identifier) != identifier:
            raise ValueError(f"The ids {names[number]!r} and {identifier!r} have the same number: rename one image.")
    return numbers, names
