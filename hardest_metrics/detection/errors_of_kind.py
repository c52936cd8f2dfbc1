"""Hardness of labelled images by one kind of errors: which images fail, and why."""

from collections.abc import Collection, Hashable, Mapping
from functools import cached_property
from typing import Any, ClassVar, get_args

from torch import Tensor

from hardest_metrics.detection.error_sums import ErrorSums
from hardest_metrics.functional.detection.checking import BoxFormat
from hardest_metrics.functional.detection.geometry import IouType
from hardest_metrics.functional.detection.keypoint_packing import Sigmas
from hardest_metrics.functional.detection.kinds import Kind, KindName, check_background_threshold
from hardest_metrics.functional.detection.matching import AreaName, ScoreThreshold
from hardest_metrics.functional.detection.shares import Share
from hardest_metrics.functional.detection.weighting import Weighting, WeightingName
from hardest_metrics.image_rows import Column
from hardest_metrics.metric import Columns, ReductionT

#: All of them, in the order in which they are shown.
KINDS: tuple[KindName, ...] = get_args(KindName)


class ErrorsOfKind(ErrorSums[ReductionT]):
    """Rank images by their errors of one kind, as TIDE tells them apart.

    With the query's ``iou_threshold`` as foreground threshold, a false positive is, the first that applies, an error of

    - ``"localisation"``: on an object of its label, but overlapping it too little;
    - ``"classification"``: on an object of another label;
    - ``"duplicate"``: on an object of its label that another detection has found;
    - ``"background"``: on nothing;
    - ``"both"``: all others, of another label and overlapping too little;

    and ``"missed"`` are the objects that no detection found, but those that an error of localisation or classification
    is of: these are the other half of that error, and have no kind of their own here. See
    :func:`hardest_metrics.functional.error_kinds`, and Bolya et al., *TIDE*, ECCV 2020.

    Input and output are those of :class:`BoxErrors`, as is hardness: the sum of the errors' weights. In a
    :class:`~hardest_metrics.HardnessCollection` all kinds are measured together, and with
    :class:`~hardest_metrics.TotalFalse` and its like of the same query. The state grows by 16 bytes an image.

    Args:
        kind: of errors, see above.
        weighting: ``"none"``, ``"pixel"``, ``"overlap"`` or a function, see :class:`BoxErrors`.
        score_threshold: detections of a lower score take no part, in [0, 1]; or one for each label that counts.
        iou_threshold: least intersection over union of a match, in (0, 1].
        labels: the labels whose errors count; None for all. A detection is compared with objects of all labels.
        area_range: ``"small"``, ``"medium"``, ``"large"`` or ``(low, high)`` in square pixels; None for all.
        max_detections: only this many detections of highest score take part, per image and label; None for 100, or
            20 of keypoints, as COCO has it.
        box_format: of all boxes: ``"xyxy"``, ``"xywh"`` or ``"cxcywh"``, in pixels.
        reduction: None for the ranking; ``"mean"``, ``"sum"`` or ``"max"`` over the images for a scalar.
        iou_type: what is compared and weighed: ``"bbox"``, boxes; ``"segm"``, ``masks``; ``"keypoints"``, by COCO's
            object keypoint similarity. :func:`hardest_metrics.functional.pack` says how masks and keypoints are given.
        sigmas: how exactly each keypoint can be placed, one number for each, or that by label; None for COCO's 17.
        background_threshold: a detection that overlaps no object by more is on nothing; above 0, and at most
            `iou_threshold`.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> import torch
        >>> from hardest_metrics import ErrorsOfKind, HardnessCollection, TotalFalse
        >>> preds = [
        ...     {
        ...         "boxes": torch.tensor([[0.0, 0, 10, 4], [50, 50, 60, 60]]),
        ...         "scores": torch.tensor([0.9, 0.8]),
        ...         "labels": torch.tensor([1, 1]),
        ...     }
        ... ]
        >>> target = [{"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1]), "image_id": 42}]
        >>> kinds = {kind: ErrorsOfKind(kind, reduction="sum") for kind in ("localisation", "background", "missed")}
        >>> metrics = HardnessCollection({"total": TotalFalse(reduction="sum"), **kinds})
        >>> metrics.update(preds, target)
        >>> {name: float(value) for name, value in metrics.compute().items()}
        {'background': 1.0, 'localisation': 1.0, 'missed': 0.0, 'total': 3.0}
    """

    columns: ClassVar[Mapping[str, Column]] = {"errors": Column(), "weighted": Column()}

    errors: list[Tensor]
    weighted: list[Tensor]

    def __init__(
        self,
        kind: KindName,
        weighting: WeightingName | Weighting = "none",
        score_threshold: ScoreThreshold = 0.5,
        iou_threshold: float = 0.5,
        labels: Collection[int] | None = None,
        area_range: AreaName | tuple[float, float] | None = None,
        max_detections: int | None = None,
        box_format: BoxFormat = "xyxy",
        reduction: ReductionT = None,  # type: ignore[assignment]
        background_threshold: float = 0.1,
        iou_type: IouType = "bbox",
        sigmas: Sigmas | None = None,
        **kwargs: Any,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"`kind` must be one of {KINDS}, but is {kind!r}.")
        super().__init__(
            f"errors_of_kind({kind!r}, {background_threshold!r}, ",
            weighting, score_threshold, iou_threshold, labels, area_range, max_detections, box_format, reduction,
            iou_type, sigmas, **kwargs,
        )  # fmt: skip
        check_background_threshold(background_threshold, self.query.iou_threshold)
        self.kind = kind
        self.background_threshold = background_threshold

    @cached_property  # each batch asks each member of a collection, of which there may be one a label
    def needs(self) -> Mapping[str, Hashable]:
        """The number of errors of the kind, and the sum of their weights."""
        kind, threshold = Kind[self.kind.upper()], float(self.background_threshold)
        weightings: dict[str, WeightingName | Weighting] = {"errors": "none", "weighted": self.weighting}
        return {column: Share(weighting, kind, threshold, self._label) for column, weighting in weightings.items()}

    def _hardness(self, columns: Columns) -> Tensor:
        return columns["weighted"]

    def _in_error(self, columns: Columns, hardness: Tensor) -> Tensor:
        return columns["errors"] > 0
