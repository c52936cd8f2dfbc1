"""How far stated probabilities are from how often detections are right."""

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from hardest_metrics.plot.axes import given_or_new, line_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Bins(Protocol):
    """What is drawn, see :class:`hardest_metrics.calibration.Reliability`."""

    @property
    def number(self) -> Tensor:
        """``(B,)`` int64."""

    @property
    def probability(self) -> Tensor:
        """``(B,)`` float64."""

    @property
    def precision(self) -> Tensor:
        """``(B,)`` float64."""

    @property
    def error(self) -> float:
        """Expected calibration error."""


def plot_reliability(reliability: Bins, ax: "Axes | None" = None, label: str | None = None) -> "tuple[Figure, Axes]":
    """Draw the precision of detections over their probability, a marker a bin.

    Bars show the 95 % confidence interval of each precision (Wilson's): long where detections are few.

    Args:
        reliability: what to draw; call again with the same `ax` to compare, such as before and after calibration.
        ax: what to draw on; None for a new figure.
        label: what the legend calls it.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.

    Example:
        >>> import torch
        >>> from hardest_metrics.calibration import reliability
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60]])
        >>> preds = [{"boxes": boxes, "scores": torch.tensor([0.75, 0.25]), "labels": torch.tensor([1, 1])}]
        >>> target = [{"boxes": boxes[:1], "labels": torch.tensor([1])}]
        >>> figure, axes = plot_reliability(reliability(preds, target))
    """
    ax = given_or_new(ax)
    drawn = len(ax.containers)
    if not drawn:
        ax.plot([0, 1], [0, 1], color="gray", linestyle=":", linewidth=1.5, label="as stated")
    number = reliability.number.double()
    kept = number > 0
    low, high = interval(reliability.precision[kept], number[kept])
    y = reliability.precision[kept]
    ax.errorbar(
        reliability.probability[kept].cpu().numpy(),
        y.cpu().numpy(),
        yerr=torch.stack((y - low, high - y)).clamp(min=0).cpu().numpy(),
        label=f"{label or 'detections'} ({int(number.sum())}), expected calibration error {reliability.error:.3f}",
        capsize=3,
        elinewidth=1,
        **line_styles(drawn + 1)[drawn],
    )
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_aspect("equal")
    ax.set_xlabel("Stated probability of a detection to be right")
    ax.set_ylabel("Share of detections that are right")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), fontsize="small", frameon=False)
    return ax.get_figure(), ax  # type: ignore[return-value]


def interval(share: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
    """Wilson's 95 % interval of a share: not empty where it is 0 or 1."""
    z2 = 1.96**2
    middle = (share + z2 / (2 * number)) / (1 + z2 / number)
    half = (z2 * share * (1 - share) / number + z2**2 / (4 * number**2)).sqrt() / (1 + z2 / number)
    return middle - half, middle + half
