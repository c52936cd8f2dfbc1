"""What labels say of images beside hardness."""

import math
from itertools import pairwise

import pytest
import torch
from torchvision.ops import box_iou

from hardest_metrics.comparison.attributes import object_attributes
from hardest_metrics.functional import Query
from tests.scenes import Scenery, labelled


def test_they_are_those_of_a_loop_over_images() -> None:
    _, target = Scenery(crowds=True, areas=False).draw(40, seed=4)
    found = object_attributes(target, Query(labels=[1, 2]))
    for place, image in enumerate(target):
        kept = torch.isin(image["labels"], torch.tensor([1, 2]))
        kept &= image.get("iscrowd", torch.zeros_like(image["labels"])) == 0
        boxes = image["boxes"][kept].double()
        sides = (boxes[:, 2:] - boxes[:, :2]).unbind(1)
        overlap = box_iou(boxes, boxes).nan_to_num(0).fill_diagonal_(0) if len(boxes) else torch.zeros(0, 0)
        closest = overlap.max(1).values if len(boxes) else torch.zeros(0)
        assert found["objects"][place] == len(boxes)
        if len(boxes):
            assert found["object_size"][place] == pytest.approx(float((sides[0] * sides[1]).sqrt().mean()))
            assert found["crowding"][place] == pytest.approx(float(closest.mean()))


def test_an_image_without_objects_has_no_size() -> None:
    found = object_attributes([labelled(), labelled((0, 0, 3, 4))])
    assert found["objects"] == [0, 1]
    assert [math.isnan(size) for size in found["object_size"]] == [True, False]
    assert found["object_size"][1] == pytest.approx(12**0.5)
    assert found["crowding"][1] == 0


def test_nothing_has_no_attributes() -> None:
    found = object_attributes([])
    assert all(one == other for one, other in pairwise(map(list, found.values())))
