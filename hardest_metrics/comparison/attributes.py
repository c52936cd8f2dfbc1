"""What labels say of images beside hardness: how many objects there are, how large, and how crowded."""

from collections.abc import Sequence

import torch

from hardest_metrics.functional.detection.checking import BoxFormat
from hardest_metrics.functional.detection.geometry import iou, shared_areas
from hardest_metrics.functional.detection.matching import Query
from hardest_metrics.functional.detection.packing import ImageDict, pack
from hardest_metrics.functional.order import positions, runs
from hardest_metrics.functional.reduction import scatter_extreme_

_NO_DETECTIONS = {
    "boxes": torch.empty(0, 4), "scores": torch.empty(0), "labels": torch.empty(0, dtype=torch.int64),
}  # fmt: skip


def object_attributes(
    target: Sequence[ImageDict], query: Query | None = None, box_format: BoxFormat = "xyxy"
) -> dict[str, list[float]]:
    """What the objects of each image say, of those that a query counts.

    - ``object_size``: the mean square root of an object's area, in pixels;
    - ``objects``: how many there are;
    - ``crowding``: the mean over the objects of the highest IoU with another one.

    Args:
        target: one dict an image, see :func:`hardest_metrics.functional.pack`.
        query: which objects count; None for all but crowds.
        box_format: of all boxes.

    Returns:
        Each a number an image; NaN for size and crowding of an image without objects.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5]])
        >>> object_attributes([{"boxes": boxes, "labels": torch.tensor([1, 2])}])["crowding"]
        [0.5]
    """
    query = query or Query()
    batch = pack([_NO_DETECTIONS] * len(target), target, box_format)
    labelled = batch.ground_truth
    counted = query.counts_label(labelled.labels) & query.counts_area(labelled.area) & ~labelled.crowd
    objects = labelled.take(positions(counted))
    closest = torch.zeros(len(objects), dtype=torch.float64)
    first, count = runs(objects.image, objects.image, len(batch))
    area = objects.box_area
    for one, other, shared in shared_areas(objects.xywh, objects.xywh, first, count):
        overlap = iou(shared, area[one], area[other], torch.zeros_like(one, dtype=torch.bool))
        scatter_extreme_(closest, one, overlap.masked_fill_(one == other, 0.0), "amax")
    number = objects.image.bincount(minlength=len(batch)).double()
    sums = (torch.zeros(len(batch), dtype=torch.float64) for _ in range(2))
    size, crowding = (
        zeros.index_add_(0, objects.image, column) / number
        for zeros, column in zip(sums, (objects.area.sqrt(), closest), strict=True)
    )
    return {"object_size": size.tolist(), "objects": number.tolist(), "crowding": crowding.tolist()}
