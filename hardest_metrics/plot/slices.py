"""How hard images are by what is known of them."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hardest_metrics.plot.axes import given_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LONGEST = 40  # letters of a slice's name


def plot_slices(
    rows: Sequence[tuple[str, float, float, float]],
    overall: float,
    title: str = "",
    ax: "Axes | None" = None,
) -> "tuple[Figure, Axes]":
    """Draw mean hardness by slice with its interval, a line a slice, beside that of all images.

    Args:
        rows: of each slice its name, mean, and the ends of the interval, NaN for none; drawn from top to bottom.
        overall: mean hardness of all images.
        title: above the plot.
        ax: what to draw on; None for a new figure, as high as the slices need.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.

    Example:
        >>> figure, axes = plot_slices([("fog", 3.5, 2.0, 5.0), ("sun", 0.5, 0.0, 1.0)], overall=2.0)
        >>> [label.get_text() for label in axes.get_yticklabels()]
        ['fog', 'sun']
    """
    ax = given_or_new(ax, size=(7, 1.4 + 0.3 * max(len(rows), 2)))
    ax.axvline(overall, color="black", linestyle="--", linewidth=1)
    for place, (_, mean, low, high) in enumerate(rows):
        if not math.isnan(low):
            ax.plot([low, high], [place, place], color="tab:blue", linewidth=2)
        ax.plot(mean, place, "o", color="tab:blue", markersize=6)
    names = [name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name, *_ in rows]
    ax.set_yticks(range(len(rows)), names, parse_math=False)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel(f"Mean hardness with 95 % bootstrap interval; dashed: {overall:.3g}, of all images")
    ax.set_title(title, parse_math=False)
    return ax.get_figure(), ax  # type: ignore[return-value]
