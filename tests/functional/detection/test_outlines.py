from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from hardest_metrics.functional.detection.masks import Masks
from hardest_metrics.functional.detection.outlines import Outlines, outlines_of, simplified
from hardest_metrics.functional.detection.pixel_runs import Runs, runs_of_dense

Dense = NDArray[np.bool_]


def masks_of(dense: Dense) -> Masks:
    number, height, width = dense.shape
    return Masks.of_runs([runs_of_dense(dense.reshape(number, height * width))], [(height, width)])


def polygons(outlines: Outlines) -> Iterator[list[NDArray[np.float64]]]:
    """Of each mask."""
    pieces = iter(np.split(outlines.corners, outlines.lengths.cumsum()[:-1]) if len(outlines.lengths) else ())
    for count in outlines.counts.tolist():
        yield [next(pieces) for _ in range(count)]


def filled(parts: list[NDArray[np.float64]], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """How often polygons along the edges of pixels go round each pixel."""
    rounds = np.zeros(shape, np.int64)
    for polygon in parts:
        for (x, y), (x2, y2) in zip(polygon.astype(int), np.roll(polygon, -1, 0).astype(int), strict=True):
            assert (x == x2) != (y == y2), "corners have an edge between them that is upright or level"
            rounds[min(y, y2) : max(y, y2), x:] += np.sign(y - y2)
    return rounds


@pytest.mark.parametrize("seed", range(4))
def test_what_outlines_go_round_once_is_the_mask_and_nothing_else(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(25):
        dense = rng.random((int(rng.integers(0, 6)), *rng.integers(1, 12, 2))) < rng.random()
        outlines = outlines_of(masks_of(dense), np.full(len(dense), dense.shape[2]))
        for mask, parts in zip(dense, polygons(outlines), strict=True):
            np.testing.assert_array_equal(filled(parts, mask.shape), mask)
        owner = np.repeat(np.arange(len(dense)), outlines.counts)
        np.testing.assert_array_equal(
            np.bincount(owner, weights=outlines.areas, minlength=len(dense)), dense.sum((1, 2))
        )


def test_runs_that_touch_have_no_edge_between_them() -> None:
    runs = Runs(np.array([[0, 2], [2, 5], [7, 8], [8, 9]]), np.array([2, 2]))  # rows of five pixels
    outlines = outlines_of(Masks.of_runs([runs], [(2, 5)]), np.array([5, 5]))
    assert [[len(part) for part in parts] for parts in polygons(outlines)] == [[4], [4]]


def ellipse(height: int, width: int, hole: float = 0) -> Dense:
    y, x = np.mgrid[:height, :width]
    distance = np.hypot((2 * x + 1) / width - 1, (2 * y + 1) / height - 1)
    mask: Dense = (distance <= 0.95) & (distance >= hole)
    return mask


@pytest.mark.parametrize("hole", [0, 0.4])
def test_simplified_outlines_look_the_same(hole: float) -> None:
    mask = ellipse(200, 310, hole)
    exact = outlines_of(masks_of(mask[None]), np.array([310]))
    few = simplified(exact, 96)
    assert len(few.corners) < len(exact.corners) / 5
    (parts,) = polygons(few)
    assert len(parts) == (2 if hole else 1)
    picture = Image.new("1", (310, 200))
    for part, inside in zip(sorted(parts, key=len, reverse=True), (1, 0), strict=False):
        ImageDraw.Draw(picture).polygon([(x - 0.5, y - 0.5) for x, y in part.tolist()], fill=inside)
    drawn = np.asarray(picture)
    assert (drawn & mask).sum() / (drawn | mask).sum() > 0.96


def test_however_ragged_a_mask_is_its_outlines_have_few_corners_and_it_is_still_there() -> None:
    rng = np.random.default_rng(0)
    dense = np.stack((rng.random((90, 70)) < 0.5, np.indices((90, 70)).sum(0) % 2 == 0, np.zeros((90, 70), bool),
                      ellipse(90, 70)))  # fmt: skip
    dense[2, 40, 30] = True
    exact = outlines_of(masks_of(dense), np.full(4, 70))
    alone = simplified(outlines_of(masks_of(dense[3:]), np.array([70])), 40)
    for most in (4, 40):
        few = simplified(exact, most)
        number = [sum(map(len, parts)) for parts in polygons(few)]
        assert all(4 <= n <= most for n in number)
    np.testing.assert_array_equal(next(polygons(alone))[0], list(polygons(few))[3][0], "whatever masks are beside it")


def test_no_masks_have_no_outlines() -> None:
    empty = masks_of(np.zeros((2, 5, 5), bool))
    few = simplified(outlines_of(empty, np.array([5, 5])), 40)
    assert few.counts.tolist() == [0, 0]
    none = Masks.joined([empty]).take(torch.empty(0, dtype=torch.int64))
    assert len(simplified(outlines_of(none, np.empty(0, np.int64)), 40).corners) == 0
