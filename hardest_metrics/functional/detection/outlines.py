"""Outlines of masks as polygons: exact, and simplified to few corners.

All masks at once: edges of pixels are linked to those that follow them, and put in order by pointer doubling.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardest_metrics.functional.detection.masks import Masks
from hardest_metrics.functional.detection.pixel_runs import Integers

_Floats = NDArray[np.float64]

#: An outline may leave out corners whose triangles with their neighbours are of less than this share of the square of
#: the longer side of the mask: two hundredths of the side along, and one across.
_LEAST_SHARE = 2e-4
#: Likewise in square pixels: the steps of a slanting line are of one half.
_LEAST_AREA = 0.75


class Outlines(NamedTuple):
    """The outlines of `n` masks: polygons around their parts, and around the holes in these the other way round.

    Attributes:
        corners: ``(c, 2)`` float64, x and y in pixels from the upper left corner of the image; polygon by polygon.
        lengths: ``(p,)`` int64, how many corners each polygon has.
        counts: ``(n,)`` int64, how many polygons each mask has; none of an empty one.
    """

    corners: _Floats
    lengths: Integers
    counts: Integers

    @property
    def areas(self) -> _Floats:
        """``(p,)`` float64 in square pixels, below 0 of holes: they add up to those of the masks."""
        following = self.corners[_neighbours(self.lengths)[1]]
        doubled = self.corners[:, 0] * following[:, 1] - following[:, 0] * self.corners[:, 1]
        return _sums(doubled, self.lengths) / 2


def outlines_of(masks: Masks, width: Integers) -> Outlines:
    """The exact outlines of masks: polygons along the edges of pixels, clockwise as one sees them, holes the other way.

    Args:
        masks: of any images.
        width: ``(n,)`` int64, of the image of each in pixels.
    """
    row, left, right, owner = _row_runs(masks, width)
    number = len(row)
    # edges lead down at the right of a run, and up at its left: the inside is on their right hand
    x = np.concatenate((right, left))
    start, end = np.concatenate((row, row + 1)), np.concatenate((row + 1, row))
    follower = _followers(x, start, end, np.concatenate((owner, owner)))
    straight = (x[follower] == x) & (start[follower] == end) & ((end > start) == (end > start)[follower])
    order, lengths = _cycles(follower)
    # where an edge does not go on straight it leaves a corner at its end, and another at the start of the next
    corners = np.stack((x, end, x[follower], start[follower]), axis=1)[order].reshape(-1, 2).astype(np.float64)
    corner = np.stack((~straight, ~straight & ((x[follower] != x) | (start[follower] != end))), 1)[order].reshape(-1)
    of_edge = np.concatenate((owner, owner))[order]
    polygon = np.repeat(np.arange(len(lengths)), lengths)
    of_polygon = of_edge[(lengths.cumsum() - lengths)] if number else of_edge
    by_mask = of_polygon.argsort(kind="stable")
    found = Outlines(
        corners[corner],
        np.bincount(np.repeat(polygon, 2)[corner], minlength=len(lengths)),
        np.bincount(of_polygon, minlength=len(masks)),
    )
    return _polygons(found, by_mask, found.counts)


def simplified(outlines: Outlines, most: int) -> Outlines:
    """Outlines of fewer corners that look the same, by Visvalingam and Whyatt's algorithm.

    Those corners are left out, least first, that change the area least: what does not show at the mask's extent, and
    as many more as is needed for all outlines of a mask to have at most `most` corners. Parts and holes that small go
    as a whole, but never the largest part of a mask.

    Args:
        outlines: exact ones.
        most: corners a mask, at least 4.

    References:
        M. Visvalingam and J. D. Whyatt, "Line generalisation by repeated elimination of points", The Cartographic
        Journal 30 (1993).
    """
    extent = _extents(outlines)
    tolerance = np.maximum(_LEAST_SHARE * extent**2, _LEAST_AREA)
    while True:
        outlines = _without_small_parts(_thinned(outlines, tolerance), tolerance)
        too_many = _sums(outlines.lengths, outlines.counts) > most
        if not too_many.any():
            return outlines
        tolerance = np.where(too_many, 2 * tolerance, 0.0)  # the others are done


def _row_runs(masks: Masks, width: Integers) -> tuple[Integers, Integers, Integers, Integers]:
    """Row, first column, the one past the last, and mask of each run of pixels in a row, as long as it can be."""
    runs = masks.runs
    owner, bounds = runs.owner, runs.bounds.astype(np.int64)
    columns = width[owner]
    first, last = bounds[:, 0] // columns, (bounds[:, 1] - 1) // columns
    rows = last - first + 1
    of = np.repeat(np.arange(len(rows)), rows)
    row = np.arange(len(of)) - np.repeat(rows.cumsum() - rows, rows) + first[of]
    left = np.maximum(bounds[of, 0] - row * columns[of], 0)
    right = np.minimum(bounds[of, 1] - row * columns[of], columns[of])
    # where a run begins at once after another, they are one
    joined = (row[1:] == row[:-1]) & (of[1:] != of[:-1]) & (owner[of[1:]] == owner[of[:-1]]) & (left[1:] == right[:-1])
    begins, ends = np.concatenate(([True], ~joined))[: len(of)], np.concatenate((~joined, [True]))[: len(of)]
    return row[begins], left[begins], right[ends], owner[of[begins]]


def _followers(x: Integers, start: Integers, end: Integers, owner: Integers) -> Integers:
    """The edge that each leads to, where at both ends of an upright edge an outline goes on, straight or along a row.

    Between two rows outlines run where only one of both is inside: from an edge that ends there to one that starts
    there, which are neighbours among all that do. Edges of one direction above each other make one line.
    """
    number = len(x)
    line = np.concatenate((end, start))
    place = np.lexsort((np.tile(x, 2), line, np.tile(owner, 2)))
    edge, leaves = place % max(number, 1), place >= number
    same = (owner[edge][1:] == owner[edge][:-1]) & (line[place][1:] == line[place][:-1])
    on = same & (x[edge][1:] == x[edge][:-1]) & (leaves[1:] != leaves[:-1])
    on &= ((end > start)[edge])[1:] == ((end > start)[edge])[:-1]
    paired = np.zeros(2 * number, bool)
    paired[:-1] |= on
    paired[1:] |= on
    others = np.flatnonzero(~paired).reshape(-1, 2)
    pairs = np.concatenate((np.stack((np.flatnonzero(on), np.flatnonzero(on) + 1), axis=1), others))
    arriving = np.where(leaves[pairs[:, 0]], pairs[:, 1], pairs[:, 0])
    leaving = np.where(leaves[pairs[:, 0]], pairs[:, 0], pairs[:, 1])
    follower = np.empty(number, np.int64)
    follower[edge[arriving]] = edge[leaving]
    return follower


def _cycles(follower: Integers) -> tuple[Integers, Integers]:
    """The members of each cycle of a permutation in their order, one cycle after the other, and how long each is."""
    number = len(follower)
    least, ahead = np.arange(number), follower.copy()
    while True:  # the least member of those as far ahead as a power of two
        found = np.minimum(least, least[ahead])
        if (found == least).all():
            break
        least, ahead = found, ahead[ahead]
    steps = np.where(follower == least, 0, 1)  # up to the last before the least, which leads to itself
    ahead = np.where(follower == least, np.arange(number), follower)
    while steps[ahead].any():
        steps, ahead = steps + steps[ahead], ahead[ahead]
    order = np.lexsort((-steps, least))
    lengths = np.bincount(least, minlength=number)
    return order, lengths[lengths > 0]


def _neighbours(lengths: Integers) -> tuple[Integers, Integers]:
    """``(c,)`` each: the corner before and after each, round its polygon."""
    total = int(lengths.sum())
    first = np.repeat(lengths.cumsum() - lengths, lengths)
    last = first + np.repeat(lengths, lengths) - 1
    place = np.arange(total)
    return np.where(place == first, last, place - 1), np.where(place == last, first, place + 1)


def _thinned(outlines: Outlines, tolerance: _Floats) -> Outlines:
    """Without corners whose triangles are smaller than the tolerance of their mask, as long as four are left."""
    allowed = np.repeat(tolerance, outlines.counts)
    while True:
        corners, lengths, counts = outlines
        before, after = _neighbours(lengths)
        to_before, to_after = corners[before] - corners, corners[after] - corners
        area = np.abs(to_before[:, 0] * to_after[:, 1] - to_before[:, 1] * to_after[:, 0]) / 2
        polygon = np.repeat(np.arange(len(lengths)), lengths)
        # of neighbours one alone goes at a time, the smaller, or of two equal ones the later
        least = ((area < area[before]) | ((area == area[before]) & (before < np.arange(len(area))))) & (
            (area < area[after]) | ((area == area[after]) & (after < np.arange(len(area))))
        )
        gone = least & (area < allowed[polygon]) & (lengths[polygon] > 4)
        spare = (lengths - 4)[polygon]
        rank = gone.cumsum() - np.repeat((_sums(gone, lengths).cumsum() - _sums(gone, lengths)), lengths)
        gone &= rank <= spare
        if not gone.any():
            return outlines
        fewer = lengths - _sums(gone, lengths).astype(np.int64)
        outlines = Outlines(corners[~gone], fewer, counts)


def _without_small_parts(outlines: Outlines, tolerance: _Floats) -> Outlines:
    """Without polygons of less than the tolerance of their mask, but for the largest of each."""
    size = np.abs(outlines.areas)
    mask = np.repeat(np.arange(len(outlines.counts)), outlines.counts)
    largest = np.zeros(len(size), bool)
    by_size = np.lexsort((size, mask))
    largest[by_size[outlines.counts.cumsum()[outlines.counts > 0] - 1]] = True
    kept = largest | (size >= tolerance[mask])
    return _polygons(outlines, np.flatnonzero(kept), np.bincount(mask[kept], minlength=len(outlines.counts)))


def _polygons(outlines: Outlines, chosen: Integers, counts: Integers) -> Outlines:
    """Some of the polygons, in another order, so many a mask."""
    lengths = outlines.lengths[chosen]
    shift = (outlines.lengths.cumsum() - outlines.lengths)[chosen] - (lengths.cumsum() - lengths)
    corner = np.arange(int(lengths.sum())) + np.repeat(shift, lengths)
    return Outlines(outlines.corners[corner], lengths, counts)


def _extents(outlines: Outlines) -> _Floats:
    """``(n,)``: the longer side of each mask in pixels; 0 of an empty one."""
    number = _sums(outlines.lengths, outlines.counts).astype(np.int64)
    some = number > 0
    first = (number.cumsum() - number)[some]
    extent = np.zeros(len(number))
    if len(first):
        span = np.maximum.reduceat(outlines.corners, first) - np.minimum.reduceat(outlines.corners, first)
        extent[some] = span.max(1)
    return extent


def _sums(values: "Integers | _Floats | NDArray[np.bool_]", counts: Integers) -> _Floats:
    """``(n,)`` float64: the sum over each stretch of so many values."""
    owner = np.repeat(np.arange(len(counts)), counts)
    sums: _Floats = np.asarray(np.bincount(owner, values.astype(np.float64), len(counts)), np.float64)
    return sums
