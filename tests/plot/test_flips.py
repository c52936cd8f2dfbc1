import numpy as np
import pytest
import torch

from hardest_metrics.plot import draw_flips


def test_what_became_wrong_stands_in_a_thick_red_frame() -> None:
    image = torch.full((3, 100, 100), 255, dtype=torch.uint8)
    red = []
    for became in ("wrong", "right", ""):
        pixels = np.asarray(draw_flips([image], [became], ["a"], size=100))[60:].astype(int)
        red.append(int(((pixels[..., 0] > 150) & (pixels[..., 1] < 100)).sum()))
    assert red[0] > 3000
    assert red[1:] == [0, 0]


def test_lengths_that_differ_are_refused() -> None:
    image = torch.zeros(3, 4, 4, dtype=torch.uint8)
    with pytest.raises(ValueError, match="must be one an image, 2, but are 1 and 2"):
        draw_flips([image] * 2, [""], ["a", "b"])
