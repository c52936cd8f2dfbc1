"""Hardness of labelled images: what a detector's false positives and false negatives add up to."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast
from uuid import uuid4

from torch import Tensor
from torchmetrics import Metric

from hardest_metrics.detection.detection_metric import DetectionMetric
from hardest_metrics.detection.waiting import MOST_IMAGES, Packed
from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.hardness import error_sums, known_weighting, named_weighting, require_sizes
from hardest_metrics.functional.detection.matching import AreaName, Query
from hardest_metrics.functional.detection.packing import BoxFormat, ImageDict, check_box_format, pack
from hardest_metrics.functional.detection.weighting import Weighting, WeightingName
from hardest_metrics.functional.order import Array, as_array, as_tensor
from hardest_metrics.image_rows import Column, Reading
from hardest_metrics.metric import Columns, ReductionT

ErrorKind = Literal["false_positives", "false_negatives", "total_false"]

#: Where in a row the errors of each kind stand.
_COUNTED: dict[ErrorKind, list[int]] = {"false_positives": [0], "false_negatives": [1], "total_false": [0, 1]}


class BoxErrors(DetectionMetric[ReductionT]):
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
    An image with any error that the query counts is in error, also if it weighs nothing. The state grows by 24 bytes an
    image, whatever the number of boxes. Small batches are checked at once and measured together later, when up to 1,280
    images wait or a result is asked for.

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

    columns: ClassVar[Mapping[str, Column]] = {"errors": Column((2,)), "weighted": Column((2,))}

    kind: ClassVar[ErrorKind]
    errors: list[Tensor]
    weighted: list[Tensor]

    _images_at_once = 2560
    _threads = 1  # half of the work is to fetch tensors, which takes Python's lock or waits for memory

    def __init__(
        self,
        weighting: WeightingName | Weighting = "none",
        score_threshold: float = 0.5,
        iou_threshold: float = 0.5,
        labels: Collection[int] | None = None,
        area_range: AreaName | tuple[float, float] | None = None,
        max_detections: int = 100,
        box_format: BoxFormat = "xyxy",
        reduction: ReductionT = None,  # type: ignore[assignment]
        **kwargs: Any,
    ) -> None:
        query = Query(score_threshold, iou_threshold, labels, area_range, max_detections)
        weighting = known_weighting(weighting)
        check_box_format(box_format)
        reads = f"box_errors({query}, box_format={box_format!r})"
        name = repr(weighting)
        if callable(weighting):
            # A function sees the whole batch, and may weigh it differently next time: it is measured for itself.
            # Nothing tells whether two functions are the same but being one object: a tag of its own
            name = f"{getattr(weighting, '__qualname__', type(weighting).__qualname__)}#{uuid4().hex}"
            reads = f"{reads[:-1]}, weighting={name})"
        super().__init__(
            f"box_errors({query}, box_format={box_format!r}, weighting={name})", reduction, reads, **kwargs
        )
        self.by_image = not callable(weighting)
        self.query = query
        self.weighting = weighting
        self.box_format = box_format

    @property
    def needs(self) -> Mapping[str, Hashable]:
        """The number of errors, and the sum of their weights."""
        return {"errors": "none", "weighted": self.weighting}

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """As :meth:`HardnessMetric.merge_state`; two functions are equal settings only if they compare equal."""
        if isinstance(incoming_state, BoxErrors):
            self.require_same_function(incoming_state)
        super().merge_state(incoming_state)

    def require_same_function(self, other: "BoxErrors[Any]") -> None:
        """Refuse a definition that weighs with another function.

        Raises:
            ValueError: if it does.
        """
        if callable(self.weighting) and self.settings != other.settings and self.weighting != other.weighting:
            raise ValueError(
                f"`incoming_state` weighs with {other.weighting}, this metric with {self.weighting}:"
                " only metrics of equal settings can be merged."
            )

    def _read(self, asked: Sequence[Hashable], preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> Reading:
        if not self.by_image or len(preds) > MOST_IMAGES or type(self)._measure is not BoxErrors._measure:
            return super()._read(asked, preds, target)
        return Packed(self._packed(asked, preds, target), asked, partial(measured_sums, self.query))

    def _measure(
        self, asked: Sequence[Hashable], preds: Sequence[ImageDict], target: Sequence[ImageDict]
    ) -> tuple[Tensor, Mapping[Hashable, Tensor]]:
        batch = self._packed(asked, preds, target)
        return batch.image_ids, measured_sums(self.query, batch, asked)

    def _packed(self, asked: Sequence[Hashable], preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> Batch:
        batch = pack(preds, target, self.box_format, min_score=self.query.score_threshold)
        if "pixel" in asked and not batch.sized:
            require_sizes(batch.image_ids, ~batch.image_sizes[:, 0].isnan())
        return batch

    def _hardness(self, columns: Columns) -> Tensor:
        return as_tensor(_of_kind(as_array(columns["weighted"]), self.kind))

    def _in_error(self, columns: Columns, hardness: Tensor) -> Tensor:
        return as_tensor(_of_kind(as_array(columns["errors"]), self.kind) > 0)


def measured_sums(query: Query, batch: Batch, asked: Sequence[Hashable]) -> Mapping[Hashable, Tensor]:
    """Of each weighting that is asked for, by name or function, ``(N, 2)`` weighted false positives and negatives."""
    weightings = [named_weighting(cast(WeightingName | Weighting, weighting)) for weighting in asked]
    return dict(zip(asked, error_sums(batch, query, weightings).unbind(2), strict=True))


def _of_kind(sums: Array, kind: ErrorKind) -> Array:
    """From ``(N, 2)`` sums those of one kind, ``(N,)``."""
    first, *second = (sums[:, place] for place in _COUNTED[kind])
    return first + second[0] if second else first


class FalsePositives(BoxErrors[ReductionT]):
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
        Ranking(1 image, hardest first: 42 (0.125))
    """

    kind = "false_positives"


class FalseNegatives(BoxErrors[ReductionT]):
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


class TotalFalse(BoxErrors[ReductionT]):
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
        Ranking(1 image, hardest first: 42 (2))
    """

    kind = "total_false"


# Of any reduction. Command lines build definitions from the class that an annotation names, and know no type parameters
if TYPE_CHECKING:
    Definition = BoxErrors[Any]
else:
    Definition = BoxErrors
