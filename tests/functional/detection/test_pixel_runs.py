"""Runs of pixels say what dense masks and COCO's RLEs do."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

from hardest_metrics.functional.detection.pixel_runs import (
    Runs,
    boxes_of,
    lengths_of_strings,
    pixels_of,
    row_by_row,
    runs_of_counts,
    runs_of_dense,
    united,
)

Dense = np.ndarray[Any, np.dtype[np.bool_]]


def random_masks(seed: int) -> Iterator[Dense]:
    """Stacks of masks of one size each, with full and empty ones, and none at all."""
    rng = np.random.default_rng(seed)
    for _ in range(60):
        height, width = rng.integers(1, 40, 2)
        masks = rng.random((rng.integers(0, 6), height, width)) < rng.choice([0, 0.1, 0.5, 0.9, 1])
        masks[:1] = True
        yield masks


def dense_of(runs: Runs, height: int, width: int) -> Dense:
    masks = np.zeros((len(runs.counts), height * width), bool)
    for owner, (start, end) in zip(runs.owner, runs.bounds, strict=True):
        assert start < end
        assert not masks[owner, start:end].any()
        masks[owner, start:end] = True
    return masks.reshape(-1, height, width)


def flat(masks: Dense) -> Dense:
    return masks.reshape(len(masks), masks.shape[1] * masks.shape[2])


def test_runs_of_dense_masks_are_their_pixels() -> None:
    for masks in random_masks(0):
        runs = runs_of_dense(flat(masks))
        assert np.array_equal(dense_of(runs, *masks.shape[1:]), masks)
        assert pixels_of(runs).tolist() == masks.sum((1, 2)).tolist()


def test_strings_are_decoded_as_pycocotools_does() -> None:
    for masks in random_masks(1):
        rles = [coco.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in masks]
        height, width = (int(extent) for extent in masks.shape[1:])
        runs = row_by_row(runs_of_counts(*lengths_of_strings([rle["counts"] for rle in rles])), height, width)
        assert np.array_equal(dense_of(runs, height, width), masks)
        if rles:
            assert np.array_equal(boxes_of(runs, np.full(len(masks), width)), coco.toBbox(rles))


@pytest.mark.parametrize("seed", range(3))
def test_masks_are_united(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for masks in random_masks(2):
        owner = np.sort(rng.integers(0, 3, len(masks)))
        whole = np.stack([masks[owner == mask].any(0) for mask in range(3)])
        assert np.array_equal(dense_of(united(runs_of_dense(flat(masks)), owner, 3), *masks.shape[1:]), whole)


def test_what_is_no_string_of_coco_does_not_hang_or_crash() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        strings = [rng.integers(0, 256, rng.integers(0, 30), dtype=np.uint8).tobytes() for _ in range(3)]
        lengths, counts = lengths_of_strings(strings)
        assert len(lengths) == counts.sum()
