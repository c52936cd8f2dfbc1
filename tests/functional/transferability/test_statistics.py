"""Moments that merge."""

from dataclasses import fields
from functools import reduce

import pytest
import torch
from torch import Tensor

from hardest_metrics.functional.transferability.statistics import FeatureStatistics
from tests.functional.transferability.objects import drawn


def plain(features: Tensor, target: Tensor, boxes: Tensor) -> FeatureStatistics:
    """By the definitions."""
    labels = target.unique()
    classes = [features[target == label] for label in labels]
    z = features - features.mean(0)
    return FeatureStatistics(
        labels,
        torch.tensor([len(rows) for rows in classes]),
        torch.stack([rows.mean(0) for rows in classes]),
        torch.stack([(rows - rows.mean(0)).square().sum(0) for rows in classes]),
        torch.einsum("ni,nj->ij", z, z),
        (z.square().sum(1, keepdim=True) * z).sum(0),
        z.square().sum(1).square().sum(),
        torch.einsum("nd,nb->db", features, boxes),
        boxes.square().sum(0),
    )


def assert_alike(found: FeatureStatistics, expected: FeatureStatistics, rtol: float = 1e-12) -> None:
    for field in fields(FeatureStatistics):
        value, other = (getattr(statistics, field.name) for statistics in (found, expected))
        atol = rtol * float(other.abs().max()) if other.numel() else 0.0
        torch.testing.assert_close(value, other, rtol=rtol, atol=atol)


@pytest.mark.parametrize("size", [1, 7, 512, 5000])
def test_parts_tell_what_the_whole_does(size: int) -> None:
    objects = drawn(1300, 9, 11)
    parts = zip(*(values.split(size) for values in objects), strict=True)
    assert_alike(reduce(FeatureStatistics.merge, (FeatureStatistics.of(*part) for part in parts)), plain(*objects))


def test_more_objects_than_are_worked_on_at_a_time_make_no_difference() -> None:
    objects = drawn(50_000, 9, 11)
    assert_alike(FeatureStatistics.of(*objects), plain(*objects), rtol=1e-11)


def test_classes_need_not_occur_in_each_part() -> None:
    features, target, boxes = drawn()
    order = target.argsort()
    parts = zip(*(values[order].split(50) for values in (features, target, boxes)), strict=True)
    joined = reduce(FeatureStatistics.merge, (FeatureStatistics.of(*part) for part in parts))
    assert_alike(joined, plain(features, target, boxes))


def test_a_large_mean_costs_no_digits_of_the_variance() -> None:
    features, target, boxes = drawn()
    parts = zip(*(values.split(50) for values in (features + 2**20, target, boxes)), strict=True)
    joined = reduce(FeatureStatistics.merge, (FeatureStatistics.of(*part) for part in parts))
    expected = plain(features, target, boxes)
    for name in ("squares", "scatter", "quartic"):
        torch.testing.assert_close(getattr(joined, name), getattr(expected, name), rtol=1e-8, atol=1e-6)


def test_nothing_added_changes_nothing() -> None:
    some = FeatureStatistics.of(*drawn())
    none = FeatureStatistics.of(*(values[:0] for values in drawn()))
    for joined in (some.merge(none), none.merge(some), FeatureStatistics.empty().merge(some)):
        assert_alike(joined, some, rtol=0.0)


def test_boxes_are_given_for_all_or_none() -> None:
    features, target, boxes = drawn()
    with pytest.raises(ValueError, match="`boxes` are given for some objects only"):
        FeatureStatistics.of(features, target, boxes).merge(FeatureStatistics.of(features, target))


def test_features_of_two_sizes_do_not_mix() -> None:
    with pytest.raises(ValueError, match="`features` must be of one size, but objects have 4 and 5"):
        FeatureStatistics.of(*drawn(9, 4)).merge(FeatureStatistics.of(*drawn(9, 5)))
