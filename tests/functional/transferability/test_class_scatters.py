"""Scatters of classes, and objects that wait."""

from functools import reduce

import pytest
import torch

from hardest_metrics.functional.transferability.class_scatters import ClassScatters
from hardest_metrics.functional.transferability.transrate import transrate_of
from tests.functional.transferability.objects import drawn


@pytest.mark.parametrize("size", [1, 7, 64, 2000])
def test_parts_tell_what_the_whole_does(size: int) -> None:
    features, target, _ = drawn(2000, 10, 6)
    parts = [ClassScatters.of(*part) for part in zip(features.split(size), target.split(size), strict=True)]
    expected = float(transrate_of(ClassScatters.of(features, target), 1e-4))
    assert float(transrate_of(reduce(ClassScatters.merge, parts), 1e-4)) == pytest.approx(expected, rel=1e-12)


def test_memory_does_not_grow_with_the_number_of_objects() -> None:
    width, classes = 8, 4
    state = ClassScatters.empty()
    for seed in range(300):
        features, target, _ = drawn(10, width, classes, seed)
        state = state.merge(ClassScatters.of(features, target))
        assert sum(map(len, state.rows)) <= 2 * width * classes
    assert int(state.counts.sum()) + sum(map(len, state.rows)) == 3000
    assert len(state.labels) == classes


def test_a_rare_class_keeps_its_objects() -> None:
    features, _, _ = drawn(1000, 8)
    target = torch.zeros(1000, dtype=torch.int64)
    target[::400] = 5
    parts = [ClassScatters.of(*part) for part in zip(features.split(50), target.split(50), strict=True)]
    state = reduce(ClassScatters.merge, parts)
    assert state.labels.tolist() == [0]
    assert sum(map(len, state.waiting()[5])) == 3


def test_neither_part_is_changed_by_joining_them() -> None:
    parts = [
        reduce(ClassScatters.merge, [ClassScatters.of(*drawn(40, 4, 3, 9 * k + j)[:2]) for j in range(9)])
        for k in (0, 1)
    ]
    before = [transrate_of(part, 1e-4) for part in parts]
    first, second = parts
    joined = transrate_of(first.merge(second), 1e-4)
    assert [transrate_of(part, 1e-4) for part in parts] == before
    assert float(transrate_of(second.merge(first), 1e-4)) == pytest.approx(float(joined), rel=1e-12)


def test_features_of_two_sizes_do_not_mix() -> None:
    with pytest.raises(ValueError, match="`features` must be of one size, but objects have 4 and 5"):
        ClassScatters.of(*drawn(9, 4)[:2]).merge(ClassScatters.of(*drawn(9, 5)[:2]))
