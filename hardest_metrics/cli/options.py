"""Options that several commands share, and what they mean."""

import math
import re
from argparse import HelpFormatter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from hardest_metrics.names import MOST_SAMPLES

if TYPE_CHECKING:
    from hardest_metrics.data import Annotations
    from hardest_metrics.data.json_file import Ignorable
    from hardest_metrics.functional import Query

PROGRAM = "hardest-metrics"

#: Stands for every name that an option knows.
ALL = "all"

AREA_NAMES = ("small", "medium", "large")


def new_parser(**kwargs: Any) -> ArgumentParser:
    """A parser without any options, as every command begins with; `kwargs` are those of `ArgumentParser`."""
    return ArgumentParser(formatter_class=HelpFormatter, exit_on_error=False, **kwargs)


def option(name: str) -> str:
    """How users write an option: ``top_k`` is ``--top-k``."""
    return f"--{name.replace('_', '-')}"


def as_options(text: str, options: Namespace | None) -> str:
    """A message with arguments of functions, such as ```top_k```, named as the options they come from."""
    known = options or ()
    text = re.sub(r"`ignore=\['(\w+)'\]`", r"`ignore_\1`", text)
    return re.sub(r"`(\w+)`", lambda name: option(name[1]) if name[1] in known else name[0], text)


def check_names(names: Sequence[str], option_name: str, known: Callable[[str], object]) -> None:
    """Refuse what an option names, unless it is :data:`ALL` alone, or each name is known.

    Args:
        names: that were given.
        option_name: such as ``"estimators"``.
        known: raises ValueError for a name that is not.
    """
    for name in names:
        if name != ALL:
            known(name)
    if ALL in names and len(names) > 1:
        others = " ".join(name for name in names if name != ALL)
        raise ValueError(f"`{option_name}` names all and also {others}. Give all alone, or leave it out.")


def check_n_samples(number: int) -> None:
    """Refuse a number of samples that estimators would refuse later."""
    if not 1 <= number <= MOST_SAMPLES:
        which = "at least 1" if number < 1 else f"at most {MOST_SAMPLES}"
        raise ValueError(f"`n_samples` must be {which}, but is {number}.")


def require_given(options: Namespace, command: str, names: Sequence[str]) -> None:
    """Refuse options that are missing: the parser lets all be left out, so that its help is in the order of use."""
    for name in names:
        if not options[name]:
            raise ValueError(f"`{name}` is missing, see {PROGRAM} {command} --help.")


def add_split_option(group: Any) -> None:
    """Which part of a Pascal VOC folder."""
    group.add_argument(
        "--split", metavar="NAME", help="of a Pascal VOC folder: ImageSets/Main/NAME.txt (default: all images)"
    )


#: Boxes to leave out instead of refusing a file, and what they are.
_IGNORABLE: "dict[Ignorable, str]" = {
    "unknown_categories": "boxes of categories that --annotations do not list, such as those of a detector of many"
    " classes on a set of few; with --labels nobody needs to ask",
    "unknown_images": "boxes on images that --annotations do not list",
    "bad_boxes": "boxes that are none: without four finite numbers, or of negative width or height",
}


def add_ignore_options(group: Any) -> None:
    """What to leave out where a file would be refused, for :func:`ignored`."""
    for name, what in _IGNORABLE.items():
        group.add_argument(
            option(f"ignore_{name}"),
            action="store_true",
            help=f"leave out, and count, {what} (default: refuse the file)",
        )


def ignored(options: Namespace) -> "list[Ignorable]":
    """What readers are to leave out: boxes of categories unknown to the labels do not count where some are chosen."""
    return [
        name for name in _IGNORABLE if options[f"ignore_{name}"] or (name == "unknown_categories" and options.labels)
    ]


def add_box_options(group: Any) -> None:
    """The options that say which boxes count, for :func:`query_settings`."""
    group.add_argument(
        "--score-threshold", type=float, default=0.5, metavar="SCORE",
        help="leave out detections of a lower score, in [0, 1] (default: %(default)s)",
    )  # fmt: skip
    add_object_options(group)
    group.add_argument(
        "--max-detections", type=int, metavar="N",
        help="detections that count per image and category, those of highest score (default: 100)",
    )  # fmt: skip


def add_shape_options(group: Any) -> None:
    """What is compared, for :func:`shapes_of`."""
    group.add_argument(
        "--iou-type", choices=["bbox", "segm", "keypoints"], default="bbox",
        help="what is compared and weighed: bbox: boxes; segm: masks; keypoints: by COCO's object keypoint similarity,"
        " and --max-detections is 20 unless given. Masks and keypoints need COCO files (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--sigmas", nargs="+", type=_number_or_file, metavar="SIGMA",
        help="how exactly each keypoint can be placed, a number for each; or FILE.json, with such a list by category,"
        ' its name or id: {"person": [...], "3": [...]} (default: COCO\'s 17)',
    )  # fmt: skip


