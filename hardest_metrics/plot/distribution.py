"""How hardness is distributed over images."""

from typing import TYPE_CHECKING

import torch

from hardest_metrics.plot.axes import given_or_new
from hardest_metrics.ranking import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_distribution(ranking: Ranking, ax: "Axes | None" = None, name: str = "Hardness") -> "tuple[Figure, Axes]":
    """Draw a histogram of hardness over the images of a ranking.

    Hardness that takes few whole values (a number of errors) gets a bar for each; other hardness 30 bins.

    Args:
        ranking: what to draw.
        ax: what to draw on; None for a new figure.
        name: what the hardness is called on its axis.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
    """
    ax = given_or_new(ax)
    hardness = ranking.hardness.double().cpu()
    whole = len(hardness) > 0 and bool((hardness == hardness.round()).all())
    counts = whole and float(hardness.min()) >= 0 and float(hardness.max()) < 50
    bins = torch.arange(-0.5, float(hardness.max()) + 1).tolist() if counts else 30
    ax.hist(hardness.numpy(), bins=bins, color="tab:blue", edgecolor="white", linewidth=0.5)
    if len(hardness):
        mean = float(hardness.mean())
        ax.axvline(mean, color="black", linestyle="--", linewidth=1, label=f"mean {mean:.3g}")
        ax.legend()
    ax.set_xlabel(f"{name} of an image" + (" (number of errors)" if counts else " (sum of weights)"))
    ax.set_ylabel("Number of images")
    ax.set_title(f"{len(hardness)} images")
    return ax.get_figure(), ax  # type: ignore[return-value]
