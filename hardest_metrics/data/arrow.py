"""Arrow in, Arrow out: the hardness of images as columns, for engines that map over tables."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hardest_metrics.functional.detection.arrow import gathered

if TYPE_CHECKING:
    import pyarrow as pa

#: Images measured at once: few enough that their boxes stay in the processor's caches.
_AT_ONCE = 2560


def hardness_rows(table: "pa.Table | pa.RecordBatch", metrics: Any) -> "pa.Table":
    """The hardness of the images of a table, a column a metric.

    What is measured of an image is what `update` and `compute` give; nothing is added to the metrics. It is the
    function that engines take as it is: Ray's ``map_batches(..., batch_format="pyarrow")``, Spark's ``mapInArrow``,
    Dask's ``map_partitions`` of Arrow's tables.

    Args:
        table: of images, detections and labels, see :func:`~hardest_metrics.functional.batch_from_arrow`. The format of
            its boxes is the metrics'. Metrics that need no labels do not look at any.
        metrics: a mapping of names to metrics, or a :class:`~hardest_metrics.HardnessCollection`: definitions, and
            estimators that go by boxes and scores alone and need no fitting.

    Returns:
        ``image_id`` as it was given, and by the name of each metric a column of float32, a row an image, in the order
        of the table.

    Raises:
        TypeError: if `metrics` is no such thing, one of them goes by more than the table holds, or a column is of a
            wrong type.
        ValueError: if a name is taken, or what the table holds makes no sense; the message names column and image.

    Example:
        >>> import pyarrow as pa
        >>> from hardest_metrics import FalseNegatives, TotalFalse
        >>> table = pa.table(
        ...     {
        ...         "image_id": ["a.jpg", "b.jpg"],
        ...         "boxes": [[[0.0, 0.0, 9.0, 9.0]], []],
        ...         "scores": [[0.9], []],
        ...         "labels": [[1], []],
        ...         "gt_boxes": [[], [[5.0, 5.0, 9.0, 9.0], [20.0, 5.0, 9.0, 9.0]]],
        ...         "gt_labels": [[], [1, 1]],
        ...     }
        ... )
        >>> metrics = {"errors": TotalFalse(box_format="xywh"), "missed": FalseNegatives(box_format="xywh")}
        >>> hardness_rows(table, metrics).to_pydict()
        {'image_id': ['a.jpg', 'b.jpg'], 'errors': [1.0, 2.0], 'missed': [0.0, 2.0]}
    """
    import pyarrow as pa  # here: most runs never need it

    by_name = _checked(metrics)
    hardness_of = next(iter(by_name.values())).hardness_of
    each_alone = all(metric.by_image for metric in by_name.values())
    pieces: dict[str, list[Tensor]] = {name: [] for name in by_name}
    starts = range(0, len(table), _AT_ONCE) if each_alone and len(table) else (0,)
    for start in starts:
        piece = table.slice(start, _AT_ONCE) if each_alone else table
        for name, hardness in hardness_of(by_name, partial(gathered, piece)).items():
            pieces[name].append(hardness)
    columns = {name: pa.array(torch.cat(parts).numpy()) for name, parts in pieces.items()}
    return pa.table({"image_id": table.column("image_id"), **columns})


def _checked(metrics: Any) -> Mapping[str, Any]:
    """The metrics by name; they are known by what they can do, as what is read and written knows no domain."""
    if not hasattr(metrics, "items"):
        raise TypeError(
            f"`metrics` must be a mapping of names to metrics, or a HardnessCollection, but is {metrics!r}: give"
            ' {"hardness": metric}.'
        )
    by_name = dict(metrics.items())
    if not by_name:
        raise ValueError("`metrics` holds none: give at least one.")
    for name, metric in by_name.items():
        if not hasattr(metric, "hardness_of"):
            raise TypeError(f"`metrics` must hold metrics of detectors' boxes, but {name!r} is {metric!r}.")
        if not isinstance(name, str) or not name or name == "image_id":
            raise ValueError(f"`metrics` calls one {name!r}, but its name is that of a column: give it another one.")
    return by_name
