"""How a model learns the images of a set: how sure it is of each over the epochs, and how steadily."""

from typing import TYPE_CHECKING

from torch import Tensor

from hardest_metrics.plot.axes import given_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_data_map(
    confidence: Tensor, variability: Tensor, correctness: Tensor, epochs: Tensor, ax: "Axes | None" = None
) -> "tuple[Figure, Axes]":
    """Draw a data map: each image at how variable and how high the probability of its label was over the epochs.

    Easy images are at the top left, ambiguous ones to the right, and hard ones, mislabelled ones among them, at the
    bottom left. The share of epochs in which an image was right is told by colour. After Swayamdipta et al., *Dataset
    Cartography*, EMNLP 2020.

    Args:
        confidence: ``(N,)`` mean probability of the label, in [0, 1].
        variability: ``(N,)`` its standard deviation.
        correctness: ``(N,)`` in how many epochs the image was right.
        epochs: ``(N,)`` of how many.
        ax: what to draw on; None for a new figure.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
        ValueError: if lengths differ, or `confidence` was never told.

    Example:
        >>> import torch
        >>> right = torch.tensor([5, 2, 0])
        >>> confidence, variability = torch.tensor([0.9, 0.5, 0.1]), torch.tensor([0.05, 0.3, 0.1])
        >>> figure, axes = plot_data_map(confidence, variability, right, torch.full((3,), 5))
    """
    lengths = {len(values) for values in (confidence, variability, correctness, epochs)}
    if len(lengths) > 1:
        raise ValueError(f"All must be of one length, one number an image, but they have {sorted(lengths)}.")
    if confidence.isnan().any():
        raise ValueError("`confidence` is NaN: a data map needs the probability of the label, told in every epoch.")
    ax = given_or_new(ax, (6.4, 5.2))
    share = (correctness.double() / epochs.clamp(min=1)).cpu()
    number = len(share)
    drawn = ax.scatter(
        variability.cpu(), confidence.cpu(), c=share, cmap="viridis", vmin=0, vmax=1,
        s=14 if number < 2000 else 4, alpha=0.7, linewidths=0, rasterized=True,
    )  # fmt: skip
    bar = ax.figure.colorbar(drawn, ax=ax)
    bar.set_label("Share of epochs in which the image was right")
    ax.set_xlim(-0.01, max(0.51, float(variability.max()) + 0.01 if number else 0.0))
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel("Variability (standard deviation of the label's probability)")
    ax.set_ylabel("Confidence (mean probability of the label)")
    ax.set_title(f"{number} images, {int(epochs.max()) if number else 0} epochs")
    return ax.get_figure(), ax  # type: ignore[return-value]
