"""The backbone's weights reach the detector."""

from pathlib import Path
from typing import Any

import torch

from examples.detector.backbone import Backbone
from examples.detector.module import SMALL_RESNET
from examples.detector.pretrain import pretrain


def test_what_was_learnt_is_where_the_backbone_begins(tmp_path: Path) -> None:
    first, again = tmp_path / "first.pth", tmp_path / "again.pth"
    for path in (first, again):
        pretrain(path, n_scenes=64, steps=2)
    known: dict[str, Any] = torch.load(first)
    assert all(value.equal(torch.load(again)[name]) for name, value in known.items())
    backbone = Backbone("resnet10t", (8, 16), weights=first, **SMALL_RESNET)
    assert all(value.equal(known[name]) for name, value in backbone.features.state_dict().items())
