"""``hardest-metrics report``: a page to look through images and rankings."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from hardest_metrics.cli.files import Output, check_images_folder, check_inputs, check_outputs, say_waiting
from hardest_metrics.cli.images import ImageSet, unlabelled_images, with_sizes
from hardest_metrics.cli.options import (
    ALL,
    PROGRAM,
    add_box_options,
    add_ignore_options,
    add_shape_options,
    add_split_option,
    as_options,
    check_n_samples,
    check_names,
    ignored,
    labels_of,
    name_sigmas,
    new_parser,
    query_settings,
    require_given,
    shapes_of,
)
from hardest_metrics.cli.terminal import noted, printable, progress_bar, results_console
from hardest_metrics.comparison.detectors import detector_names
from hardest_metrics.comparison.estimates import ESTIMATES, estimate_named
from hardest_metrics.data.digest import content_digest, noted_digests
from hardest_metrics.names import DEFINITIONS, WEIGHTINGS

if TYPE_CHECKING:
    from rich.progress import Progress

    from hardest_metrics.comparison import Comparison
    from hardest_metrics.report import Written

_MOST_PROBLEMS = 5  # images without a picture that are named on the terminal; the page names all


def parser() -> ArgumentParser:
    """Its options."""
    report = new_parser(
        usage=f"{PROGRAM} report --annotations FILE|FOLDER --detections FILE [FILE ...] --out FILE.html [options]\n"
        f"       {PROGRAM} report --estimators NAME [NAME ...] --detections FILE [FILE ...] --out FILE.html [options]",
        description="Write an HTML page to look through the images of a data set, hardest first: a table to search and"
        " sort, pictures with the boxes that were found, missed and wrong, plots, and how it was all made. It opens"
        " from disk and loads nothing from anywhere.",
    )
    data = report.add_argument_group("data")
    data.add_argument(
        "--annotations", metavar="FILE|FOLDER",
        help="labels: a COCO JSON file, plain or gzipped, a Pascal VOC folder, Open Images' or Global Wheat's CSV, or"
        " a folder of digit scenes (required). With --estimators a COCO"
        " file without annotations will do as the list of images (default: the files in --images if detections name"
        " them, else the images that detections name, where those without any are not known)",
    )  # fmt: skip
    data.add_argument(
        "--detections", nargs="+", metavar="FILE",
        help="detections of each detector: COCO results JSON, its image_id an id or a file name, or what `hardest`"
        " exports; plain or gzipped. Detectors are called by their files (required)",
    )  # fmt: skip
    add_split_option(data)
    data.add_argument(
        "--images", metavar="FOLDER",
        help="where the image files are, for pictures, and for sizes that pixel weighting needs and --annotations lack"
        " (default: boxes are drawn on an empty canvas)",
    )  # fmt: skip

    add_ignore_options(data)

    query = report.add_argument_group("query", "What makes an image hard.")
    query.add_argument(
        "--query", nargs="+", choices=[*DEFINITIONS, ALL], default=["total_false"],
        help="errors that count, one or several kinds (default: total_false)",
    )  # fmt: skip
    query.add_argument(
        "--weighting", nargs="+", choices=[*WEIGHTINGS, ALL], default=["none"],
        help="what an error adds to hardness, one or several ways: none: 1; pixel: the share of the image that its box"
        " fills; overlap: the share of its box that true positives cover, each counted (default: none)",
    )  # fmt: skip
    add_box_options(query)
    add_shape_options(query)

    estimates = report.add_argument_group("without labels", "Estimates of what the query would say.")
    estimates.add_argument(
        "--estimators", nargs="+", default=[], metavar="NAME",
        help=f"rank by these as well, or only, where there are no labels: all, or some of {', '.join(ESTIMATES)};"
        " what ends in +platt also with +temperature or +isotonic (default: none)",
    )  # fmt: skip
    estimates.add_argument(
        "--n-samples", type=int, default=10, metavar="N",
        help="that estimators which draw samples draw (default: %(default)s)",
    )  # fmt: skip

    output = report.add_argument_group("output")
    output.add_argument(
        "--out", metavar="FILE.html",
        help="the page. More than 200 pictures go to the folder FILE_files beside it, which moves with it (required)",
    )  # fmt: skip
    return report


def run(options: Namespace) -> None:
    """Rank, and write the page."""
    detectors = _check(options)
    settings = query_settings(options)

    with progress_bar() as progress:
        with noted() as notes, noted_digests() as digests:
            comparison = _compare(options, detectors, settings, progress)
        comparison = replace(comparison, notes=(*comparison.notes, *(as_options(note, options) for note in notes)))
        written = _write(options, comparison, digests, progress)

    console = results_console()
    for note in comparison.notes:
        console.print(printable(f"Note: {note}"), soft_wrap=True)
    for problem in written.problems[:_MOST_PROBLEMS]:
        problem = printable(as_options(problem, options))
        print(f"{PROGRAM}: warning: no picture: {problem}", file=sys.stderr)
    if len(written.problems) > _MOST_PROBLEMS:
        print(f"{PROGRAM}: warning: no picture of {len(written.problems)} images in all", file=sys.stderr)
    for path in filter(None, (written.page, written.folder)):
        console.print(printable(f"Wrote {path}"), soft_wrap=True)


def _check(options: Namespace) -> dict[str, str]:
    """Refuse options that make no sense, before anything is done; the file of each detector by its name."""
    if not options.annotations and not options.estimators:
        raise ValueError(
            "`annotations` is missing: give labels, or `estimators`, which need none, see"
            f" {PROGRAM} report --help."
        )  # fmt: skip
    require_given(options, "report", ("detections", "out"))
    shapes_of(options)
    if options.estimators and options.iou_type != "bbox":
        raise ValueError(f"`estimators` go by boxes, but `iou_type` is {options.iou_type!r}: leave one out.")
    inputs = [path for path in [options.annotations, *options.detections] if path]
    check_inputs(inputs)
    check_names(options.estimators, "estimators", estimate_named)
    check_n_samples(options.n_samples)
    if options.split and not options.annotations:
        raise ValueError("`split` is of `annotations` in a Pascal VOC folder: give both, or neither.")
    check_images_folder(options.images)
    check_outputs([Output(options.out, "out", (".html",))], inputs)
    return dict(zip(detector_names(options.detections), options.detections, strict=True))


def _compare(
    options: Namespace, detectors: Mapping[str, str], settings: dict[str, Any], progress: "Progress"
) -> "Comparison":
    from hardest_metrics.comparison import compare
    from hardest_metrics.data.formats import parse_detections
    from hardest_metrics.data.json_file import load_json
    from hardest_metrics.functional import Query

    bar = progress.add_task("reading", total=None)
    documents = {path: load_json(path) for path in detectors.values()}
    images = _images(options, documents)
    annotations = images.annotations
    if not annotations.image_ids:
        raise ValueError(
            f"{options.annotations or options.detections[0]}: holds no images, so there is nothing to rank."
        )
    name_sigmas(options, annotations.categories)
    kinds = reversed(DEFINITIONS) if ALL in options.query else options.query  # the page begins with both kinds
    weightings = WEIGHTINGS if ALL in options.weighting else options.weighting
    if "pixel" in weightings:
        where = options.annotations or options.detections[0]
        annotations = with_sizes(images, options, where, "another `weighting`").annotations
    comparison = compare(
        annotations,
        {
            name: parse_detections(documents[path], path, annotations, ignored(options), options.iou_type)
            for name, path in detectors.items()
        },
        Query(**settings, labels=labels_of(options, annotations)),
        [f"{kind}/{weighting}" for kind, weighting in product(dict.fromkeys(kinds), dict.fromkeys(weightings))],
        None if options.estimators == [ALL] else list(dict.fromkeys(options.estimators)),
        options.n_samples,
        on_progress=lambda what, done, total: progress.update(
            bar, description=printable(what), completed=done, total=total
        ),
        iou_type=options.iou_type,
        sigmas=shapes_of(options)["sigmas"],
    )
    if not comparison.rankings:
        raise ValueError(f"`estimators` leave nothing to rank by: {' '.join(comparison.notes)}")
    return comparison


def _images(options: Namespace, documents: Mapping[str, Any]) -> ImageSet:
    """The images, with labels if there are any."""
    from hardest_metrics.data import read_annotations
    from hardest_metrics.data.coco import load_coco

    labelled = bool(options.annotations)
    if labelled and options.estimators and not Path(options.annotations).is_dir():
        labelled = bool(load_coco(options.annotations).get("annotations"))
    if labelled:
        return ImageSet(
            read_annotations(options.annotations, options.split, ignored(options), options.iou_type), True, ""
        )
    return unlabelled_images(options, documents)


def _write(
    options: Namespace, comparison: "Comparison", digests: Mapping[Path, str], progress: "Progress"
) -> "Written":
    from hardest_metrics.report import write_report

    number = len(comparison.annotations.image_ids)
    bar = progress.add_task("writing the page", total=number)
    sampled = [ranked.estimator for ranked in comparison.rankings if "sampl" in ranked.estimator]
    return write_report(
        comparison,
        options.out,
        options.images,
        {"Samples": f"{options.n_samples} of each estimator that draws them"} if sampled else {},
        {path: content_digest(path, digests) for path in [options.annotations, *options.detections] if path},
        lambda done: progress.advance(bar, done),
        say_waiting,
    )