def _number_or_file(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def shapes_of(options: Namespace) -> dict[str, Any]:
    """What is compared, as definitions take it.

    Raises:
        ValueError: if the options make no sense together.
    """
    from hardest_metrics.functional.detection.shape_format import ShapeFormat

    sigmas = _sigmas_by_category(options)
    settings = {"box_format": "xywh", "iou_type": options.iou_type, "sigmas": options.sigmas}
    if sigmas is not None:  # of names it is not known yet which labels they are
        settings["sigmas"] = dict(enumerate(sigmas.values()))
    ShapeFormat(**settings)
    return settings


def name_sigmas(options: Namespace, categories: Mapping[int, str]) -> None:
    """Put sigmas by label where a file has them by category, once it is known what categories there are.

    Raises:
        ValueError: if the file has another category.
    """
    by_category = _sigmas_by_category(options)
    if by_category is None:
        return
    sigmas: dict[int, Any] = {}
    for category, values in by_category.items():
        labels = [label for label, name in categories.items() if category in (name, str(label))]
        if len(labels) != 1:
            which = "several" if labels else "none"
            known = ", ".join(f"{name} ({label})" for label, name in categories.items())
            raise ValueError(
                f"`sigmas` {options.sigmas[0]} has {category!r}, but {which} of the categories of the annotations is"
                f" called so, or has such an id: {known}."
            )
        sigmas[labels[0]] = values
    options.sigmas = sigmas


def _sigmas_by_category(options: Namespace) -> dict[str, Any] | None:
    """What the file holds that is given for sigmas; None where they are numbers, or by label already."""
    given = options.sigmas
    if not isinstance(given, list) or not any(isinstance(value, str) for value in given):
        return None
    from hardest_metrics.data.json_file import load_json

    if len(given) > 1:
        text = next(value for value in given if isinstance(value, str))
        raise ValueError(f"`sigmas` must be numbers, or one JSON file alone, but {text!r} is among {len(given)}.")
    content = load_json(given[0])
    if not isinstance(content, dict) or not content:
        raise ValueError(
            f'`sigmas` {given[0]}: holds no list of numbers by category, such as {{"person": [0.1, 0.2]}}.'
        )
    return content


def add_object_options(group: Any) -> None:
    """Those among them that say which objects count, and when they are found."""
    group.add_argument(
        "--iou-threshold", type=float, default=0.5, metavar="IOU",
        help="least intersection over union of a match, in (0, 1] (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--labels", nargs="+", metavar="NAME",
        help="categories that count, by name: --labels person car, or person,car (default: all)",
    )  # fmt: skip
    group.add_argument(
        "--area-range", metavar="RANGE",
        help="objects that count, by area in square pixels: small (up to 32^2), medium, large (from 96^2), or"
        " LOW,HIGH (default: all)",
    )  # fmt: skip


def add_ranking_options(group: Any, things: str, shown_in: str) -> None:
    """How many of the hardest are shown, and where the ranking of all is written.

    Args:
        group: of options.
        things: that are ranked, such as ``"images"``.
        shown_in: where the hardest are, such as ``"table and grid"``.
    """
    group.add_argument(
        "--top-k", type=int, default=10, metavar="K",
        help=f"number of hardest {things} in {shown_in} (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--out", nargs="+", action="extend", default=[], metavar="FILE",
        help=f"write the ranking of all {things}: FILE.csv, FILE.json or FILE.parquet; several are possible",
    )  # fmt: skip
    add_spreadsheet_option(group)


def add_spreadsheet_option(group: Any) -> None:
    """How CSV files are written."""
    group.add_argument(
        "--for-spreadsheets", action="store_true",
        help="write an apostrophe before names in CSV files that a spreadsheet would run as a formula, such as =cmd|..."
        " (default: names exactly as they are)",
    )  # fmt: skip


def query_settings(options: Namespace) -> dict[str, Any]:
    """The arguments of :class:`~hardest_metrics.functional.Query` but its labels, which only a data set tells.

    Raises:
        ValueError: if an option makes no sense.
    """
    from hardest_metrics.functional import Query
    from hardest_metrics.functional.detection.shape_format import ShapeFormat

    compared = ShapeFormat(**shapes_of(options)) if "iou_type" in options else ShapeFormat()
    settings: dict[str, Any] = {
        "score_threshold": options.score_threshold,
        "iou_threshold": options.iou_threshold,
        "area_range": area_range_of(options),
        "max_detections": compared.most_detections(options.max_detections),
    }
    Query(**settings)
    return settings


def labels_of(options: Namespace, annotations: "Annotations") -> list[int] | None:
    """The labels that ``--labels`` names, None for all.

    Raises:
        ValueError: if a name is no category's.
    """
    if options.labels is None:
        return None
    known = annotations.categories.values()
    return annotations.labels_named([
        part for name in options.labels for part in ([name] if name in known else map(str.strip, name.split(",")))
    ])  # fmt: skip


def boxes_in_words(options: Namespace, query: "Query", categories: Mapping[int, str], matched: bool = True) -> str:
    """Which boxes count and, where they are matched, how, as the options were understood."""
    labels = None if query.labels is None else ", ".join(categories[label] for label in query.labels)
    similarity = {"segm": "IoU of masks", "keypoints": "OKS"}.get(options.get("iou_type"), "IoU")
    return ", ".join((
        f"score >= {query.lowest_score:g}",
        *([f"{similarity} >= {query.iou_threshold:g}"] if matched else []),
        "all labels" if labels is None else f"labels {labels}",
        "all areas" if options.area_range is None else f"areas {options.area_range}",
        f"at most {query.max_detections} detections per image and label",
    ))  # fmt: skip


def area_range_of(options: Namespace) -> Any:
    """What ``--area-range`` says, as :class:`~hardest_metrics.functional.Query` takes it.

    Raises:
        ValueError: if it is no range.
    """
    text: str | None = options.area_range
    if text is None or text in AREA_NAMES:
        return text
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low, high = math.nan, math.nan
    if not 0 <= low <= high:
        names = ", ".join(AREA_NAMES)
        raise ValueError(f"`area_range` must be {names} or LOW,HIGH with 0 <= LOW <= HIGH, but is {text!r}.")
    return low, high
