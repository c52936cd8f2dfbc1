"""The command ``hardest-metrics``.

torch and what builds on it are imported only once the options are known to be sound, so that help and
complaints come at once.
"""

import importlib.util
import io
import os
import re
import sys
from argparse import ArgumentError, HelpFormatter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from hardest_metrics import __version__

if TYPE_CHECKING:
    from hardest_metrics.data import Annotations
    from hardest_metrics.functional import Query
    from hardest_metrics.functional.packing import ImageDict
    from hardest_metrics.ranking import Ranking

_PROGRAM = "hardest-metrics"

#: What is counted, and in the words of the summary line, which images have any of it.
_QUERIES = {
    "false_positives": ("FalsePositives", "with a false positive"),
    "false_negatives": ("FalseNegatives", "with a missed object"),
    "total_false": ("TotalFalse", "with an error"),
}

_BATCH_SIZE = 256  # images at a time: few enough for the progress bar to move


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the arguments; None for those of the process.

    Returns:
        The exit code: 0, or 2 when options or files are not as they should be, which one line on stderr
        explains. 130 when interrupted.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # file names may hold what the terminal cannot show
    options: Namespace | None = None
    try:
        options = _parse(sys.argv[1:] if argv is None else argv)
        {"rank": _rank, "detect": _detect}[options.command](options)
    except (OSError, ValueError) as error:
        print(f"{_PROGRAM}: error: {_one_line(error, options)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _parse(argv: Sequence[str]) -> Namespace:
    # Users of jsonargparse write --top_k, everyone else --top-k
    argv = [re.sub("^--[^=]+", lambda name: name[0].replace("_", "-"), argument) for argument in argv]
    command = argv[0] if argv and argv[0] in ("rank", "detect") else "rank"
    try:
        parsed = _parser().parse_args(argv)
        options: Namespace = parsed[parsed.command]
        options.command = parsed.command
        return options
    except ArgumentError as error:
        message = str(error)
        wrong_type = re.search(r"\"(\w+)\":\s*Expected an? <class '(\w+)'>\. Got value: (.*)", message)
        if wrong_type:
            name, kind, value = wrong_type.groups()
            message = f"{_option(name)} must be {'a whole number' if kind == 'int' else 'a number'}, but is {value!r}"
        raise ValueError(f"{message.rstrip('.')}, see {_PROGRAM} {command} --help.") from error


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog=_PROGRAM,
        description="Rank the images of a data set by how hard they are for a detector.",
        version=__version__,
        formatter_class=HelpFormatter,
        exit_on_error=False,
    )
    commands = parser.add_subcommands(dest="command", metavar="COMMAND")
    commands.add_subcommand("rank", _rank_parser(), help="rank labelled images by a detector's errors")
    commands.add_subcommand("detect", _detect_parser(), help="run a torchvision detector over images")
    return parser


