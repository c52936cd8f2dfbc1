"""Hardness of labelled images: what a detector's false positives and false negatives add up to."""

from abc import ABC
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, cast
from uuid import uuid4

import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from hardest_metrics._memory import Living
from hardest_metrics._pieces import in_pieces
from hardest_metrics._waiting import MOST_IMAGES, Reading
from hardest_metrics.functional.boxes import Batch
from hardest_metrics.functional.hardness import error_sums, known_weighting, require_sizes
from hardest_metrics.functional.matching import AreaName, Query
from hardest_metrics.functional.order import Array, as_array, as_tensor, numpy_or_torch
from hardest_metrics.functional.packing import READS, BoxFormat, ImageDict, check_box_format, pack
from hardest_metrics.functional.weighting import WEIGHTINGS, Weighting, WeightingName
from hardest_metrics.metric import HardnessMetric, Reduction

ErrorKind = Literal["false_positives", "false_negatives", "total_false"]

#: Where in a row the errors of each kind stand.
_COUNTED: dict[ErrorKind, list[int]] = {"false_positives": [0], "false_negatives": [1], "total_false": [0, 1]}

#: And where the sums under each weighting.
_COLUMNS: dict[WeightingName, int] = {name: column for column, name in enumerate(WEIGHTINGS)}

#: Stands in a state for the pixel-weighted sums of an image of unknown size, and for sums weighted by overlap that
#: nobody asked for. NaN would keep states from being shared.
_NOT_MEASURED = -1.0


