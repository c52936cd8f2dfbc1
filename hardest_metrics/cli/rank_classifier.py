"""``hardest-metrics rank --logits``: the images of a data set by what a classifier says of them, hardest first."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace
from rich.table import Table
from rich.text import Text

from hardest_metrics.cli.files import Output, check_inputs, check_outputs, written_alone
from hardest_metrics.cli.options import option
from hardest_metrics.cli.terminal import counted, noted, printable, progress_bar, results_console
from hardest_metrics.names import CLASSIFIED, CLASSIFIED_WITHOUT_LABELS

if TYPE_CHECKING:
    from torch import Tensor

    from hardest_metrics.data import Annotations
    from hardest_metrics.data.identity import Identifier
    from hardest_metrics.data.logits_file import LabelledImages
    from hardest_metrics.metric import Summary

#: Options of the command that a classifier's images have.
_UNDERSTOOD = {"logits", "labels", "definition", "top_k", "out", "for_spreadsheets", "grid", "images"}

_NUMBERS_AT_ONCE = 1 << 22


def add_classifier_options(group: Any) -> None:
    """Those of a classifier's images."""
    group.add_argument(
        "--logits", metavar="FILE",
        help="what a classifier gave before softmax: .npy of shape (images, classes), or Parquet with a column of lists"
        " 'logits' or a column for each class, and image_id or file_name if wished. Then `labels` are"
        " the classes: a CSV file with columns label, from 0, and image_id or file_name if wished, or a folder of"
        " images for each class, as ImageFolder reads it. Both are joined by id or name, else by position",
    )  # fmt: skip
    group.add_argument(
        "--definition", choices=[*CLASSIFIED, *CLASSIFIED_WITHOUT_LABELS], metavar="NAME",
        help=f"what makes an image hard: {', '.join(CLASSIFIED)}; without labels {', '.join(CLASSIFIED_WITHOUT_LABELS)}"
        " (default: cross_entropy; without --labels entropy)",
    )  # fmt: skip


def run(options: Namespace, parser: ArgumentParser) -> None:
    """Rank, print and write."""
    _check(options, parser)
    name = options.definition or ("cross_entropy" if options.labels else "entropy")
    with noted(), progress_bar() as progress:
        bar = progress.add_task("reading", total=None)
        labelled, logits = _read(options)
        progress.reset(bar, description="ranking", total=len(logits))
        annotations, ids = _annotations(labelled, len(logits))
        summary, said, probabilities = _ranked(name, labelled, logits, ids, partial(progress.advance, bar))
        grid = b""
        if options.grid:
            progress.reset(bar, description="drawing", total=None)
            grid = _grid(options, name, summary, annotations, labelled, said, probabilities)
        progress.reset(bar, description="writing", total=None)
        written = _write(options, summary, annotations, labelled, said, grid)

    console = results_console()
    console.print(_table(options, summary, annotations, labelled, said))
    lines = [f"Definition: {name}", f"{counted(len(logits), 'image')}, mean hardness {summary.mean:.5g}"]
    if labelled is not None and name not in CLASSIFIED_WITHOUT_LABELS:
        lines[1] += f", {summary.share_in_error:.1%} in error"
    for line in (*lines, *(f"Wrote {path}" for path in written)):
        console.print(printable(line), soft_wrap=True)


def _check(options: Namespace, parser: ArgumentParser) -> None:
    """Refuse what makes no sense before anything is done."""
    for name, default in vars(parser.get_defaults()).items():
        if name not in _UNDERSTOOD and options[name] != default:
            raise ValueError(f"{option(name)} is of detections, but `logits` are a classifier's: leave one out.")
    if options.top_k < 1:
        raise ValueError(f"`top_k` must be at least 1, but is {options.top_k}.")
    if options.labels and len(options.labels) != 1:
        raise ValueError(f"`labels` of `logits` is one CSV file or folder, but {len(options.labels)} are given.")
    if not options.labels and options.definition in CLASSIFIED:
        raise ValueError(
            f"`definition` {options.definition} goes by labels, but there are none: give `labels`, or choose one of"
            f" {', '.join(CLASSIFIED_WITHOUT_LABELS)}."
        )
    inputs = [options.logits, *(options.labels or [])]
    check_inputs(inputs)
    of_folder = bool(options.labels) and Path(options.labels[0]).is_dir()
    if options.images and not options.grid:
        raise ValueError("`images` is of use to `grid` only: give both, or neither.")
    if options.grid and not (options.images or of_folder):
        raise ValueError("`grid` needs `images`, where the files are, or `labels` that are a folder of images.")
    if options.images and not Path(options.images).is_dir():
        raise ValueError(f"{options.images}: no such folder, but `images` names it. Check the path.")
    outputs = [Output(path, "out", (".csv", ".json", ".parquet")) for path in options.out]
    outputs += [Output(options.grid, "grid", (".png",))] if options.grid else []
    check_outputs(outputs, inputs)


def _read(options: Namespace) -> "tuple[LabelledImages | None, Tensor]":
    """The labels, if there are any, and the logits in their order."""
    from hardest_metrics.data.logits_file import LabelledImages, in_order_of, read_labels, read_logits

    read = read_logits(options.logits)
    if not len(read.logits):
        raise ValueError(f"{options.logits}: holds no images, so there is nothing to rank.")
    if options.labels:
        labelled = read_labels(options.labels[0])
        return labelled, in_order_of(labelled, read, options.labels[0], options.logits)
    if read.ids is None:
        return None, read.logits
    names = [str(one) for one in read.ids] if any(isinstance(one, str) for one in read.ids) else None
    return LabelledImages(read.ids, names, [], None), read.logits


