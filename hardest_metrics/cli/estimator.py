"""Options for estimates of hardness, which need no labels."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from hardest_metrics.names import ESTIMATORS, OF_OTHERS, STATISTICS, UNCERTAINTIES, WITNESS

_OPTIONS = (
    "n_samples", "seed", "statistic", "c", "coverage", "calibration", "members", "member_weights",
    "member_calibrations", "witness_model",
)  # fmt: skip


def add_estimator_options(group: Any) -> None:
    """The options of one estimator, for :func:`check_estimator` and :func:`estimator_settings`."""
    group.add_argument(
        "--estimator", choices=list(ESTIMATORS),
        help="estimate hardness from detections alone: score_sampling or expected_hardness from the detector's scores"
        " (fast_score_sampling is for weightings that are functions in Python: its mean is expected_hardness);"
        " committee or sampled_committee from those of other detectors; witness from both; the others are measures of"
        " uncertainty, entropy and evidential of logits",
    )  # fmt: skip
    group.add_argument(
        "--n-samples", type=int, metavar="N", help="samples of the truth, of estimators that draw them (default: 10)"
    )
    group.add_argument("--seed", type=int, metavar="SEED", help="another one draws other samples (default: 0)")
    group.add_argument(
        "--statistic", choices=list(STATISTICS),
        help="what the hardness of an image is: the mean, the standard deviation, the bound mean + C x standard"
        " deviation, or the upper end of an interval (default: mean)",
    )  # fmt: skip
    group.add_argument("--c", type=float, metavar="C", help="of the bound; negative for a lower one (default: 1)")
    group.add_argument(
        "--coverage", type=float, metavar="SHARE",
        help="of intervals, which need a file of calibrate, by --calibration or --witness-model: the least share of"
        " images that lie inside (default: 0.8)",
    )  # fmt: skip
    group.add_argument(
        "--calibration", metavar="FILE.json",
        help="turns scores into probabilities, as calibrate writes it (default: scores are taken for probabilities)",
    )  # fmt: skip
    group.add_argument(
        "--members", "--committee", nargs="+", default=[], metavar="FILE",
        help="of a committee, or witnesses: detections of other detectors on the same images, a file each",
    )  # fmt: skip
    group.add_argument(
        "--member-weights", nargs="+", type=float, metavar="WEIGHT",
        help="how much each member counts, in the order of --members (default: all alike)",
    )  # fmt: skip
    group.add_argument(
        "--member-calibrations", nargs="+", default=[], metavar="FILE.json",
        help="of a sampled committee: a calibration for each member, in the order of --members (default: none)",
    )  # fmt: skip
    group.add_argument(
        "--witness-model", metavar="FILE.json",
        help="of the witness: how likely boxes are objects, as calibrate --witnesses writes it (default: the mean of"
        " all log-odds, which needs no labels)",
    )  # fmt: skip


def check_estimator(options: Namespace) -> None:
    """Refuse options that do not go together.

    Raises:
        ValueError: if they don't.
    """
    given = [name for name in _OPTIONS if options[name] not in (None, [])]
    if options.estimator is None:
        if given:
            raise ValueError(f"`{given[0]}` is of estimates: give `estimator` too, or leave it out.")
        return
    of_members = [name for name in given if name.startswith("member")]
    if options.estimator not in OF_OTHERS and of_members:
        raise ValueError(
            f"`{of_members[0]}` is of no use to {options.estimator}: leave it out, or let `estimator` be one of"
            f" {', '.join(OF_OTHERS)}."
        )
    if options.witness_model and options.estimator != WITNESS:
        raise ValueError(
            f"`witness_model` is of no use to {options.estimator}: leave it out, or let `estimator` be {WITNESS}."
        )
    if options.estimator in OF_OTHERS and not options.members:
        raise ValueError(
            f"`members` is missing: {options.estimator} goes by what other detectors see. Give their detections, or"
            " another `estimator`."
        )
    for name in ("member_weights", "member_calibrations"):
        if options[name] and len(options[name]) != len(options.members):
            raise ValueError(
                f"`{name}` needs one a member, but {len(options[name])} are given and {len(options.members)} `members`."
            )
    weights = options.member_weights or [1.0]
    if not (min(weights) >= 0 and 0 < sum(weights) < math.inf):
        raise ValueError(f"`member_weights` must be finite, at least 0 and not all 0, but are {weights}.")


def estimator_settings(options: Namespace) -> dict[str, Any]:
    """The arguments of :func:`~hardest_metrics.detection.naming.make_estimator` but the definition.

    Raises:
        OSError, ValueError: if a file of a calibration cannot be read, or an option makes no sense.
    """
    from hardest_metrics.calibration import read_calibration, read_witness_model
    from hardest_metrics.detection import TotalFalse
    from hardest_metrics.detection.naming import make_estimator

    settings = {name: options[name] for name in ("n_samples", "seed", "statistic", "c", "member_weights")}
    settings["calibration"] = read_calibration(options.calibration) if options.calibration else None
    settings["member_calibrations"] = [read_calibration(path) for path in options.member_calibrations] or None
    settings["witness_model"] = read_witness_model(options.witness_model) if options.witness_model else None
    make_estimator(options.estimator, TotalFalse(), **settings | {"statistic": None, "c": None})  # refuses the useless
    if options.c is not None or options.statistic not in (None, "interval"):
        make_estimator(options.estimator, TotalFalse(), **settings)
    return settings | _of_intervals(options)


def _of_intervals(options: Namespace) -> dict[str, Any]:
    """Residuals from a file that holds some for these estimates, and the coverage."""
    from hardest_metrics.calibration import read_residuals

    file = options.witness_model or options.calibration
    residuals = read_residuals(file) if file else None
    wanted = "coverage" if options.coverage is not None else "statistic"
    if residuals is not None and residuals.estimator != options.estimator:
        if options.coverage is None and options.statistic != "interval":
            return {}
        raise ValueError(
            f"`{wanted}`: {file} knows how far {residuals.estimator} is off, not {options.estimator}. Leave it out, or"
            f" let `estimator` be {residuals.estimator}."
        )
    if residuals is None and (options.coverage is not None or options.statistic == "interval"):
        said = f"{file} holds none" if file else "there are none"
        raise ValueError(
            f"`{wanted}` is of intervals, which need residuals of labelled images, but {said}. Write them with"
            " calibrate, and give them as `calibration` of expected_hardness, or as `witness_model`."
        )
    return {"residuals": residuals, "coverage": options.coverage if residuals else None}


def estimator_in_words(options: Namespace, settings: Mapping[str, Any]) -> str:
    """What is estimated how, as the options were understood."""
    words = [options.estimator]
    if options.estimator not in UNCERTAINTIES:
        words = [f"{options.estimator} of {options.query}, weighting {options.weighting}"]
    said = {"statistic": "statistic {}", "c": "c {:g}", "n_samples": "{} samples", "seed": "seed {}"}
    words += [text.format(settings[name]) for name, text in said.items() if settings[name] is not None]
    if options.calibration:
        words += [f"scores calibrated by {Path(options.calibration).name}"]
    if options.members:
        members = [Path(path).name for path in options.members]
        if options.member_weights:
            weights = zip(members, options.member_weights, strict=True)
            members = [f"{name} (weight {weight:g})" for name, weight in weights]
        if options.member_calibrations:
            calibrations = zip(members, options.member_calibrations, strict=True)
            members = [f"{name} calibrated by {Path(path).name}" for name, path in calibrations]
        words += [f"{'witnesses' if options.estimator == WITNESS else 'members'} {', '.join(members)}"]
    if options.witness_model:
        words += [f"heard by {Path(options.witness_model).name}"]
    return ", ".join(words)
