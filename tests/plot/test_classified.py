"""Pictures say whether a classifier was right, and what it said."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hardest_metrics.plot import MAX_TILES, draw_classified
from hardest_metrics.plot.classified import in_words


def grey(height: int = 60, width: int = 80) -> Tensor:
    return torch.full((3, height, width), 128, dtype=torch.uint8)


def drawn(label: int | None, said: int = 1) -> Image.Image:
    labels = None if label is None else [label]
    return draw_classified([grey()], labels, [said], [(0.1, 0.8)], size=100)


def colored(picture: Image.Image, color: tuple[int, int, int]) -> int:
    return int((np.asarray(picture) == color).all(-1).sum())


def test_a_wrong_image_is_framed_in_another_colour_and_thicker() -> None:
    right, wrong = drawn(1), drawn(0)
    green, red = (0, 140, 110), (200, 30, 45)
    assert colored(right, green) > colored(wrong, green), "the legend shows both"
    assert colored(wrong, red) > colored(right, red)
    assert colored(wrong, red) - colored(right, red) > 2 * (colored(right, green) - colored(wrong, green))


def test_frames_are_told_apart_without_colour() -> None:
    greys = [np.asarray(drawn(label).convert("L")).astype(int) for label in (0, 1)]
    paper = [(grey_ > 250).sum() for grey_ in greys]
    assert paper[1] > paper[0] + 500


def test_the_caption_says_label_and_guess() -> None:
    names = ["cat", "dog"]
    assert in_words(0, 1, (0.02, 0.91), names) == "label: cat 0.02; said dog 0.91"
    assert in_words(0, 7, (0.02, 0.91), names) == "label: cat 0.02; said 7 0.91"
    assert in_words(None, 1, (0.91, 0.91), {1: "dog"}) == "said dog 0.91"
    assert in_words(3, 3, (0.5, 0.5)) == "label: 3 0.50; said 3 0.50"


def test_images_without_labels_are_neither() -> None:
    assert colored(drawn(None), (200, 30, 45)) == colored(drawn(None), (0, 140, 110)) == 0


@pytest.mark.parametrize("number", [1, 2, 5, 10])
def test_images_of_any_shape_and_number_make_a_grid(number: int) -> None:
    images = [grey(1 + 30 * place, 50) for place in range(number)]
    captions = [f"{place}. hard" for place in range(number)]
    picture = draw_classified(images, [0] * number, [0] * number, [(1.0, 1.0)] * number, None, captions, "title")
    assert picture.width > 100


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"images": []}, "1 to"),
        ({"images": [grey()] * (MAX_TILES + 1)}, "1 to"),
        ({"labels": [1, 2]}, "`labels` must be one an image, 1, but are 2"),
        ({"said": []}, "`said` must be one an image"),
        ({"captions": ["a", "b"]}, "`captions` must be one an image"),
        ({"images": ["nowhere.png"]}, "nowhere.png"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], message: str) -> None:
    fine: dict[str, Any] = {"images": [grey()], "labels": [0], "said": [0], "probabilities": [(1.0, 1.0)]}
    with pytest.raises(ValueError, match=message):
        draw_classified(**(fine | given))
