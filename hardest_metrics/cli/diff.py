"""``hardest-metrics diff``: what one detector gets wrong that another got right, from two files of detections."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace
from rich.table import Table
from rich.text import Text

from hardest_metrics.cli.files import (
    Output,
    check_images_folder,
    check_inputs,
    check_outputs,
    ranking_outputs,
    write_ranked,
)
from hardest_metrics.cli.images import ImageSet, with_sizes
from hardest_metrics.cli.options import (
    PROGRAM,
    add_box_options,
    add_ignore_options,
    add_ranking_options,
    add_shape_options,
    add_split_option,
    as_options,
    boxes_in_words,
    ignored,
    labels_of,
    name_sigmas,
    new_parser,
    query_settings,
    require_given,
    shapes_of,
)
from hardest_metrics.cli.regress import WORSE
from hardest_metrics.cli.terminal import counted, noted, printable, progress_bar, results_console
from hardest_metrics.names import DEFINITIONS, WEIGHTINGS

if TYPE_CHECKING:
    from hardest_metrics.data import Annotations
    from hardest_metrics.functional import Query
    from hardest_metrics.functional.detection.packing import ImageDict
    from hardest_metrics.results import DetectorDiff


def parser() -> ArgumentParser:
    """Its options."""
    diff = new_parser(
        usage=f"{PROGRAM} diff --annotations FILE|FOLDER --detections OLD NEW [options]",
        description="Compare two detectors on the same labelled images: images by the rise of their hardness, and the"
        " objects that one found and the other missed. Exit code 3 if more images became wrong than --max-worse"
        " allows.",
    )
    data = diff.add_argument_group("data")
    data.add_argument(
        "--annotations", metavar="FILE|FOLDER",
        help="labels: a COCO JSON file, plain or gzipped, a Pascal VOC folder, Open Images' or Global Wheat's CSV, or"
        " a folder of digit scenes (required)",
    )  # fmt: skip
    data.add_argument(
        "--detections", nargs="+", metavar="FILE",
        help="detections of the older detector, then of the newer one: COCO results JSON, or what `hardest` exports;"
        " plain or gzipped (required)",
    )  # fmt: skip
    add_split_option(data)
    data.add_argument(
        "--images", metavar="FOLDER",
        help="where the image files are, for --grid, and for sizes that pixel weighting needs and --annotations lack",
    )  # fmt: skip
    add_ignore_options(data)

    query = diff.add_argument_group("query", "What makes an image hard.")
    query.add_argument(
        "--query", choices=list(DEFINITIONS), default="total_false", help="errors that count (default: %(default)s)"
    )
    query.add_argument(
        "--weighting", choices=list(WEIGHTINGS), default="none",
        help="what an error adds to hardness, see rank (default: %(default)s)",
    )  # fmt: skip
    add_shape_options(query)
    add_box_options(query)

    allowed = diff.add_argument_group("what is allowed")
    allowed.add_argument(
        "--max-worse", type=int, metavar="N",
        help="how many images may have errors now that had none (default: any number)",
    )  # fmt: skip

    output = diff.add_argument_group("output", "A table of the images whose hardness rose most is always printed.")
    add_ranking_options(output, "images", "table, subset and grid")
    output.add_argument("--objects", metavar="FILE.csv", help="write the objects that one found and the other missed")
    output.add_argument(
        "--subset", metavar="FILE.json",
        help="write the K images whose hardness rose most as COCO annotations; needs COCO --annotations",
    )  # fmt: skip
    output.add_argument(
        "--grid", metavar="FILE.png",
        help="draw the K images whose hardness rose most, old and new side by side; needs --images",
    )  # fmt: skip
    output.add_argument(
        "--report", metavar="FILE.html",
        help="write a page to look through all images by the rise of their hardness and by either detector's, with"
        " pictures where there are --images",
    )  # fmt: skip
    return diff


def run(options: Namespace) -> int:
    """Compare, print and write; the exit code."""
    _check(options)
    settings = query_settings(options)

    from hardest_metrics.data import read_annotations, read_detections
    from hardest_metrics.detection.naming import DEFINITIONS as CLASSES
    from hardest_metrics.results import diff

    with noted() as notes, progress_bar() as progress:
        bar = progress.add_task("reading", total=None)
        annotations = read_annotations(options.annotations, options.split, ignored(options), options.iou_type)
        if not annotations.image_ids:
            raise ValueError(f"{options.annotations}: holds no images, so there is nothing to compare on.")
        name_sigmas(options, annotations.categories)
        if options.weighting == "pixel":
            images = ImageSet(annotations, True, "")
            annotations = with_sizes(images, options, options.annotations, "another `weighting`").annotations
        old, new = (
            read_detections(path, annotations, ignored(options), options.iou_type) for path in options.detections
        )
        progress.reset(bar, description="comparing", total=None)
        definition = CLASSES[options.query](
            options.weighting, **settings, labels=labels_of(options, annotations), **shapes_of(options)
        )
        found = diff(annotations, old, new, definition)
        what = f"Query: {options.query}, weighting {options.weighting}"
        what_boxes = boxes_in_words(options, definition.query, annotations.categories)
        pictures: dict[str, bytes] = {}
        if options.grid:
            number = min(options.top_k, len(old))
            progress.reset(bar, description="drawing", total=number)
            title = f"The {number} images whose hardness rose most\n{what}; {what_boxes}"
            pictures[options.grid] = _grid(
                options, definition.query, found, annotations, (old, new), title, partial(progress.advance, bar)
            )
        progress.reset(bar, description="writing", total=None)
        further: dict[str, Callable[[str], None]] = {}
        if options.objects:
            further[options.objects] = partial(_write_objects, options, found, annotations)
        if options.subset:
            further[options.subset] = partial(_write_subset, options, found)
        written = write_ranked(options, partial(_write, options, found), pictures, further)
        if options.report:
            written.append(_report(options, definition.query, found, annotations, (old, new)))

    console = results_console()
    console.print(_table(options, found))
    wrong, right, p = found.flips
    lost = sum(one.lost for one in found.objects)
    lines = [
        f"{what}; {what_boxes}",
        *(f"Note: {as_options(note, options)}" for note in notes),
        f"{counted(len(old), 'image')}: mean hardness {_mean(found.before)}, now {_mean(found.now)};"
        f" {len(wrong)} became wrong, {len(right)} right; McNemar's exact p = {p:.4g}",
        f"Objects: {lost} found before and missed now, {len(found.objects) - lost} found now and missed before",
        *(f"Wrote {path}" for path in written),
    ]
    is_worse = options.max_worse is not None and len(wrong) > options.max_worse
    if is_worse:
        lines.append(f"Worse: {counted(len(wrong), 'image')} became wrong, which is more than {options.max_worse}")
    for line in lines:
        console.print(printable(line), soft_wrap=True)
    return WORSE if is_worse else 0


def _check(options: Namespace) -> None:
    """Refuse what makes no sense before anything is done."""
    require_given(options, "diff", ("annotations", "detections"))
    if len(options.detections) != 2:
        raise ValueError(f"`detections` must be two files, the older first, but are {len(options.detections)}.")
    if not 1 <= options.top_k < 1 << 31:
        raise ValueError(f"`top_k` must be at least 1 and below 2^31, but is {options.top_k}.")
    shapes_of(options)
    if options.max_worse is not None and options.max_worse < 0:
        raise ValueError(f"`max_worse` is a number of images, at least 0, but is {options.max_worse}.")
    if options.grid and not options.images:
        raise ValueError("`grid` needs `images`: give both, or neither.")
    if options.images and not (options.grid or options.report or options.weighting == "pixel"):
        raise ValueError(
            "`images` is of use to `grid`, `report` and pixel weighting only: leave it out, or give one of these."
        )
    check_inputs([options.annotations, *options.detections])
    check_images_folder(options.images)
    further = [
        (options.objects, "objects", (".csv",)),
        (options.subset, "subset", (".json",)),
        (options.report, "report", (".html",)),
    ]
    outputs = [*ranking_outputs(options), *(Output(*one) for one in further if one[0])]
    check_outputs(outputs, [options.annotations, *options.detections])


def _order(found: "DetectorDiff") -> list[int]:
    """The places of images in the annotations, in the order of the ranking."""
    place = {number: place for place, number in enumerate(found.names.image_ids)}
    return [place[number] for number in found.ranking.image_ids.tolist()]


def _grid(
    options: Namespace,
    query: "Query",
    found: "DetectorDiff",
    annotations: "Annotations",
    preds: "tuple[Sequence[ImageDict], Sequence[ImageDict]]",
    title: str,
    advance: Callable[[int], None],
) -> bytes:
    """The content of a PNG file that shows what both detectors make of the images whose hardness rose most."""
    from hardest_metrics.detectors.image_files import find_image
    from hardest_metrics.plot import MAX_TILES, draw_image, draw_side_by_side, encode_png, outcome_boxes, tile_size

    shown = _order(found)[: options.top_k]
    if 2 * len(shown) > MAX_TILES:
        raise ValueError(f"`grid` draws at most {MAX_TILES // 2} images twice, but `top_k` is {options.top_k}.")
    target = [annotations.target[place] for place in shown]
    columns: dict[str, list[Any]] = {}
    names = [f"{when}: {Path(path).name}" for when, path in zip(("old", "new"), options.detections, strict=True)]
    for name, of_detector, hardness in zip(names, preds, (found.before, found.now), strict=True):
        boxes = outcome_boxes([of_detector[place] for place in shown], target, query, **shapes_of(options))
        columns[name] = []
        for place, drawn in zip(shown, boxes, strict=True):
            file = find_image(options.images, annotations.file_names[place], annotations.shown_ids[place])
            caption = (
                f"id {annotations.shown_ids[place]}, hardness {hardness[place]:.5g}\n{annotations.file_names[place]}"
            )
            size = tile_size(2 * len(shown))
            columns[name].append(
                draw_image(file, drawn, caption, annotations.categories, size, annotations.image_sizes[place])
            )
            advance(1)
    return encode_png(draw_side_by_side(columns, title))


def _report(
    options: Namespace,
    query: "Query",
    found: "DetectorDiff",
    annotations: "Annotations",
    preds: "Sequence[list[dict[str, Any]]]",
) -> str:
    """Write the page; its path."""
    from hardest_metrics.comparison import RankedBy, compare
    from hardest_metrics.report import write_report

    old, new = preds
    definition = f"{options.query}/{options.weighting}"
    comparison = compare(
        annotations, {"new": new, "old": old}, query, [definition], estimators=[],
        iou_type=options.iou_type, sigmas=shapes_of(options)["sigmas"],
    )  # fmt: skip
    rise = RankedBy("new", definition, "rise from old", found.ranking)
    comparison = replace(comparison, rankings=[rise, *comparison.rankings])
    detections = dict(zip(("Old detections", "New detections"), options.detections, strict=True))
    inputs = [options.annotations, *dict.fromkeys(options.detections)]
    settings = {name: Path(path).name for name, path in detections.items()}
    return str(write_report(comparison, options.report, options.images or None, settings, inputs).page)


def _write(options: Namespace, found: "DetectorDiff", path: str) -> None:
    from hardest_metrics.data import write_ranking

    order = _order(found)
    columns = {"before": [found.before[place] for place in order], "now": [found.now[place] for place in order]}
    write_ranking(found.ranking, path, found.names, columns, options.for_spreadsheets)


def _write_subset(options: Namespace, found: "DetectorDiff", path: str) -> None:
    from hardest_metrics.data import write_coco_subset

    write_coco_subset(options.annotations, found.ranking.top(options.top_k).image_ids, path)


def _write_objects(options: Namespace, found: "DetectorDiff", annotations: "Annotations", path: str) -> None:
    """Write the objects as CSV, a line each."""
    import csv
    import io

    from hardest_metrics.data import atomic_write
    from hardest_metrics.data.spreadsheet import inert

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("image_id", "file_name", "object", "category", "x", "y", "width", "height", "found_by"))
    for one in found.objects:
        category = annotations.categories.get(one.label, str(one.label))
        row = [annotations.shown_ids[one.image], annotations.file_names[one.image], one.object, category, *one.xywh]
        row.append("old" if one.lost else "new")
        writer.writerow(map(inert, row) if options.for_spreadsheets else row)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


def _table(options: Namespace, found: "DetectorDiff") -> Table:
    table = Table()
    for column in ("rank", "image id", "file name", "before", "now", "rise", "objects\nlost", "objects\ngained"):
        table.add_column(column, justify="left" if column == "file name" else "right", overflow="fold")
    lost, gained = ({}, {})  # type: tuple[dict[int, int], dict[int, int]]
    for one in found.objects:
        counts = lost if one.lost else gained
        counts[one.image] = counts.get(one.image, 0) + 1
    rises = found.ranking.top(options.top_k).hardness.tolist()
    files = found.names.file_names or ()
    for rank, (place, rise) in enumerate(zip(_order(found), rises, strict=False), start=1):
        texts = [Text(printable(str(text))) for text in (found.names.shown_ids[place], files[place])]
        numbers = [f"{value:.5g}" for value in (found.before[place], found.now[place], rise)]
        table.add_row(str(rank), *texts, *numbers, str(lost.get(place, 0)), str(gained.get(place, 0)))
    return table


def _mean(hardness: Sequence[float]) -> str:
    return f"{sum(hardness) / len(hardness):.5g}"
