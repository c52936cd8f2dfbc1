"""How hardness is distributed over images."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from hardest_metrics.plot.axes import given_or_new
from hardest_metrics.presentation import number_of_images
from hardest_metrics.ranking import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_distribution(
    ranking: Ranking | Sequence[Ranking], ax: "Axes | None" = None, name: str = "Hardness"
) -> "tuple[Figure, Axes]":
    """Draw a histogram of hardness over the images of a ranking, or a box for each of several rankings.

    Hardness that takes few whole values (a number of errors) gets a bar for each; other hardness 30 bins. A box reaches
    from the lower to the upper quartile, with a line at the median and a marker at the mean; whiskers from the 5th to
    the 95th percentile.

    Args:
        ranking: what to draw; several, such as of each epoch, in their order.
        ax: what to draw on; None for a new figure.
        name: what the hardness is called on its axis.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
        ValueError: if there are no rankings.
    """
    if not isinstance(ranking, Ranking):
        return _plot_steps(ranking, ax, name)
    ax = given_or_new(ax)
    hardness = ranking.hardness.double().cpu()
    whole = len(hardness) > 0 and bool((hardness == hardness.round()).all())
    counts = whole and float(hardness.min()) >= 0 and float(hardness.max()) < 50
    bins = torch.arange(-0.5, float(hardness.max()) + 1).tolist() if counts else 30
    ax.hist(hardness.numpy(), bins=bins, color="tab:blue", edgecolor="white", linewidth=0.5)
    if len(hardness):
        mean = float(hardness.mean())
        ax.axvline(mean, color="black", linestyle="--", linewidth=1, label=f"mean {mean:.3g}")
        ax.legend(loc="upper right")  # few images are very hard; to look for the best place takes seconds of many bars
    ax.set_xlabel(f"{name} of an image" + (" (number of errors)" if counts else ""))
    ax.set_ylabel("Number of images")
    ax.set_title(number_of_images(len(hardness)))
    return ax.get_figure(), ax  # type: ignore[return-value]


def _plot_steps(rankings: Sequence[Ranking], ax: "Axes | None", name: str) -> "tuple[Figure, Axes]":
    if not rankings:
        raise ValueError("There are no rankings to draw: give at least one.")
    ax = given_or_new(ax)
    drawn = ax.boxplot(
        [ranking.hardness.double().cpu().numpy() for ranking in rankings],
        positions=range(len(rankings)),
        whis=(5, 95),
        showfliers=False,
        showmeans=True,
        patch_artist=True,
        boxprops={"facecolor": "tab:blue", "alpha": 0.4},
        medianprops={"color": "black"},
        meanprops={"marker": "D", "markersize": 5, "markerfacecolor": "black", "markeredgecolor": "black"},
    )
    ax.legend([drawn["medians"][0], drawn["means"][0]], ["median", "mean"], loc="upper left")
    ax.set_xlabel("Step")
    ax.set_ylabel(f"{name} of an image")
    numbers = sorted({len(ranking.hardness) for ranking in rankings})
    ax.set_title(
        number_of_images(numbers[-1]) if len(numbers) == 1 else f"{numbers[0]} to {number_of_images(numbers[-1])}"
    )
    return ax.get_figure(), ax  # type: ignore[return-value]
