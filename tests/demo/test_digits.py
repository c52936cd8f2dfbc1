"""What the digit scenes promise."""

import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou

from hardest_metrics.demo.digits import INK, DigitScenes, cut, enlarge, glyphs


def test_the_splits_share_no_glyph_and_together_are_all() -> None:
    train, val = ({tuple(opacity.flatten().tolist()) for opacity in glyphs(split)[0]} for split in ("train", "val"))
    assert not train & val
    assert len(glyphs("train")[0]) + len(glyphs("val")[0]) == 1797
    assert set(glyphs("val")[1].tolist()) == set(range(10))


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="split='test'"):
        glyphs("test")  # type: ignore[arg-type]


@pytest.mark.parametrize("height", [6, 14, 48])
def test_an_enlarged_glyph_has_ink_on_all_four_sides(height: int) -> None:
    for opacity in glyphs("val")[0][:50]:
        patch = enlarge(opacity, height)
        for side in (patch[0], patch[-1], patch[:, 0], patch[:, -1]):
            assert side.max() >= INK
        assert height * 0.6 <= len(patch) <= height
        assert ((patch >= 0) & (patch <= 1)).all()


def test_cut_takes_nothing_but_margin() -> None:
    padded = torch.zeros(9, 9)
    padded[2:5, 3:8] = torch.rand(3, 5) / 2 + 0.5
    assert cut(padded).equal(padded[2:5, 3:8])


def test_a_scene_depends_on_its_arguments_alone() -> None:
    first, again, other = DigitScenes("train", 9), DigitScenes("train", 5), DigitScenes("train", 9, seed=1)
    image, target = first[4]
    assert image.equal(again[4][0])
    assert target["boxes"].equal(again[4][1]["boxes"])
    assert not image.equal(other[4][0])
    assert not image.equal(first[3][0])
    assert not image.equal(DigitScenes("val", 9)[4][0])


def test_boxes_lie_in_the_image_and_overlap_little() -> None:
    scenes = DigitScenes("train", 40, image_size=(96, 128), n_digits=(3, 10), digit_height=(10, 40))
    counts = set()
    for image, target in scenes:  # type: ignore[attr-defined]
        boxes = target["boxes"]
        assert image.shape == (3, 96, 128)
        assert target["image_size"] == (96, 128)
        assert len(boxes) == len(target["labels"]) <= 10
        assert (boxes >= 0).all()
        assert (boxes <= torch.tensor([128, 96, 128, 96])).all()
        assert (box_iou(boxes, boxes).fill_diagonal_(0) <= 0.25).all()
        counts.add(len(boxes))
    assert len(counts) > 3


def test_boxes_are_tight(monkeypatch: pytest.MonkeyPatch) -> None:
    def black(size: tuple[int, int], random: object) -> Tensor:
        return torch.zeros(3, *size)

    monkeypatch.setattr("hardest_metrics.demo.digits.background", black)
    scenes = DigitScenes("val", 30, n_digits=(1, 1), contrast=(0.9, 0.9))
    for image, target in scenes:  # type: ignore[attr-defined]
        ink = image.amax(0) >= 0.5 * INK * 0.9 * 255
        y, x = ink.nonzero().unbind(1)
        x1, y1, x2, y2 = target["boxes"][0].tolist()
        assert (x.min(), y.min(), x.max() + 1, y.max() + 1) == (x1, y1, x2, y2)


def test_an_image_too_small_for_its_digits_is_refused() -> None:
    with pytest.raises(ValueError, match=r"digit_height=.*may not fit"):
        DigitScenes("train", 1, image_size=(40, 40), digit_height=(10, 41))


def test_an_empty_scene_has_empty_ground_truth() -> None:
    _, target = DigitScenes("train", 1, n_digits=(0, 0))[0]
    assert target["boxes"].shape == (0, 4)
    assert target["labels"].dtype == torch.int64
