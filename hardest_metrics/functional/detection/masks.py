"""Masks as shapes: similar as much as the pixels that both have are of those that either has."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hardest_metrics.functional.detection.geometry import Geometry, Pairs, ragged_pairs, shared_areas
from hardest_metrics.functional.detection.pixel_runs import Integers, Runs, boxes_of, pixels_of
from hardest_metrics.functional.order import positions, repeated


@dataclass(frozen=True)
class Masks(Geometry):
    """`n` masks of any number of images, in the host's memory.

    The numbers that follow from them are those of pycocotools, to the last bit: pixels are whole numbers.

    Attributes:
        bounds: ``(r, 2)`` int32 or int64: the first pixel of each run of pixels and the one past its last, counted row
            by row from 0 in each mask; mask by mask, ascending.
        counts: ``(n,)`` int64, how many runs each mask has.
        pixels: ``(n,)`` int64, how many pixels.
        xywh: ``(n, 4)`` float64, the smallest box around them; zeros of an empty mask.
    """

    bounds: Tensor
    counts: Tensor
    pixels: Tensor
    xywh: Tensor

    @classmethod
    def of_runs(cls, parts: Sequence[Runs], sizes: Sequence[tuple[int, int]]) -> "Masks":
        """Masks of several images.

        Args:
            parts: of each image, row by row.
            sizes: height and width of each image, in pixels.
        """
        counts = np.concatenate([np.empty(0, np.int64), *(part.counts for part in parts)])
        small = all(height * width < 2**31 for height, width in sizes)
        empty = np.empty((0, 2), np.int32 if small else np.int64)
        runs = Runs(np.concatenate([empty, *(part.bounds.astype(empty.dtype, copy=False) for part in parts)]), counts)
        width = np.repeat(np.array([width for _, width in sizes], np.int64), [len(part.counts) for part in parts])
        return cls(
            torch.from_numpy(runs.bounds),
            torch.from_numpy(counts),
            torch.from_numpy(pixels_of(runs)),
            torch.from_numpy(boxes_of(runs, width).astype(np.float64)),
        )

    @property
    def runs(self) -> Runs:
        """Their pixels."""
        return Runs(self.bounds.numpy(), self.counts.numpy())

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def area(self) -> Tensor:
        """``(n,)`` float64, the number of pixels."""
        return self.pixels.double()

    def take(self, index: Tensor) -> "Masks":
        """The masks at ``(k,)`` int64 positions, in their order."""
        counts = self.counts[index]
        of_mask = (self.counts.cumsum(0) - self.counts)[index] - (counts.cumsum(0) - counts)
        total = int(counts.sum())
        run = np.arange(total) + np.repeat(of_mask.numpy(), counts.numpy())
        bounds = torch.from_numpy(self.bounds.numpy().take(run, axis=0))
        return Masks(bounds, counts, self.pixels[index], self.xywh[index])

    def dense(self, size: tuple[int, int], place: int) -> Tensor:
        """``(H, W)`` bool: one of them, of an image of this height and width."""
        runs = slice(int(self.counts[:place].sum()), int(self.counts[: place + 1].sum()))
        turns = np.zeros(size[0] * size[1] + 1, np.int8)
        start, end = self.bounds[runs].numpy().T
        turns[start] += 1
        turns[end] -= 1  # where another run begins at once, nothing turns
        return torch.from_numpy(turns[:-1].cumsum(dtype=np.int8).astype(np.bool_)).reshape(size)

    @classmethod
    def joined(cls, parts: "Sequence[Masks]") -> "Masks":
        """Those of several, at least one, in their order."""
        columns = ("bounds", "counts", "pixels", "xywh")
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in columns))

    def shared_areas(self, other: "Masks", first: Tensor, count: Tensor) -> Pairs:
        """The pixels that two masks share, of pairs whose boxes overlap: all others share none."""
        index = _Index(other)
        for i, j, area in shared_areas(self.xywh, other.xywh, first, count):
            close = positions(area > 0)
            i, j = i.index_select(0, close), j.index_select(0, close)
            yield i, j, torch.from_numpy(index.shared(self, i.numpy(), j.numpy()))


class _Index:
    """How many pixels of any mask come before a given one: two look-ups a run give what a run of another mask shares.

    Args:
        masks: of which.
    """

    def __init__(self, masks: Masks) -> None:
        bounds, counts = masks.bounds.numpy(), masks.counts.numpy()
        self._stride = int(bounds.max(initial=0)) + 1
        offset = repeated(counts, len(bounds)) * self._stride
        self._start, end = bounds[:, 0] + offset, bounds[:, 1] + offset
        # of the runs that begin before a pixel: where the last one ends, and the pixels of all
        self._end, self._before = (np.concatenate(([0], ends)) for ends in (end, (end - self._start).cumsum()))

    def shared(self, masks: Masks, i: Integers, j: Integers) -> NDArray[np.float64]:
        """``(p,)`` float64: pixels that mask `i` of these and mask `j` of those indexed share.

        Args:
            masks: others, of images of the same sizes.
            i: ``(p,)`` int64, into these.
            j: ``(p,)`` int64, into those indexed.
        """
        bounds, counts = masks.bounds.numpy(), masks.counts.numpy()
        first = counts.cumsum() - counts
        shared = np.zeros(len(i))
        for pair, run in ragged_pairs(first[i], counts[i]):
            pixel = bounds[run].clip(max=self._stride - 1)  # what no mask indexed reaches
            upto = self._upto(pixel + (j[pair] * self._stride)[:, None])
            shared += np.bincount(pair, weights=upto[:, 1] - upto[:, 0], minlength=len(i))
        return shared

    def _upto(self, pixel: Integers) -> Integers:
        """How many pixels of all masks come before each."""
        run = self._start.searchsorted(pixel.reshape(-1)).reshape(pixel.shape)  # how many runs begin before it
        beyond = np.maximum(self._end[run] - pixel, 0)
        upto: Integers = self._before[run] - beyond
        return upto