def _rank_parser() -> ArgumentParser:
    parser = ArgumentParser(
        usage=f"{_PROGRAM} rank --annotations FILE|FOLDER --detections FILE [options]",
        description="Rank labelled images by a detector's errors, the hardest first. Detections are matched to"
        " labels by COCO's protocol at one IoU threshold.",
        formatter_class=HelpFormatter,
        exit_on_error=False,
    )
    data = parser.add_argument_group("data")
    data.add_argument(
        "--annotations", metavar="FILE|FOLDER",
        help="labels: a COCO JSON file, plain or gzipped, or a Pascal VOC folder (required)",
    )  # fmt: skip
    data.add_argument(
        "--detections", metavar="FILE",
        help="detections: COCO results JSON, its image_id an id or a file name, or what `hardest` exports; plain or"
        " gzipped (required)",
    )  # fmt: skip
    data.add_argument(
        "--split", metavar="NAME", help="of a Pascal VOC folder: ImageSets/Main/NAME.txt (default: all images)"
    )

    query = parser.add_argument_group("query", "What makes an image hard.")
    query.add_argument(
        "--query", choices=list(_QUERIES), default="total_false", help="errors that count (default: %(default)s)"
    )
    query.add_argument(
        "--weighting", choices=["none", "pixel", "overlap"], default="none",
        help="what an error adds to hardness: none: 1; pixel: the share of the image that its box fills; overlap:"
        " the share of its box that true positives cover, each counted (default: %(default)s)",
    )  # fmt: skip
    query.add_argument(
        "--score-threshold", type=float, default=0.5, metavar="SCORE",
        help="leave out detections of a lower score, in [0, 1] (default: %(default)s)",
    )  # fmt: skip
    query.add_argument(
        "--iou-threshold", type=float, default=0.5, metavar="IOU",
        help="least intersection over union of a match, in (0, 1] (default: %(default)s)",
    )  # fmt: skip
    query.add_argument(
        "--labels", nargs="+", metavar="NAME",
        help="categories that count, by name: --labels person car, or person,car (default: all)",
    )  # fmt: skip
    query.add_argument(
        "--area-range", metavar="RANGE",
        help="objects that count, by area in square pixels: small (up to 32^2), medium, large (from 96^2), or"
        " LOW,HIGH (default: all)",
    )  # fmt: skip
    query.add_argument(
        "--max-detections", type=int, default=100, metavar="N",
        help="detections that count per image and category, those of highest score (default: %(default)s)",
    )  # fmt: skip

    output = parser.add_argument_group("output", "A table of the hardest images is always printed.")
    output.add_argument(
        "--top-k", type=int, default=10, metavar="K",
        help="number of hardest images in table, subset and grid (default: %(default)s)",
    )  # fmt: skip
    output.add_argument(
        "--out", nargs="+", action="extend", default=[], metavar="FILE",
        help="write the ranking of all images: FILE.csv, FILE.json or FILE.parquet; several are possible",
    )  # fmt: skip
    output.add_argument(
        "--subset", metavar="FILE.json", help="write COCO annotations of the K hardest images; needs COCO annotations"
    )
    output.add_argument(
        "--grid", metavar="FILE.png",
        help="draw the K hardest images: true positives green, false positives red, missed boxes blue;"
        " needs --images",
    )  # fmt: skip
    output.add_argument("--images", metavar="FOLDER", help="where the image files are, for --grid")
    return parser


def _detect_parser() -> ArgumentParser:
    parser = ArgumentParser(
        usage=f"{_PROGRAM} detect --model NAME --weights FILE --images FOLDER --out FILE.json [options]",
        description="Run a torchvision detector over images and write its detections, as rank reads them. Finished"
        " batches are kept in OUT.part until all are done: killed, the same command goes on where it was.",
        formatter_class=HelpFormatter,
        exit_on_error=False,
    )
    detector = parser.add_argument_group("detector")
    detector.add_argument(
        "--model", metavar="NAME", help="torchvision's name of it, such as fasterrcnn_resnet50_fpn (required)"
    )
    detector.add_argument(
        "--weights", metavar="FILE", help="its weights, as torch.save(model.state_dict(), FILE) writes them (required)"
    )
    detector.add_argument(
        "--num-classes", type=int, metavar="N",
        help="classes it was made with, background included (default: 91; 2 for Keypoint R-CNN)",
    )  # fmt: skip
    detector.add_argument(
        "--score-threshold", type=float, default=0.05, metavar="SCORE",
        help="keep detections of a higher score, in [0, 1] (default: %(default)s)",
    )  # fmt: skip
    detector.add_argument("--device", metavar="NAME", help="where it runs: cpu, cuda, cuda:1 (default: a GPU, or cpu)")
    detector.add_argument(
        "--batch-size", type=int, default=4, metavar="N", help="images at a time (default: %(default)s)"
    )

    data = parser.add_argument_group("data")
    data.add_argument("--images", metavar="FOLDER", help="where the image files are (required)")
    data.add_argument(
        "--annotations", metavar="FILE",
        help="COCO JSON file, plain or gzipped, whose images to take, with their ids; labels are not needed (default:"
        " all images in the folder and below, numbered 1, 2, ... by name, listed in OUT.images.json)",
    )  # fmt: skip

    output = parser.add_argument_group("output")
    output.add_argument("--out", metavar="FILE.json", help="write COCO results JSON (required)")
    output.add_argument(
        "--logits", metavar="FILE.json",
        help="write detections with the logits they were scored from too, in the JSON of `hardest`",
    )  # fmt: skip
    return parser


