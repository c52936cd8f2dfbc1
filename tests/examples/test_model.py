"""Shapes and switches of the network."""

from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from examples.detector.model import ANCHOR_SCALE, Backbone, Detector, FeaturePyramid, blocks

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


def test_the_finest_level_of_the_pyramid_sees_the_coarsest_feature() -> None:
    neck = FeaturePyramid([4, 4, 4], 8, n_levels=4).eval()
    features = [torch.zeros(1, 4, 16 // 2**i, 16 // 2**i) for i in range(3)]
    before = neck(features)
    assert [level.shape[-1] for level in before] == [16, 8, 4, 2]
    features[2] = features[2] + 1
    assert not neck(features)[0].equal(before[0])


@pytest.mark.parametrize("name", [BACKBONE, "test_efficientnet", "test_convnext"])
def test_unfreeze_last_trains_exactly_that_many_blocks(name: str) -> None:
    whole = Backbone(name, (8, 16))
    n_blocks = len(list(blocks(whole.features)))
    assert n_blocks > 3
    for k in (0, 2, n_blocks, n_blocks + 1):
        backbone = Backbone(name, (8, 16), unfreeze_last=k)
        trained = [any(p.requires_grad for p in block.parameters()) for block in blocks(backbone.features)]
        assert trained == [i >= n_blocks - k for i in range(n_blocks)]
    assert all(p.requires_grad for p in whole.parameters())


def test_frozen_blocks_keep_their_batch_statistics_in_training() -> None:
    backbone = Backbone(BACKBONE, (8, 16), unfreeze_last=0).train()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    backbone(torch.rand(2, 3, 64, 64))
    assert all(value.equal(before[name]) for name, value in backbone.state_dict().items())


def test_weights_are_read_from_a_file(tmp_path: Path) -> None:
    classifier = timm.create_model(BACKBONE)
    path = tmp_path / "weights.pth"
    torch.save(classifier.state_dict(), path)
    backbone = Backbone(BACKBONE, (8, 16), weights=path)
    known = classifier.state_dict()
    assert all(value.equal(known[name]) for name, value in backbone.features.state_dict().items())


def test_wrong_arguments_say_what_would_be_right() -> None:
    with pytest.raises(ValueError, match=r"strides=\(64,\): test_resnet has features at \[2, 4, 8"):
        Backbone(BACKBONE, (64,))
    with pytest.raises(ValueError, match="unfreeze_last=-1"):
        Backbone(BACKBONE, (8,), unfreeze_last=-1)
    with pytest.raises(ValueError, match="twice the one before"):
        Detector(3, BACKBONE, strides=(8, 32))
    with pytest.raises(ValueError, match=r"strides=\(2, 4\): test_convnext has \[4\] only"):
        Detector(3, "test_convnext", strides=(2, 4))
