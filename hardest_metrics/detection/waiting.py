"""Batches that are checked and packed already, and wait to be measured together.

What measuring takes hardly depends on how many images there are, up to hundreds: it is a few hundred calls of torch,
and on another device as many launches and some transfers. So small batches are not measured one by one.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.image_rows import Reading

#: At most so many images and boxes wait; a box takes some 100 bytes. Of masks and keypoints, which take more or less,
#: at most so many bytes wait; to measure them takes some five times as much.
MOST_IMAGES, MOST_BOXES, MOST_BYTES = 1280, 1 << 17, 4 << 20

#: Measures what is asked for of a batch's images, looking at each by itself.
Measure = Callable[[Batch, Sequence[Hashable]], Mapping[Hashable, Tensor]]


class Packed(Reading):
    """A batch that is measured when somebody needs it, once for all metrics that hold it.

    Args:
        batch: what to measure.
        asked: what of it.
        measure: how.

    Attributes:
        number_of_images: that it is of.
        number_of_boxes: of both sides, as long as it is not measured; then 0 are kept in memory.
        number_of_bytes: of masks or keypoints, likewise.
    """

    def __init__(self, batch: Batch, asked: Sequence[Hashable], measure: Measure) -> None:
        super().__init__(batch.image_ids, {})
        self._batch: Batch | None = batch
        self._asked, self._measure = tuple(asked), measure
        self._together = Reading(batch.image_ids, {})  # what it was measured in, and where in that its images begin
        self._start = 0
        self.number_of_images = len(batch)
        self.number_of_boxes = len(batch.detections) + len(batch.ground_truth)
        shapes = (batch.detections.shapes, batch.ground_truth.shapes)
        self.number_of_bytes = sum(each.nbytes for each in shapes if each is not None)

    @property
    def measured(self) -> Mapping[Hashable, Tensor]:
        """What was asked for, by name, ``(N, ...)`` each."""
        if self._batch is not None:
            measure_all([self])
        measured = self._together.measured
        if len(self._together.image_ids) == self.number_of_images:
            return measured
        own = slice(self._start, self._start + self.number_of_images)
        return {name: values[own] for name, values in measured.items()}

    def __deepcopy__(self, memo: dict[int, Any]) -> "Packed":
        return self  # what it tells never changes


def measure_all(readings: Sequence[Packed]) -> Sequence[Reading]:
    """Measure batches that nobody has measured yet, all that can be at once.

    Args:
        readings: of metrics that read alike.

    Returns:
        What they tell, in the same order; as one reading where all were asked for the same. So the metrics of a
        collection, for which the same batches wait, need not each join them.
    """
    alike: dict[tuple[Any, ...], list[tuple[Packed, Batch]]] = {}
    for reading in readings:
        if reading._batch is not None:
            scores = reading._batch.detections.scores  # compared with thresholds in their own dtype
            mixed = reading._batch.detections.given_as is not None
            kind = scores.dtype, mixed, scores.device, reading.image_ids.device, reading._asked
            alike.setdefault(kind, []).append((reading, reading._batch))
    for pairs in alike.values():
        first, _ = pairs[0]
        batch = Batch.joined([batch for _, batch in pairs])
        together = Reading(batch.image_ids, first._measure(batch, first._asked))
        for (reading, _), start in zip(pairs, _starts([reading for reading, _ in pairs]), strict=False):
            reading._together, reading._start = together, start
            reading._batch, reading.number_of_boxes, reading.number_of_bytes = None, 0, 0
    whole = readings[0]._together
    *starts, end = _starts(readings)
    if end == len(whole.image_ids) and all(reading._together is whole for reading in readings):
        return [whole] if starts == [reading._start for reading in readings] else readings
    if len({(reading._asked, reading.image_ids.device) for reading in readings}) > 1:
        return readings
    measured = [reading.measured for reading in readings]
    joined = {name: torch.cat([each[name] for each in measured]) for name in readings[0]._asked}
    whole = Reading(torch.cat([reading.image_ids for reading in readings]), joined)
    for reading, start in zip(readings, starts, strict=True):
        reading._together, reading._start = whole, start
    return [whole]


def _starts(readings: Sequence[Packed]) -> list[int]:
    """Where each begins if they stand one after the other, and where the last ends."""
    return list(accumulate((reading.number_of_images for reading in readings), initial=0))


class Waiting(NamedTuple):
    """Batches in the order in which they came, and how much they are."""

    readings: tuple[Packed, ...] = ()
    images: int = 0
    boxes: int = 0
    bytes: int = 0

    def followed_by(self, reading: Packed) -> "Waiting":
        """With one more."""
        return Waiting(
            (*self.readings, reading),
            self.images + reading.number_of_images,
            self.boxes + reading.number_of_boxes,
            self.bytes + reading.number_of_bytes,
        )

    @property
    def full(self) -> bool:
        """Whether it is time to measure them."""
        return self.images >= MOST_IMAGES or self.boxes >= MOST_BOXES or self.bytes >= MOST_BYTES
