"""Batches that are checked and packed already, and wait to be measured together.

What measuring takes hardly depends on how many images there are, up to hundreds: it is a few hundred calls of torch,
and on another device as many launches and some transfers. So small batches are not measured one by one.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from hardest_metrics.functional.boxes import Batch

#: At most so many images and boxes wait; a box takes some 100 bytes.
MOST_IMAGES, MOST_BOXES = 1280, 1 << 17


class Reading:
    """A batch as metrics of equal settings see it: ids of its images at once, their rows once somebody needs them.

    Several metrics may hold one; it is measured once. What it holds never changes, so that copies share it.

    Args:
        image_ids: ``(N,)`` int64.
        rows: ``(N, ...)``, if measured already.
        batch: else what to measure.
        extent: and what of all that could be measured.
    """

    #: MetricCollection merges metrics whose states are equal, by shape first: what waits equals nothing.
    shape = math.nan

    def __init__(
        self,
        image_ids: Tensor,
        rows: Tensor | None = None,
        batch: Batch | None = None,
        extent: frozenset[str] = frozenset(),
    ) -> None:
        self.image_ids, self.rows, self.batch, self.extent = image_ids, rows, batch, extent

    def __len__(self) -> int:
        return len(self.image_ids)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Reading":
        return self

    @property
    def number_of_boxes(self) -> int:
        """How many boxes it keeps in memory."""
        return 0 if self.batch is None else len(self.batch.detections) + len(self.batch.ground_truth)


class Waiting(list[Reading]):
    """Readings in the order in which they came, and how much they are.

    Args:
        before: those that wait already.
        reading: one more.
    """

    def __init__(self, before: "list[Reading] | Waiting", reading: Reading) -> None:
        super().__init__(before)
        self.append(reading)
        if isinstance(before, Waiting):
            self.images: int = before.images + len(reading)
            self.boxes: int = before.boxes + reading.number_of_boxes
        else:
            self.images, self.boxes = sum(map(len, self)), sum(each.number_of_boxes for each in self)

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Reading]:
        return list(self)


def measured(readings: Sequence[Reading], rows_of: Callable[[Batch, frozenset[str]], Tensor]) -> tuple[Tensor, Tensor]:
    """Ids and rows of all images of some readings, those that nobody has measured yet measured together.

    Args:
        readings: at least one, all of equal settings.
        rows_of: gives the rows of a batch's images, which it looks at one by one, to some extent.
    """
    alike: dict[tuple[Any, ...], list[tuple[Reading, Batch]]] = {}
    for reading in readings:
        if reading.batch is not None:
            scores = reading.batch.detections.scores  # compared with thresholds in their own dtype
            kind = scores.dtype, scores.device, reading.image_ids.device, reading.extent
            alike.setdefault(kind, []).append((reading, reading.batch))
    for (*_, extent), pairs in alike.items():
        rows = rows_of(Batch.joined([batch for _, batch in pairs]), extent)
        for (reading, _), own in zip(pairs, rows.split([len(batch) for _, batch in pairs]), strict=True):
            reading.rows, reading.batch = own, None
    parts = [reading.rows for reading in readings if reading.rows is not None]
    device = parts[-1].device
    return (
        torch.cat([reading.image_ids.to(device) for reading in readings]),
        torch.cat([part.to(device) for part in parts]),
    )
