"""What is said of a batch that is sound, but may not mean what it seems to; of its errors see test_boxes.py."""

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.ops import box_convert

from hardest_metrics.functional import pack
from hardest_metrics.functional.detection import checking
from hardest_metrics.functional.detection.checking import BoxFormat
from hardest_metrics.functional.detection.packing import no_labels
from hardest_metrics.input_warning import InputWarning

PIXELS = torch.tensor([[48.0, 40, 90, 90], [10, 10, 20, 30]])
SHARES = torch.tensor([[0.5, 0.5, 0.9, 0.8], [0.1, 0.2, 0.3, 0.4]])
TINY = torch.tensor([[7.0, 3, 8, 4]])


def image(boxes: Tensor, **more: Any) -> dict[str, Any]:
    return {
        "boxes": boxes,
        "labels": torch.ones(len(boxes), dtype=torch.int64),
        "scores": torch.ones(len(boxes)),
    } | more


@pytest.fixture(autouse=True)
def not_warned_yet() -> None:
    checking._warn_of_units.cache_clear()


@pytest.mark.parametrize("box_format", ["xyxy", "xywh", "cxcywh"])
@pytest.mark.parametrize(("preds", "target", "named"), [(SHARES, PIXELS, "preds"), (PIXELS, SHARES, "target")])
def test_shares_against_pixels_are_said_to_look_normalised(
    box_format: BoxFormat, preds: Tensor, target: Tensor, named: str
) -> None:
    preds, target = (box_convert(boxes, "xyxy", box_format) for boxes in (preds, target))
    with pytest.warns(InputWarning, match=rf"boxes of `{named}` all lie in \[0, 1\].*these look normalised"):
        pack([image(preds)], [image(target)], box_format)


def test_it_is_said_once() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(3):
            pack([image(SHARES)], [image(PIXELS)])
    assert len(said) == 1


@pytest.mark.parametrize(
    ("preds", "target"),
    [
        (SHARES, SHARES),
        (PIXELS, PIXELS),
        (TINY, PIXELS),
        (torch.zeros(3, 4), PIXELS),
        (torch.tensor([[0.0, 0, 1, 1]]), PIXELS),
        (SHARES, torch.empty(0, 4)),
        (torch.empty(0, 4), SHARES),
    ],
    ids=["shares", "pixels", "a pixel", "padding", "the first pixel", "no labels", "no detections"],
)
def test_nothing_is_said_of_boxes_that_may_be_as_they_are(preds: Tensor, target: Tensor) -> None:
    pack([image(preds)], [image(target)])


def test_nothing_is_said_of_shares_without_labels() -> None:
    pack([image(SHARES)], no_labels(1))


def test_centres_taken_for_corners_are_refused_with_a_word_on_units() -> None:
    centres = box_convert(SHARES, "xyxy", "cxcywh")
    with pytest.raises(
        ValueError, match=r"x1 <= x2 and y1 <= y2, .*\. All of them lie in \[0, 1\]: if they are normalised"
    ):
        pack([image(centres)], [image(PIXELS)])


def test_a_name_for_an_id_is_refused_with_the_way_to_number_it() -> None:
    with pytest.raises(TypeError, match=r"but is a str 'a\.jpg': .*numbered, by .*data\.image_number\(name\)"):
        pack([image(PIXELS)], [image(PIXELS, image_id="a.jpg")])
