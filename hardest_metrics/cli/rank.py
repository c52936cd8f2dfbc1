"""``hardest-metrics rank``: the images of a data set, hardest first."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace
from rich.table import Table
from rich.text import Text

from hardest_metrics.cli import labelling, rank_by_label, rank_classifier, rank_shards, slices, why
from hardest_metrics.cli.estimator import (
    add_estimator_options,
    check_estimator,
    estimator_in_words,
    estimator_settings,
)
from hardest_metrics.cli.files import (
    Output,
    check_images_folder,
    check_inputs,
    check_outputs,
    ranking_outputs,
    write_ranked,
)
from hardest_metrics.cli.images import ImageSet, has_objects, unlabelled_images, with_file_sizes, with_sizes
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
from hardest_metrics.cli.ranked import Ranked, estimated, measured
from hardest_metrics.cli.terminal import add_columns, noted, printable, progress_bar, results_console
from hardest_metrics.names import DEFINITIONS, OF_LOGITS, UNCERTAINTIES, WEIGHTINGS

if TYPE_CHECKING:
    from hardest_metrics.functional import Query
    from hardest_metrics.functional.detection.packing import ImageDict


_NARROW = 90  # columns of a terminal that has no room for counts beside kinds


def parser() -> ArgumentParser:
    """Its options."""
    rank = new_parser(
        usage=f"{PROGRAM} rank --annotations FILE|FOLDER --detections FILE [options]\n"
        f"       {PROGRAM} rank --estimator NAME --detections FILE [options]\n"
        f"       {PROGRAM} rank --logits FILE [--labels FILE|FOLDER] [options]\n"
        f"       {PROGRAM} rank --detections 'SHARDS' --rows FOLDER [options]",
        description="Rank images by a detector's errors, the hardest first: by labels, to which detections are"
        " matched by COCO's protocol at one IoU threshold; or without labels, estimated. Or rank by what a classifier"
        " says of them.",
    )
    data = rank.add_argument_group("data")
    data.add_argument(
        "--annotations", metavar="FILE|FOLDER",
        help="labels: a COCO JSON file, plain or gzipped, a Pascal VOC folder, Open Images' or Global Wheat's CSV, or"
        " a folder of digit scenes (required). With --estimator the"
        " list of images, of which ids, names and sizes are taken and labels not looked at: the file needs none, nor"
        " categories (default: the files in --images if detections name them, else the images that detections name,"
        " where those without any are not known)",
    )  # fmt: skip
    data.add_argument(
        "--detections", metavar="FILE",
        help="detections: COCO results JSON, its image_id an id or a file name, or what `hardest` exports; plain or"
        " gzipped (required)",
    )  # fmt: skip
    add_split_option(data)
    data.add_argument(
        "--images", metavar="FOLDER",
        help="where the image files are, for --grid, and for sizes that pixel weighting needs and --annotations lack",
    )  # fmt: skip

    add_ignore_options(data)

    query = rank.add_argument_group("query", "What makes an image hard.")
    query.add_argument(
        "--query", choices=list(DEFINITIONS), default="total_false", help="errors that count (default: %(default)s)"
    )
    query.add_argument(
        "--weighting", choices=list(WEIGHTINGS), default="none",
        help="what an error adds to hardness: none: 1; pixel: the share of the image that its box fills; overlap:"
        " the share of its box that true positives cover, each counted (default: %(default)s)",
    )  # fmt: skip
    add_shape_options(query)
    add_box_options(query)

    why.add_why_options(rank.add_argument_group("why", "What goes wrong, with which class, and on which images."))

    add_estimator_options(rank.add_argument_group("without labels", "Estimates of what the query would say."))

    rank_classifier.add_classifier_options(rank.add_argument_group("classifiers", "Instead of boxes."))

    rank_shards.add_shard_options(rank.add_argument_group("shards", "More images than memory holds."))

    output = rank.add_argument_group("output", "A table of the hardest images is always printed.")
    add_ranking_options(output, "images", "table, subset and grid")
    output.add_argument(
        "--subset", metavar="FILE.json",
        help="write the K hardest images as COCO annotations; needs COCO --annotations to take them from, or the folder"
        " --images alone",
    )  # fmt: skip
    labelling.add_labelling_options(output)
    output.add_argument(
        "--grid", metavar="FILE.png",
        help="draw the K hardest images: true positives green, false positives red, missed boxes blue; with"
        " --estimator detections orange; needs --images",
    )  # fmt: skip
    return rank


def run(options: Namespace) -> None:
    """Rank, print and write."""
    if options.logits:
        rank_classifier.run(options, parser())
        return
    if options.rows:
        rank_shards.run(options, parser())
        return
    rank_shards.refuse_without_rows(options)
    if options.definition:
        raise ValueError("`definition` is of a classifier's `logits`: give both, or neither.")
    check_estimator(options)
    why.check(options)
    _check_files(options)
    if options.top_k < 1:
        raise ValueError(f"`top_k` must be at least 1, but is {options.top_k}.")
    settings, shapes = query_settings(options), shapes_of(options)
    if options.estimator and shapes["iou_type"] != "bbox":
        raise ValueError(f"`estimator` goes by boxes, but `iou_type` is {options.iou_type!r}: leave one out.")
    of_estimator = estimator_settings(options) if options.estimator else {}

    from hardest_metrics.functional import Query

    with noted() as warned, progress_bar() as progress:
        bar = progress.add_task("reading", total=None)
        advance = partial(progress.advance, bar)
        images, preds, members = _read(options)
        annotations = images.annotations
        name_sigmas(options, annotations.categories)
        query = Query(**settings, labels=labels_of(options, annotations))
        progress.reset(bar, description="ranking", total=len(preds))
        matched = options.estimator not in UNCERTAINTIES
        what_boxes = boxes_in_words(options, query, annotations.categories, matched)
        if options.by_label:
            classes = rank_by_label.ranked(options, query, preds, images, advance)
            what = f"Query: {options.query}, weighting {options.weighting}, by class"
            written = rank_by_label.write(options, classes, images)
            tables = [rank_by_label.table(classes, images)]
            summary = rank_by_label.in_words(classes, len(preds))
        else:
            if options.estimator:
                ranked = estimated(options, query, of_estimator, preds, annotations.target, members, advance)
                what = f"Estimate: {estimator_in_words(options, of_estimator)}"
            else:
                ranked = measured(options, query, preds, annotations.target, advance)
                what = f"Query: {options.query}, weighting {options.weighting}"
            pictures: dict[str, bytes] = {}
            if options.grid:
                progress.reset(bar, description="drawing", total=min(options.top_k, len(preds)))
                pictures[options.grid] = _grid(options, query, ranked, preds, images, f"{what}\n{what_boxes}", advance)
            if options.kinds_plot:
                progress.reset(bar, description="telling kinds apart", total=len(preds))
                pictures[options.kinds_plot] = why.kinds_picture(query, preds, annotations, advance, shapes_of(options))
            tables, summary = [_table(ranked, options.top_k, images, results_console().width)], ranked.summary
            if options.slices:
                progress.reset(bar, description="slicing", total=None)
                found = slices.sliced(options, query, ranked.ranking, images)
                tables.append(slices.table(found))
                if options.slices_plot:
                    pictures[options.slices_plot] = slices.picture(
                        found, float(ranked.ranking.hardness.double().mean())
                    )
            progress.reset(bar, description="writing", total=None)
            written = _write(options, ranked, images, preds, query, pictures)

    console = results_console()
    for table in tables:
        console.print(table)
    notes = [f"Images: {images.in_words}"] if images.in_words else []
    if not options.estimator and not has_objects(annotations, query):
        notes.append(
            f"Note: {options.annotations}: no image has an object that counts, so that every detection is an error. Is"
            " it labelled?"
        )
    notes += [f"Note: {as_options(note, options)}" for note in warned]
    for line in (f"{what}; {what_boxes}", *notes, summary, *(f"Wrote {path}" for path in written)):
        console.print(printable(line), soft_wrap=True)


def _check_files(options: Namespace) -> None:
    """Refuse files that are missing, or that can't or shouldn't be written, before anything is done."""
    if not options.annotations and not options.estimator:
        raise ValueError(
            f"`annotations` is missing: give labels, or an `estimator`, which needs none, see {PROGRAM} rank --help."
        )
    require_given(options, "rank", ("detections",))
    inputs = [options.annotations, options.detections, *options.members, options.calibration, options.witness_model]
    inputs = [path for path in [*inputs, *options.member_calibrations, *why.tables_of_slices(options)] if path]
    check_inputs(inputs)
    of_folder = options.images and not options.annotations
    labels = Path(options.annotations or "")
    of_coco = labels.is_file() and labels.suffix.lower() != ".csv"
    if options.subset and not (of_folder or of_coco):
        found = f"{options.annotations} is in another format" if options.annotations else "there are no `annotations`"
        raise ValueError(
            f"`subset` writes COCO annotations, which need COCO annotations to be taken from, or a folder of `images`"
            f" without any, but {found}. Leave `subset` out, and use `out`."
        )
    if options.split and not options.annotations:
        raise ValueError("`split` is of `annotations` in a Pascal VOC folder: give both, or neither.")
    if options.grid and not options.images:
        raise ValueError("`grid` needs `images`: give both, or neither.")
    looks = options.grid or options.tasks or "brightness" in (options.slices or ())
    if options.images and not (looks or _needs_sizes(options) or not options.annotations):
        raise ValueError(
            "`images` is of use to `grid`, `tasks` and pixel weighting: leave it out, or give one of them."
        )
    check_images_folder(options.images)

    subset = [Output(options.subset, "subset", (".json",))] if options.subset else []
    check_outputs([*ranking_outputs(options), *subset, *labelling.outputs(options), *why.outputs(options)], inputs)


def _needs_sizes(options: Namespace) -> bool:
    return options.weighting == "pixel" and options.estimator not in UNCERTAINTIES


def _read(options: Namespace) -> "tuple[ImageSet, Sequence[ImageDict], Sequence[Sequence[ImageDict]]]":
    """The images, the detections on them, and those of every member of a committee."""
    from hardest_metrics.data import read_annotations, read_detections
    from hardest_metrics.data.formats import parse_detections
    from hardest_metrics.data.json_file import load_json

    if not options.estimator:
        labelled = read_annotations(options.annotations, options.split, ignored(options), options.iou_type)
        images = _checked(options, ImageSet(labelled, True, ""))
        return images, read_detections(options.detections, images.annotations, ignored(options), options.iou_type), []
    files = [options.detections, *options.members]
    documents = {path: load_json(path) for path in files}
    images = _checked(options, unlabelled_images(options, documents))
    preds, *members = [parse_detections(documents[path], path, images.annotations, ignored(options)) for path in files]
    if options.estimator in OF_LOGITS and any(len(image["scores"]) and "logits" not in image for image in preds):
        raise ValueError(
            f"{options.detections}: holds no logits, which {options.estimator} goes by. Give the JSON of `hardest` with"
            " logits, such as detect --logits writes, or choose another `estimator`."
        )
    return images, preds, members


def _checked(options: Namespace, images: ImageSet) -> ImageSet:
    """The images, with sizes where these are needed; refused if they cannot be ranked or drawn."""
    from hardest_metrics.plot import MAX_TILES

    number = len(images.annotations.image_ids)
    where = options.annotations or options.detections
    if not number:
        raise ValueError(f"{where}: holds no images, so there is nothing to rank.")
    if options.grid and min(options.top_k, number) > MAX_TILES:
        raise ValueError(f"`grid` draws at most {MAX_TILES} images, but `top_k` is {options.top_k}.")
    return with_sizes(images, options, where, "another `weighting`") if _needs_sizes(options) else images


def _grid(
    options: Namespace,
    query: "Query",
    ranked: Ranked,
    preds: Sequence["ImageDict"],
    images: ImageSet,
    title: str,
    advance: Callable[[int], None],
) -> bytes:
    """The content of a PNG file that shows the hardest images."""
    from hardest_metrics.detectors.image_files import find_image
    from hardest_metrics.plot import detection_boxes, draw_grid, draw_image, encode_png, outcome_boxes, tile_size

    annotations = images.annotations
    position = {image_id: index for index, image_id in enumerate(annotations.image_ids)}
    top = ranked.ranking.top(options.top_k)
    shown = [position[image_id] for image_id in top.image_ids.tolist()]
    files = [find_image(options.images, annotations.file_names[i], annotations.shown_ids[i]) for i in shown]
    found, target = [preds[i] for i in shown], [annotations.target[i] for i in shown]
    if options.estimator:
        boxes = detection_boxes(found, query, "xywh")
    else:
        boxes = outcome_boxes(found, target, query, **shapes_of(options))
    tiles, ids = [], annotations.shown_ids
    for rank, (index, file, hardness) in enumerate(zip(shown, files, top.hardness.tolist(), strict=True), start=1):
        caption = f"{rank}. id {ids[index]}, hardness {hardness:.5g}\n{annotations.file_names[index]}"
        if ranked.kinds:
            caption += f"\n{ranked.errors_of(annotations.image_ids[index]) or 'no errors'}"
        size, image_size = tile_size(len(shown)), annotations.image_sizes[index]
        tiles.append(draw_image(file, boxes[rank - 1], caption, annotations.categories, size, image_size))
        advance(1)
    return encode_png(draw_grid(tiles, title, judged=not options.estimator))


def _write(
    options: Namespace,
    ranked: Ranked,
    images: ImageSet,
    preds: Sequence["ImageDict"],
    query: "Query",
    pictures: Mapping[str, bytes],
) -> list[str]:
    """Write what was asked for; the paths of all files written."""
    from hardest_metrics.data import write_coco_subset, write_image_list, write_ranking

    ranking = ranked.ranking
    hardest = ranking.top(options.top_k).image_ids
    further = labelling.writers(options, query, ranking, images.annotations, preds)
    if options.subset and not options.annotations:
        listed = with_file_sizes(images.annotations, options.images, hardest.tolist())
        further[options.subset] = partial(write_image_list, listed, hardest)
    elif options.subset:
        further[options.subset] = partial(write_coco_subset, options.annotations, hardest)
    columns = {
        kind: [int(of[image_id]) for image_id in ranking.image_ids.tolist()] for kind, of in ranked.kinds.items()
    }
    named = images.annotations if images.named else None

    def write(path: str) -> None:
        write_ranking(ranking, path, named, columns, options.for_spreadsheets)

    return write_ranked(options, write, pictures, further)


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.4g}"


def _table(ranked: Ranked, top_k: int, images: ImageSet, width: int) -> Table:
    """The hardest images; in a narrow terminal kinds stand in place of the counts that they add up to."""
    annotations = images.annotations
    known = zip(annotations.shown_ids, annotations.file_names, strict=True)
    named_by = dict(zip(annotations.image_ids, known, strict=True))
    table = Table()
    named = ["file name"] if images.named else []
    told = ["errors"] if ranked.kinds else []
    columns = {} if ranked.kinds and width < _NARROW else ranked.columns
    texts = ("image id", "file name", "errors")
    add_columns(table, ("rank", "image id", *named, "hardness", *columns, *told), texts, left=texts[1:])
    image_ids, hardness = (column.tolist() for column in ranked.ranking.top(top_k))
    for rank, (image_id, value) in enumerate(zip(image_ids, hardness, strict=True), start=1):
        shown_id, file_name = named_by[image_id]
        name = [Text(printable(file_name))] if images.named else []
        counts = [_number(count[image_id]) for count in columns.values()]
        told = [ranked.errors_of(image_id)] if ranked.kinds else []
        if width < _NARROW:
            told = [text.replace(", ", "\n") for text in told]
        table.add_row(str(rank), Text(printable(str(shown_id))), *name, f"{value:.5g}", *counts, *told)
    return table
