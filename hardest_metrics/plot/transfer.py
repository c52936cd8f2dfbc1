"""How well scores foretell what models reach on other data, and in which layers."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hardest_metrics.plot.axes import given_or_new, line_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A source and a target: what a model was trained on, and what it is transferred to.
Pair = tuple[str, str]


def plot_transfer(
    scores: Mapping[Pair, float],
    performance: Mapping[Pair, float],
    score: str = "score",
    measure: str = "mAP",
    ax: "Axes | None" = None,
) -> "tuple[Figure, Axes]":
    """Draw what each transfer reached over its score, a point a transfer, labelled "source → target".

    Points of one target have one colour and marker: these compare, and within them scores should rise with what was
    reached. Between targets they need not, some are harder than others.

    Args:
        scores: of a source for a target.
        performance: what each reached; of the same pairs.
        score: what the horizontal axis is called, with its unit if it has one.
        measure: what the vertical one is called.
        ax: what to draw on; None for a new figure.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
        ValueError: if there are no transfers, if they are not of the same pairs, or if a number is not finite.

    Example:
        >>> scores = {("print", "hand"): 0.2, ("shape", "hand"): 0.1}
        >>> figure, axes = plot_transfer(scores, {("print", "hand"): 0.5, ("shape", "hand"): 0.4})
        >>> [text.get_text() for text in axes.texts]
        ['print → hand', 'shape → hand']
    """
    _check(scores, performance)
    ax = given_or_new(ax)
    targets = list(dict.fromkeys(target for _, target in scores))
    for target, look in zip(targets, _looks(len(targets)), strict=True):
        pairs = [pair for pair in scores if pair[1] == target]
        texts = [f"{source} → {target}" for source, _ in pairs]
        _points(ax, pairs, scores, performance, look, target, texts, _middle(scores.values()))
    ax.set_xlabel(score, parse_math=False)
    ax.set_ylabel(measure, parse_math=False)
    ax.legend(title="target")
    return ax.get_figure(), ax  # type: ignore[return-value]


def plot_transfer_panels(
    scores: Mapping[Pair, float],
    performance: Mapping[Pair, float],
    by: Literal["source", "target"] = "target",
    score: str = "score",
    measure: str = "mAP",
) -> "tuple[Figure, list[Axes]]":
    """Draw the same with a panel for each target, to choose a source, or for each source, to choose a target.

    Args:
        scores: of a source for a target.
        performance: what each reached; of the same pairs.
        by: which of both has a panel; points are labelled with the other.
        score: what horizontal axes are called.
        measure: what vertical ones are called.

    Returns:
        The figure, and its panels in the order in which sources or targets first occur.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
        ValueError: as of :func:`plot_transfer`, or if `by` is neither.

    Example:
        >>> scores = {("print", "hand"): 0.2, ("shape", "hand"): 0.1, ("hand", "print"): 0.3}
        >>> figure, panels = plot_transfer_panels(scores, {pair: 2 * score for pair, score in scores.items()})
        >>> [panel.get_title() for panel in panels]
        ['target: hand', 'target: print']
    """
    _check(scores, performance)
    if by not in ("source", "target"):
        raise ValueError(f"`by` must be 'source' or 'target', but is {by!r}.")
    first = given_or_new(None)
    figure: Any = first.get_figure()
    first.remove()
    side = ("source", "target").index(by)
    names = list(dict.fromkeys(pair[side] for pair in scores))
    across = min(len(names), 3)
    down = -(-len(names) // across)
    figure.set_size_inches(4 * across, 3.2 * down)
    panels = [figure.add_subplot(down, across, place) for place in range(1, len(names) + 1)]
    for panel, name, look in zip(panels, names, _looks(len(names)), strict=True):
        pairs = [pair for pair in scores if pair[side] == name]
        middle = _middle([scores[pair] for pair in pairs])
        _points(panel, pairs, scores, performance, look, name, [pair[1 - side] for pair in pairs], middle)
        panel.set_title(f"{by}: {name}", parse_math=False)
        panel.set_xlabel(score, parse_math=False)
        panel.set_ylabel(measure, parse_math=False)
    return figure, panels


def plot_layers(
    values: Mapping[str, Mapping[str, float]],
    of: str = "Pearson's correlation (no unit)",
    ax: "Axes | None" = None,
) -> "tuple[Figure, Axes]":
    """Draw a number for each metric in each layer, such as how well it chooses there, the brighter the more.

    Args:
        values: by metric, of each layer; what a metric has no number for is shown as a dash, as NaN is.
        of: what the numbers are.
        ax: what to draw on; None for a new figure, as large as the map needs.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
        ValueError: if there are no numbers.

    Example:
        >>> figure, axes = plot_layers({"LogME": {"layer3": 0.5, "layer4": 0.8}, "H-score": {"layer4": 0.6}})
        >>> [text.get_text() for text in axes.texts]
        ['0.50', '0.80', '–', '0.60']
    """
    layers = list(dict.fromkeys(layer for of_metric in values.values() for layer in of_metric))
    table = np.array([[of_metric.get(layer, np.nan) for layer in layers] for of_metric in values.values()], dtype=float)
    if not np.isfinite(table).any():
        raise ValueError("`values` holds no finite number: give at least one metric with one layer.")
    ax = given_or_new(ax, size=(4 + 0.6 * len(layers), 2 + 0.5 * len(values)))
    image = ax.imshow(table, cmap="cividis", aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        bright = np.isfinite(value) and (value - np.nanmin(table)) > 0.6 * np.ptp(table[np.isfinite(table)])
        text = f"{value:.2f}" if np.isfinite(value) else "–"
        color = "black" if bright or not np.isfinite(value) else "white"  # what has no number is left blank
        ax.text(column, row, text, ha="center", va="center", color=color, fontsize="small")
    ax.set_xticks(range(len(layers)), layers, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(values)), list(values))
    figure: Any = ax.get_figure()
    figure.colorbar(image, ax=ax, label=of, shrink=0.8)
    return figure, ax


def _looks(number: int) -> list[dict[str, Any]]:
    return [{"color": style["color"], "marker": style["marker"]} for style in line_styles(number)]


def _points(
    ax: "Axes",
    pairs: Sequence[Pair],
    scores: Mapping[Pair, float],
    performance: Mapping[Pair, float],
    look: dict[str, Any],
    label: str,
    texts: Sequence[str],
    middle: float,
) -> None:
    """Draw points, each with its text beside it: to the left of those right of the middle, so that all have room."""
    at = [(scores[pair], performance[pair]) for pair in pairs]
    ax.scatter(*zip(*at, strict=True), label=label, **look)
    ax.margins(0.15)  # room for names
    for place, text in zip(at, texts, strict=True):
        left = place[0] > middle
        ax.annotate(
            text, place, xytext=(-4 if left else 4, 4), textcoords="offset points", ha="right" if left else "left",
            fontsize="x-small", parse_math=False,
        )  # fmt: skip


def _middle(values: Collection[float]) -> float:
    return (min(values) + max(values)) / 2


def _check(scores: Mapping[Pair, float], performance: Mapping[Pair, float]) -> None:
    if not scores:
        raise ValueError("`scores` is empty: give at least one transfer.")
    if alone := set(scores) ^ set(performance):
        raise ValueError(
            f"`scores` and `performance` must be of the same pairs, but {min(alone)} is in one of them only: leave it"
            " out."
        )
    for name, values in (("scores", scores), ("performance", performance)):
        for pair, value in values.items():
            if not np.isfinite(value):
                raise ValueError(f"`{name}` must be finite, but {pair} has {value}: leave it out of both.")
