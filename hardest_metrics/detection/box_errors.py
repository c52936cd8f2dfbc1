"""Hardness of labelled images: what a detector's false positives and false negatives add up to."""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from torch import Tensor

from hardest_metrics.detection.error_sums import ErrorSums
from hardest_metrics.detection.errors_of_kind import KINDS, ErrorsOfKind
from hardest_metrics.functional.detection.checking import BoxFormat
from hardest_metrics.functional.detection.geometry import IouType
from hardest_metrics.functional.detection.keypoint_packing import Sigmas
from hardest_metrics.functional.detection.matching import AreaName, ScoreThreshold
from hardest_metrics.functional.detection.shares import Share
from hardest_metrics.functional.detection.weighting import Weighting, WeightingName
from hardest_metrics.functional.order import Array, as_array, as_tensor
from hardest_metrics.image_rows import Column
from hardest_metrics.metric import Columns, ReductionT

ErrorKind = Literal["false_positives", "false_negatives", "total_false"]

#: Where in a row the errors of each kind stand.
_COUNTED: dict[ErrorKind, list[int]] = {"false_positives": [0], "false_negatives": [1], "total_false": [0, 1]}


class BoxErrors(ErrorSums[ReductionT]):
    """Base of the hardness definitions that add up weighted false positives and false negatives.

    Detections are matched to labels by COCO's protocol as pycocotools implements it, at one IoU threshold, see
    :func:`hardest_metrics.functional.match`. An image's hardness is the sum over its errors of their weights:

    - ``"none"``: 1 each, so that hardness is a number of errors;
    - ``"pixel"``: area over image area, so that it is a share of the image: of boxes, or of masks' pixels;
    - ``"overlap"``: how much true positives cover it, the sum of intersection over its own area;
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
        score_threshold: detections of a lower score take no part, in [0, 1]; or one for each label that counts.
        iou_threshold: least intersection over union of a match, in (0, 1].
        labels: the labels that count; None for all.
        area_range: ``"small"``, ``"medium"``, ``"large"`` (COCO's, bounds 32^2 and 96^2) or ``(low, high)`` in
            square pixels; None for all. Objects outside are ignored, unmatched detections outside too.
        max_detections: only this many detections of highest score take part, per image and label; None for 100, or
            20 of keypoints, as COCO has it.
        box_format: of all boxes: ``"xyxy"``, ``"xywh"`` or ``"cxcywh"``, in pixels.
        reduction: None for the ranking; ``"mean"``, ``"sum"`` or ``"max"`` over the images for a scalar.
        iou_type: what is compared and weighed: ``"bbox"``, boxes; ``"segm"``, ``masks``; ``"keypoints"``, by COCO's
            object keypoint similarity. :func:`hardest_metrics.functional.pack` says how masks and keypoints are given.
        sigmas: how exactly each keypoint can be placed, one number for each, or that by label; None for COCO's 17.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    columns: ClassVar[Mapping[str, Column]] = {"errors": Column((2,)), "weighted": Column((2,))}

    kind: ClassVar[ErrorKind]
    errors: list[Tensor]
    weighted: list[Tensor]

    def __init__(
        self,
        weighting: WeightingName | Weighting = "none",
        score_threshold: ScoreThreshold = 0.5,
        iou_threshold: float = 0.5,
        labels: Collection[int] | None = None,
        area_range: AreaName | tuple[float, float] | None = None,
        max_detections: int | None = None,
        box_format: BoxFormat = "xyxy",
        reduction: ReductionT = None,  # type: ignore[assignment]
        iou_type: IouType = "bbox",
        sigmas: Sigmas | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            "box_errors(", weighting, score_threshold, iou_threshold, labels, area_range, max_detections, box_format,
            reduction, iou_type, sigmas, **kwargs,
        )  # fmt: skip

    @cached_property  # each batch asks each member of a collection, of which there may be one a label
    def needs(self) -> Mapping[str, Hashable]:
        """The number of errors, and the sum of their weights."""
        return {"errors": Share("none", label=self._label), "weighted": Share(self.weighting, label=self._label)}

    @property
    def kinds(self) -> "Mapping[str, ErrorsOfKind[Any]]":
        """How many of the errors that count here are of each kind: measured with this definition, unweighted.

        The background threshold is 0.1, or the query's IoU threshold if that is lower.
        """
        counted = {"false_positives": KINDS[:-1], "false_negatives": KINDS[-1:], "total_false": KINDS}[self.kind]
        query = {field.name: getattr(self.query, field.name) for field in fields(self.query)}
        shapes = {name: getattr(self, name) for name in ("box_format", "iou_type", "sigmas")}
        settings = {**query, **shapes, "part_of": self.part_of}
        threshold = min(0.1, self.query.iou_threshold)
        return {kind: ErrorsOfKind(kind, background_threshold=threshold, **settings) for kind in counted}

    def _hardness(self, columns: Columns) -> Tensor:
        return as_tensor(_of_kind(as_array(columns["weighted"]), self.kind))

    def _in_error(self, columns: Columns, hardness: Tensor) -> Tensor:
        return as_tensor(_of_kind(as_array(columns["errors"]), self.kind) > 0)


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
