"""Keypoints as shapes: similar as COCO has it, by object keypoint similarity."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hardest_metrics.functional.detection.geometry import Geometry, Pairs, ragged_pairs, shared_areas
from hardest_metrics.functional.order import positions, rows_at

#: How exactly people place COCO's 17 keypoints, as a share of the square root of an object's area.
COCO_SIGMAS = tuple(
    tenfold / 10  # as pycocotools has them, to the last bit
    for tenfold in (.26, .25, .25, .35, .35, .79, .79, .72, .72, .62, .62, 1.07, 1.07, .87, .87, .89, .89)
)  # fmt: skip

#: Which of COCO's 17 keypoints of a person are joined, counted from 0.
COCO_LIMBS = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
    (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip

Floats = NDArray[np.float64]

#: Pairs whose keypoints are compared in one go: what fits into the host's caches.
_PAIRS_AT_ONCE = 1 << 10


@dataclass(frozen=True)
class Keypoints(Geometry):
    """`n` objects of `K` keypoints each, of any number of images, in the host's memory; they weigh what their boxes do.

    Attributes:
        points: ``(n, K, 2)`` float64, x and y in pixels.
        visible: ``(n, K)`` bool, which points are labelled; not looked at of detections.
        scale: ``(n,)`` float64, areas as labelled in square pixels; likewise.
        variances: ``(n, K)`` float64, the square of twice the sigma of each point; likewise.
        xywh: ``(n, 4)`` float64, boxes in pixels.
    """

    points: Tensor
    visible: Tensor
    scale: Tensor
    variances: Tensor
    xywh: Tensor

    def __len__(self) -> int:
        return len(self.points)

    @property
    def area(self) -> Tensor:
        """``(n,)`` float64, the box's in square pixels."""
        return self.xywh[:, 2] * self.xywh[:, 3]

    def take(self, index: Tensor) -> "Keypoints":
        """The objects at ``(k,)`` int64 positions, in their order."""
        return replace(self, **{name: rows_at(value, index) for name, value in vars(self).items()})

    @classmethod
    def joined(cls, parts: "Sequence[Keypoints]") -> "Keypoints":
        """Those of several, at least one, in their order; of as many points each."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])))

    def shared_areas(self, other: "Keypoints", first: Tensor, count: Tensor) -> Pairs:
        """Of their boxes."""
        return shared_areas(self.xywh, other.xywh, first, count)

    def similarities(self, detected: "Keypoints", first: Tensor, count: Tensor, crowd: Tensor, least: float) -> Pairs:
        """Object keypoint similarity; a crowd's is no other. Every pair has some, however far apart the two are."""
        similarity = _Similarity(self, detected)
        for obj, det in ragged_pairs(first.numpy(), count.numpy()):
            values = torch.from_numpy(similarity.of(obj, det))
            enough = positions(values >= least)
            yield (
                torch.from_numpy(obj).index_select(0, enough),
                torch.from_numpy(det).index_select(0, enough),
                values.index_select(0, enough),
            )


class _Similarity:
    """Object keypoint similarity of pairs: the mean over labelled points of ``exp(-d^2 / (2 * variance * area))``.

    Operations and their order are pycocotools', so that results equal its own to the last bit. numpy adds up rows of
    different lengths in different orders; so pairs are looked at in groups of as many labelled points.

    Args:
        objects: ground truth.
        detected: detections.
    """

    def __init__(self, objects: Keypoints, detected: Keypoints) -> None:
        self._points, self._detected = objects.points.numpy(), detected.points.numpy()
        self._variances = objects.variances.numpy()
        self._scale = objects.scale.numpy() + np.spacing(1)
        visible = objects.visible.numpy()
        self._number = visible.sum(1)
        self._labelled = visible.nonzero()[1]  # points of all objects, one object after the other
        self._first = self._number.cumsum() - self._number
        boxes = objects.xywh.numpy()
        self._low, self._high = boxes[:, :2] - boxes[:, 2:], boxes[:, :2] + boxes[:, 2:] * 2

    def of(self, obj: NDArray[np.int64], det: NDArray[np.int64]) -> Floats:
        """``(p,)`` float64 in [0, 1] of pairs."""
        similarity = np.empty(len(obj))
        number = self._number[obj]
        for points in np.unique(number).tolist():
            pairs = (number == points).nonzero()[0]
            for start in range(0, len(pairs), _PAIRS_AT_ONCE):
                some = pairs[start : start + _PAIRS_AT_ONCE]
                similarity[some] = self._of_as_many(obj[some], det[some], points)
        return similarity

    def _of_as_many(self, obj: NDArray[np.int64], det: NDArray[np.int64], number: int) -> Floats:
        if 0 < number < self._variances.shape[1]:
            of_obj: Any = obj[:, None], self._labelled[self._first[obj][:, None] + np.arange(number)]
            found, variances = self._detected[det[:, None], of_obj[1]], self._variances[of_obj]
        else:
            of_obj = obj
            found, variances = self._detected.take(det, axis=0), self._variances.take(obj, axis=0)
        if number == 0:  # how far points are outside a box three times as large as the object's
            low, high = self._low[obj, None], self._high[obj, None]
            apart = np.maximum(0, low - found) + np.maximum(0, found - high)
        else:
            apart = found
            apart -= self._points[of_obj]
        apart *= apart
        exponent: Floats = apart[..., 0] + apart[..., 1]
        exponent /= variances
        exponent /= self._scale[obj][:, None]
        exponent /= 2
        similarity: Floats = np.exp(np.negative(exponent, out=exponent), out=exponent).sum(1)
        similarity /= exponent.shape[1]
        return similarity
