"""Augmentation moves boxes with the pixels."""

import pytest
import torch
from torch import Tensor

from examples.detector.augment import FILL, Augment, cut_out


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


def test_the_box_turns_with_its_object() -> None:
    torch.manual_seed(0)
    augment = Augment(colour=0, rotation=30)
    turned = 0
    for _ in range(30):
        image = torch.zeros(3, 96, 96, dtype=torch.uint8)
        image[:, 40:56, 36:60] = 255
        before = torch.tensor([[36.0, 40, 60, 56]])
        image, target = augment(image, {"boxes": before, "labels": torch.tensor([3])})
        # The object fills its box, whose smallest upright box after the turn is then the object's.
        assert ((target["boxes"][0] - torch.tensor(extent(image))).abs() <= 2).all()
        height, width = (target["boxes"][0, 2:] - target["boxes"][0, :2]).tolist()[::-1]
        turned += height / width > 0.75  # it was 0.67, which shift and scale leave alone
    assert turned > 5


def test_cut_out_blanks_a_square_and_forgets_what_it_hides() -> None:
    torch.manual_seed(0)
    boxes = torch.tensor([[10.0, 10, 30, 30], [50.0, 50, 54, 54]])
    hidden = 0
    for _ in range(200):
        before = torch.zeros(3, 64, 80, dtype=torch.uint8)
        image, target = cut_out(before, {"boxes": boxes, "labels": torch.tensor([1, 2])}, side=32)
        assert not before.any()
        blank = image.amax(0) == FILL
        (y1, x1), (y2, x2) = blank.nonzero().amin(0).tolist(), (blank.nonzero().amax(0) + 1).tolist()
        assert blank[y1:y2, x1:x2].all()
        assert blank.sum() == (y2 - y1) * (x2 - x1)
        assert max(y2 - y1, x2 - x1) <= 32
        shares = [float(blank[int(b[1]) : int(b[3]), int(b[0]) : int(b[2])].float().mean()) for b in boxes]
        assert target["labels"].tolist() == [label for label, s in zip((1, 2), shares, strict=True) if s < 0.75]
        hidden += len(boxes) - len(target["boxes"])
    assert hidden > 20


def test_augment_cuts_out_of_the_share_of_the_shorter_side() -> None:
    torch.manual_seed(0)
    augment = Augment(shift=0, scale=(1, 1), colour=0, cut_out=0.25)
    image = torch.zeros(3, 64, 80, dtype=torch.uint8)
    target = {"boxes": torch.empty(0, 4), "labels": torch.empty(0, dtype=torch.int64)}
    areas = [int((augment(image, target)[0][0] == FILL).sum()) for _ in range(40)]
    assert max(areas) == 16 * 16


@pytest.mark.parametrize("arguments", [{"rotation": -1}, {"rotation": 181}, {"cut_out": 1.5}])
def test_what_is_out_of_range_is_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}="):
        Augment(**arguments)  # type: ignore[arg-type]
