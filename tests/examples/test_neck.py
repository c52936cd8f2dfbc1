"""What each neck lets its levels see."""

import pytest
import torch
from torch import Tensor, nn

from examples.detector.neck import FeaturePyramid, PathAggregation, make_neck


def features() -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.rand(1, 4, 16 // 2**i, 16 // 2**i) for i in range(3)]


def changed(neck: nn.Module, which: int) -> list[bool]:
    """The levels that see it when one of the backbone's features changes."""
    inputs = features()
    before = neck(inputs)
    inputs[which] = inputs[which] + 1
    return [not level.equal(other) for level, other in zip(neck(inputs), before, strict=True)]


@pytest.mark.parametrize("kind", ["fpn", "pan"])
def test_levels_halve_in_size_also_beyond_the_backbone(kind: str) -> None:
    neck = make_neck(kind, [4, 4, 4], 8, n_levels=4).eval()  # type: ignore[arg-type]
    assert [level.shape for level in neck(features())] == [(1, 8, 16 // 2**i, 16 // 2**i) for i in range(4)]


def test_in_an_fpn_what_is_coarse_reaches_what_is_fine() -> None:
    neck = FeaturePyramid([4, 4, 4], 8, n_levels=4).eval()
    assert changed(neck, 2) == [True, True, True, True]
    assert changed(neck, 0) == [True, False, False, False]


def test_in_a_pan_what_is_fine_reaches_what_is_coarse_too() -> None:
    neck = PathAggregation([4, 4, 4], 8, n_levels=4).eval()
    assert changed(neck, 2) == [True, True, True, True]
    assert changed(neck, 0) == [True, True, True, True]


def test_a_pan_of_one_level_is_an_fpn() -> None:
    torch.manual_seed(0)
    pan = PathAggregation([4], 8, n_levels=1).eval()
    (level,), (other,) = pan(features()[:1]), pan.pyramid(features()[:1])
    assert level.equal(other)


def test_another_neck_is_refused() -> None:
    with pytest.raises(ValueError, match="neck='bifpn': choose fpn or pan"):
        make_neck("bifpn", [4], 8, 1)  # type: ignore[arg-type]
