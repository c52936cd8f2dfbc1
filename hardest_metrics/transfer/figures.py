"""Pictures of how well scores choose among candidates."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hardest_metrics.plot.axes import encode_figure, given_or_new, put_title
from hardest_metrics.plot.transfer import plot_layers, plot_transfer
from hardest_metrics.transfer.judging import BASELINE

if TYPE_CHECKING:
    import pandas as pd

_ACROSS = 3
_PANEL = (4.6, 3.6)  # width and height in inches


def selection_plots(
    scores: "pd.DataFrame", selection: "pd.DataFrame", reached: Mapping[str, float], target: str
) -> dict[str, bytes]:
    """PNG files, by their paths in the folder of results.

    ``plots/pearson.png`` is Pearson's correlation of each score in each layer; ``plots/<layer>_<pooling>.png`` shows
    what each candidate reached over each of its scores there.

    Args:
        scores: as :func:`~hardest_metrics.transfer.score_candidates` gives them.
        selection: of these, see :func:`~hardest_metrics.transfer.judged`.
        reached: the mAP of each candidate.
        target: what the target set is called.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
    """
    files = {}
    of_layers = selection[selection["layer"] != BASELINE]
    correlation: dict[str, dict[str, float]] = {}
    for row in of_layers.to_dict("records"):
        correlation.setdefault(row["score"], {})[f"{row['layer']}, {row['pooling']}"] = row["pearson"]
    if of_layers["pearson"].notna().any():
        figure: Any = plot_layers(correlation)[0]
        files["plots/pearson.png"] = _png(figure)
    for (layer, pooling), part in scores.groupby(["layer", "pooling"], sort=False):
        files[f"plots/{_file_name(layer)}_{pooling}.png"] = _scatter(f"{layer}, {pooling}", part, reached, target)
    return files


def _scatter(title: str, part: "pd.DataFrame", reached: Mapping[str, float], target: str) -> bytes:
    of_scores = {
        str(name): dict(zip(rows["candidate"], rows["value"], strict=True))
        for name, rows in part.groupby("score", sort=False)
        if rows["value"].map(math.isfinite).all()
    }
    first = given_or_new(None)
    figure: Any = first.get_figure()
    first.remove()
    down = max(-(-len(of_scores) // _ACROSS), 1)
    figure.set_size_inches(_PANEL[0] * _ACROSS, _PANEL[1] * down)
    for number, (name, values) in enumerate(of_scores.items(), start=1):
        ax = figure.add_subplot(down, _ACROSS, number)
        pairs = {(candidate, target): value for candidate, value in values.items()}
        plot_transfer(pairs, {pair: reached[pair[0]] for pair in pairs}, score=name, ax=ax)
        ax.get_legend().remove()  # there is one target, which arrows name
    put_title(figure, title)
    return _png(figure)


def _png(figure: Any) -> bytes:
    import matplotlib.pyplot as plt

    try:
        return encode_figure(figure)
    finally:
        plt.close(figure)


def _file_name(layer: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in layer) or "_"
