"""Ranking by labels, or by an estimate, as ``hardest-metrics rank`` shows it."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from jsonargparse import Namespace

from hardest_metrics.cli.options import shapes_of
from hardest_metrics.cli.terminal import counted
from hardest_metrics.input_warning import InputWarning
from hardest_metrics.names import WITNESS
from hardest_metrics.presentation import counts_in_words

if TYPE_CHECKING:
    from hardest_metrics.detection import BoxErrors
    from hardest_metrics.functional import Query
    from hardest_metrics.functional.detection.packing import ImageDict
    from hardest_metrics.ranking import Ranking
    from hardest_metrics.summary import Summary

#: In the words of the summary line, which images have any of what is counted.
_IN_ERROR = {
    "false_positives": "with a false positive",
    "false_negatives": "with a missed object",
    "total_false": "with an error",
}

_ENDS = ("lower", "upper")

#: Shapes of definitions that compare boxes.
_BOXES: Mapping[str, Any] = MappingProxyType({"box_format": "xywh"})

_BATCH_SIZE = 256  # images at a time: few enough for the progress bar to move


class Ranked(NamedTuple):
    """What the command found.

    Attributes:
        ranking: of all images.
        columns: of the table, besides hardness, by image id.
        summary: of all images in a few words.
        kinds: how many errors of each kind there are, by image id, where these are told apart.
    """

    ranking: "Ranking"
    columns: dict[str, Mapping[int, float]]
    summary: str
    kinds: Mapping[str, Mapping[int, float]] = {}

    def errors_of(self, image_id: int) -> str:
        """What there is of each kind, in words."""
        return counts_in_words({kind: of[image_id] for kind, of in self.kinds.items()})


def measured(
    options: Namespace,
    query: "Query",
    preds: Sequence["ImageDict"],
    target: Sequence["ImageDict"],
    advance: Callable[[int], None],
) -> Ranked:
    """All images by their errors, and the number of errors that count, of each kind."""
    from hardest_metrics.collection import HardnessCollection

    shapes = shapes_of(options)
    errors = definition(options.query, "none", query, shapes)
    kinds = errors.kinds if options.kinds else {}
    metrics = HardnessCollection({
        "hardness": definition(options.query, options.weighting, query, shapes),
        "errors": errors,
        **kinds,
        "false_positives": definition("false_positives", "none", query, shapes),
        "false_negatives": definition("false_negatives", "none", query, shapes),
    })  # fmt: skip
    for start in range(0, len(preds), _BATCH_SIZE):
        batch = slice(start, start + _BATCH_SIZE)
        metrics.update(preds[batch], target[batch])
        advance(len(preds[batch]))
    rankings = metrics.compute()
    in_error, number = int((rankings["errors"].hardness > 0).sum()), len(preds)
    return Ranked(
        rankings["hardness"],
        {name.replace("_", "\n"): _by_image(rankings[name]) for name in ("false_positives", "false_negatives")},
        f"{_mean(rankings['hardness'])}, {in_error} ({in_error / number:.1%}) {errors_in_words(options.query)}",
        {kind: _by_image(rankings[kind]) for kind in kinds},
    )


def by_label(
    options: Namespace,
    query: "Query",
    labels: Iterable[int],
    preds: Sequence["ImageDict"],
    target: Sequence["ImageDict"],
    advance: Callable[[int], None],
) -> "dict[int, Summary]":
    """All images by their errors of each label alone, measured once for all labels."""
    from hardest_metrics.collection import HardnessCollection

    names = {label: str(label) for label in labels}
    metrics = HardnessCollection.by_label(
        definition(options.query, options.weighting, query, shapes_of(options)), names
    )
    for start in range(0, len(preds), _BATCH_SIZE):
        batch = slice(start, start + _BATCH_SIZE)
        metrics.update(preds[batch], target[batch])
        advance(len(preds[batch]))
    members = cast("Mapping[str, BoxErrors]", metrics)
    return {label: members[name].summary() for label, name in names.items()}


def estimated(
    options: Namespace,
    query: "Query",
    settings: dict[str, Any],
    preds: Sequence["ImageDict"],
    target: Sequence["ImageDict"],
    members: Sequence[Sequence["ImageDict"]],
    advance: Callable[[int], None],
) -> Ranked:
    """All images by what their errors are estimated to come to, and the number of detections that count."""
    from hardest_metrics.detection.naming import make_estimator
    from hardest_metrics.plot import detection_boxes

    estimated = definition(options.query, options.weighting, query)
    settings = _without_others(settings, options, query)
    metric: Any = make_estimator(options.estimator, estimated, **settings)
    beside = "witnesses" if options.estimator == WITNESS else "members"
    counts: dict[int, float] = {}
    for start in range(0, len(preds), _BATCH_SIZE):
        batch = slice(start, start + _BATCH_SIZE)
        of_others = {beside: [member[batch] for member in members]} if members else {}
        metric.update(preds[batch], target[batch], **of_others)
        boxes = detection_boxes(preds[batch], query, "xywh")
        counts |= {image["image_id"]: len(one.labels) for image, one in zip(target[batch], boxes, strict=True)}
        advance(len(boxes))
    ranking = metric.summary().ranking
    columns: dict[str, Mapping[int, float]] = {"detections\ncounted": counts}
    summary = _mean(ranking)
    if settings.get("residuals") is not None:
        image_ids, *ends = (column.tolist() for column in metric.intervals())
        columns |= {f"{end}\nend": dict(zip(image_ids, at, strict=True)) for end, at in zip(_ENDS, ends, strict=True)}
        mean, lower, upper = metric.mean_interval()
        summary = (
            f"{counted(len(ranking.hardness), 'image')}, mean hardness {mean:.5g}, with {metric.coverage:.0%}"
            f" probability from {lower:.5g} to {upper:.5g}"
        )
    return Ranked(ranking, columns, summary)


def _without_others(settings: dict[str, Any], options: Namespace, query: "Query") -> dict[str, Any]:
    """Without residuals of another query or definition, unless intervals were asked for, which cannot be given then."""
    residuals, name = settings.get("residuals"), f"{options.query}/{options.weighting}"
    if residuals is None or (residuals.query == str(query) and name in residuals.by_definition):
        return settings
    file = options.witness_model or options.calibration
    if residuals.query != str(query):
        why = f"{file} knows how far estimates are off under {residuals.query}, but not under {query}"
    else:
        known = ", ".join(residuals.by_definition)
        why = f"{file} does not know how far estimates of {name} are off, but those of {known}"
    if settings["coverage"] is not None or options.statistic == "interval":
        raise ValueError(f"{why}: there are no intervals. Let calibrate and rank count the same boxes.")
    warnings.warn(f"{why}: no intervals are given.", InputWarning, stacklevel=2)
    return settings | {"residuals": None}


def definition(kind: str, weighting: Any, query: "Query", shapes: Mapping[str, Any] = _BOXES) -> "BoxErrors":
    """The definition of that name, of boxes, or other shapes, as files have them."""
    from hardest_metrics.detection.naming import DEFINITIONS

    settings: dict[str, Any] = {field.name: getattr(query, field.name) for field in fields(query)}
    return DEFINITIONS[kind](weighting, **settings, **shapes)


def errors_in_words(query: str) -> str:
    """In the words of the summary line, which images have any of what a query counts."""
    return _IN_ERROR[query]


def _by_image(ranking: "Ranking") -> dict[int, float]:
    return dict(zip(*(column.tolist() for column in ranking), strict=True))


def _mean(ranking: "Ranking") -> str:
    return f"{counted(len(ranking.hardness), 'image')}, mean hardness {float(ranking.hardness.double().mean()):.5g}"
