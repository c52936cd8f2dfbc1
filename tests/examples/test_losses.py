"""What the losses promise."""

import pytest
import torch
from torch.nn import functional as F
from torchvision.ops import complete_box_iou_loss, distance_box_iou_loss

from examples.detector.assign import Centre, TaskAligned
from examples.detector.losses import box_losses, complete_iou, detection_losses, distance_iou, quality_focal_loss
from examples.detector.model import Outputs, grid

KINDS = ("smooth_l1", "diou", "ciou")


@pytest.mark.parametrize("kind", KINDS)
def test_a_perfect_box_costs_nothing_and_a_farther_one_more(kind: str) -> None:
    truth = torch.tensor([[8.0, 8.0, 24.0, 20.0]])
    costs = [
        float(box_losses(kind, truth + shift, truth, torch.tensor([8.0])))  # type: ignore[arg-type]
        for shift in (0, 1, 4, 16, 40)
    ]
    assert costs[0] == pytest.approx(0, abs=1e-5)
    assert costs == sorted(costs)


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_apart_still_have_a_gradient(kind: str) -> None:
    box = torch.tensor([[0.0, 0.0, 4.0, 4.0]], requires_grad=True)
    box_losses(kind, box, box.detach() + 30, torch.tensor([8.0])).sum().backward()  # type: ignore[arg-type]
    assert box.grad is not None
    assert (box.grad[0, :2] + box.grad[0, 2:] < 0).all()  # the loss falls to the right and below


def test_diou_and_ciou_equal_those_of_torchvision_with_their_gradients() -> None:
    torch.manual_seed(0)
    corner, truth_corner = torch.rand(2, 1000, 2) * 40
    boxes = torch.cat([corner, corner + 0.5 + torch.rand(1000, 2) * 30], 1).requires_grad_()
    truth = torch.cat([truth_corner, truth_corner + 0.5 + torch.rand(1000, 2) * 30], 1)
    for own, theirs in (
        (1 - distance_iou(boxes, truth)[1], distance_box_iou_loss(boxes, truth)),
        (1 - complete_iou(boxes, truth), complete_box_iou_loss(boxes, truth)),
    ):
        torch.testing.assert_close(own, theirs)
        gradients = [torch.autograd.grad(loss.sum(), boxes, retain_graph=True)[0] for loss in (own, theirs)]
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


def test_an_unknown_box_loss_is_refused() -> None:
    with pytest.raises(ValueError, match=r"box_loss='giou'.*choose"):
        box_losses("giou", torch.zeros(1, 4), torch.zeros(1, 4), torch.ones(1))  # type: ignore[arg-type]


def test_quality_focal_loss_is_least_at_the_quality() -> None:
    quality = torch.tensor([0.7])
    at = {p: float(quality_focal_loss(torch.tensor([p]).logit(), quality)) for p in (0.3, 0.7, 0.9)}
    assert at[0.7] == pytest.approx(0, abs=1e-9)
    assert min(at[0.3], at[0.9]) > 0.005


def outputs(n_images: int, confidence: bool) -> Outputs:
    torch.manual_seed(0)
    centres = grid(4, 4, 8, torch.device("cpu"))
    return Outputs(
        class_logits=torch.randn(n_images, 16, 3, requires_grad=True),
        confidence_logits=torch.randn(n_images, 16, requires_grad=True) if confidence else None,
        boxes=torch.cat([centres - 8, centres + 8], 1).expand(n_images, -1, -1).clone().requires_grad_(),
        centres=centres,
        strides=torch.full((16,), 8.0),
    )


TARGETS = [
    {"boxes": torch.tensor([[2.0, 2.0, 14.0, 14.0]]), "labels": torch.tensor([1])},
    {"boxes": torch.empty(0, 4), "labels": torch.empty(0, dtype=torch.int64)},
]


@pytest.mark.parametrize("confidence", [False, True])
@pytest.mark.parametrize("assigner", [Centre(), TaskAligned()])
def test_images_without_ground_truth_teach_background_only(confidence: bool, assigner: Centre | TaskAligned) -> None:
    out = outputs(2, confidence)
    sum(detection_losses(out, TARGETS, assigner, "ciou")).backward()  # type: ignore[union-attr]
    score = out.class_logits if out.confidence_logits is None else out.confidence_logits
    assert score.grad is not None
    assert out.boxes.grad is not None
    assert (score.grad[1] > 0).all()
    assert (out.boxes.grad[1] == 0).all()
    assert out.boxes.grad[0].abs().sum() > 0
    if confidence:  # classes are learnt at positive locations only
        assert out.class_logits.grad is not None
        assert (out.class_logits.grad[1] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_without_any_ground_truth_has_a_finite_loss(kind: str) -> None:
    out = outputs(1, confidence=True)
    losses = detection_losses(out, TARGETS[1:], TaskAligned(), kind)  # type: ignore[arg-type]
    assert losses.box == losses.classes == 0
    assert 0 < losses.confidence < torch.inf


def test_a_batch_costs_what_its_images_cost_weighted_by_their_positives() -> None:
    both = [TARGETS[0], {"boxes": torch.tensor([[9.0, 9, 30, 30]]), "labels": torch.tensor([2])}]
    out = outputs(2, confidence=False)
    box = detection_losses(out, both, Centre(), "diou").box
    costs, positives = [], []
    for i, target in enumerate(both):
        alone = out._replace(class_logits=out.class_logits[[i]], boxes=out.boxes[[i]])
        costs.append(detection_losses(alone, [target], Centre(), "diou").box)
        found = Centre()(alone.scores()[0], alone.boxes[0], out.centres, out.strides, **_truth(target))
        positives.append(int((found.truth >= 0).sum()))
    expected = (costs[0] * positives[0] + costs[1] * positives[1]) / sum(positives)
    torch.testing.assert_close(box, expected)


def _truth(target: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {"truth_boxes": target["boxes"], "truth_labels": target["labels"]}


def test_the_class_is_learnt_at_the_location_that_answers() -> None:
    out = outputs(2, confidence=True)
    detection_losses(out, TARGETS, Centre(), "ciou").classes.backward()
    assert out.class_logits.grad is not None
    grad = out.class_logits.grad[0]
    taught = grad.abs().sum(1) > 0
    assert taught.sum() == 4  # the centres of four cells lie inside the box
    assert (grad[taught][:, 1] < 0).all()  # gradient descent raises the right class
    assert (grad[taught][:, [0, 2]] > 0).all()
    expected = F.binary_cross_entropy_with_logits(out.class_logits[0][taught], torch.eye(3)[[1] * 4], reduction="none")
    value = detection_losses(out, TARGETS, Centre(), "ciou").classes
    torch.testing.assert_close(value, expected.sum() / 4)
