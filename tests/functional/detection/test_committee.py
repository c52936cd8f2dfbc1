"""Committees as models of the truth."""

import pytest
import torch

from hardest_metrics.calibration import Platt
from hardest_metrics.functional import Batch, Query, no_labels, pack
from hardest_metrics.functional.detection.committee import ConfidentMembers, SampledMembers, check_members
from tests.scenes import BIG_ID, detected


def batch(*scores: float, images: int = 3) -> Batch:
    """A member's detections: on each image one of each score."""
    boxes = [(10.0 * place, 0.0, 10.0 * place + 9, 9.0) for place in range(len(scores))]
    preds = [{**detected(*boxes), "scores": torch.tensor(scores), "image_id": BIG_ID + i} for i in range(images)]
    return pack(preds, no_labels(images))


def test_a_confident_member_is_a_sample() -> None:
    members = [batch(0.9, 0.5, 0.4), batch(0.3), batch(0.6)]
    objects = ConfidentMembers(members, Query())(batch(), torch.arange(3))
    found = torch.stack((objects.sample, objects.image), 1).tolist()
    assert found == [[0, 0], [0, 0], [0, 1], [0, 1], [0, 2], [0, 2], [2, 0], [2, 1], [2, 2]]
    assert (objects.source == -1).all()


@pytest.mark.parametrize("at_once", [1, 7, 60])
def test_samples_do_not_depend_on_how_many_are_drawn_at_once(at_once: int) -> None:
    sampler = SampledMembers([batch(0.9, 0.2), batch(0.5)], [0.25, 0.75], seed=3)
    whole = sampler(batch(), torch.arange(60))
    parts = [sampler(batch(), samples) for samples in torch.arange(60).split(at_once)]
    first = 0
    for part, samples in zip(parts, torch.arange(60).split(at_once), strict=True):
        here = (whole.sample >= first) & (whole.sample < first + len(samples))
        assert torch.equal(whole.image[here], part.image)
        assert torch.equal(whole.xywh[here], part.xywh)
        first += len(samples)


def test_members_are_drawn_by_weight_and_boxes_by_score() -> None:
    number = 20_000
    objects = SampledMembers([batch(0.9, 0.2), batch(0.5)], [0.25, 0.75], seed=3)(batch(), torch.arange(number))
    first_box = objects.xywh[:, 0] == 0
    drawn = objects.image[first_box].bincount(minlength=3) / number
    assert drawn.tolist() == pytest.approx([0.25 * 0.9 + 0.75 * 0.5] * 3, abs=0.015)
    assert (objects.image[~first_box].bincount(minlength=3) / number).tolist() == pytest.approx([0.05] * 3, abs=0.01)


def test_images_are_drawn_independently() -> None:
    objects = SampledMembers([batch(1.0), batch()], [0.5, 0.5])(batch(), torch.arange(4000))
    drawn = torch.zeros(4000, 3).index_put_((objects.sample, objects.image), torch.ones(()))
    correlation = torch.corrcoef(drawn.T)
    assert (correlation - torch.eye(3)).abs().max() < 0.06


def test_each_member_is_drawn_by_its_calibration() -> None:
    never = Platt(0.0, -99.0)
    sampler = SampledMembers([batch(0.9), batch(0.9, 0.9)], [0.5, 0.5], calibration=[never, None])
    objects = sampler(batch(), torch.arange(4000))
    second = objects.xywh[:, 0] > 0
    assert int((~second).sum()) == pytest.approx(int(second.sum()), rel=0.05)  # of the second member alone
    assert sampler.settings.count("platt") == 1
    with pytest.raises(ValueError, match="`calibration` holds 1 calibrations, but there are 2 members"):
        SampledMembers([batch(0.9)] * 2, [0.5, 0.5], calibration=[never])


def test_weights_are_shares() -> None:
    members = [[detected()]] * 4
    assert check_members(members, 1, None) == [0.25] * 4
    assert check_members(members, 1, [1, 0, 1, 2]) == [0.25, 0.0, 0.25, 0.5]
