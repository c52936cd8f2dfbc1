"""Where plots are drawn, how they are titled, how their lines are told apart, and what is written of them."""

import io
import textwrap
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that differ in lightness too (seaborn's "colorblind" without the two that don't), dashes and markers of
# different period: a line keeps its look in greyscale, and no two of the first 60 look alike.
_COLORS = ("#0173b2", "#de8f05", "#029e73", "#ca3f4c", "#56b4e9")
_DASHES = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)))
_MARKERS = ("o", "s", "^", "D", "v", "P")


def given_or_new(ax: "Axes | None", size: tuple[float, float] | None = None) -> "Axes":
    """The axes given, or those of a new figure.

    Args:
        ax: None for a new figure.
        size: width and height in inches of a new figure; None for matplotlib's own.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('Plots need matplotlib: pip install "hardest_metrics[plot]".') from error
    return plt.subplots(layout="constrained", figsize=size)[1]


def put_title(figure: "Figure", title: str, size: str = "large") -> None:
    """Title a figure. Names in a title, such as those of detectors, are text and no formulas, whatever they hold.

    Args:
        figure: what to title.
        title: shown as it is, dollar signs too, in as many lines as it needs.
        size: of the letters, as matplotlib names it.
    """
    text = figure.suptitle("", fontsize=size, parse_math=False)
    letter = 0.65 * float(text.get_fontsize()) / 72  # width in inches: wider than most, so that lines fit
    text.set_text(textwrap.fill(title, int(figure.get_figwidth() / letter)))


def encode_figure(figure: "Figure") -> bytes:
    """The content of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def line_styles(number: int) -> list[dict[str, Any]]:
    """Arguments of ``Axes.plot`` for each of some lines, told apart by dashes and markers besides colour."""
    looks = zip(cycle(_COLORS), cycle(_DASHES), cycle(_MARKERS))
    return [
        {"color": color, "linestyle": dashes, "linewidth": 1.5, "marker": marker, "markersize": 5}
        for color, dashes, marker in islice(looks, number)
    ]
