"""The base of definitions of hardness that add up weighted errors against labels."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from torch import Tensor
from torchmetrics import Metric
from typing_extensions import Self

from hardest_metrics.detection.detection_metric import DetectionMetric
from hardest_metrics.detection.pieces import Measured
from hardest_metrics.detection.waiting import MOST_IMAGES, Packed
from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.checking import BoxFormat
from hardest_metrics.functional.detection.geometry import IouType
from hardest_metrics.functional.detection.hardness import known_weighting, require_sizes
from hardest_metrics.functional.detection.matching import AreaName, Query, ScoreThreshold
from hardest_metrics.functional.detection.packing import ImageDict
from hardest_metrics.functional.detection.shape_format import ShapeFormat
from hardest_metrics.functional.detection.shares import Share, Shares, share_tables, tables_of
from hardest_metrics.functional.detection.weighting import Weighting, WeightingName
from hardest_metrics.image_rows import Reading
from hardest_metrics.metric import ReductionT

if TYPE_CHECKING:
    from hardest_metrics.functional.detection.keypoint_packing import Sigmas


#: Images whose masks are turned into runs at a time: these take a few megabytes.
_SHAPES_AT_ONCE = 64


class ErrorSums(DetectionMetric[ReductionT]):
    """Base of the definitions that add up weighted errors, whichever these are.

    Definitions of one query, and of shapes given alike, read batches alike, whatever they add up, so that a
    :class:`~hardest_metrics.HardnessCollection` matches boxes once for all of them; also those that
    :meth:`of_labels` made of one for each label.

    Args:
        settings: names what is added up, as the start of a call: ``"box_errors("``.
        weighting: see :class:`~hardest_metrics.detection.BoxErrors`, as are all others.
        score_threshold: likewise.
        iou_threshold: likewise.
        labels: likewise.
        area_range: likewise.
        max_detections: likewise.
        box_format: likewise.
        reduction: likewise.
        iou_type: likewise.
        sigmas: likewise.
        part_of: the query that boxes are matched and weighed by, where this definition is the part of one label of
            another, see :meth:`of_labels`; None for its own.
        kwargs: see :class:`torchmetrics.Metric`.
    """

    _images_at_once = 2560
    _threads = 1  # half of the work is to fetch tensors, which takes Python's lock or waits for memory

    def __init__(
        self,
        settings: str,
        weighting: WeightingName | Weighting,
        score_threshold: ScoreThreshold,
        iou_threshold: float,
        labels: Collection[int] | None,
        area_range: AreaName | tuple[float, float] | None,
        max_detections: int | None,
        box_format: BoxFormat,
        reduction: ReductionT,
        iou_type: IouType = "bbox",
        sigmas: "Sigmas | None" = None,
        part_of: Query | None = None,
        **kwargs: Any,
    ) -> None:
        given_as = ShapeFormat(box_format, iou_type, sigmas)
        most = given_as.most_detections(max_detections)
        query = Query(score_threshold, iou_threshold, labels, area_range, most)
        weighting = known_weighting(weighting)
        matched = part_of or query
        reads = f"box_errors({matched}, {given_as.settings})"
        name = repr(weighting)
        if callable(weighting):
            # A function sees the whole batch, and may weigh it differently next time: it is measured for itself.
            # Nothing tells whether two functions are the same but being one object: a tag of its own
            name = f"{getattr(weighting, '__qualname__', type(weighting).__qualname__)}#{uuid4().hex}"
            reads = f"{reads[:-1]}, weighting={name})"
        whole = "" if part_of is None else f", part_of={part_of}"
        settings = f"{settings}{query}, {given_as.settings}, weighting={name}{whole})"
        super().__init__(settings, reduction, reads, **kwargs)
        self.by_image = not callable(weighting)
        self.query = query
        self.weighting = weighting
        self.max_detections = max_detections
        self.box_format = box_format
        self.iou_type = iou_type
        self.sigmas = sigmas
        self.part_of = part_of
        self._given_as = given_as
        if iou_type != "bbox":
            self._images_at_once = _SHAPES_AT_ONCE
        self._matched = matched
        self._label = None if part_of is None else _only_label(query, part_of)

    def of_labels(self, labels: Mapping[int, str]) -> dict[str, Self]:
        """The parts of this definition that are of one label's boxes each: over all labels they add up to the whole.

        Boxes are matched and weighed as here, among those of all labels: overlap weighting looks at all true positives.
        With other weightings a part is the same as ``labels=[label]``. What it is for: in a collection the parts are
        measured together, and with the whole.

        Args:
            labels: that count, and what the part of each is called.

        Raises:
            ValueError: if one does not count here, or a name is none that a member of a collection can have.
        """
        if not isinstance(cast(object, labels), Mapping) or not labels:
            raise ValueError(f"`labels` must be names by label, at least one, but is {labels!r}.")
        names = list(labels.values())
        for label, name in labels.items():
            if not isinstance(cast(object, name), str) or not name or "." in name or names.count(name) > 1:
                raise ValueError(
                    f"`labels` calls {label!r} {name!r}, but each name must be a text of its own, and without a dot."
                )
        given = {**self._given(), "part_of": self._matched}
        parts = {name: type(self)(**{**given, "labels": [label]}) for label, name in labels.items()}
        for part in parts.values():
            part.reads = self.reads  # also where that has the tag of a function
        return parts

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """As :meth:`HardnessMetric.merge_state`; two functions are equal settings only if they compare equal."""
        if isinstance(incoming_state, ErrorSums):
            self.require_same_function(incoming_state)
        super().merge_state(incoming_state)

    def require_same_function(self, other: "ErrorSums[Any]") -> None:
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
        if type(self)._measure is not ErrorSums._measure:
            return super()._read(asked, preds, target)
        if self.by_image and len(preds) <= min(MOST_IMAGES, self._images_at_once):
            return Packed(self._packed(asked, preds, target), asked, partial(_shares, self._matched))
        places = tables_of(cast(Sequence[Share], asked))

        def measure(preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> Measured:
            batch = self._packed(asked, preds, target)
            return batch.image_ids, share_tables(batch, self._matched, list(dict.fromkeys(places.values())))

        image_ids, tables = self._in_pieces(measure, preds, target)
        return Reading(image_ids, Shares(places, tables))

    def _measure(
        self, asked: Sequence[Hashable], preds: Sequence[ImageDict], target: Sequence[ImageDict]
    ) -> tuple[Tensor, Mapping[Hashable, Tensor]]:
        batch = self._packed(asked, preds, target)
        return batch.image_ids, _shares(self._matched, batch, asked)

    def _measure_packed(self, asked: Sequence[Hashable], batch: Batch) -> Mapping[Hashable, Tensor]:
        _require_sizes(asked, batch)
        return _shares(self._matched, batch, asked)

    @property
    def _goes_by_more(self) -> bool:
        return self.iou_type != "bbox"

    @property
    def _least_score(self) -> float:
        return self._matched.lowest_score

    def _packed(self, asked: Sequence[Hashable], preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> Batch:
        batch = self._given_as.pack(preds, target, self._least_score)
        _require_sizes(asked, batch)
        return batch


def _only_label(query: Query, part_of: Query) -> int:
    """The label that a query counts, if it is one of those that another counts."""
    if query.labels is None or len(query.labels) != 1:
        raise ValueError(f"`part_of` is of a definition of one label, but `labels` is {query.labels}.")
    (label,) = query.labels
    if part_of.labels is not None and label not in part_of.labels:
        raise ValueError(f"`labels` asks for {label}, but the definition counts {part_of.labels} only: add it there.")
    return int(label)


def _require_sizes(asked: Sequence[Hashable], batch: Batch) -> None:
    if not batch.sized and any(share.weighting == "pixel" for share in cast(Sequence[Share], asked)):
        require_sizes(batch.image_ids, ~batch.image_sizes[:, 0].isnan())


def _shares(query: Query, batch: Batch, asked: Sequence[Hashable]) -> Shares:
    """What is asked for, all of it shares."""
    places = tables_of(cast(Sequence[Share], asked))
    return Shares(places, share_tables(batch, query, list(dict.fromkeys(places.values()))))
