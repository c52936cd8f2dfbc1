"""Which rankings say the same."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from hardest_metrics.alignment import join
from hardest_metrics.functional.agreement import spearman
from hardest_metrics.plot.axes import given_or_new
from hardest_metrics.ranking import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_correlation(rankings: Mapping[str, Ranking], ax: "Axes | None" = None) -> "tuple[Figure, Axes]":
    """Draw the matrix of Spearman's rank correlation between rankings, such as those of several definitions.

    Each cell is labelled with its number; the brighter, the more two rankings agree. A correlation with a constant is
    undefined and shown as a dash.

    Args:
        rankings: of the same images, by the name that the axes give them.
        ax: what to draw on; None for a new figure, as large as the matrix needs.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
        ValueError: if there are no rankings, or if two don't rank the same images, see
            :func:`~hardest_metrics.alignment.join`.

    Example:
        >>> import torch
        >>> ids = torch.arange(3)
        >>> rankings = {
        ...     "misses": Ranking.of(ids, torch.tensor([3.0, 0, 2])),
        ...     "false alarms": Ranking.of(ids, torch.tensor([1.0, 0, 2])),
        ... }
        >>> figure, axes = plot_correlation(rankings)
        >>> [text.get_text() for text in axes.texts]
        ['1.00', '0.50', '0.50', '1.00']
    """
    if not rankings:
        raise ValueError("`rankings` is empty: give at least one ranking.")
    names = list(rankings)
    values = torch.tensor(
        [[float(spearman(*join(rankings[row], rankings[column]))) for column in names] for row in names]
    )
    ax = given_or_new(ax, size=(4 + 0.5 * len(names), 3 + 0.5 * len(names)))
    image = ax.imshow(values.numpy(), vmin=-1, vmax=1, cmap="cividis")
    for row, column in torch.cartesian_prod(torch.arange(len(names)), torch.arange(len(names))).tolist():
        value = float(values[row, column])
        text = "–" if value != value else f"{value:.2f}"
        ax.text(
            column, row, text, ha="center", va="center", color="white" if value < 0.2 else "black", fontsize="small"
        )
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(names)), names)
    figure = ax.get_figure()
    figure.colorbar(image, ax=ax, label="Spearman's rank correlation (no unit)", shrink=0.8)  # type: ignore[union-attr]
    return figure, ax  # type: ignore[return-value]
