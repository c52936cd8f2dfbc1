"""Measuring a large batch piece by piece: on several threads, in memory that does not grow with the batch."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from hardest_metrics.functional.boxes import NO_ID
from hardest_metrics.functional.packing import ImageDict

#: Measured at a time, by each thread.
IMAGES_AT_ONCE = 1024

#: Gives ids and rows of a batch's images.
Measure = Callable[[Sequence[ImageDict], Sequence[ImageDict]], tuple[Tensor, Tensor]]


def in_pieces(measure: Measure, preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> tuple[Tensor, Tensor]:
    """``measure(preds, target)``, which looks at each image for itself, a thousand images at a time.

    Where boxes lie in the host's memory, as many threads as torch uses share the work.

    Args:
        measure: what to do with each piece.
        preds: one dict an image.
        target: one dict an image.

    Raises:
        TypeError, ValueError: what `measure` raises on the whole batch, so that positions in it are right.
    """
    size = IMAGES_AT_ONCE
    if not (isinstance(preds, list | tuple) and isinstance(target, list | tuple) and size < len(preds) == len(target)):
        return measure(preds, target)
    inference = torch.is_inference_mode_enabled()  # known to this thread only

    def measured(start: int) -> tuple[Tensor, Tensor]:
        with torch.inference_mode(inference), torch.no_grad():
            return measure(preds[start : start + size], target[start : start + size])

    starts = range(0, len(preds), size)
    try:
        on_host = all(
            isinstance(boxes := image.get("boxes"), Tensor) and boxes.is_cpu for image in (preds[0], target[0])
        )
        threads = min(torch.get_num_threads(), len(starts)) if on_host else 1
        with ThreadPoolExecutor(threads) as pool:
            pieces = list((pool.map if threads > 1 else map)(measured, starts))
        image_ids, rows = (torch.cat(column) for column in zip(*pieces, strict=True))
        sound = (image_ids == NO_ID).unique().numel() == 1  # ids for all images or for none
    except (AttributeError, TypeError, ValueError):
        sound = False
    return (image_ids, rows) if sound else measure(preds, target)
