"""Masks as runs of pixels: what is true in a row, from where to where.

Runs are read off dense masks 64 pixels at a time, and off COCO's RLE strings byte by byte, all at once; nothing here
loops over masks. Everything is numpy's, in the host's memory.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardest_metrics.functional.order import repeated

Integers = NDArray[np.int64]


class Runs(NamedTuple):
    """The pixels of `n` masks.

    Attributes:
        bounds: ``(r, 2)`` int64: the first pixel of each run and the one past its last, ascending in each mask. Pixels
            are counted from 0 in each mask.
        counts: ``(n,)`` int64, how many runs each mask has.
    """

    bounds: Integers
    counts: Integers

    @property
    def owner(self) -> Integers:
        """``(r,)`` int64, the mask of each run."""
        owner: Integers = repeated(self.counts, len(self.bounds))
        return owner


def runs_of_dense(masks: NDArray[np.bool_]) -> Runs:
    """The runs of dense masks, row by row.

    Args:
        masks: ``(n, p)`` bool, the pixels of each mask.
    """
    number, pixels = masks.shape
    words = pixels // 64 + 1  # of 64 bits; the last has room for at least one pixel that is outside
    bits = np.zeros((number, 8 * words), np.uint8)
    bits[:, : -(-pixels // 8)] = np.packbits(masks, axis=1, bitorder="little")
    word = bits.view("<u8").reshape(-1)
    # most words are all outside: looked at are the others, and those after them, at whose first bit a run may end
    some = word != 0
    some[1:] |= some[:-1]
    place = some.nonzero()[0]
    value = word[place]
    before = np.where(place > 0, word[place - 1] >> np.uint64(63), np.uint64(0))
    edges = value ^ (value << np.uint64(1) | before)
    with_edge = edges.nonzero()[0]
    bit = np.unpackbits(edges[with_edge].view(np.uint8), bitorder="little").view(np.bool_).nonzero()[0]
    bounds = (place[with_edge][bit >> 6] * 64 + (bit & 63)).reshape(-1, 2)
    owner = bounds[:, 0] // (64 * words)
    return Runs(bounds - owner[:, None] * (64 * words), np.bincount(owner, minlength=number))


def lengths_of_strings(strings: Sequence[bytes]) -> tuple[Integers, Integers]:
    """What COCO's compressed RLE strings hold: lengths of what is outside and inside by turns, column by column.

    A length is written in groups of five bits, lowest first, in bytes from 48 on: bit 5 says that more follow, bit 4 of
    the last is its sign. From the fourth on a length is written less the one before the last.

    Returns:
        ``(l,)`` int64, of all masks one after the other; ``(n,)`` int64, how many each has. Of what is no such string
        they make no sense, and do not add up to the size of an image.
    """
    number = len(strings)
    byte = np.frombuffer(b"".join(strings), np.uint8).astype(np.int64) - 48
    sizes = np.fromiter(map(len, strings), np.int64, number)
    last = ((byte & 0x20) == 0).nonzero()[0]
    first = np.concatenate(([0], last + 1))[:-1].astype(np.int64)
    size = last - first + 1
    shift = (5 * (np.arange(int(size.sum())) - np.repeat(first, size))).clip(max=60)
    written = np.add.reduceat((byte & 0x1F)[: len(shift)] << shift, first) if len(first) else first
    below_0 = (byte[last] & 0x10) != 0
    written = np.where(below_0, written - (np.int64(1) << (5 * size).clip(max=60)), written)
    counts = np.bincount(np.repeat(np.arange(number), sizes)[last], minlength=number)
    return _summed_by_twos(written, counts), counts


def _summed_by_twos(written: Integers, counts: Integers) -> Integers:
    """Lengths from what is written of them: each but the first three of a mask is added to the one two before."""
    place = np.arange(len(written)) - np.repeat(counts.cumsum() - counts, counts)
    summed: Integers = written.copy()
    for parity in (0, 1):  # the third, fifth, ... are added up, and the second, fourth, ...; the first stands alone
        chosen = ((place % 2 == parity) & (place > 0)).nonzero()[0]
        if len(chosen):
            total = written[chosen].cumsum()
            begin = np.maximum.accumulate(np.where(place[chosen] <= 2, np.arange(len(chosen)), 0))
            summed[chosen] = total - (total - written[chosen])[begin]
    return summed


def runs_of_counts(lengths: Integers, counts: Integers) -> Runs:
    """The runs of masks that are given as lengths of what is outside and inside by turns, as uncompressed RLE does.

    Args:
        lengths: ``(l,)`` int64, of all masks one after the other; the first of each is of what is outside.
        counts: ``(n,)`` int64, how many each mask has.
    """
    start = np.repeat(counts.cumsum() - counts, counts)
    total = np.concatenate(([0], lengths.cumsum()))
    end = total[1:] - total[start]
    inside = ((np.arange(len(lengths)) - start) % 2 == 1) & (lengths > 0)
    owner = np.repeat(np.arange(len(counts)), counts)[inside]
    bounds = np.stack((end[inside] - lengths[inside], end[inside]), axis=1)
    return Runs(bounds, np.bincount(owner, minlength=len(counts)))


def united(runs: Runs, owner: Integers, number: int) -> Runs:
    """The pixels of several masks as one.

    Args:
        runs: of `n` parts.
        owner: ``(n,)`` int64, the mask that each is a part of, ascending.
        number: of masks.
    """
    stride = int(runs.bounds.max(initial=0)) + 2
    place = (runs.bounds + (owner[runs.owner] * stride)[:, None]).reshape(-1)
    order = place.argsort(kind="stable")
    depth = np.tile(np.array([1, -1]), len(runs.bounds))[order].cumsum()
    # of runs that touch, an end may come before the start at the same place: then they stay two, which is as good
    opens = (depth == 1) & (np.diff(depth, prepend=0) > 0)
    place = place[order]
    bounds = np.stack((place[opens], place[depth == 0]), axis=1)
    of_run = bounds[:, 0] // stride
    return Runs(bounds - of_run[:, None] * stride, np.bincount(of_run, minlength=number))


def row_by_row(runs: Runs, height: int, width: int) -> Runs:
    """The same pixels counted row by row, where they were counted column by column.

    A pixel is where a run starts or ends, row by row, if it differs from the one beside it. Masks and the same masks
    one column on differ there, and column by column that is again a matter of runs: of where either's begin and end.
    """
    size = height * (width + 1)  # a run that reaches the last column ends in one more
    place = runs.bounds + (runs.owner * size)[:, None]
    edges = np.concatenate((place, place + height)).reshape(-1)
    edges.sort()
    start, end = edges.reshape(-1, 2).T
    length = end - start
    pixel = np.arange(int(length.sum())) + np.repeat(start - (length.cumsum() - length), length)
    owner, within = np.divmod(pixel, size)
    column, row = np.divmod(within, height)
    turns = row * width + column + owner * (height * width + 1)
    turns.sort()
    bounds = turns.reshape(-1, 2)
    of_run = bounds[:, 0] // (height * width + 1)
    return Runs(bounds - of_run[:, None] * (height * width + 1), np.bincount(of_run, minlength=len(runs.counts)))


def boxes_of(runs: Runs, width: Integers) -> Integers:
    """The smallest box around the pixels of each mask.

    Args:
        runs: row by row.
        width: ``(n,)``, of each mask's image in pixels.

    Returns:
        ``(n, 4)`` int64 xywh; zeros of a mask without any.
    """
    boxes = np.zeros((len(runs.counts), 4), np.int64)
    some = runs.counts > 0
    first = (runs.counts.cumsum() - runs.counts)[some]
    if len(first):
        of_run = width.astype(runs.bounds.dtype)[runs.owner]
        start, end = runs.bounds[:, 0], runs.bounds[:, 1] - 1
        top, bottom = start // of_run, end // of_run
        left, right = start - top * of_run, end - bottom * of_run
        wraps = bottom > top  # from one row into the next
        least = np.minimum.reduceat(np.where(wraps, 0, left), first)
        most = np.maximum.reduceat(np.where(wraps, of_run - 1, right), first)
        upper, lower = top[first], bottom[first + runs.counts[some] - 1]
        boxes[some] = np.stack((least, upper, most - least + 1, lower - upper + 1), axis=1)
    return boxes


def pixels_of(runs: Runs) -> Integers:
    """``(n,)`` int64, how many pixels each mask has."""
    total = np.concatenate(([0], (runs.bounds[:, 1] - runs.bounds[:, 0]).cumsum(dtype=np.int64)))
    end = runs.counts.cumsum()
    pixels: Integers = total[end] - total[end - runs.counts]
    return pixels