def _rank(options: Namespace) -> None:
    _check_files(options)
    if options.top_k < 1:
        raise ValueError(f"`top_k` must be at least 1, but is {options.top_k}.")
    settings: dict[str, Any] = {
        "score_threshold": options.score_threshold,
        "iou_threshold": options.iou_threshold,
        "area_range": _area_range(options.area_range),
        "max_detections": options.max_detections,
    }

    from hardest_metrics.data import read_annotations, read_detections
    from hardest_metrics.functional import Query

    Query(**settings)  # refuses what makes no sense before files are read
    terminal = Console(stderr=True)
    with Progress(console=terminal, disable=not terminal.is_terminal, transient=True) as progress:
        bar = progress.add_task("reading annotations", total=None)
        advance = partial(progress.advance, bar)
        annotations = read_annotations(options.annotations, options.split)
        _check_annotations(options, annotations)
        query = Query(**settings, labels=_labels(options.labels, annotations))
        progress.update(bar, description="reading detections")
        preds = read_detections(options.detections, annotations)
        progress.reset(bar, description="ranking", total=len(preds))
        rankings = _rankings(options, query, preds, annotations.target, advance)
        grid = b""
        if options.grid:
            progress.reset(bar, description="drawing", total=min(options.top_k, len(preds)))
            grid = _grid(options, query, rankings["hardness"], preds, annotations, advance)
        progress.reset(bar, description="writing", total=None)
        written = _write(options, rankings["hardness"], annotations, grid)

    # Where nobody looks, nothing needs to be cut or wrapped
    console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False, markup=False, emoji=False)
    console.print(_table(rankings, options.top_k, annotations))
    what, boxes = _in_words(options, query, annotations.categories)
    for line in (f"Query: {what}; {boxes}", _summary(options, rankings), *(f"Wrote {path}" for path in written)):
        console.print(line, soft_wrap=True)


def _check_files(options: Namespace) -> None:
    """Refuse files that are missing, or that can't or shouldn't be written, before anything is done."""
    inputs = [options.annotations, options.detections]
    for path, name in zip(inputs, ("annotations", "detections"), strict=True):
        if path is None:
            raise ValueError(f"`{name}` is missing, see {_PROGRAM} rank --help.")
        if not Path(path).exists():
            raise ValueError(f"{path}: no such file. Check the path.")
    if options.subset and Path(options.annotations).is_dir():
        raise ValueError(
            f"`subset` writes COCO annotations, which need COCO annotations to be taken from, but"
            f" {options.annotations} is a Pascal VOC folder. Leave `subset` out, and use `out`."
        )
    if bool(options.grid) != bool(options.images):
        given, missing = ("grid", "images") if options.grid else ("images", "grid")
        raise ValueError(f"`{given}` needs `{missing}`: give both, or neither.")
    if options.images and not Path(options.images).is_dir():
        raise ValueError(f"{options.images}: no such folder, but `images` names it. Check the path.")

    outputs: list[tuple[str, str, tuple[str, ...]]]
    outputs = [(path, "out", (".csv", ".json", ".parquet")) for path in options.out]
    outputs += [(options.subset, "subset", (".json",))] if options.subset else []
    outputs += [(options.grid, "grid", (".png",))] if options.grid else []
    _check_outputs(outputs, inputs)


def _check_outputs(outputs: Sequence[tuple[str, str, tuple[str, ...]]], inputs: Sequence[str]) -> None:
    """Refuse files, each with its option and the suffixes it may have, that can't or shouldn't be written."""
    taken = {os.path.realpath(path) for path in inputs}
    for path, name, suffixes in outputs:
        suffix = Path(path).suffix.lower()
        folder = Path(os.path.realpath(path)).parent
        if suffix not in suffixes:
            raise ValueError(f"{path}: `{name}` writes {', '.join(suffixes)}. End the file's name so.")
        if suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
            raise ValueError(f'{path}: Parquet needs pyarrow: pip install "hardest_metrics[parquet]", or write CSV.')
        if Path(path).is_dir():
            raise ValueError(f"{path}: is a folder. Give the path of a file to `{name}`.")
        if not folder.is_dir():
            raise ValueError(f"{path}: its folder does not exist. Create it, or choose another one.")
        if not os.access(folder, os.W_OK):
            raise ValueError(f"{path}: its folder cannot be written to. Choose another one.")
        if os.path.realpath(path) in taken:
            raise ValueError(f"{path}: would overwrite a file of this very command. Give `{name}` another name.")
        taken.add(os.path.realpath(path))


