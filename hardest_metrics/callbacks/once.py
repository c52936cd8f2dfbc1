"""What goes wrong beside a training is said once, and the training goes on."""

from collections.abc import Iterator
from contextlib import contextmanager

from lightning_utilities.core.rank_zero import rank_zero_warn


class Once:
    """Warns of each thing only once.

    Args:
        who: warns.
    """

    def __init__(self, who: str) -> None:
        self.who = who
        self._warned: set[str] = set()

    def warn(self, what: str, message: str) -> None:
        """Warn, if not yet of this.

        Args:
            what: it is about.
            message: what to say, beginning with what follows the name of who warns.
        """
        if what not in self._warned:
            self._warned.add(what)
            rank_zero_warn(f"{self.who} {message}")

    @contextmanager
    def going_on(self, what: str, doing: str) -> Iterator[None]:
        """Where what is done inside fails, say so once and let the training go on."""
        try:
            yield
        except Exception as error:  # loggers raise whatever their services do
            self.warn(what, f"could not {doing}: {type(error).__name__}: {error}. The run goes on.")
