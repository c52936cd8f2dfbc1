"""The pictures of a comparison."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from hardest_metrics.comparison.comparison import LABELS, Comparison
from hardest_metrics.comparison.encoding import ranking_hash
from hardest_metrics.comparison.estimates import estimate_named
from hardest_metrics.comparison.folds import calibrated, cross_validate
from hardest_metrics.comparison.store import content_key
from hardest_metrics.comparison.tables import means
from hardest_metrics.data.digest import content_digest
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.detectors.image_files import find_image
from hardest_metrics.names import CALIBRATIONS, WEIGHTINGS
from hardest_metrics.plot import draw_image, draw_side_by_side, encode_png, outcome_boxes, tile_size
from hardest_metrics.plot.axes import encode_figure as _png
from hardest_metrics.plot.axes import put_title
from hardest_metrics.ranking import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL = (4.6, 3.8)  # width and height in inches
_ROWS = 5  # images of each ranking
_SHOWN = "total_false/none"  # by which images are shown: errors of any kind, each counted


@dataclass(frozen=True, eq=False)
class Plot:
    """A picture that is drawn when it is asked for.

    Args:
        detector: whose.
        name: of its file, without suffix.
        title: what it shows.
        inputs: tells all that it depends on, in types that JSON knows.
        png: draws it; the content of a PNG file.
    """

    detector: str
    name: str
    title: str
    inputs: dict[str, Any]
    png: Callable[[], bytes]

    @property
    def path(self) -> str:
        """Of its file, as seen from the folder of the comparison."""
        return f"plots/{self.detector}/{self.name}.png"

    @property
    def key(self) -> str:
        """Under which it may be kept."""
        return content_key("plot", name=self.name, title=self.title, inputs=self.inputs)


def plots(comparison: Comparison, images: PathLike | None = None) -> Iterator[Plot]:
    """The pictures of each detector.

    - ``regret``: true hardness met against the labelling budget, a panel a definition, for the estimate of each family
      that agrees best with the labels;
    - ``correlation``: which definitions rank the images alike, going by labels;
    - ``distribution``: of hardness going by labels, a panel a definition;
    - ``reliability``: how far scores are from probabilities, before and after calibration by cross-validation; only
      where the comparison has a calibrated estimate;
    - ``hardest``: the images of most errors (by the first definition where ``total_false/none`` is none), going by
      labels and by the estimates of ``regret``; only where `images` is given.

    Plots need matplotlib when they are drawn.

    Args:
        comparison: what to draw. Without labels there is nothing to draw.
        images: the folder where the image files are.

    Raises:
        ValueError: when the file of an image to be drawn is missing.
    """
    for detector in comparison.detections:
        true = _by_definition(comparison, detector, LABELS)
        if not true:
            continue
        by_labels = {"true": _hashes(true)}
        estimated = {
            name: _by_definition(comparison, detector, name) for name in best_of_families(comparison, detector)
        }
        by_estimates = {name: _hashes(rankings) for name, rankings in estimated.items()}

        title = f"{detector}: hardness met with a labelling budget"
        draw = partial(_regret, title, true, estimated)
        yield Plot(detector, "regret", title, by_labels | by_estimates, draw)

        title = f"{detector}: definitions that rank the images alike"
        yield Plot(detector, "correlation", title, by_labels, partial(_correlation, title, true))

        title = f"{detector}: hardness of {len(comparison.annotations.image_ids)} images, going by labels"
        yield Plot(detector, "distribution", title, by_labels, partial(_distribution, title, true))

        methods = dict.fromkeys(estimate_named(name).calibration for name in _estimators(comparison, detector))
        calibrations = [method for method in methods if method in CALIBRATIONS]
        boxes = {"boxes": _boxes_hash(comparison, detector), "query": asdict(comparison.query)}
        if calibrations:
            title = f"{detector}: scores as probabilities"
            draw = partial(_reliability, title, comparison, detector, calibrations)
            yield Plot(detector, "reliability", title, boxes | {"methods": calibrations}, draw)

        if images is not None:
            definition = _SHOWN if _SHOWN in true else next(iter(true))
            title = f"{detector}: the hardest images, {definition}"
            columns = {LABELS: true[definition]} | {name: by[definition] for name, by in estimated.items()}
            shown = {name: ranking.top(_ROWS) for name, ranking in columns.items()}
            files = _files(comparison, shown.values(), images)
            digests = {file: content_digest(file) for file in files.values()}
            contents = {str(image_id): digests[file] for image_id, file in files.items()}
            draw = partial(_unchanged, digests, partial(_hardest, title, comparison, detector, shown, files))
            yield Plot(detector, "hardest", title, boxes | {"images": contents, "rankings": _hashes(shown)}, draw)


def best_of_families(comparison: Comparison, detector: str) -> list[str]:
    """Of each family of estimators the one that agrees best with the labels, by Spearman's rank correlation.

    The mean over definitions counts; the first of equals is taken.
    """
    correlation = means(comparison.agreement, detector)["spearman"].dropna()
    best: dict[str, str] = {}
    for name in correlation.sort_values(ascending=False, kind="stable").index:
        best.setdefault(estimate_named(name).family, name)
    return list(best.values())


def _regret(title: str, true: dict[str, Ranking], estimated: dict[str, dict[str, Ranking]]) -> bytes:
    from hardest_metrics.plot import plot_regret

    def panel(definition: str, ax: "Axes") -> None:
        if float(true[definition].hardness.sum()):
            plot_regret({name: by[definition] for name, by in estimated.items()}, true[definition], ax)
            ax.get_legend().remove()  # type: ignore[union-attr]  # one for all panels
        else:
            ax.text(0.5, 0.5, "no image is hard", ha="center", va="center", transform=ax.transAxes)

    return _panels(title, list(true), panel)


def _distribution(title: str, true: dict[str, Ranking]) -> bytes:
    from hardest_metrics.plot import plot_distribution

    return _panels(title, list(true), lambda definition, ax: plot_distribution(true[definition], ax))


def _correlation(title: str, true: dict[str, Ranking]) -> bytes:
    from hardest_metrics.plot import plot_correlation

    figure = _figure(title, 3.5 + 0.6 * len(true), 2.5 + 0.6 * len(true))
    plot_correlation(true, figure.add_subplot())
    return _png(figure)


def _reliability(title: str, comparison: Comparison, detector: str, methods: Sequence[Any]) -> bytes:
    from hardest_metrics.calibration import reliability
    from hardest_metrics.plot import plot_reliability

    preds, target, query = comparison.detections[detector], comparison.annotations.target, comparison.query
    stated = {"scores": preds}
    for method in methods:
        stated[f"{method}, cross-validated"] = calibrated(preds, cross_validate(preds, target, method, query))
    figure = _figure(title, 6.4, 6.4)
    ax = figure.add_subplot()
    for name, probabilities in stated.items():
        plot_reliability(reliability(probabilities, target, query=query, box_format="xywh"), ax, name)
    return _png(figure)


def _hardest(
    title: str, comparison: Comparison, detector: str, shown: Mapping[str, Ranking], files: Mapping[int, Path]
) -> bytes:
    annotations, preds = comparison.annotations, comparison.detections[detector]
    position = {image_id: place for place, image_id in enumerate(annotations.image_ids)}
    size = tile_size(sum(len(ranking.image_ids) for ranking in shown.values()))
    columns = {}
    for name, ranking in shown.items():
        places = [position[image_id] for image_id in ranking.image_ids.tolist()]
        boxes = outcome_boxes(
            [preds[i] for i in places], [annotations.target[i] for i in places], comparison.query, "xywh"
        )
        columns[name] = [
            draw_image(
                files[annotations.image_ids[i]],
                of_image,
                f"id {annotations.shown_ids[i]}, hardness {hardness:.3g}\n{annotations.file_names[i]}",
                annotations.categories,
                size,
                annotations.image_sizes[i],
            )
            for i, of_image, hardness in zip(places, boxes, ranking.hardness.tolist(), strict=True)
        ]
    return encode_png(draw_side_by_side(columns, title))


def _files(comparison: Comparison, rankings: Iterable[Ranking], images: PathLike) -> dict[int, Path]:
    """Where the images of some rankings are."""
    names = dict(zip(comparison.annotations.image_ids, comparison.annotations.file_names, strict=True))
    shown = dict.fromkeys(image_id for ranking in rankings for image_id in ranking.image_ids.tolist())
    return {image_id: find_image(images, names[image_id], image_id) for image_id in shown}


def _unchanged(digests: Mapping[Path, str], draw: Callable[[], bytes]) -> bytes:
    """What is drawn of some files, provided that they are those of these digests then."""
    picture = draw()
    for file, digest in digests.items():
        if content_digest(file) != digest:
            raise ValueError(f"{file}: was changed while it was being drawn. Run this again once it stays as it is.")
    return picture


def _panels(title: str, definitions: Sequence[str], draw: "Callable[[str, Axes], object]") -> bytes:
    """A panel a definition, in rows of the three weightings where there are as many."""
    columns = min(len(definitions), len(WEIGHTINGS))
    rows = -(-len(definitions) // columns)
    figure = _figure(title, columns * _PANEL[0], rows * _PANEL[1] + 0.5)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for definition, ax in zip(definitions, axes, strict=False):
        draw(definition, ax)
        ax.set_title(definition)
    for ax in axes[len(definitions) :]:
        ax.set_axis_off()
    lines = {str(line.get_label()): line for ax in axes for line in ax.get_lines() if ax.get_legend() is None}
    lines = {name: line for name, line in lines.items() if not name.startswith("_")}
    if lines:
        entry = 0.7 + 0.09 * max(map(len, lines))  # inches
        fitting = max(int(figure.get_figwidth() / entry), 1)
        figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=min(fitting, len(lines)))
    return _png(figure)


def _figure(title: str, width: float, height: float) -> "Figure":
    try:
        from matplotlib.figure import Figure  # pyplot would keep every figure alive
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('Plots need matplotlib: pip install "hardest_metrics[plot]".') from error
    figure = Figure((max(width, 5.5), max(height, 4.5)), layout="constrained")  # room for titles and labels
    put_title(figure, title, "x-large")
    return figure


def _by_definition(comparison: Comparison, detector: str, estimator: str) -> dict[str, Ranking]:
    return {
        ranked.definition: ranked.ranking
        for ranked in comparison.rankings
        if (ranked.detector, ranked.estimator) == (detector, estimator)
    }


def _estimators(comparison: Comparison, detector: str) -> list[str]:
    agreement = comparison.agreement
    return list(dict.fromkeys(agreement[agreement["detector"] == detector]["estimator"]))


def _hashes(rankings: Mapping[str, Ranking]) -> dict[str, str]:
    return {name: ranking_hash(ranking) for name, ranking in rankings.items()}


def _boxes_hash(comparison: Comparison, detector: str) -> str:
    """Equal for equal detections on equal labels."""
    total = sha256()
    for image in (*comparison.detections[detector], *comparison.annotations.target):
        for name, value in sorted(image.items()):
            content = value.cpu().numpy().tobytes() if isinstance(value, Tensor) else repr(value).encode()
            total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()