def _check_annotations(options: Namespace, annotations: "Annotations") -> None:
    from hardest_metrics.plot import MAX_TILES

    if not annotations.image_ids:
        raise ValueError(f"{options.annotations}: holds no images, so there is nothing to rank.")
    if options.grid and min(options.top_k, len(annotations.image_ids)) > MAX_TILES:
        raise ValueError(f"`grid` draws at most {MAX_TILES} images, but `top_k` is {options.top_k}.")
    if options.weighting == "pixel" and None in annotations.image_sizes:
        index = annotations.image_sizes.index(None)
        raise ValueError(
            f"{options.annotations}: image {annotations.image_ids[index]} ({annotations.file_names[index]}) has no"
            " width and height, which pixel weighting needs. Add them, or choose another `weighting`."
        )


def _area_range(text: str | None) -> str | tuple[float, float] | None:
    if text is None or "," not in text:
        return text
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise ValueError(f"`area_range` must be small, medium, large or LOW,HIGH, but is {text!r}.") from None
    return low, high


def _labels(names: Sequence[str] | None, annotations: "Annotations") -> list[int] | None:
    if names is None:
        return None
    known = annotations.categories.values()
    return annotations.labels_named([
        part for name in names for part in ([name] if name in known else map(str.strip, name.split(",")))
    ])  # fmt: skip


def _rankings(
    options: Namespace,
    query: "Query",
    preds: Sequence["ImageDict"],
    target: Sequence["ImageDict"],
    advance: Callable[[int], None],
) -> "dict[str, Ranking]":
    """All images ranked by hardness, and by the number of errors that count, of each kind and in all."""
    from torchmetrics import MetricCollection

    from hardest_metrics import detection

    settings = {field.name: getattr(query, field.name) for field in fields(query)} | {"box_format": "xywh"}
    definition = getattr(detection, _QUERIES[options.query][0])
    metrics = MetricCollection({
        "hardness": definition(options.weighting, **settings),
        "errors": definition(**settings),
        "false_positives": detection.FalsePositives(**settings),
        "false_negatives": detection.FalseNegatives(**settings),
    })  # fmt: skip
    for start in range(0, len(preds), _BATCH_SIZE):
        batch = slice(start, start + _BATCH_SIZE)
        metrics.update(preds[batch], target[batch])
        advance(len(preds[batch]))
    return metrics.compute()


def _grid(
    options: Namespace,
    query: "Query",
    ranking: "Ranking",
    preds: Sequence["ImageDict"],
    annotations: "Annotations",
    advance: Callable[[int], None],
) -> bytes:
    """The content of a PNG file that shows the hardest images."""
    from hardest_metrics.detectors.image_files import find_image
    from hardest_metrics.plot import draw_grid, draw_image, encode_png, outcome_boxes, tile_size

    position = {image_id: index for index, image_id in enumerate(annotations.image_ids)}
    top = ranking.top(options.top_k)
    shown = [position[image_id] for image_id in top.image_ids.tolist()]
    files = [find_image(options.images, annotations.file_names[i], annotations.image_ids[i]) for i in shown]
    boxes = outcome_boxes([preds[i] for i in shown], [annotations.target[i] for i in shown], query, "xywh")
    tiles = []
    for rank, (index, file, hardness) in enumerate(zip(shown, files, top.hardness.tolist(), strict=True), start=1):
        caption = f"{rank}. id {annotations.image_ids[index]}, hardness {hardness:.5g}\n{annotations.file_names[index]}"
        size, image_size = tile_size(len(shown)), annotations.image_sizes[index]
        tiles.append(draw_image(file, boxes[rank - 1], caption, annotations.categories, size, image_size))
        advance(1)
    return encode_png(draw_grid(tiles, "\n".join(_in_words(options, query, annotations.categories))))


