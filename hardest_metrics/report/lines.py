"""What a page draws in the boxes of masks and keypoints: outlines and points, in a bounded number of bytes."""

import base64
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hardest_metrics.functional.detection.geometry import Geometry
from hardest_metrics.functional.detection.keypoints import COCO_LIMBS, Keypoints
from hardest_metrics.functional.detection.masks import Masks
from hardest_metrics.functional.detection.outlines import outlines_of, simplified

#: Corners that the outlines of a mask have at most: 4 bytes each, and a third more in the page.
MOST_CORNERS = 96

#: Points are given in this unit over the width and the height of an image, from four of these before it to four after
#: it; `NOT_LABELLED` stands for both numbers of a keypoint that is not there.
POINT_SCALE, NOT_LABELLED = 8192, -32768


class Lines(NamedTuple):
    """What is drawn of `n` masks, or of the keypoints of `n` objects.

    Attributes:
        points: ``(p, 2)`` float64, x and y in pixels; NaN of keypoints that are not labelled. Corners of outlines,
            polygon by polygon, or keypoints, object by object.
        lengths: ``(q,)`` int64, how many points each polygon, or object, has.
        counts: ``(n,)`` int64, how many polygons each mask has; 1 of keypoints.
    """

    points: Tensor
    lengths: Tensor
    counts: Tensor

    @classmethod
    def joined(cls, parts: "Sequence[Lines]") -> "Lines":
        """Those of several, at least one, in their order."""
        return cls(*map(torch.cat, zip(*parts, strict=True)))

    def packed(self, sizes: Tensor) -> dict[str, str]:
        """By attribute, in base64: int16 in units of 1/:data:`POINT_SCALE`, and uint16.

        Args:
            sizes: ``(n, 2)`` width and height of the image of each, in pixels.
        """
        size = sizes.double().repeat_interleave(self.counts, 0).repeat_interleave(self.lengths, 0)
        points = (self.points / size * POINT_SCALE).round().clamp(NOT_LABELLED + 1, -NOT_LABELLED - 1)
        columns = {
            "points": points.nan_to_num(nan=NOT_LABELLED).numpy().astype("<i2"),
            "lengths": self.lengths.numpy().astype("<u2"),
            "counts": self.counts.numpy().astype("<u2"),
        }
        return {name: base64.b64encode(column.tobytes()).decode() for name, column in columns.items()}


def lines_of(shapes: Geometry, width: Tensor) -> Lines:
    """What is drawn of shapes.

    Args:
        shapes: masks, whose outlines are simplified to :data:`MOST_CORNERS`, or keypoints.
        width: ``(n,)``, of the image of each mask in pixels.
    """
    if isinstance(shapes, Masks):
        outlines = simplified(outlines_of(shapes, width.long().numpy()), MOST_CORNERS)
        points, lengths, counts = map(torch.from_numpy, outlines)
    else:
        assert isinstance(shapes, Keypoints)
        number, each = shapes.visible.shape
        points = shapes.points.masked_fill(~shapes.visible[..., None], torch.nan).reshape(-1, 2)
        lengths, counts = torch.full((number,), each), torch.ones(number, dtype=torch.int64)
    return Lines(points, lengths, counts)


def limbs_of(iou_type: str, sigmas: Any) -> list[tuple[int, int]]:
    """Which keypoints are joined: those of a person, where there are COCO's 17."""
    if iou_type != "keypoints":
        return []
    numbers = next(iter(sigmas.values())) if isinstance(sigmas, dict) else sigmas
    return list(COCO_LIMBS) if len(numbers) == 17 else []
