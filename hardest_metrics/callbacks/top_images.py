"""The images that can still be among the hardest: as many as are asked for, however large the set."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch.distributed as dist
from torch import Tensor

from hardest_metrics.adapter import Examples
from hardest_metrics.functional.ids import NO_ID
from hardest_metrics.metric import AnyHardnessMetric
from hardest_metrics.ranking import Ranking


class Snapshot(NamedTuple):
    """An image as it was when it was measured.

    Attributes:
        image: ``(3, H, W)`` or ``(1, H, W)`` uint8 on the CPU.
        about: what its domain draws on it.
    """

    image: Tensor
    about: Any


class TopImages:
    """Keeps snapshots of the `k` hardest images so far under each of several metrics.

    Args:
        k: images kept a metric.
        to_uint8: turns an image of a batch into one to draw.
    """

    def __init__(self, k: int, to_uint8: Callable[[Tensor], Tensor]) -> None:
        self.k = k
        self._to_uint8 = to_uint8
        self._hardness: dict[str, dict[int, float]] = {}  # of the hardest images, by metric and id
        self._snapshots: dict[int, tuple[float, Snapshot]] = {}
        self._seen = 0

    def add(self, metrics: Mapping[str, AnyHardnessMetric], examples: Examples) -> None:
        """Take in the batch that the metrics were just updated with, and that has images."""
        assert examples.images is not None
        position: dict[int, int] = {}
        totals = [0.0] * examples.number
        for name, metric in metrics.items():
            ids, hardness = (column.tolist() for column in metric.newest(examples.number))
            ids = [self._seen + index if image_id == NO_ID else image_id for index, image_id in enumerate(ids)]
            position = {image_id: index for index, image_id in enumerate(ids)}
            totals = [total + value for total, value in zip(totals, hardness, strict=True)]
            known = self._hardness.get(name, {})
            for image_id, value in zip(ids, hardness, strict=True):
                known[image_id] = max(value, known.get(image_id, value))
            hardest = sorted(known.items(), key=lambda item: (-item[1], item[0]))[: self.k]
            self._hardness[name] = dict(hardest)
        self._seen += examples.number

        wanted = set().union(*self._hardness.values())
        self._snapshots = {image_id: kept for image_id, kept in self._snapshots.items() if image_id in wanted}
        for image_id in wanted & position.keys():
            index = position[image_id]
            if image_id not in self._snapshots or self._snapshots[image_id][0] < totals[index]:
                snapshot = Snapshot(self._to_uint8(examples.images[index]), examples.keep(index))
                self._snapshots[image_id] = totals[index], snapshot

    def gather(self, rankings: Sequence[Ranking], group: Any | None = None) -> dict[int, Snapshot]:
        """Snapshots of the hardest images of all processes, on the first process of the group; elsewhere none.

        Only these images travel. Of one that several processes saw, the one it was hardest on counts.

        Args:
            rankings: of all processes together, equal on each.
            group: of processes; None for all.
        """
        wanted = {image_id for ranking in rankings for image_id in ranking.top(self.k).image_ids.tolist()}
        found = {image_id: kept for image_id, kept in self._snapshots.items() if image_id in wanted}
        parts: list[dict[int, tuple[float, Snapshot]] | None] = [found]
        if dist.is_available() and dist.is_initialized() and dist.get_world_size(group) > 1:
            first = dist.get_rank(group) == 0
            parts = [None] * dist.get_world_size(group)
            root = dist.get_global_rank(group, 0) if group is not None else 0
            dist.gather_object(found, parts if first else None, dst=root, group=group)
            if not first:
                return {}
        best: dict[int, tuple[float, Snapshot]] = {}
        for part in parts:
            for image_id, kept in (part or {}).items():
                if image_id not in best or kept[0] > best[image_id][0]:
                    best[image_id] = kept
        return {image_id: snapshot for image_id, (_, snapshot) in best.items()}
