"""Measuring a large batch piece by piece: in memory that does not grow with it, on several threads where that pays."""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from hardest_metrics.functional.detection.packing import ImageDict
from hardest_metrics.functional.ids import NO_ID

#: Fewer images are not worth it.
MANY = 1280

#: Gives ids of a batch's images, and what is known of them by name.
Measured = tuple[Tensor, Mapping[Hashable, Tensor]]
Measure = Callable[[Sequence[ImageDict], Sequence[ImageDict]], Measured]


def in_pieces(
    measure: Measure, preds: Sequence[ImageDict], target: Sequence[ImageDict], most: int, threads: int
) -> Measured:
    """``measure(preds, target)``, which looks at each image for itself, at most so many images at a time.

    Images without ids may be told apart by their places in the batch: they stay together.

    Args:
        measure: what to do with each piece.
        preds: one dict an image.
        target: one dict an image.
        most: how many images each thread may measure at a time.
        threads: how many may share the work, of those that torch may use, where boxes lie in the host's memory.

    Raises:
        TypeError, ValueError: what `measure` raises on the whole batch, so that positions in it are right.
    """
    lists = isinstance(preds, list | tuple) and isinstance(target, list | tuple)
    if not lists or not min(MANY, most) < len(preds) == len(target):
        return measure(preds, target)
    if not any("image_id" in image for image in (preds[0], target[0])):
        return measure(preds, target)
    inference = torch.is_inference_mode_enabled()  # known to this thread only

    def measured(start: int) -> Measured:
        with torch.inference_mode(inference), torch.no_grad():
            return measure(preds[start : start + size], target[start : start + size])

    try:
        on_host = all(_on_host(image) for image in (preds[0], target[0]))
        threads = min(torch.get_num_threads(), threads) if on_host else 1
        rounds = math.ceil(len(preds) / (threads * most))
        size = math.ceil(len(preds) / (threads * rounds))  # equal work for all
        starts = range(0, len(preds), size)
        with _threads(threads) if on_host else nullcontext(map) as mapped:
            pieces = list(mapped(measured, starts))
        image_ids = torch.cat([ids for ids, _ in pieces])
        columns = {name: torch.cat([values[name] for _, values in pieces]) for name in pieces[0][1]}
        sound = len(image_ids) == len(preds) and not bool((image_ids == NO_ID).any())
    except (LookupError, TypeError, ValueError):
        sound = False
    return (image_ids, columns) if sound else measure(preds, target)


def _on_host(image: ImageDict) -> bool:
    """Whether boxes lie in the host's memory, where there are any: masks and keypoints are looked at there."""
    boxes = image.get("boxes")
    return boxes is None or (isinstance(boxes, Tensor) and boxes.is_cpu)


#: How many threads torch had, once for each thread that is in :func:`_threads`.
_BEFORE: list[int] = []
_LOCK = Lock()


@contextmanager
def _threads(number: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """A `map` on so many threads, each of which does its calls of torch alone.

    These take some ten microseconds each. To share one with a further thread takes longer than it saves, by far where
    another program has the other core.
    """
    with _LOCK:
        # what a thread of the user's finds while another one is in here is not what there was
        of_torch = _BEFORE[0] if _BEFORE else torch.get_num_threads()
        _BEFORE.append(of_torch)
    try:
        if number == 1:
            torch.set_num_threads(1)
            yield map
        else:
            with ThreadPoolExecutor(number, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                yield pool.map
    finally:
        torch.set_num_threads(of_torch)  # for this thread, and for all that are yet to start
        with _LOCK:
            _BEFORE.pop()
