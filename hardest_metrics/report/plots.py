"""The plots of a page."""

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING

from hardest_metrics.comparison import LABELS, Comparison, RankedBy
from hardest_metrics.plot import plot_distribution
from hardest_metrics.plot.axes import put_title
from hardest_metrics.report.page import data_uri

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What the page says where there can be no plots.
NO_MATPLOTLIB = 'Plots need matplotlib: pip install "hardest_metrics[plot]", then write this page again.'


def plots(comparison: Comparison) -> list[dict[str, str]]:
    """What the page shows of whole rankings, each with ``title``, ``detector`` and ``src``, the picture's address.

    Where estimates are compared with labels, what ``hardest-metrics compare`` draws; else how hardness is distributed,
    a picture a ranking, with its ``definition`` and ``estimator``. None without matplotlib.
    """
    if find_spec("matplotlib") is None:
        return []
    if not comparison.agreement.empty:
        from hardest_metrics.comparison import figures

        return [
            {"title": plot.title, "detector": plot.detector, "src": data_uri(plot.png(), "image/png")}
            for plot in figures.plots(comparison)
        ]
    return [_distribution(ranked) for ranked in comparison.rankings]


def _distribution(ranked: RankedBy) -> dict[str, str]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    by = "labels" if ranked.estimator == LABELS else ranked.estimator
    title = f"{ranked.detector}: {ranked.definition} by {by}"
    put_title(figure, title)
    plot_distribution(ranked.ranking, figure.subplots())
    return {
        "title": title,
        "detector": ranked.detector,
        "definition": ranked.definition,
        "estimator": ranked.estimator,
        "src": data_uri(_svg(figure), "image/svg+xml"),
    }


def _svg(figure: "Figure") -> bytes:
    import matplotlib as mpl

    content = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "hardest_metrics"}):  # the same figure gives the same bytes
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return content.getvalue()
