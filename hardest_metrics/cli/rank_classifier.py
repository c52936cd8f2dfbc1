"""``hardest-metrics rank --logits``: the images of a data set by what a classifier says of them, hardest first."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jsonargparse import ArgumentParser, Namespace
from rich.table import Table
from rich.text import Text

from hardest_metrics.cli.files import check_images_folder, check_inputs, check_outputs, ranking_outputs, write_ranked
from hardest_metrics.cli.options import option
from hardest_metrics.cli.terminal import add_columns, counted, noted, printable, progress_bar, results_console
from hardest_metrics.names import CLASSIFIED, CLASSIFIED_WITHOUT_LABELS

if TYPE_CHECKING:
    from torch import Tensor

    from hardest_metrics.data import ImageNames
    from hardest_metrics.numbering import Identifier
    from hardest_metrics.summary import Summary

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


class _Images(NamedTuple):
    """What is known of the images, in the order of the logits.

    Attributes:
        names: what they are called.
        named: whether their source says so; else they are numbered by position.
        labels: ``(N,)`` int64; None without.
        classes: the names of labels, where there are any.
    """

    names: "ImageNames"
    named: bool
    labels: "Tensor | None"
    classes: Mapping[int, str]

    def at(self, image_ids: "Tensor") -> list[int]:
        """The places of images, by the numbers that metrics know them by."""
        place = {number: place for place, number in enumerate(self.names.image_ids)}
        return [place[number] for number in image_ids.tolist()]


def run(options: Namespace, parser: ArgumentParser) -> None:
    """Rank, print and write."""
    _check(options, parser)
    name = options.definition or ("cross_entropy" if options.labels else "entropy")
    with noted(), progress_bar() as progress:
        bar = progress.add_task("reading", total=None)
        images, logits = _read(options)
        progress.reset(bar, description="ranking", total=len(logits))
        summary, said = _ranked(name, images, logits, partial(progress.advance, bar))
        pictures = {}
        if options.grid:
            progress.reset(bar, description="drawing", total=None)
            pictures[options.grid] = _grid(options, name, summary, images, logits)
        progress.reset(bar, description="writing", total=None)
        written = write_ranked(options, partial(_write, options, summary, images, said), pictures)

    console = results_console()
    console.print(_table(options, summary, images, said))
    lines = [f"Definition: {name}", f"{counted(len(logits), 'image')}, mean hardness {summary.mean:.5g}"]
    if images.labels is not None and name not in CLASSIFIED_WITHOUT_LABELS:
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
    check_images_folder(options.images)
    check_outputs(ranking_outputs(options), inputs)


def _read(options: Namespace) -> "tuple[_Images, Tensor]":
    """The images, and their logits."""
    import torch

    from hardest_metrics.data import ImageNames
    from hardest_metrics.data.logits_file import in_order_of, read_labels, read_logits
    from hardest_metrics.numbering import named_numbers

    read = read_logits(options.logits)
    number = len(read.logits)
    if not number:
        raise ValueError(f"{options.logits}: holds no images, so there is nothing to rank.")
    logits, labels, classes, files = read.logits, None, {}, None
    given: Sequence[Identifier] | None = read.ids
    if options.labels:
        labelled = read_labels(options.labels[0])
        logits = in_order_of(labelled, read, options.labels[0], options.logits)
        given, files = labelled.names, labelled.file_names
        labels, classes = torch.tensor(labelled.labels), dict(enumerate(labelled.classes or ()))
    shown: Sequence[Identifier] = range(len(logits)) if given is None else given
    numbers, _ = named_numbers(shown)
    if len(set(numbers)) < len(numbers):
        again = shown[numbers.index(Counter(numbers).most_common(1)[0][0])]
        source = options.labels[0] if options.labels else options.logits
        raise ValueError(f"{source}: image {again!r} comes twice. Leave one out.")
    names = ImageNames(numbers, shown, files or list(map(str, shown)))
    return _Images(names, given is not None, labels, classes), logits


def _ranked(
    name: str, images: _Images, logits: "Tensor", advance: Callable[[int], None]
) -> "tuple[Summary, list[int]]":
    """The ranking, and the class that was said of each image."""
    import torch

    from hardest_metrics.classification.naming import make_definition
    from hardest_metrics.functional.classification.said import said_of

    metric, ids, said = make_definition(name), torch.tensor(images.names.image_ids), list[int]()
    for part in torch.arange(len(logits)).split(max(_NUMBERS_AT_ONCE // logits.shape[1], 1)):
        batch = slice(int(part[0]), int(part[-1]) + 1)
        labels = None if images.labels is None else images.labels[batch]
        metric.update(logits[batch], labels, ids[batch])
        said += said_of(logits[batch], labels).said.tolist()
        advance(len(part))
    return metric.summary(), said


def _grid(options: Namespace, name: str, summary: "Summary", images: _Images, logits: "Tensor") -> bytes:
    """The content of a PNG file that shows the hardest images."""
    from hardest_metrics.detectors.image_files import find_image
    from hardest_metrics.functional.classification.said import said_of
    from hardest_metrics.plot import MAX_TILES, draw_classified, encode_png

    top = summary.ranking.top(options.top_k)
    places = images.at(top.image_ids)
    if len(places) > MAX_TILES:
        raise ValueError(f"`grid` draws at most {MAX_TILES} images, but `top_k` is {options.top_k}.")
    folder, shown, files = options.images or options.labels[0], images.names.shown_ids, images.names.file_names or ()
    said = said_of(logits[places], None if images.labels is None else images.labels[places])
    ranked = enumerate(zip(places, top.hardness.tolist(), strict=True), start=1)
    picture = draw_classified(
        [find_image(folder, files[place], shown[place]) for place in places],
        None if images.labels is None else said.label.tolist(),
        said.said.tolist(),
        list(zip(said.of_label.tolist(), said.of_said.tolist(), strict=True)),
        images.classes or None,
        [f"{rank}. {shown[place]}, hardness {value:.5g}" for rank, (place, value) in ranked],
        f"The hardest images by {name}",
    )
    return encode_png(picture)


def _write(options: Namespace, summary: "Summary", images: _Images, said: list[int], path: str) -> None:
    """Write the ranking."""
    from hardest_metrics.data import write_ranking

    order = images.at(summary.ranking.image_ids)
    columns: dict[str, Any] = {} if images.labels is None else {"label": images.labels[order].tolist()}
    columns["said"] = [said[place] for place in order]
    write_ranking(summary.ranking, path, images.names if images.named else None, columns, options.for_spreadsheets)


def _table(options: Namespace, summary: "Summary", images: _Images, said: list[int]) -> Table:
    table, top = Table(), summary.ranking.top(options.top_k)
    texts = ("image id", "label", "said")
    columns = ("rank", "image id", *([] if images.labels is None else ["label"]), "said", "hardness")
    add_columns(table, columns, texts, left=texts)
    for rank, (place, value) in enumerate(zip(images.at(top.image_ids), top.hardness.tolist(), strict=True), start=1):
        numbers = [*([] if images.labels is None else [int(images.labels[place])]), said[place]]
        classes = [Text(printable(images.classes.get(label, str(label)))) for label in numbers]
        table.add_row(str(rank), Text(printable(str(images.names.shown_ids[place]))), *classes, f"{value:.5g}")
    return table
