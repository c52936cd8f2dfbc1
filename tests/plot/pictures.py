"""What a drawn figure looks like without colour."""

import io
import warnings
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image


def looks(ax: Axes) -> list[tuple[Any, ...]]:
    """What tells the lines of the legend apart besides their colour."""
    _, names = ax.get_legend_handles_labels()
    lines = [line for line in ax.lines if line.get_label() in names]
    return [(str(line.get_linestyle()), line._dash_pattern, str(line.get_marker())) for line in lines]  # type: ignore[attr-defined]


def in_grey(figure: Figure) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """``(H, W)`` brightness of the figure as it is saved; a text that does not fit is a warning, so an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    return np.asarray(Image.open(buffer).convert("L"))


def texts(ax: Axes) -> str:
    """All that is written on axes."""
    legend = ax.get_legend()
    parts = [ax.get_xlabel(), ax.get_ylabel(), ax.get_title(), *(text.get_text() for text in ax.texts)]
    return "\n".join([*parts, *([text.get_text() for text in legend.get_texts()] if legend else [])])
