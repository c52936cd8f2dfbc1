"""Options of ``rank`` that say why images are hard: kinds of errors, classes, and what is known of the images."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from hardest_metrics.cli.files import Output, require_package

if TYPE_CHECKING:
    from hardest_metrics.data import Annotations
    from hardest_metrics.functional import Query
    from hardest_metrics.functional.detection.packing import ImageDict

#: What can be told of images without being given.
ATTRIBUTES = ("object_size", "objects", "crowding", "brightness")

_BATCH_SIZE = 256


def add_why_options(group: Any) -> None:
    """These options, for :func:`check`."""
    group.add_argument(
        "--kinds", action="store_true",
        help="count errors by kind, after TIDE, in the table, in --out and --grid: localisation (on an object of its"
        " class, too loosely), classification (on one of another), duplicate, background, both, and missed objects",
    )  # fmt: skip
    group.add_argument(
        "--kinds-plot", metavar="FILE.png", help="draw kinds of errors by class, and the most confused classes"
    )
    group.add_argument(
        "--by-label", action="store_true",
        help="rank by the errors of each class alone: the table and --out hold the K hardest images of every class",
    )  # fmt: skip
    group.add_argument(
        "--slices", nargs="+", metavar="NAME|FILE.csv",
        help=f"tell how hard images are by what is known of them: {', '.join(ATTRIBUTES)} (of the files in --images),"
        " or the columns of CSV files, joined by image_id or file_name; numbers by quarters of the images",
    )  # fmt: skip
    group.add_argument("--slices-plot", metavar="FILE.png", help="draw mean hardness by slice; needs --slices")


def outputs(options: Namespace) -> list[Output]:
    """The files that these options name."""
    names = ("kinds_plot", "slices_plot")
    return [Output(options[name], name, (".png",)) for name in names if options[name]]


def check(options: Namespace) -> None:
    """Refuse options that do not go together.

    Raises:
        ValueError: if they don't.
    """
    for name in ("kinds", "kinds_plot", "by_label"):
        if options[name] and options.estimator:
            raise ValueError(f"`{name}` needs labels, which an `estimator` does not look at: leave one out.")
    if options.by_label:
        for name in ("kinds", "kinds_plot", "slices", "grid", "subset", "tasks"):
            if options[name]:
                raise ValueError(f"`{name}` is of one ranking, but `by_label` makes one a class: leave one out.")
    if options.slices_plot and not options.slices:
        raise ValueError("`slices_plot` needs `slices`: give both, or neither.")
    if options.slices:
        require_package("scipy", "calibration", "`slices`")
        if "brightness" in options.slices and not options.images:
            raise ValueError("`slices` by brightness needs the image files: give the folder `images`.")
        if len(set(options.slices)) < len(options.slices):
            raise ValueError("`slices` names something twice: give each once.")
    for name in ("kinds_plot", "slices_plot"):
        if options[name]:
            require_package("matplotlib", "plot", f"`{name}`")


def tables_of_slices(options: Namespace) -> list[str]:
    """The files among ``--slices``."""
    return [name for name in options.slices or () if name not in ATTRIBUTES]


def kinds_picture(
    query: "Query",
    preds: Sequence["ImageDict"],
    annotations: "Annotations",
    advance: Callable[[int], None],
    shapes: Mapping[str, Any],
) -> bytes:
    """The content of a PNG file: kinds of errors by class beside the most confused classes."""
    from dataclasses import fields

    from matplotlib.figure import Figure

    from hardest_metrics.detection import ConfusionPairs, KindsByLabel

    settings: dict[str, Any] = {field.name: getattr(query, field.name) for field in fields(query)}
    settings |= {**shapes, "background_threshold": min(0.1, query.iou_threshold)}
    metrics: tuple[KindsByLabel | ConfusionPairs, ...] = KindsByLabel(**settings), ConfusionPairs(**settings)
    for start in range(0, len(preds), _BATCH_SIZE):
        batch = slice(start, start + _BATCH_SIZE)
        for metric in metrics:
            metric.update(preds[batch], annotations.target[batch])
        advance(len(preds[batch]))
    figure = Figure(figsize=(14, 7), layout="constrained")
    for metric, axes in zip(metrics, figure.subplots(1, 2, width_ratios=(1, 1.1)), strict=True):
        metric.plot(ax=axes, class_names=annotations.categories)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    return content.getvalue()