class BoxErrors(HardnessMetric, ABC):
    """Base of the hardness definitions that add up weighted false positives and false negatives.

    Detections are matched to labels by COCO's protocol as pycocotools implements it, at one IoU threshold, see
    :func:`hardest_metrics.functional.match`. An image's hardness is the sum over its errors of their weights:

    - ``"none"``: 1 each, so that hardness is a number of errors;
    - ``"pixel"``: box area over image area, so that it is a share of the image;
    - ``"overlap"``: how much true positives cover the box, the sum of intersection over box area;
    - a function ``(errors, true_positives) -> (n,)``: one weight an error, finite and at least 0, given a
      whole batch as :class:`~hardest_metrics.functional.Errors` and
      :class:`~hardest_metrics.functional.TruePositives`.

    As input to ``forward`` and ``update``:

    - ``preds``: a list with one dict an image: ``boxes (n, 4)``, ``scores (n,)`` in [0, 1],
      ``labels (n,)`` integer;
    - ``target``: a list with one dict an image: ``boxes (m, 4)``, ``labels (m,)``; optional
      ``iscrowd (m,)``, ``area (m,)``, ``image_id`` (int) and ``image_size`` (height, width).

    As output ``compute`` gives a :class:`~hardest_metrics.Ranking`, or a float32 scalar if `reduction` is set.
    The state grows by 32 bytes an image (16 with a function as weighting), whatever the number of boxes. Small batches
    are checked at once and measured together later, when up to 1,280 images wait or a result is asked for.

    Args:
        weighting: ``"none"``, ``"pixel"``, ``"overlap"`` or a function.
        score_threshold: detections of a lower score take no part, in [0, 1].
        iou_threshold: least intersection over union of a match, in (0, 1].
        labels: the labels that count; None for all.
        area_range: ``"small"``, ``"medium"``, ``"large"`` (COCO's, bounds 32^2 and 96^2) or ``(low, high)`` in
            square pixels; None for all. Objects outside are ignored, unmatched detections outside too.
        max_detections: only this many detections of highest score take part, per image and label.
        box_format: of all boxes: ``"xyxy"``, ``"xywh"`` or ``"cxcywh"``, in pixels.
        reduction: None for the ranking; ``"mean"``, ``"sum"`` or ``"max"`` over the images for a scalar.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    reads = READS
    unknown = _NOT_MEASURED
    _images_at_once = 2560
    _threads = 1  # half of the work is to fetch tensors, which takes Python's lock or waits for memory

    #: which errors count
    kind: ClassVar[ErrorKind]

    def __init__(
        self,
        weighting: WeightingName | Weighting = "none",
        score_threshold: float = 0.5,
        iou_threshold: float = 0.5,
        labels: Collection[int] | None = None,
        area_range: AreaName | tuple[float, float] | None = None,
        max_detections: int = 100,
        box_format: BoxFormat = "xyxy",
        reduction: Reduction | None = None,
        **kwargs: Any,
    ) -> None:
        query = Query(score_threshold, iou_threshold, labels, area_range, max_detections)
        weighting = known_weighting(weighting)
        check_box_format(box_format)
        settings = f"box_errors({query}, box_format={box_format!r})"
        if callable(weighting):
            # Nothing tells whether two functions are the same but being one object: a tag of its own
            name = getattr(weighting, "__qualname__", type(weighting).__qualname__)
            settings = f"box_errors({query}, box_format={box_format!r}, weighting={name}#{uuid4().hex})"
        columns = 1 if callable(weighting) else len(WEIGHTINGS)
        # pixel weighting needs to see every batch for itself: it refuses images without size, which others take
        group = "sized" if weighting == "pixel" else ""
        super().__init__(settings, (2, columns), reduction, group, **kwargs)
        # a function sees the whole batch, and may weigh it differently next time
        self.by_image = not callable(weighting)
        self.query = query
        self.weighting = weighting
        self.box_format = box_format
        self._ask_for_overlap()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Of a copy, or of a metric that was pickled."""
        super().__setstate__(state)
        self._ask_for_overlap()

    def _ask_for_overlap(self) -> None:
        if self.weighting == "overlap":
            _weighing_by_overlap.add(self, self.settings)

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """As :meth:`HardnessMetric.merge_state`; two functions are equal settings only if they compare equal."""
        if isinstance(incoming_state, BoxErrors):
            self.require_same_function(incoming_state)
        super().merge_state(incoming_state)

    def require_same_function(self, other: "BoxErrors") -> None:
        """Refuse a definition that weighs with another function.

        Raises:
            ValueError: if it does.
        """
        if callable(self.weighting) and self.settings != other.settings and self.weighting != other.weighting:
            raise ValueError(
                f"`incoming_state` weighs with {other.weighting}, this metric with {self.weighting}:"
                " only metrics of equal settings can be merged."
            )

    @property
    def _extent(self) -> frozenset[str]:
        return frozenset({"overlap"} if _weighing_by_overlap.any(self.settings) else ())

    def _read(self, preds: Sequence[ImageDict], target: Sequence[ImageDict], extent: frozenset[str]) -> Reading:
        if callable(self.weighting) or type(self)._measure is not BoxErrors._measure:
            return super()._read(preds, target, extent)
        if len(preds) > MOST_IMAGES:
            measure = partial(self._measure_to, extent)
            return Reading(*in_pieces(measure, preds, target, self._images_at_once, self._threads))
        batch = self._packed(preds, target)
        return Reading(batch.image_ids, batch=batch, extent=extent)

    def _measure(self, preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> tuple[Tensor, Tensor]:
        return self._measure_to(self._extent, preds, target)

    def _measure_to(
        self, extent: frozenset[str], preds: Sequence[ImageDict], target: Sequence[ImageDict]
    ) -> tuple[Tensor, Tensor]:
        batch = self._packed(preds, target)
        return batch.image_ids, self._rows_of(batch, extent)

    def _packed(self, preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> Batch:
        return pack(preds, target, self.box_format, min_score=self.query.score_threshold)

    def _rows_of(self, batch: Batch, extent: frozenset[str]) -> Tensor:
        if callable(self.weighting):
            return error_sums(batch, self.query, [self.weighting])
        # All three weightings, so that all nine definitions share one state; but overlap, which costs as much as
        # matching, only while somebody asks for it
        measured = list(WEIGHTINGS) if extent else list(WEIGHTINGS)[: _COLUMNS["overlap"]]
        sums = error_sums(batch, self.query, [WEIGHTINGS[name] for name in measured])
        if not batch.sized:
            sums[:, :, _COLUMNS["pixel"]].masked_fill_(batch.image_sizes[:, :1].isnan(), _NOT_MEASURED)
        return F.pad(sums, (0, len(WEIGHTINGS) - len(measured)), value=_NOT_MEASURED)

    def _check_batch(self, batch: Batch) -> None:
        if self.weighting == "pixel" and not batch.sized:
            require_sizes(batch.image_ids, ~batch.image_sizes[:, 0].isnan())

    def _check(self, image_ids: Tensor, rows: Tensor) -> None:
        if self.weighting == "pixel":
            require_sizes(image_ids, rows[:, 0, _COLUMNS["pixel"]] != _NOT_MEASURED)

    def _checked_images(self) -> tuple[Tensor, Tensor]:
        image_ids, rows = super()._checked_images()
        if self.weighting == "overlap" and bool((rows[:, 0, _COLUMNS["overlap"]] == _NOT_MEASURED).any()):
            raise ValueError(
                "The state comes from a metric that weighs errors in another way, and was measured without overlap:"
                " give its batches to this metric, or make this metric before that one is updated."
            )
        return image_ids, rows

    def _hardness(self, rows: Tensor) -> Tensor:
        return as_tensor(_of_kind(as_array(rows)[:, :, self._column], self.kind))

    def _hardness_of_each(self, members: Sequence[HardnessMetric], rows: Tensor) -> Tensor:
        if any(type(member)._hardness is not BoxErrors._hardness for member in members):
            return super()._hardness_of_each(members, rows)
        alike = cast(Sequence[BoxErrors], members)
        sums = as_array(rows)
        of_kind = {kind: _of_kind(sums, kind) for kind in {member.kind for member in alike}}
        return as_tensor(numpy_or_torch(sums).stack([of_kind[member.kind][:, member._column] for member in alike]))

    @property
    def _column(self) -> int:
        """Where in a row the sums under its weighting stand."""
        return 0 if callable(self.weighting) else _COLUMNS[self.weighting]

    def _in_error(self, rows: Tensor) -> Tensor:
        if callable(self.weighting):
            return super()._in_error(rows)
        return as_tensor(_of_kind(as_array(rows)[:, :, _COLUMNS["none"]], self.kind) > 0)


def _of_kind(sums: Array, kind: ErrorKind) -> Array:
    """From ``(N, 2, ...)`` sums those of one kind, ``(N, ...)``."""
    first, *second = (sums[:, place] for place in _COUNTED[kind])
    return first + second[0] if second else first


class FalsePositives(BoxErrors):
    """Rank images by their false positives: detections that are of no object, or of one found already.

    Arguments, input and output are those of :class:`BoxErrors`.

    Example:
        >>> import torch
        >>> from hardest_metrics.detection import FalsePositives
        >>> preds = [
        ...     {
        ...         "boxes": torch.tensor([[0.0, 0, 10, 10], [5, 5, 15, 15]]),
        ...         "scores": torch.tensor([0.9, 0.8]),
        ...         "labels": torch.tensor([1, 1]),
        ...     }
        ... ]
        >>> target = [
        ...     {
        ...         "boxes": torch.tensor([[0.0, 0, 10, 10]]),
        ...         "labels": torch.tensor([1]),
        ...         "image_id": 42,
        ...         "image_size": (20, 40),
        ...     }
        ... ]
        >>> metric = FalsePositives(weighting="pixel")
        >>> metric.update(preds, target)
        >>> metric.compute()
        Ranking(1 images, hardest first: 42 (0.125))
    """

    kind = "false_positives"


class FalseNegatives(BoxErrors):
    """Rank images by their false negatives: objects that no detection found.

    Arguments, input and output are those of :class:`BoxErrors`.

    Example:
        >>> import torch
        >>> from hardest_metrics.detection import FalseNegatives
        >>> preds = [{"boxes": torch.empty(0, 4), "scores": torch.empty(0), "labels": torch.empty(0).long()}]
        >>> target = [{"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1]), "image_id": 42}]
        >>> metric = FalseNegatives(reduction="mean")
        >>> metric.update(preds, target)
        >>> metric.compute()
        tensor(1.)
    """

    kind = "false_negatives"


class TotalFalse(BoxErrors):
    """Rank images by their errors of both kinds: false positives plus false negatives.

    Arguments, input and output are those of :class:`BoxErrors`.

    Example:
        >>> import torch
        >>> from hardest_metrics.detection import TotalFalse
        >>> preds = [
        ...     {
        ...         "boxes": torch.tensor([[50.0, 50, 60, 60]]),
        ...         "scores": torch.tensor([0.9]),
        ...         "labels": torch.tensor([1]),
        ...     }
        ... ]
        >>> target = [{"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1]), "image_id": 42}]
        >>> metric = TotalFalse()
        >>> metric.update(preds, target)
        >>> metric.compute()
        Ranking(1 images, hardest first: 42 (2))
    """

    kind = "total_false"


#: Metrics that need the sums weighted by overlap, by their settings.
_weighing_by_overlap = Living()
