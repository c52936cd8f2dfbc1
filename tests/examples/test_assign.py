"""Assigners against slow, obvious references on random input."""

import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou

from examples.detector.assign import Centre, Schedule, TaskAligned
from examples.detector.model import ANCHOR_SCALE, grid

SIZE, STRIDES, CLASSES = 64, (8, 16), 3


def random_boxes(n: int) -> Tensor:
    """Boxes with sides of at least 4 pixels."""
    corner, side = torch.rand(n, 2) * (SIZE - 34), 4 + torch.rand(n, 2) * 30
    return torch.cat([corner, corner + side], dim=1)


def locations() -> tuple[Tensor, Tensor]:
    """Centres and strides of all levels."""
    grids = [grid(SIZE // stride, SIZE // stride, stride, torch.device("cpu")) for stride in STRIDES]
    strides = [torch.full((len(g),), float(s)) for g, s in zip(grids, STRIDES, strict=True)]
    return torch.cat(grids), torch.cat(strides)


def is_inside(centre: Tensor, box: Tensor) -> bool:
    x, y = centre.tolist()
    x1, y1, x2, y2 = box.tolist()
    return bool(x1 < x < x2 and y1 < y < y2)


def task_aligned_reference(
    scores: Tensor,
    boxes: Tensor,
    centres: Tensor,
    truth_boxes: Tensor,
    truth_labels: Tensor,
    assigner: TaskAligned,
) -> tuple[list[int], list[float]]:
    iou = box_iou(boxes, truth_boxes)
    n, m = iou.shape
    alignment = [
        [float(scores[p, truth_labels[g]] ** assigner.alpha * iou[p, g] ** assigner.beta) for g in range(m)]
        for p in range(n)
    ]
    wanted_by: list[list[int]] = [[] for _ in range(n)]
    for g in range(m):
        candidates = [p for p in range(n) if is_inside(centres[p], truth_boxes[g])]
        candidates.sort(key=lambda p: -alignment[p][g])
        for p in candidates[: assigner.top_k]:
            wanted_by[p].append(g)
    truth = [max(gs, key=lambda g: float(iou[p, g])) if gs else -1 for p, gs in enumerate(wanted_by)]
    quality = [0.0] * n
    for g in range(m):
        own = [p for p in range(n) if truth[p] == g]
        if own and max(alignment[p][g] for p in own) > 0:
            scale = max(float(iou[p, g]) for p in own) / max(alignment[p][g] for p in own)
            for p in own:
                quality[p] = alignment[p][g] * scale
    return truth, quality


@pytest.mark.parametrize(("alpha", "beta", "top_k"), [(1, 6, 13), (6, 1, 13), (1, 6, 5), (0.5, 2, 1)])
def test_task_aligned_equals_a_slow_reference(alpha: float, beta: float, top_k: int) -> None:
    torch.manual_seed(0)
    centres, strides = locations()
    assigner = TaskAligned(alpha, beta, top_k)
    for n_truths in (0, 1, 4, 9):
        truth_boxes, labels = random_boxes(n_truths), torch.randint(CLASSES, (n_truths,))
        scores = torch.rand(len(centres), CLASSES)
        # Predicted boxes that hold their centre, as the head's do.
        sides = torch.rand(len(centres), 4) * 2 * strides[:, None]
        boxes = torch.cat([centres - sides[:, :2], centres + sides[:, 2:]], dim=1)
        found = assigner(scores, boxes, centres, strides, truth_boxes, labels)
        truth, quality = task_aligned_reference(scores, boxes, centres, truth_boxes, labels, assigner)
        assert found.truth.tolist() == truth
        torch.testing.assert_close(found.quality, torch.tensor(quality), rtol=1e-4, atol=1e-6)


def test_task_aligned_takes_at_most_top_k_and_only_locations_inside() -> None:
    torch.manual_seed(1)
    centres, strides = locations()
    truth_boxes = torch.tensor([[0.0, 0.0, 64.0, 64.0]])
    found = TaskAligned(top_k=5)(
        torch.rand(len(centres), CLASSES),
        truth_boxes.expand(len(centres), 4),
        centres,
        strides,
        truth_boxes,
        torch.tensor([2]),
    )
    assert (found.truth == 0).sum() == 5
    assert found.quality.max() == 1  # the best has the highest IoU, here 1


def test_task_aligned_prefers_the_better_box_the_higher_beta() -> None:
    centres, strides = torch.tensor([[4.0, 4.0], [12.0, 4.0]]), torch.full((2,), 8.0)
    truth = torch.tensor([[0.0, 0.0, 16.0, 8.0]])
    boxes = torch.tensor([[0.0, 0.0, 16.0, 8.0], [0.0, 0.0, 16.0, 4.0]])  # IoU 1 and 0.5
    scores = torch.tensor([[0.3], [0.9]])
    for alpha, beta, winner in ((1, 6, 0), (6, 1, 1)):
        found = TaskAligned(alpha, beta, top_k=1)(scores, boxes, centres, strides, truth, torch.tensor([0]))
        assert found.truth[winner] == 0


def test_centre_equals_a_slow_reference() -> None:
    torch.manual_seed(2)
    centres, strides = locations()
    radius = 1.5
    for n_truths in (0, 1, 4, 9):
        truth_boxes, labels = random_boxes(n_truths), torch.randint(CLASSES, (n_truths,))
        expected = []
        for centre, stride in zip(centres, strides.tolist(), strict=True):
            wanted = []
            for g, box in enumerate(truth_boxes):
                side = float(((box[2] - box[0]) * (box[3] - box[1])).sqrt())
                ratio = {s: max(side / (s * ANCHOR_SCALE), s * ANCHOR_SCALE / side) for s in STRIDES}
                middle = (box[:2] + box[2:]) / 2
                near = float((centre - middle).abs().max()) <= radius * stride
                if min(ratio, key=lambda s: ratio[s]) == stride and near and is_inside(centre, box):
                    wanted.append((side, g))
            expected.append(min(wanted)[1] if wanted else -1)
        scores, boxes = torch.rand(len(centres), CLASSES), torch.rand(len(centres), 4)
        found = Centre(radius)(scores, boxes, centres, strides, truth_boxes, labels)
        assert found.truth.tolist() == expected
        assert found.quality.tolist() == [float(g >= 0) for g in expected]


def test_a_schedule_changes_over_once_at_its_share() -> None:
    first, then = Centre(), TaskAligned()
    schedule = Schedule(first, then, share=0.25)
    assert [schedule.at(step / 8) is first for step in range(8)] == [True] * 2 + [False] * 6
    assert Schedule(first, then, share=0).at(0) is then
    assert Schedule(first, then, share=1).at(0.99) is first
    with pytest.raises(ValueError, match=r"share=1.5"):
        Schedule(first, then, share=1.5)
