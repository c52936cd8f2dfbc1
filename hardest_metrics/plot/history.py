"""How hardness changes while a detector is trained."""

import os
import re
from typing import TYPE_CHECKING

from hardest_metrics.plot.axes import given_or_new, line_styles

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SCALARS = ("mean", "p95", "share_in_error")


def plot_history(
    log: "str | os.PathLike[str] | pd.DataFrame", tag: str, ax: "Axes | None" = None
) -> "tuple[Figure, Axes]":
    """Draw hardness against the epoch: mean and 95th percentile, and the share of images in error.

    The data are the scalars that :class:`~hardest_metrics.HardestImages` logs, as Lightning's ``CSVLogger`` writes them
    to ``metrics.csv``. Of several validations in an epoch the last counts.

    Args:
        log: that file, or a table of its columns: ``epoch``, ``val/TotalFalse/mean``, ``val/TotalFalse/p95`` and so on.
        tag: what the callback calls the metric: ``"val/TotalFalse"``, with several validation loaders
            ``"val/TotalFalse/loader_1"`` for the second, whose columns are ``val/TotalFalse/mean/loader_1`` and so on.
        ax: what to draw on, for hardness; the share has an axis of its own on the right. None for a new figure.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
        OSError: if the file cannot be read.
        ValueError: if the log lacks a column; the message names the tags that it has.

    Example:
        >>> import pandas as pd
        >>> columns = {"val/TotalFalse/mean": [3.1, 1.2], "val/TotalFalse/p95": [7.0, 4.5]}
        >>> log = pd.DataFrame({"epoch": [0, 1], **columns, "val/TotalFalse/share_in_error": [0.9, 0.6]})
        >>> figure, axes = plot_history(log, "val/TotalFalse")
    """
    import pandas as pd  # here: half a second that most runs never need

    table = log if isinstance(log, pd.DataFrame) else pd.read_csv(log)
    of_loader = re.fullmatch(r"(.+/.+)(/loader_\d+)", tag)
    name, suffix = of_loader.groups() if of_loader else (tag, "")
    columns = {f"{name}/{scalar}{suffix}": scalar for scalar in _SCALARS}
    missing = [column for column in ("epoch", *columns) if column not in table]
    if missing:
        means = [re.fullmatch(r"(.+)/mean(/loader_\d+)?", str(column)) for column in table]
        tags = ["".join(mean.groups("")) for mean in means if mean]
        raise ValueError(f"`log` has no column {missing[0]!r}: `tag` must be one of {tags}, but is {tag!r}.")
    logged = table.dropna(subset=list(columns)).groupby("epoch")[list(columns)].last().rename(columns=columns)

    ax = given_or_new(ax)
    right = ax.twinx()
    mean, p95, share = line_styles(3)
    lines = [
        *ax.plot(logged.index, logged["mean"], label="mean", **mean),
        *ax.plot(logged.index, logged["p95"], label="95th percentile", **p95),
        *right.plot(logged.index, 100 * logged["share_in_error"], label="images in error (right)", **share),
    ]
    ax.set_ylim(bottom=0)
    right.set_ylim(0, 102)
    ax.locator_params(axis="x", integer=True)
    ax.set_xlabel("Epoch")
    ax.set_ylabel(f"Hardness of an image ({name.rpartition('/')[2]})")
    right.set_ylabel("Images in error (%)")
    ax.legend(handles=lines, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)
    return ax.get_figure(), ax  # type: ignore[return-value]
