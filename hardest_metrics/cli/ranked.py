"""Ranking by labels, or by an estimate, as ``hardest-metrics rank`` shows it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from jsonargparse import Namespace

from hardest_metrics.cli.terminal import counted
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

    errors = definition(options.query, "none", query)
    kinds = errors.kinds if options.kinds else {}
    metrics = HardnessCollection({
        "hardness": definition(options.query, options.weighting, query),
        "errors": errors,
        **kinds,
        "false_positives": definition("false_positives", "none", query),
        "false_negatives": definition("false_negatives", "none", query),
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
        f"{_mean(rankings['hardness'])}, {in_error} ({in_error / number:.1%}) {_IN_ERROR[options.query]}",
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
    metrics = HardnessCollection.by_label(definition(options.query, options.weighting, query), names)
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

    metric = make_estimator(options.estimator, definition(options.query, options.weighting, query), **settings)
    counts: dict[int, float] = {}
    for start in range(0, len(preds), _BATCH_SIZE):
        batch = slice(start, start + _BATCH_SIZE)
        of_members = {"members": [member[batch] for member in members]} if members else {}
        metric.update(preds[batch], target[batch], **of_members)
        boxes = detection_boxes(preds[batch], query, "xywh")
        counts |= {image["image_id"]: len(one.labels) for image, one in zip(target[batch], boxes, strict=True)}
        advance(len(boxes))
    ranking = metric.summary().ranking
    return Ranked(ranking, {"detections\ncounted": counts}, _mean(ranking))


def definition(kind: str, weighting: Any, query: "Query") -> "BoxErrors":
    """The definition of that name, of boxes as files have them."""
    from hardest_metrics.detection.naming import DEFINITIONS

    settings: dict[str, Any] = {field.name: getattr(query, field.name) for field in fields(query)}
    return DEFINITIONS[kind](weighting, **settings, box_format="xywh")


def _by_image(ranking: "Ranking") -> dict[int, float]:
    return dict(zip(*(column.tolist() for column in ranking), strict=True))


def _mean(ranking: "Ranking") -> str:
    return f"{counted(len(ranking.hardness), 'image')}, mean hardness {float(ranking.hardness.double().mean()):.5g}"
