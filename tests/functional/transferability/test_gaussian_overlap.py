"""Overlap of classes."""

import pytest
import torch

from hardest_metrics.functional.transferability import gaussian_overlap
from tests.functional.transferability.objects import drawn


def test_classes_that_coincide_overlap_fully() -> None:
    features, _, _ = drawn(50)
    assert float(gaussian_overlap(features.repeat(3, 1), torch.arange(3).repeat_interleave(50))) == pytest.approx(-6)


def test_classes_far_apart_do_not_overlap() -> None:
    features, target, _ = drawn()
    assert -1e-12 < gaussian_overlap(features + 100 * target[:, None], target) <= 0


def test_a_class_of_one_object_has_the_least_variance() -> None:
    features = torch.tensor([[0.0], [0.0], [0.01]])
    # as with variances of 1e-4 in both: exp(-0.01² / 1e-4 / 8), twice
    assert float(gaussian_overlap(features, torch.tensor([0, 0, 1]))) == pytest.approx(-1.764993805169, rel=1e-6)
