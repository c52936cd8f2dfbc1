"""The base of metrics of detectors: how they take lists of dicts, one an image."""

from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import Tensor

from hardest_metrics.detection.pieces import Measure, Measured, in_pieces
from hardest_metrics.detection.waiting import Packed, Waiting, measure_all
from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.checking import BoxFormat
from hardest_metrics.functional.detection.packing import ImageDict
from hardest_metrics.functional.eager import without_autocast
from hardest_metrics.image_rows import Reading, alike, read_together
from hardest_metrics.metric import HardnessMetric, ReductionT
from hardest_metrics.rows import joint

if TYPE_CHECKING:
    from hardest_metrics.detection.adapter import DetectionAdapter

#: Packs a batch, given the format of its boxes, the least score of detections that are of use, and whether labels are.
BatchOf = Callable[[BoxFormat, float, bool], Batch]

_MORE = "goes by more than boxes, scores and labels: feed it lists of dicts by `update`."


class DetectionMetric(HardnessMetric[ReductionT]):
    """Hardness of images that follows from a detector's boxes, and the labels' where there are any.

    A subclass says in :meth:`_measure` what there is to know of the images of a batch. Of a large batch that is asked
    piece by piece; a subclass whose :meth:`_read` gives :class:`~hardest_metrics.detection.waiting.Packed` batches has
    small ones measured together, later.
    """

    #: whether what :meth:`_measure` finds of an image follows from that image alone: then it may see a batch in parts
    by_image: bool = True

    #: how many images of a large batch a thread measures at a time, at most, so that memory stays within bounds
    _images_at_once: int = 1280

    #: how many threads share a large batch, at most
    _threads: ClassVar[int] = 4

    _waiting: Waiting = Waiting()

    @property
    def adapter(self) -> "DetectionAdapter":
        """How a callback understands, keeps and draws images."""
        from hardest_metrics.detection.adapter import DetectionAdapter  # needs Pillow, which a metric does not

        return DetectionAdapter()

    @abstractmethod
    def _measure(
        self, asked: Sequence[Hashable], preds: Sequence[ImageDict], target: Sequence[ImageDict]
    ) -> tuple[Tensor, Mapping[Hashable, Tensor]]:
        """What there is to know of each image of a batch.

        Args:
            asked: what to measure, see :attr:`~hardest_metrics.image_rows.ImageRows.needs`.
            preds: one dict an image.
            target: one dict an image.

        Returns:
            ``(N,)`` int64 image ids, with :data:`~hardest_metrics.functional.ids.NO_ID` for images without, and
            by what was asked for ``(N, ...)`` values.
        """

    def _measure_packed(self, asked: Sequence[Hashable], batch: Batch) -> Mapping[Hashable, Tensor]:
        """What :meth:`_measure` finds, of images packed already; what goes by more than a batch holds does without."""
        raise TypeError(f"{self!r} {_MORE}")

    @property
    def _goes_by_more(self) -> bool:
        """Whether it asks for more than boxes, scores and labels: for other shapes, or for what other detectors see."""
        return False

    @property
    def _least_score(self) -> float:
        """Detections of a lower score are of no use."""
        return 0.0

    @staticmethod
    def hardness_of(metrics: "Mapping[str, DetectionMetric[Any]]", batch_of: BatchOf) -> dict[str, Tensor]:
        """The hardness of the images of one batch under several metrics, in the order of the batch.

        Nothing is added to the metrics. The batch is measured once for all that read it alike.

        Args:
            metrics: by name.
            batch_of: packs the batch, see :data:`BatchOf`; asked once for all metrics that read alike.

        Returns:
            By name ``(N,)`` float32.

        Raises:
            TypeError: if one of the metrics goes by more than a batch holds.
        """
        found: dict[str, Tensor] = {}
        for metric in metrics.values():
            if metric._goes_by_more:
                raise TypeError(f"{metric!r} {_MORE}")
        with torch.no_grad(), without_autocast():
            for members in cast("list[dict[str, DetectionMetric[Any]]]", alike(metrics)):
                first = next(iter(members.values()))
                batch = batch_of(cast(Any, first).box_format, first._least_score, first.needs_labels)
                asked = list(dict.fromkeys(need for member in members.values() for need in member.needs.values()))
                reading = Reading(batch.image_ids, first._measure_packed(asked, batch))
                found |= {name: member._ranked(member._own(reading))[1] for name, member in members.items()}
        return {name: found[name] for name in metrics}

    def update(self, preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> None:
        """Add a batch of images.

        Args:
            preds: one dict an image, see :func:`hardest_metrics.functional.pack`.
            target: one dict an image, in the same order.

        Raises:
            TypeError, ValueError: on input that makes no sense; the metric is as it was before.
        """
        self._take(read_together([self], preds, target))

    def _setting(self, name: str) -> object:
        # settings of the query are given by their own names
        holder = self if hasattr(self, name) or not hasattr(self, "query") else self.query
        return getattr(holder, name)

    def _read(self, asked: Sequence[Hashable], preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> Reading:
        return Reading(*self._in_pieces(partial(self._measure, asked), preds, target))

    def _in_pieces(self, measure: Measure, preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> Measured:
        """``measure(preds, target)``, piece by piece if each image may be measured by itself."""
        if not self.by_image:
            return measure(preds, target)
        return in_pieces(measure, preds, target, self._images_at_once, self._threads)

    def _take(self, reading: Reading) -> None:
        if not isinstance(reading, Packed):
            self._settle()
            self._append(self._own(reading))
            return
        before = self._waiting
        vars(self)["_waiting"] = waiting = before.followed_by(reading)
        if waiting.full:
            try:
                self._settle()
            except BaseException:
                self._waiting = before
                raise

    def _settle(self) -> None:
        """Measure what waits."""
        readings = self._waiting.readings
        if readings:
            with torch.no_grad(), without_autocast():
                parts = list(map(self._own, measure_all(readings)))
                device = next(iter(parts[-1].columns.values())).device
                self._append(joint([part.to(device) for part in parts]))
            self._waiting = Waiting()  # not before all went well

    def _forget(self) -> None:
        self._waiting = Waiting()
        super()._forget()
