"""What each way of suppressing duplicates promises."""

import numpy as np
import pytest
import torch
from ensemble_boxes import non_maximum_weighted, weighted_boxes_fusion
from ensemble_boxes import soft_nms as soft_nms_reference
from ensemble_boxes.ensemble_boxes_nms import cpu_soft_nms_float
from torch import Tensor
from torchvision.ops import batched_nms, box_iou

from examples.detector.model import Outputs
from examples.detector.suppress import detections, soft_nms, suppress, weighted_box_fusion, weighted_nms


def crowd_of_boxes(n: int = 60, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes of two labels around a few places, so that many overlap."""
    random = torch.Generator().manual_seed(seed)
    corner = torch.randint(0, 3, (n, 2), generator=random) * 40.0 + torch.rand(n, 2, generator=random) * 8
    side = 20 + torch.rand(n, 2, generator=random) * 8
    scores = torch.rand(n, generator=random)
    return torch.cat([corner, corner + side], 1), scores, torch.randint(0, 2, (n,), generator=random)


SCENES = range(200)
CANVAS = 128.0  # ensemble-boxes wants sides of 1


def crowded_scene(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes of which many overlap several survivors of NMS, in float64, as ensemble-boxes computes."""
    boxes, scores, labels = crowd_of_boxes(40, seed)
    return boxes.double(), scores.double(), labels


def by_label(boxes: Tensor, scores: Tensor, labels: Tensor) -> Tensor:
    """A row a box: label, score, box; label by label, highest score first."""
    table = torch.cat([labels[:, None], scores[:, None], boxes], 1).double()
    table = table[table[:, 1].argsort(descending=True, stable=True)]
    return table[table[:, 0].argsort(stable=True)]


def of_arrays(boxes: object, scores: object, labels: object) -> Tensor:
    """The same of what ensemble-boxes returns."""
    boxes, scores, labels = (torch.from_numpy(np.asarray(array)) for array in (boxes, scores, labels))
    return by_label(boxes * CANVAS, scores, labels)


def is_close(found: Tensor, expected: Tensor) -> bool:
    """Up to the rounding of ensemble-boxes, whose sums are in float32."""
    return found.shape == expected.shape and torch.allclose(found, expected, rtol=0, atol=1e-4)


def test_weighted_nms_equals_ensemble_boxes_in_every_scene() -> None:
    different = []
    for seed in SCENES:
        boxes, scores, labels = crowded_scene(seed)
        keep, merged = weighted_nms(boxes, scores, labels, 0.5)
        expected = non_maximum_weighted([(boxes / CANVAS).numpy()], [scores.numpy()], [labels.numpy()], iou_thr=0.5)
        if not is_close(by_label(merged, scores[keep], labels[keep]), of_arrays(*expected)):
            different.append(seed)
    assert not different


def test_box_fusion_equals_ensemble_boxes_in_every_scene() -> None:
    different = []
    for seed in SCENES:
        boxes, scores, labels = crowded_scene(seed)
        n_models = 1 + seed % 3
        model = torch.arange(len(boxes)) % n_models
        lists = [[values[model == k].numpy() for k in range(n_models)] for values in (boxes / CANVAS, scores, labels)]
        expected = weighted_boxes_fusion(*lists, iou_thr=0.5)
        if not is_close(by_label(*weighted_box_fusion(boxes, scores, labels, 0.5, n_models)), of_arrays(*expected)):
            different.append(seed)
    assert not different


def test_soft_nms_equals_ensemble_boxes_in_every_scene() -> None:
    different = []
    for seed in SCENES:
        boxes, scores, labels = crowded_scene(seed)
        order, softened = soft_nms(boxes, scores, labels, sigma=0.3)
        high = softened > 0.1
        found = by_label(boxes[order][high], scores[order][high], labels[order][high])
        lists = [[values.numpy()] for values in (boxes / CANVAS, scores, labels)]
        same = is_close(found, of_arrays(*soft_nms_reference(*lists, sigma=0.3, thresh=0.1)))
        # ensemble-boxes returns scores as they were before: here are those that it compares with its threshold.
        for label in (0, 1):
            own = labels[order] == label
            decayed = scores[labels == label].numpy().copy()
            taken = cpu_soft_nms_float(boxes[labels == label].numpy(), decayed, 0.5, 0.3, 0.0, 2)
            same &= (labels == label).nonzero()[taken, 0].equal(order[own])
            same &= is_close(softened[own], torch.from_numpy(decayed))
        if not same:
            different.append(seed)
    assert not different


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


def test_two_equal_boxes_of_one_model_fuse_to_their_mean_score() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0.0, 0, 10, 10], [0.0, 0, 10, 10]])
    scores, labels = torch.tensor([0.9, 0.5, 0.4]), torch.tensor([1, 1, 2])
    fused, new_scores, new_labels = weighted_box_fusion(boxes, scores, labels, 0.5)
    torch.testing.assert_close(fused, boxes[:2])
    torch.testing.assert_close(new_scores, torch.tensor([0.7, 0.4]))
    assert new_labels.tolist() == [1, 2]
    # Of two models, where each should have seen it.
    torch.testing.assert_close(weighted_box_fusion(boxes, scores, labels, 0.5, 2)[1], torch.tensor([0.7, 0.2]))


@pytest.mark.parametrize("kind", ["nms", "soft", "weighted", "fusion"])
def test_boxes_without_area_stay_where_they_are(kind: str) -> None:
    boxes = torch.tensor([[3.0, 3, 3, 3], [3.0, 3, 3, 3], [0.0, 0, 8, 8]])
    found = suppress(boxes, torch.tensor([0.9, 0.8, 0.7]), torch.tensor([0, 0, 0]), kind)  # type: ignore[arg-type]
    torch.testing.assert_close(found["boxes"], boxes)
    torch.testing.assert_close(found["scores"], torch.tensor([0.9, 0.8, 0.7]))


@pytest.mark.parametrize("kind", ["nms", "soft", "weighted", "fusion"])
def test_nothing_in_nothing_out(kind: str) -> None:
    found = suppress(torch.empty(0, 4), torch.empty(0), torch.empty(0, dtype=torch.int64), kind)  # type: ignore[arg-type]
    assert [len(value) for value in found.values()] == [0, 0, 0]


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"suppression='hard'.*choose nms, soft, weighted or fusion"):
        suppress(torch.empty(0, 4), torch.empty(0), torch.empty(0), "hard")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["nms", "soft", "weighted", "fusion"])
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
