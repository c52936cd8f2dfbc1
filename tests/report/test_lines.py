import base64

import numpy as np
import torch

from hardest_metrics.functional.detection.keypoints import Keypoints
from hardest_metrics.report.lines import MOST_CORNERS, NOT_LABELLED, POINT_SCALE, limbs_of, lines_of
from tests.functional.detection.test_outlines import ellipse, masks_of


def test_an_outline_goes_round_its_mask_in_parts_of_the_image() -> None:
    dense = np.zeros((2, 40, 100), bool)
    dense[0, 10:20, 50:75] = True
    lines = lines_of(masks_of(dense), torch.tensor([100, 100]))
    assert (lines.counts.tolist(), lines.lengths.tolist()) == ([1, 0], [4])
    assert sorted(lines.points.tolist()) == [[50, 10], [50, 20], [75, 10], [75, 20]]
    packed = np.frombuffer(base64.b64decode(lines.packed(torch.tensor([[100, 40]] * 2))["points"]), "<i2").reshape(4, 2)
    assert sorted(packed.tolist())[0] == [POINT_SCALE // 2, POINT_SCALE // 4]


def test_a_mask_takes_few_bytes_however_large_it_is() -> None:
    mask = ellipse(900, 1200) & (np.random.default_rng(0).random((900, 1200)) < 0.99)
    lines = lines_of(masks_of(mask[None]), torch.tensor([1200]))
    assert int(lines.lengths.sum()) <= MOST_CORNERS


def test_keypoints_keep_their_places_those_not_labelled_and_those_outside_too() -> None:
    points = torch.tensor([[[10.0, 10], [-50, 5], [3, 3]]], dtype=torch.float64)
    visible = torch.tensor([[True, True, False]])
    shape = Keypoints(points, visible, torch.ones(1), torch.ones(1, 3), torch.zeros(1, 4))
    lines = lines_of(shape, torch.tensor([100]))
    assert (lines.counts.tolist(), lines.lengths.tolist()) == ([1], [3])
    packed = np.frombuffer(base64.b64decode(lines.packed(torch.tensor([[100, 50]]))["points"]), "<i2").reshape(3, 2)
    tenth = round(POINT_SCALE / 10)
    assert packed.tolist() == [[tenth, 2 * tenth], [-POINT_SCALE // 2, tenth], [NOT_LABELLED] * 2]


def test_persons_alone_have_limbs() -> None:
    assert len(limbs_of("keypoints", (0.1,) * 17)) == 19
    assert len(limbs_of("keypoints", {1: (0.1,) * 17})) == 19
    assert limbs_of("keypoints", (0.1,) * 4) == limbs_of("segm", None) == []
