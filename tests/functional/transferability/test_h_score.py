"""Variation between classes, in units of the features' own."""

import pytest
import torch
from sklearn.covariance import ledoit_wolf

from hardest_metrics.functional.transferability import h_score, regularized_h_score
from tests.functional.transferability.objects import drawn


def test_no_invertible_map_makes_a_difference() -> None:
    features, target, _ = drawn()
    distorted = features @ torch.randn(12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert float(h_score(distorted, target)) == pytest.approx(float(h_score(features, target)), rel=1e-9)


def test_features_of_all_sizes_count_alike() -> None:
    features, target, _ = drawn()
    sizes = torch.logspace(0, -8, 12, dtype=torch.float64)
    assert float(h_score(features * sizes, target)) == pytest.approx(float(h_score(features, target)), rel=1e-9)


@pytest.mark.parametrize("value", [0.0, 1.5, 0.1, -1e5 / 3])
def test_a_constant_feature_adds_nothing(value: float) -> None:
    features, target, _ = drawn()
    constant = torch.full((len(features), 1), value, dtype=torch.float64)
    found = h_score(torch.cat((features, constant), dim=1), target)
    assert float(found) == pytest.approx(float(h_score(features, target)), rel=1e-9)


def test_a_repeated_feature_adds_nothing() -> None:
    features, target, _ = drawn()
    repeated = torch.cat((features, features[:, :3] * 2, features[:, :1] + features[:, 1:2]), dim=1)
    assert float(h_score(repeated, target)) == pytest.approx(float(h_score(features, target)), rel=1e-9)


def test_separable_classes_score_their_number_less_one() -> None:
    target = torch.arange(5).repeat(20)
    features = torch.eye(5, dtype=torch.float64)[target]
    assert float(h_score(features, target)) == pytest.approx(4, rel=1e-12)


@pytest.mark.filterwarnings("ignore:.*with no more objects than")
def test_with_no_more_objects_than_features_every_label_fits() -> None:
    features, target, _ = drawn(30, 60)
    assert float(h_score(features, target)) == pytest.approx(4, rel=1e-9)
    assert float(h_score(features, target, shuffled=0)) == pytest.approx(4, rel=1e-9)
    assert regularized_h_score(features, target) < 4


@pytest.mark.parametrize("number", [20, 60, 400])
@pytest.mark.filterwarnings("ignore:.*with no more objects than")
def test_the_covariance_is_shrunk_as_scikit_learn_does(number: int) -> None:
    features, target, _ = drawn(number, 30)
    covariance, share = map(torch.as_tensor, ledoit_wolf(features.numpy()))
    offsets = torch.stack([features[target == label].mean(0) - features.mean(0) for label in target.unique()])
    between = (offsets.T * target.bincount()) @ offsets / (number - 1)
    expected = (1 - share) * (torch.linalg.inv(covariance) @ between).trace()
    assert float(regularized_h_score(features, target)) == pytest.approx(float(expected), rel=1e-9)


def test_features_that_do_not_vary_score_nothing() -> None:
    target = torch.arange(4).repeat(5)
    for score in (h_score, regularized_h_score):
        assert score(torch.full((20, 3), 0.1), target) == 0
