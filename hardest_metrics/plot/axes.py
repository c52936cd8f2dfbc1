"""Where plots are drawn."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def given_or_new(ax: "Axes | None") -> "Axes":
    """The axes given, or those of a new figure.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('Plots need matplotlib: pip install "hardest_metrics[plot]".') from error
    return plt.subplots(layout="constrained")[1]
