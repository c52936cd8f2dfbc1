"""Options of commands that look at runs that were kept."""

from typing import Any

from hardest_metrics.cli.terminal import printable


def add_store_option(group: Any) -> None:
    """Where runs are kept."""
    group.add_argument(
        "--store", metavar="FILE",
        help="where runs are kept (default: HARDEST_METRICS_STORE of the environment, else hardest_metrics.db)",
    )  # fmt: skip


def shown(value: float) -> str:
    """A result in a table.

    Example:
        >>> shown(0.6333333), shown(float("nan"))
        ('0.6333', '-')
    """
    return "-" if value != value else f"{value:.4g}"


def listed(keys: list[Any]) -> str:
    """All of some keys, one after the other."""
    return ", ".join(printable(str(key)) for key in keys) or "none"
