"""What all scores of features have in common, whatever their formula."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from hardest_metrics.functional import transferability
from tests.functional.transferability import plain
from tests.functional.transferability.objects import drawn

Score = Callable[..., Tensor]

OF_LABELS: list[Score] = [getattr(transferability, name) for name in plain.LABEL_SCORES]
OF_BOXES: list[Score] = [getattr(transferability, name) for name in plain.BOX_SCORES]


def close(found: Tensor, expected: Tensor | float, rel: float = 1e-9) -> bool:
    return float(found) == pytest.approx(float(expected), rel=rel)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", [*plain.LABEL_SCORES, *plain.BOX_SCORES])
def test_scores_equal_their_plain_twins(name: str, seed: int) -> None:
    features, target, boxes = drawn(150 + 90 * seed, 3 + 7 * seed, 2 + 3 * seed, seed)
    of_boxes = name in plain.BOX_SCORES
    second = boxes if of_boxes else target
    twin = (plain.BOX_SCORES if of_boxes else plain.LABEL_SCORES)[name]
    assert close(getattr(transferability, name)(features, second), twin(features.numpy(), second.numpy()))


@pytest.mark.parametrize("score", OF_LABELS)
def test_it_makes_no_difference_what_labels_are_called(score: Score) -> None:
    features, target, _ = drawn()
    names = torch.tensor([7, -3, 10**12, 4, 0])
    assert close(score(features, names[target]), score(features, target))


@pytest.mark.parametrize("score", OF_LABELS)
def test_an_absent_class_is_none(score: Score) -> None:
    features, target, _ = drawn()
    there = target != 2
    assert close(
        score(features[there], target[there]), score(features[there], target[there].unique(return_inverse=True)[1])
    )


@pytest.mark.parametrize("score", OF_LABELS)
def test_the_order_of_objects_makes_no_difference(score: Score) -> None:
    features, target, _ = drawn()
    order = torch.randperm(len(target), generator=torch.Generator().manual_seed(1))
    assert close(score(features[order], target[order]), score(features, target))


@pytest.mark.parametrize("score", [s for s in OF_LABELS + OF_BOXES if s is not transferability.gaussian_overlap])
def test_a_rotation_of_the_features_makes_no_difference(score: Score) -> None:
    features, target, boxes = drawn()
    rotation = torch.linalg.qr(torch.eye(12, dtype=torch.float64) + features[:12]).Q
    second = boxes if score in OF_BOXES else target
    assert close(score(features @ rotation, second), score(features, second))


@pytest.mark.parametrize("score", [transferability.h_score, transferability.regularized_h_score])
def test_the_scale_of_all_features_makes_no_difference_to_variation(score: Score) -> None:
    features, target, _ = drawn()
    assert close(score(1e-6 * features, target), score(features, target))


@pytest.mark.parametrize("score", [s for s in OF_LABELS if s is not transferability.logme])
def test_the_mean_of_the_features_makes_no_difference(score: Score) -> None:
    features, target, _ = drawn()
    assert close(score(features + 1000, target), score(features, target))


@pytest.mark.parametrize("score", OF_LABELS + OF_BOXES)
def test_half_precision_is_widened_before_anything_else(score: Score) -> None:
    features, target, boxes = drawn()
    second = boxes if score in OF_BOXES else target
    assert score(features.half(), second) == score(features.half().double(), second)


@pytest.mark.parametrize("score", OF_LABELS + OF_BOXES)
def test_shuffled_objects_score_less_and_as_the_seed_says(score: Score) -> None:
    features, target, boxes = drawn()
    second = boxes if score in OF_BOXES else target
    shuffled = score(features, second, shuffled=3)
    assert shuffled == score(features, second, shuffled=3)
    assert shuffled != score(features, second, shuffled=4)
    assert shuffled < score(features, second)


@pytest.mark.parametrize("score", OF_LABELS)
def test_of_one_class_there_is_nothing_to_tell_apart(score: Score) -> None:
    features, target, _ = drawn()
    assert score(features, torch.full_like(target, 3)).isnan()
    assert score(features[:0], target[:0]).isnan()


@pytest.mark.parametrize("score", OF_BOXES)
def test_of_no_objects_there_is_nothing_to_say(score: Score) -> None:
    assert score(torch.zeros(0, 3), torch.zeros(0, 4)).isnan()


@pytest.mark.parametrize("score", [s for s in OF_LABELS + OF_BOXES if s is not transferability.gaussian_overlap])
@pytest.mark.parametrize("number", [30, 40])
def test_no_more_objects_than_features_are_warned_of(score: Score, number: int) -> None:
    features, target, boxes = drawn(number, 40)
    with pytest.warns(UserWarning, match=f"{number} objects with 40 features each says little"):
        assert score(features, boxes if score in OF_BOXES else target).isfinite()


@pytest.mark.parametrize("score", OF_LABELS + OF_BOXES)
def test_what_makes_no_sense_is_refused_by_name(score: Score) -> None:
    features, target, boxes = drawn(20, 3)
    second, name = (boxes, "boxes") if score in OF_BOXES else (target, "target")
    with pytest.raises(ValueError, match=f"`{name}` must be of shape"):
        score(features[:-1], second)
    with pytest.raises(ValueError, match=r"`features` must be of shape \(N, D\)"):
        score(features[None], second)
    with pytest.raises(TypeError, match=r"`features` must be .* but is torch.int64"):
        score(features.long(), second)
    with pytest.raises(TypeError, match=r"`features` must be .* but is ndarray"):
        score(np.zeros((20, 3)), second)
    features[7, 1] = torch.nan
    with pytest.raises(ValueError, match=r"`features` must be finite, but row 7 is not \(1 of 20 rows\)"):
        score(features, second)


def test_labels_must_be_integers() -> None:
    features, target, _ = drawn(20, 3)
    for wrong in (target.float(), target > 1, target.tolist()):
        with pytest.raises(TypeError, match="`target` must be a tensor of integer labels"):
            transferability.h_score(features, wrong)  # type: ignore[arg-type]


def test_boxes_must_be_finite() -> None:
    features, target, boxes = drawn(20, 3)
    boxes[4, 2] = torch.inf
    with pytest.raises(ValueError, match="`boxes` must be finite, but row 4 is not"):
        transferability.total_logme(features, target, boxes)
    with pytest.raises(TypeError, match="`boxes` must be a tensor of coordinates, but is list"):
        transferability.total_logme(features, target, boxes.tolist())  # type: ignore[arg-type]


def test_gradients_are_left_alone() -> None:
    features, target, _ = drawn(60, 3)
    assert not transferability.logme(features.requires_grad_(), target).requires_grad