def _annotations(labelled: "LabelledImages | None", number: int) -> "tuple[Annotations, Tensor]":
    """The images as files of rankings name them, and the numbers that metrics know them by."""
    import torch

    from hardest_metrics.data import Annotations
    from hardest_metrics.data.identity import numbers_of

    given = None if labelled is None else labelled.names
    shown: list[Identifier] = [*range(number)] if given is None else given
    numbers = numbers_of(shown)
    if len(set(numbers)) < number:
        again = next(one for one in shown if shown.count(one) > 1)
        raise ValueError(f"`labels`: image {again!r} comes twice. Leave one out.")
    file_names = labelled.file_names if labelled is not None and labelled.file_names else list(map(str, shown))
    classes = dict(enumerate(labelled.classes)) if labelled is not None and labelled.classes else {}
    source = shown if any(isinstance(one, str) for one in shown) else None
    return Annotations(numbers, file_names, [None] * number, classes, [], None, source), torch.tensor(numbers)


def _ranked(
    name: str,
    labelled: "LabelledImages | None",
    logits: "Tensor",
    ids: "Tensor",
    advance: Callable[[int], None],
) -> "tuple[Summary, list[int], list[tuple[float, float]]]":
    """The ranking; the class that was said of each image; and the probabilities of the label and of that class."""
    import torch

    from hardest_metrics.classification.naming import make_definition

    metric = make_definition(name)
    target = torch.tensor(labelled.labels) if labelled is not None and labelled.labels else None
    said: list[int] = []
    probabilities: list[tuple[float, float]] = []
    size = max(_NUMBERS_AT_ONCE // logits.shape[1], 1)
    for start in range(0, len(logits), size):
        batch = slice(start, start + size)
        labels = None if target is None else target[batch]
        metric.update(logits[batch], labels, ids[batch])
        p = logits[batch].double().softmax(1)
        highest, best = p.max(1)
        of_label = highest if labels is None else p.gather(1, labels.clamp(0, p.shape[1] - 1)[:, None]).squeeze(1)
        if labels is not None:  # where another class is as probable, the label counts as said
            best = torch.where(of_label == highest, labels, best)
        said += best.tolist()
        probabilities += list(zip(of_label.tolist(), highest.tolist(), strict=True))
        advance(len(p))
    return metric.summary(), said, probabilities


def _places(options: Namespace, summary: "Summary", annotations: "Annotations") -> list[int]:
    place = {image_id: place for place, image_id in enumerate(annotations.image_ids)}
    return [place[image_id] for image_id in summary.ranking.top(options.top_k).image_ids.tolist()]


def _grid(
    options: Namespace,
    name: str,
    summary: "Summary",
    annotations: "Annotations",
    labelled: "LabelledImages | None",
    said: list[int],
    probabilities: list[tuple[float, float]],
) -> bytes:
    """The content of a PNG file that shows the hardest images."""
    from hardest_metrics.detectors.image_files import find_image
    from hardest_metrics.plot import MAX_TILES, draw_classified, encode_png

    places = _places(options, summary, annotations)
    if len(places) > MAX_TILES:
        raise ValueError(f"`grid` draws at most {MAX_TILES} images, but `top_k` is {options.top_k}.")
    folder, shown = options.images or options.labels[0], annotations.shown_ids
    values = summary.ranking.top(options.top_k).hardness.tolist()
    ranked = enumerate(zip(places, values, strict=True), start=1)
    picture = draw_classified(
        [find_image(folder, annotations.file_names[place], shown[place]) for place in places],
        [labelled.labels[place] for place in places] if labelled is not None and labelled.labels else None,
        [said[place] for place in places],
        [probabilities[place] for place in places],
        annotations.categories or None,
        [f"{rank}. {shown[place]}, hardness {value:.5g}" for rank, (place, value) in ranked],
        f"The hardest images by {name}",
    )
    return encode_png(picture)


def _write(
    options: Namespace,
    summary: "Summary",
    annotations: "Annotations",
    labelled: "LabelledImages | None",
    said: list[int],
    grid: bytes,
) -> list[str]:
    """Write what was asked for; the paths of all files written."""
    from hardest_metrics.data import atomic_write, write_ranking

    named = labelled is not None and labelled.names is not None
    place = {image_id: place for place, image_id in enumerate(annotations.image_ids)}
    order = [place[image_id] for image_id in summary.ranking.image_ids.tolist()]
    columns: dict[str, Any] = {}
    if labelled is not None and labelled.labels:
        columns["label"] = [labelled.labels[index] for index in order]
    columns["said"] = [said[index] for index in order]
    written = [*options.out, *filter(None, (options.grid,))]
    with written_alone(written):
        for path in options.out:
            write_ranking(summary.ranking, path, annotations if named else None, columns, options.for_spreadsheets)
        if options.grid:
            with atomic_write(options.grid) as file:
                file.write(grid)
    return written


def _table(
    options: Namespace,
    summary: "Summary",
    annotations: "Annotations",
    labelled: "LabelledImages | None",
    said: list[int],
) -> Table:
    table, shown, has_labels = Table(), annotations.shown_ids, labelled is not None and bool(labelled.labels)
    for column in ("rank", "image id", *(["label"] if has_labels else []), "said", "hardness"):
        table.add_column(column, justify="right" if column in ("rank", "hardness") else "left", overflow="fold")
    places, values = _places(options, summary, annotations), summary.ranking.hardness.tolist()
    for rank, place in enumerate(places, start=1):
        numbers = [*([labelled.labels[place]] if labelled is not None and has_labels else []), said[place]]
        classes = [Text(printable(annotations.categories.get(label, str(label)))) for label in numbers]
        table.add_row(str(rank), Text(printable(str(shown[place]))), *classes, f"{values[rank - 1]:.5g}")
    return table
