"""Shapes and switches of the network."""

import pytest
import torch
from torch import nn

from examples.detector.model import ANCHOR_SCALE, Detector

BACKBONE = "test_resnet"


@pytest.mark.parametrize("strides", [(8,), (4, 8), (8, 16, 32), (16, 32, 64, 128)])
def test_there_is_a_prediction_at_every_location_of_any_number_of_levels(
    strides: tuple[int, ...],
) -> None:
    outputs = Detector(5, BACKBONE, strides=strides, channels=16).eval()(torch.zeros(2, 3, 128, 256, dtype=torch.uint8))
    locations = sum((128 // stride) * (256 // stride) for stride in strides)
    assert outputs.class_logits.shape == (2, locations, 5)
    assert outputs.boxes.shape == (2, locations, 4)
    assert outputs.centres.shape == (locations, 2)
    assert outputs.strides.unique().tolist() == list(strides)


def test_odd_sizes_are_fine() -> None:
    outputs = Detector(2, BACKBONE, strides=(8, 16, 32), channels=16).eval()(
        torch.zeros(1, 3, 72, 104, dtype=torch.uint8)
    )
    assert outputs.boxes.shape[1] == 9 * 13 + 5 * 7 + 3 * 4


@pytest.mark.parametrize("confidence", [False, True])
def test_scores_are_probabilities_and_low_before_training(confidence: bool) -> None:
    detector = Detector(3, BACKBONE, channels=16, confidence=confidence).eval()
    outputs = detector(torch.randint(256, (1, 3, 64, 64), dtype=torch.uint8))
    assert (outputs.confidence_logits is not None) == confidence
    assert ((outputs.scores() >= 0) & (outputs.scores() <= 1)).all()
    assert outputs.scores().mean() < 0.05


def test_boxes_begin_as_anchors_around_their_locations() -> None:
    detector = Detector(3, BACKBONE, channels=16).eval()
    for head in detector.heads:
        nn.init.zeros_(head.box.weight)  # type: ignore[union-attr, arg-type]
        nn.init.zeros_(head.box.bias)  # type: ignore[union-attr, arg-type]
    outputs = detector(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    side = outputs.strides * ANCHOR_SCALE
    torch.testing.assert_close(outputs.boxes[0, :, 2:] - outputs.boxes[0, :, :2], side[:, None].expand(-1, 2))
    torch.testing.assert_close((outputs.boxes[0, :, 2:] + outputs.boxes[0, :, :2]) / 2, outputs.centres)


def test_a_vit_is_a_backbone_too() -> None:
    detector = Detector(3, "test_vit", {"img_size": 64}, strides=(16, 32), channels=16, neck="pan").eval()
    assert detector(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).boxes.shape == (1, 16 + 4, 4)


def test_wrong_arguments_say_what_would_be_right() -> None:
    with pytest.raises(ValueError, match="twice the one before"):
        Detector(3, BACKBONE, strides=(8, 32))
    with pytest.raises(ValueError, match=r"strides=\(2, 4\): test_convnext has \[4\] only"):
        Detector(3, "test_convnext", strides=(2, 4))
