"""``hardest-metrics rank``: the images of a data set, hardest first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace
from rich.table import Table
from rich.text import Text

from hardest_metrics.cli.files import Output, check_inputs, check_outputs
from hardest_metrics.cli.options import (
    PROGRAM,
    add_box_options,
    boxes_in_words,
    labels_of,
    new_parser,
    query_settings,
    require_given,
)
from hardest_metrics.cli.terminal import progress_bar, results_console

if TYPE_CHECKING:
    from hardest_metrics.data import Annotations
    from hardest_metrics.functional import Query
    from hardest_metrics.functional.packing import ImageDict
    from hardest_metrics.ranking import Ranking

#: What is counted, and in the words of the summary line, which images have any of it.
QUERIES = {
    "false_positives": ("FalsePositives", "with a false positive"),
    "false_negatives": ("FalseNegatives", "with a missed object"),
    "total_false": ("TotalFalse", "with an error"),
}

_BATCH_SIZE = 256  # images at a time: few enough for the progress bar to move


def parser() -> ArgumentParser:
    """Its options."""
    rank = new_parser(
        usage=f"{PROGRAM} rank --annotations FILE|FOLDER --detections FILE [options]",
        description="Rank labelled images by a detector's errors, the hardest first. Detections are matched to"
        " labels by COCO's protocol at one IoU threshold.",
    )
    data = rank.add_argument_group("data")
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

    query = rank.add_argument_group("query", "What makes an image hard.")
    query.add_argument(
        "--query", choices=list(QUERIES), default="total_false", help="errors that count (default: %(default)s)"
    )
    query.add_argument(
        "--weighting", choices=["none", "pixel", "overlap"], default="none",
        help="what an error adds to hardness: none: 1; pixel: the share of the image that its box fills; overlap:"
        " the share of its box that true positives cover, each counted (default: %(default)s)",
    )  # fmt: skip
    add_box_options(query)

    output = rank.add_argument_group("output", "A table of the hardest images is always printed.")
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
    return rank


def run(options: Namespace) -> None:
    """Rank, print and write."""
    _check_files(options)
    if options.top_k < 1:
        raise ValueError(f"`top_k` must be at least 1, but is {options.top_k}.")
    settings = query_settings(options)

    from hardest_metrics.data import read_annotations, read_detections
    from hardest_metrics.functional import Query

    with progress_bar() as progress:
        bar = progress.add_task("reading annotations", total=None)
        advance = partial(progress.advance, bar)
        annotations = read_annotations(options.annotations, options.split)
        _check_annotations(options, annotations)
        query = Query(**settings, labels=labels_of(options, annotations))
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

    console = results_console()
    console.print(_table(rankings, options.top_k, annotations))
    what, boxes = _in_words(options, query, annotations.categories)
    for line in (f"Query: {what}; {boxes}", _summary(options, rankings), *(f"Wrote {path}" for path in written)):
        console.print(line, soft_wrap=True)


def _check_files(options: Namespace) -> None:
    """Refuse files that are missing, or that can't or shouldn't be written, before anything is done."""
    require_given(options, "rank", ("annotations", "detections"))
    inputs = [options.annotations, options.detections]
    check_inputs(inputs)
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

    outputs = [Output(path, "out", (".csv", ".json", ".parquet")) for path in options.out]
    outputs += [Output(options.subset, "subset", (".json",))] if options.subset else []
    outputs += [Output(options.grid, "grid", (".png",))] if options.grid else []
    check_outputs(outputs, inputs)


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
    definition = getattr(detection, QUERIES[options.query][0])
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
        f"{number} images, mean hardness {mean:.5g}, {in_error} ({in_error / number:.1%}) {QUERIES[options.query][1]}"
    )


def _in_words(options: Namespace, query: "Query", categories: Mapping[int, str]) -> tuple[str, str]:
    """The query as it was understood: what is added up, and over which boxes."""
    return f"{options.query}, weighting {options.weighting}", boxes_in_words(options, query, categories)
