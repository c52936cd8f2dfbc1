"""``hardest-metrics calibrate``: from scores to probabilities."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from hardest_metrics.cli.files import Output, check_inputs, check_outputs, require_package, written_alone
from hardest_metrics.cli.options import (
    PROGRAM,
    add_ignore_options,
    add_object_options,
    add_split_option,
    area_range_of,
    as_options,
    ignored,
    labels_of,
    new_parser,
    require_given,
)
from hardest_metrics.cli.terminal import counted, noted, printable, progress_bar
from hardest_metrics.names import CALIBRATIONS

if TYPE_CHECKING:
    from hardest_metrics.calibration import Isotonic, Platt, Reliability, Residuals, WitnessModel
    from hardest_metrics.comparison.folds import Fold
    from hardest_metrics.comparison.judged import Labelled
    from hardest_metrics.functional import Query
    from hardest_metrics.functional.detection.packing import ImageDict


def parser() -> ArgumentParser:
    """Its options."""
    calibrate = new_parser(
        usage=f"{PROGRAM} calibrate --annotations FILE|FOLDER --detections FILE --out FILE.json [options]",
        description="Learn from labelled images which probability a detection of a given score has of being right, for"
        " rank --estimator NAME --calibration FILE; or a box that other detectors have or lack, for rank --estimator"
        " witness --witness-model FILE; and how far estimates are off, for intervals. Use other images than those to be"
        " ranked, and the same detectors.",
    )
    data = calibrate.add_argument_group("data")
    data.add_argument(
        "--annotations", metavar="FILE|FOLDER",
        help="labels: a COCO JSON file, plain or gzipped, a Pascal VOC folder, Open Images' or Global Wheat's CSV, or"
        " a folder of digit scenes (required)",
    )  # fmt: skip
    data.add_argument(
        "--detections", metavar="FILE",
        help="detections, kept down to low scores: COCO results JSON, or what `hardest` exports; plain or gzipped"
        " (required)",
    )  # fmt: skip
    add_split_option(data)
    add_ignore_options(data)
    query = calibrate.add_argument_group("query", "What it takes for a detection to be right.")
    add_object_options(query)
    query.add_argument(
        "--score-threshold", type=float, default=0.5, metavar="SCORE",
        help="detections of a lower score are no errors, in [0, 1]; of use to intervals, which are for rank with the"
        " same one (default: %(default)s)",
    )  # fmt: skip

    fit = calibrate.add_argument_group("fit")
    fit.add_argument(
        "--method", choices=list(CALIBRATIONS), default="platt",
        help="platt: a logistic curve, for a few dozen objects or more; temperature: one that keeps one half;"
        " isotonic: any curve that does not fall, for many objects (default: %(default)s)",
    )  # fmt: skip

    fit.add_argument(
        "--witnesses", nargs="+", default=[], metavar="FILE",
        help="detections of other detectors on the same images, a file each: fit a model of what these say, in place of"
        " a curve",
    )  # fmt: skip

    output = calibrate.add_argument_group("output", "How reliable scores were and are is always printed.")
    output.add_argument("--out", metavar="FILE.json", help="write the calibration (required)")
    output.add_argument(
        "--plot",
        metavar="FILE.png",
        help="draw how often detections are right over their probability, before and after",
    )
    return calibrate


def run(options: Namespace) -> None:
    """Fit, judge, print and write."""
    require_given(options, "calibrate", ("annotations", "detections", "out"))
    inputs = [options.annotations, options.detections, *options.witnesses]
    if options.witnesses and options.plot:
        raise ValueError("`plot` is of a calibration: leave it out, or `witnesses`.")
    check_inputs(inputs)
    outputs = [(options.out, "out", (".json",)), (options.plot, "plot", (".png", ".svg", ".pdf"))]
    check_outputs([Output(*output) for output in outputs if output[0]], inputs)
    require_package("sklearn", "calibration", "Fitting a calibration")
    if options.plot:
        require_package("matplotlib", "plot", "`plot`")

    from hardest_metrics.calibration import reliability, write_calibration, write_witness_model
    from hardest_metrics.comparison.judged import Labelled
    from hardest_metrics.data import atomic_write, read_annotations, read_detections
    from hardest_metrics.functional import Query

    area_range = area_range_of(options)
    Query(options.score_threshold, options.iou_threshold, area_range=area_range)  # refuses what makes no sense at once
    with noted() as notes, progress_bar() as progress:
        bar = progress.add_task("reading", total=None)
        annotations = read_annotations(options.annotations, options.split, ignored(options))
        query = Query(
            options.score_threshold, options.iou_threshold, labels_of(options, annotations), area_range=area_range
        )
        preds, *witnesses = [
            read_detections(path, annotations, ignored(options)) for path in (options.detections, *options.witnesses)
        ]
        labelled = Labelled(preds, annotations.target, query, witnesses)
        if len(preds) < 2:
            raise ValueError(
                f"{options.annotations}: holds {counted(len(preds), 'image')}, but 2 or more are needed to judge a fit."
            )
        progress.update(bar, description="fitting")
        before = reliability(preds, annotations.target, None, query, "xywh")
        _check_reliability(options, before)
        plot = b""
        if options.witnesses:
            model, residuals, lines = _model(labelled)
        else:
            calibration, after, residuals, lines = _calibration(options, labelled, before)
            plot = _plot(options.plot, before, after) if options.plot else b""
        written = [*filter(None, (options.out, options.plot))]
        with written_alone(written):
            if options.witnesses:
                write_witness_model(model, options.out, residuals)
            else:
                write_calibration(calibration, options.out, residuals)
            if options.plot:
                with atomic_write(options.plot) as file:
                    file.write(plot)

    fitted = model if options.witnesses else calibration
    print(f"{fitted!r}, fitted to {counted(int(before.number.sum()), 'detection')} on {counted(len(preds), 'image')}")
    for line in lines:
        print(line)
    for note in notes:
        print(printable(f"Note: {as_options(note, options)}"))
    for path in written:
        print(printable(f"Wrote {path}"))


def _calibration(
    options: Namespace, labelled: "Labelled", before: "Reliability"
) -> "tuple[Platt | Isotonic, Reliability, Residuals, list[str]]":
    """The calibration, how reliable it makes other images, how far its estimates are off, and all that in words."""
    from hardest_metrics.calibration import fit_calibration
    from hardest_metrics.comparison.folds import cross_validate
    from hardest_metrics.comparison.judged import in_words
    from hardest_metrics.detection.residuals import residuals_of

    preds, target, query = labelled.preds, labelled.target, labelled.query
    calibration = fit_calibration(preds, target, options.method, query, "xywh")
    try:
        folds = cross_validate(preds, target, options.method, query)
    except ValueError as error:
        raise ValueError(
            f"{options.detections}: all detections that are right, or that count, are on a few images, so that a"
            " fit to the others cannot be judged. Calibrate on more images."
        ) from error
    after = _reliability_of(folds, preds, target, query)
    judged = labelled.calibrated(options.method)
    residuals = residuals_of(judged)
    error_before_and_after = (
        f"Expected calibration error: {before.error:.4f} before; {after.error:.4f} after, each image by a calibration"
        f" fitted to others ({len(folds)}-fold cross-validation)"
    )
    words = [error_before_and_after, *in_words(labelled.by_scores(), judged, residuals)]
    return calibration, after, residuals, words


def _model(labelled: "Labelled") -> "tuple[WitnessModel, Residuals, list[str]]":
    """The model of witnesses, how far its estimates are off, and that in words."""
    from hardest_metrics.calibration import fit_witness_model
    from hardest_metrics.comparison.judged import in_words
    from hardest_metrics.detection.residuals import residuals_of

    model = fit_witness_model(labelled.preds, labelled.witnesses, labelled.target, labelled.query, "xywh")
    judged = labelled.heard()
    residuals = residuals_of(judged)
    return model, residuals, in_words(labelled.by_scores(), judged, residuals, labelled.heard(model))


def _check_reliability(options: Namespace, scores: "Reliability") -> None:
    """Refuse detections that nothing is learnt from."""
    number = int(scores.number.sum())
    if not number:
        raise ValueError(
            f"{options.detections}: holds no detection that counts. Calibrate on more images, or let the query count"
            " others, with detections kept down to low scores."
        )
    if not (scores.precision > 0).any():
        raise ValueError(
            f"{options.detections}: none of {counted(number, 'detection')} finds an object of {options.annotations}:"
            " check that it is labelled, and that both are of the same images and categories."
        )


def _reliability_of(
    folds: "Sequence[Fold]", preds: "Sequence[ImageDict]", target: "Sequence[ImageDict]", query: "Query"
) -> "Reliability":
    """How reliable probabilities are, each image's by the calibration of its fold."""
    from hardest_metrics.calibration import DetectionCalibration

    metric = DetectionCalibration(query=query, box_format="xywh")
    for fold in folds:
        metric.calibration = fold.calibration
        metric.update([preds[i] for i in fold.images], [target[i] for i in fold.images])
    return metric.compute()


def _plot(path: str, before: "Reliability", after: "Reliability") -> bytes:
    """The content of a picture, in the format that the path asks for."""
    from matplotlib.figure import Figure

    from hardest_metrics.plot import plot_reliability

    axes = Figure(layout="constrained").subplots()
    plot_reliability(before, axes, "scores")
    figure, _ = plot_reliability(after, axes, "calibrated, cross-validated")
    content = io.BytesIO()
    figure.savefig(content, format=Path(path).suffix[1:].lower(), dpi=150)
    return content.getvalue()
