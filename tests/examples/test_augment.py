"""Augmentation moves boxes with the pixels."""

import torch
from torch import Tensor

from examples.detector.augment import Augment


def extent(image: Tensor) -> list[int]:
    """The smallest box that holds the bright pixels."""
    y, x = (image.amin(0) > 200).nonzero().unbind(1)
    return [int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1]


def test_the_box_follows_its_object() -> None:
    torch.manual_seed(0)
    augment = Augment(flips=True, colour=0)
    seen = set()
    for _ in range(20):
        image = torch.zeros(3, 64, 96, dtype=torch.uint8)
        image[:, 20:36, 50:74] = 255
        target = {"boxes": torch.tensor([[50.0, 20, 74, 36]]), "labels": torch.tensor([3])}
        # The fill is grey: not as bright as the object.
        image, target = augment(image, target)
        assert image.shape == (3, 64, 96)
        assert image.dtype == torch.uint8
        difference = target["boxes"][0] - torch.tensor(extent(image))
        assert (difference.abs() <= 1.5).all()
        seen.add(tuple(target["boxes"][0].tolist()))
    assert len(seen) > 10


def test_boxes_outside_are_gone_with_their_labels() -> None:
    torch.manual_seed(0)
    augment = Augment(shift=0.5, scale=(1, 1))
    boxes = torch.tensor([[0.0, 0, 10, 10], [54.0, 54, 64, 64], [27.0, 27, 37, 37]])
    kept = []
    for _ in range(30):
        _, target = augment(
            torch.zeros(3, 64, 64, dtype=torch.uint8),
            {"boxes": boxes, "labels": torch.tensor([0, 1, 2])},
        )
        assert len(target["boxes"]) == len(target["labels"])
        sides = target["boxes"][:, 2:] - target["boxes"][:, :2]
        assert (sides >= 4).all()
        assert type(target["boxes"]) is torch.Tensor
        kept.append(target["labels"].tolist())
    assert any(0 not in labels for labels in kept)
    assert any(1 not in labels for labels in kept)
    assert all(labels == sorted(labels) for labels in kept)
