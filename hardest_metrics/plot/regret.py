"""How much hardness is met by labelling some of the images."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hardest_metrics.alignment import join
from hardest_metrics.functional.agreement import cumulative_hardness
from hardest_metrics.plot.axes import given_or_new, line_styles
from hardest_metrics.ranking import Ranking

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


def plot_regret(
    estimated: Mapping[str, Ranking], true: Ranking, ax: "Axes | None" = None, name: str = "hardness"
) -> "tuple[Figure, Axes]":
    """Draw the true hardness met against the labelling budget, of one or several rankings.

    Images are labelled from the estimated hardest down, those of equal estimate in no order. A perfect ranking and a
    random one are drawn for comparison; the distance from the perfect curve is the regret. Curves differ by dashes and
    markers besides colour.

    Args:
        estimated: rankings by the name that the legend gives them.
        true: what they are judged by, the same images as in each.
        ax: what to draw on; None for a new figure.
        name: what the hardness is called on its axis.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
        ValueError: if `estimated` and `true` don't rank the same images, see
            :func:`~hardest_metrics.alignment.join`, or if `true` has no hardness at all.

    Example:
        >>> import torch
        >>> true = Ranking.of(torch.arange(4), torch.tensor([3.0, 0.0, 2.0, 1.0]))
        >>> estimated = Ranking.of(torch.arange(4), torch.tensor([0.9, 0.1, 0.2, 0.3]))
        >>> figure, axes = plot_regret({"score sampling": estimated}, true)
    """
    joined = {label: join(ranking, true) for label, ranking in estimated.items()}
    perfect = cumulative_hardness(true.hardness, true.hardness).cpu()
    if not len(perfect) or not perfect[-1]:
        raise ValueError("`true` has no hardness to be met: there is nothing to draw.")
    ax = given_or_new(ax)

    def in_percent(met: Tensor) -> "NDArray[np.float64]":
        return torch.cat((met.new_zeros(1), 100 * met / perfect[-1])).numpy()

    budget = torch.linspace(0, 100, len(perfect) + 1).numpy()
    ax.plot(budget, in_percent(perfect), color="black", linewidth=1.5, label="perfect")
    for index, (style, (label, pair)) in enumerate(zip(line_styles(len(joined)), joined.items(), strict=True)):
        places = (0.02 * index % 0.12, 0.12)  # a marker every so often, on each line elsewhere
        ax.plot(budget, in_percent(cumulative_hardness(*pair).cpu()), label=label, markevery=places, **style)
    ax.plot([0, 100], [0, 100], color="gray", linewidth=1.5, linestyle=":", label="random")
    ax.axhline(50, color="gray", linewidth=0.5)  # median query count is read off here
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 102)
    ax.set_xlabel(f"Labelling budget (% of {len(perfect)} images)")
    ax.set_ylabel(f"Share of total {name} met (%)")
    ax.legend(loc="lower right")
    return ax.get_figure(), ax  # type: ignore[return-value]