def _write(options: Namespace, ranking: "Ranking", annotations: "Annotations", grid: bytes) -> list[str]:
    """Write what was asked for; the paths of all files written."""
    from hardest_metrics.data import atomic_write, write_coco_subset, write_ranking

    for path in options.out:
        write_ranking(ranking, path, annotations)
    if options.subset:
        write_coco_subset(options.annotations, ranking.top(options.top_k).image_ids, options.subset)
    if options.grid:
        with atomic_write(options.grid) as file:
            file.write(grid)
    return [*options.out, *filter(None, (options.subset, options.grid))]


def _detect(options: Namespace) -> None:
    for name in ("model", "weights", "images", "out"):
        if options[name] is None:
            raise ValueError(f"`{name}` is missing, see {_PROGRAM} detect --help.")
    inputs = [options.weights, *filter(None, (options.annotations,))]
    for path in inputs:
        if not Path(path).exists():
            raise ValueError(f"{path}: no such file. Check the path.")
    outputs = [(options.out, "out"), (options.logits, "logits")]
    _check_outputs([(path, name, (".json",)) for path, name in outputs if path], inputs)

    from hardest_metrics.detectors import detect

    terminal = Console(stderr=True)
    with Progress(console=terminal, disable=not terminal.is_terminal, transient=True) as progress:
        arguments = {name: value for name, value in vars(options).items() if name != "command"}
        detected = detect(**arguments, progress=progress)
    if detected.n_resumed:
        print(f"Went on after {detected.n_resumed} images that were done before")
    print(f"{detected.n_images} images, {detected.n_detections} detections of score > {options.score_threshold:g}")
    for path in detected.written:
        print(f"Wrote {path}")


def _table(rankings: "dict[str, Ranking]", top_k: int, annotations: "Annotations") -> Table:
    names = dict(zip(annotations.image_ids, annotations.file_names, strict=True))
    counts = [
        dict(zip(*(column.tolist() for column in rankings[kind]), strict=True))
        for kind in ("false_positives", "false_negatives")
    ]
    table = Table()
    for column in ("rank", "image id", "file name", "hardness", "false\npositives", "false\nnegatives"):
        table.add_column(column, justify="left" if column == "file name" else "right", overflow="fold")
    image_ids, hardness = (column.tolist() for column in rankings["hardness"].top(top_k))
    for rank, (image_id, value) in enumerate(zip(image_ids, hardness, strict=True), start=1):
        errors = [f"{count[image_id]:.0f}" for count in counts]
        table.add_row(str(rank), str(image_id), Text(names[image_id]), f"{value:.5g}", *errors)
    return table


def _summary(options: Namespace, rankings: "dict[str, Ranking]") -> str:
    number = len(rankings["errors"].hardness)
    in_error = int((rankings["errors"].hardness > 0).sum())
    mean = float(rankings["hardness"].hardness.double().mean())
    return (
        f"{number} images, mean hardness {mean:.5g}, {in_error} ({in_error / number:.1%}) {_QUERIES[options.query][1]}"
    )


def _in_words(options: Namespace, query: "Query", categories: Mapping[int, str]) -> tuple[str, str]:
    """The query as it was understood: what is added up, and over which boxes."""
    labels = None if query.labels is None else ", ".join(categories[label] for label in query.labels)
    boxes = (
        f"score >= {query.score_threshold:g}",
        f"IoU >= {query.iou_threshold:g}",
        "all labels" if labels is None else f"labels {labels}",
        "all areas" if options.area_range is None else f"areas {options.area_range}",
        f"at most {query.max_detections} detections per image and label",
    )
    return f"{options.query}, weighting {options.weighting}", ", ".join(boxes)


def _one_line(error: Exception, options: Namespace | None) -> str:
    """What an error says, arguments of functions named as the options they come from."""
    text = str(error)
    if isinstance(error, OSError) and error.filename and error.strerror:
        text = f"{error.filename}: {error.strerror}"
    known = options or ()
    text = re.sub(r"`(\w+)`", lambda name: _option(name[1]) if name[1] in known else name[0], text)
    return " ".join(text.split())


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
