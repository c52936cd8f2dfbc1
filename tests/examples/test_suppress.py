"""What each way of suppressing duplicates promises."""

import pytest
import torch
from torch import Tensor
from torchvision.ops import batched_nms, box_iou

from examples.detector.model import Outputs
from examples.detector.suppress import detections, soft_nms, suppress, weighted_nms


def crowd_of_boxes(n: int = 60, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes of two labels around a few places, so that many overlap."""
    random = torch.Generator().manual_seed(seed)
    corner = torch.randint(0, 3, (n, 2), generator=random) * 40.0 + torch.rand(n, 2, generator=random) * 8
    side = 20 + torch.rand(n, 2, generator=random) * 8
    scores = torch.rand(n, generator=random)
    return torch.cat([corner, corner + side], 1), scores, torch.randint(0, 2, (n,), generator=random)


def test_soft_nms_keeps_every_box_and_only_lowers_scores() -> None:
    boxes, scores, labels = crowd_of_boxes()
    order, softened = soft_nms(boxes, scores, labels)
    assert sorted(order.tolist()) == list(range(len(boxes)))
    assert (softened <= scores[order]).all()
    assert (softened >= 0).all()
    assert order[0] == scores.argmax()
    assert softened[0] == scores.max()
    assert (softened.diff() <= 0).all()


def test_soft_nms_equals_a_slow_reference() -> None:
    boxes, scores, labels = crowd_of_boxes(30)
    left = {i: float(scores[i]) for i in range(len(boxes))}
    iou = box_iou(boxes, boxes)
    expected = []
    while left:
        best = max(left, key=lambda i: left[i])
        expected.append((best, left.pop(best)))
        for i in left:
            if labels[i] == labels[best]:
                left[i] *= float((-(iou[best, i] ** 2) / 0.3).exp())
    order, softened = soft_nms(boxes, scores, labels, sigma=0.3)
    assert order.tolist() == [i for i, _ in expected]
    torch.testing.assert_close(softened, torch.tensor([score for _, score in expected]))


def test_soft_nms_leaves_boxes_alone_that_do_not_overlap() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [10.0, 0, 14, 4], [0.0, 0, 4, 4]])
    labels = torch.tensor([0, 0, 1])
    order, softened = soft_nms(boxes, torch.tensor([0.2, 0.9, 0.5]), labels)
    assert order.tolist() == [1, 2, 0]
    torch.testing.assert_close(softened, torch.tensor([0.9, 0.5, 0.2]))


def test_weighted_nms_keeps_those_of_nms_and_stays_in_their_clusters() -> None:
    boxes, scores, labels = crowd_of_boxes()
    keep, merged = weighted_nms(boxes, scores, labels, 0.5)
    assert keep.tolist() == batched_nms(boxes, scores, labels, 0.5).tolist()
    for index, box in zip(keep, merged, strict=True):
        cluster = boxes[(box_iou(boxes[index][None], boxes)[0] > 0.5) & (labels == labels[index])]
        assert (box >= cluster.amin(0) - 1e-4).all()
        assert (box <= cluster.amax(0) + 1e-4).all()


def test_weighted_nms_of_two_boxes_is_their_mean_weighted_by_score_and_iou() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0.0, 0, 10, 8]])  # IoU 0.8
    keep, merged = weighted_nms(boxes, torch.tensor([0.9, 0.5]), torch.tensor([1, 1]), 0.5)
    assert keep.tolist() == [0]
    bottom = (0.9 * 10 + 0.5 * 0.8 * 8) / (0.9 + 0.5 * 0.8)
    torch.testing.assert_close(merged, torch.tensor([[0.0, 0.0, 10.0, bottom]]))


@pytest.mark.parametrize("kind", ["nms", "soft", "weighted"])
def test_nothing_in_nothing_out(kind: str) -> None:
    found = suppress(torch.empty(0, 4), torch.empty(0), torch.empty(0, dtype=torch.int64), kind)  # type: ignore[arg-type]
    assert [len(value) for value in found.values()] == [0, 0, 0]


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"suppression='hard'.*choose nms, soft or weighted"):
        suppress(torch.empty(0, 4), torch.empty(0), torch.empty(0), "hard")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["nms", "soft", "weighted"])
def test_detections_are_probable_sorted_and_within_the_image(kind: str) -> None:
    torch.manual_seed(0)
    boxes, _, _ = crowd_of_boxes(100)
    outputs = Outputs(torch.randn(2, 100, 4), None, boxes.expand(2, -1, -1), torch.zeros(100, 2), torch.ones(100))
    for found in detections(outputs, (80, 96), kind, max_detections=20):  # type: ignore[arg-type]
        assert len(found["boxes"]) == len(found["scores"]) == len(found["labels"]) <= 20
        assert ((found["scores"] >= 0.01) & (found["scores"] <= 1)).all()
        assert (found["scores"].diff() <= 0).all()
        assert (found["boxes"] >= 0).all()
        assert (found["boxes"] <= torch.tensor([96, 80, 96, 80])).all()
