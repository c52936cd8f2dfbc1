"""Results of runs over time, and what papers claim."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hardest_metrics.plot.axes import given_or_new, line_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_NAMED = 8


def plot_runs(
    results: Mapping[str, Sequence[float]],
    names: Sequence[str],
    claims: Mapping[str, Sequence[float]] | None = None,
    ax: "Axes | None" = None,
) -> "tuple[Figure, Axes]":
    """Draw results of runs, in the order in which they were made; what a paper claims is a dotted line.

    Args:
        results: by name, a value a run; NaN for a gap.
        names: of the runs, of any number of lines; of many some are shown.
        claims: by name of the result, a value a run; NaN where nothing is claimed.
        ax: what to draw on; None for a new figure.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
        ValueError: if there are no runs or no results, or lengths differ.

    Example:
        >>> figure, axes = plot_runs({"accuracy": [0.64, 0.633]}, ["a", "b"], {"accuracy": [0.65, 0.65]})
    """
    if not names or not results:
        raise ValueError("There are no runs with results, so there is nothing to draw.")
    lengths = {name: len(values) for given in (results, claims or {}) for name, values in given.items()}
    for name, length in lengths.items():
        if length != len(names):
            raise ValueError(f"{name!r} has {length} values, but there are {len(names)} runs. Give one a run.")
    ax = given_or_new(ax)
    places = list(range(1, len(names) + 1))
    for (name, values), style in zip(results.items(), line_styles(len(results)), strict=True):
        ax.plot(places, values, label=name, **style)
        if claims and name in claims:
            dotted = {**style, "linestyle": ":", "marker": "_", "markersize": 14}
            ax.plot(places, claims[name], label=f"{name}, paper", **dotted)
    ax.margins(x=0.08)  # names of the first and last run fit
    step = -(-len(names) // _MOST_NAMED)
    ax.set_xticks(places[::step], names[::step], parse_math=False)
    ax.set_xlabel("Run")
    ax.set_ylabel("Result")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)
    return ax.get_figure(), ax  # type: ignore[return-value]
