"""What is said of input that can be used, but may not mean what it seems to."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class InputWarning(UserWarning):
    """Input that was taken as it is, or in part, and why somebody should look at it."""


@contextmanager
def quietly() -> Iterator[None]:
    """Without warnings of input, where all that there is to say is said elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        yield
