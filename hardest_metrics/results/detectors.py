"""What a detector gets wrong that an older one got right, from their detections alone."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch

from hardest_metrics.data.annotations import Annotations
from hardest_metrics.data.ranking_file import ImageNames
from hardest_metrics.detection.box_errors import Definition, TotalFalse
from hardest_metrics.functional.detection.matching import Outcome, match
from hardest_metrics.functional.detection.packing import ImageDict
from hardest_metrics.functional.detection.shape_format import ShapeFormat
from hardest_metrics.ranking import Ranking
from hardest_metrics.results.flips import Flips, flips

_IMAGES_AT_ONCE = 256


class FoundByOne(NamedTuple):
    """An object that one of two detectors found and the other missed.

    Attributes:
        image: the place of its image in the annotations.
        object: its place among the objects of the image.
        label: its category.
        xywh: its box.
        lost: whether the older detector found it; else the newer one did.
    """

    image: int
    object: int
    label: int
    xywh: tuple[float, float, float, float]
    lost: bool


class DetectorDiff(NamedTuple):
    """What differs between two detectors, by the errors that a definition counts.

    Attributes:
        ranking: all images by the rise of their hardness from the older detector to the newer one.
        before: ``(N,)`` hardness by the older detector, in the order of the annotations.
        now: the same by the newer one.
        flips: images that became free of errors or lost that.
        objects: those that one of both found.
        names: what the images of the ranking are called.
    """

    ranking: Ranking
    before: list[float]
    now: list[float]
    flips: Flips
    objects: list[FoundByOne]
    names: ImageNames


def diff(
    annotations: Annotations,
    old: Sequence[ImageDict],
    new: Sequence[ImageDict],
    definition: Definition | None = None,
) -> DetectorDiff:
    """Compare two detectors on the same labelled images.

    Args:
        annotations: labels, boxes as xywh.
        old: the older detector's detections, one dict an image in the order of the annotations, boxes as xywh, such as
            :func:`~hardest_metrics.data.read_detections` gives.
        new: the newer detector's.
        definition: which errors count, of ``box_format="xywh"``; None for ``TotalFalse``.

    Raises:
        ValueError: if a detector's images are not as many as the annotations', or the definition takes other boxes.

    Example:
        >>> box = torch.tensor([[0.0, 0, 10, 10]])
        >>> target = [{"boxes": box, "labels": torch.tensor([1]), "image_id": 7}]
        >>> annotations = Annotations([7], ["a.jpg"], [None], {1: "cat"}, target)
        >>> found = {"boxes": box, "labels": torch.tensor([1]), "scores": torch.tensor([0.9])}
        >>> nothing = {name: values[:0] for name, values in found.items()}
        >>> difference = diff(annotations, [found], [nothing])
        >>> difference.ranking, difference.objects[0].lost
        (Ranking(1 image, hardest first: 7 (1)), True)
    """
    definition = TotalFalse(box_format="xywh") if definition is None else definition
    if definition.box_format != "xywh":
        raise ValueError(f"`definition` must take boxes as 'xywh', as annotations have them, but is {definition!r}.")
    for name, preds in (("old", old), ("new", new)):
        if len(preds) != len(annotations.target):
            raise ValueError(
                f"`{name}` has detections of {len(preds)} images, but `annotations` have {len(annotations.target)}."
                " Give one dict an image, in the same order."
            )
    before, wrong_before = _hardness(annotations, old, definition)
    now, wrong_now = _hardness(annotations, new, definition)
    ids = torch.tensor(annotations.image_ids, dtype=torch.int64)
    rise = torch.from_numpy((now - before).astype(np.float32))
    return DetectorDiff(
        Ranking.of(ids, rise), before.tolist(), now.tolist(), flips(annotations.shown_ids, wrong_before, wrong_now),
        _objects(annotations, old, new, definition),
        ImageNames(annotations.image_ids, annotations.shown_ids, annotations.file_names),
    )  # fmt: skip


def _hardness(annotations: Annotations, preds: Sequence[ImageDict], definition: Definition) -> tuple[Any, Any]:
    """Hardness of every image in the order of the annotations, and whether it has any error."""
    metric = cast("Definition", definition.clone())
    metric.reset()
    for start in range(0, len(preds), _IMAGES_AT_ONCE):
        batch = slice(start, start + _IMAGES_AT_ONCE)
        metric.update(preds[batch], annotations.target[batch])
    details = metric.details()
    place = np.searchsorted(details.image_ids.numpy(), np.array(annotations.image_ids, dtype=np.int64))
    return details.hardness.double().numpy()[place], details.in_error.numpy()[place]


def _objects(
    annotations: Annotations, old: Sequence[ImageDict], new: Sequence[ImageDict], definition: Definition
) -> list[FoundByOne]:
    """Objects that count and that one detector found and the other did not."""
    found = []
    given_as = ShapeFormat(definition.box_format, definition.iou_type, definition.sigmas)
    for start in range(0, len(old), _IMAGES_AT_ONCE):
        batch = slice(start, start + _IMAGES_AT_ONCE)
        target = annotations.target[batch]
        packed = [given_as.pack(preds[batch], target, definition.query.lowest_score) for preds in (old, new)]
        before, now = (match(one.detections, one.ground_truth, definition.query).ground_truth for one in packed)
        objects = packed[0].ground_truth
        first = torch.searchsorted(objects.image, torch.arange(len(target)))
        for place in ((before != now) & (before != Outcome.IGNORED)).nonzero().squeeze(1).tolist():
            image = int(objects.image[place])
            x, y, width, height = objects.xywh[place].tolist()
            lost = int(now[place]) == Outcome.FALSE_NEGATIVE
            found.append(
                FoundByOne(
                    start + image, place - int(first[image]), int(objects.labels[place]), (x, y, width, height), lost
                )
            )
    return found
