"""What of a timm model is taken, normalised and trained."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.layers.drop import DropPath
from torch import Tensor, nn

from examples.detector.backbone import Backbone, blocks

BACKBONE = "test_resnet"
STRIDES = (8, 16, 32)

# Of each family a model, what its block is called, and how its blocks follow one another.
FAMILIES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("efficientnet_b0", {}, [f"blocks.{i}.{j}." for i, n in enumerate((1, 2, 2, 3, 3, 4, 1)) for j in range(n)]),
    ("convnext_atto", {}, [f"stages_{i}.blocks.{j}." for i, n in enumerate((2, 2, 6, 2)) for j in range(n)]),
    ("regnetx_002", {}, [f"s{i + 1}.b{j + 1}." for i, n in enumerate((1, 1, 4, 7)) for j in range(n)]),
    ("vit_tiny_patch16_224", {"img_size": 64}, [f"model.blocks.{i}." for i in range(12)]),
]


def trained(backbone: Backbone) -> set[str]:
    return {name for name, parameter in backbone.features.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(("name", "arguments", "names"), FAMILIES)
def test_unfreeze_last_trains_what_that_many_blocks_hold(
    name: str, arguments: dict[str, Any], names: list[str]
) -> None:
    whole = dict(Backbone(name, STRIDES, **arguments).features.named_parameters())
    share_of_one = 0.0
    for k in (0, 1, 2):
        backbone = Backbone(name, STRIDES, unfreeze_last=k, **arguments)
        last = names[len(names) - k :]
        # A stage's downsampling belongs to its first block.
        first_of_stage = [block.replace("blocks.0.", "downsample.") for block in last if name.startswith("convnext")]
        assert trained(backbone) == {member for member in whole if member.startswith((*last, *first_of_stage))}
        share = sum(whole[member].numel() for member in trained(backbone)) / sum(p.numel() for p in whole.values())
        assert (share == 0) == (k == 0)
        if k == 1:
            share_of_one = share
    assert share_of_one < 0.26
    # One more than the blocks is the stem: with it all is trained.
    assert trained(Backbone(name, STRIDES, unfreeze_last=len(names) + 1, **arguments)) == set(whole)


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_convnext", "test_vit", "resnet10t"])
def test_blocks_are_all_parameters_once(name: str) -> None:
    backbone = Backbone(name, (16,))
    members = [id(parameter) for block in blocks(name, backbone.features) for parameter in block]
    assert sorted(members) == sorted(id(parameter) for parameter in backbone.features.parameters())


def test_blocks_of_stages_that_are_not_used_do_not_count() -> None:
    backbone = Backbone("convnext_atto", (8, 16), unfreeze_last=1)
    assert all(member.startswith("stages_2.blocks.5.") for member in trained(backbone))


def test_frozen_blocks_keep_their_batch_statistics_in_training() -> None:
    backbone = Backbone(BACKBONE, (8, 16), unfreeze_last=0).train()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    backbone(torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8))
    assert all(value.equal(before[name]) for name, value in backbone.state_dict().items())


def test_frozen_blocks_drop_no_paths_while_trained_ones_do() -> None:
    backbone = Backbone("test_convnext", STRIDES, unfreeze_last=1, drop_path_rate=0.5).train()
    modes = [part.training for part in backbone.features.modules() if isinstance(part, DropPath)]
    assert modes == [False] * (len(modes) - 1) + [True]


@pytest.mark.parametrize("name", ["resnet10t", "test_vit"])
def test_colours_are_normalised_as_the_weights_want_them(name: str) -> None:
    seen: list[Tensor] = []

    class Listen(nn.Module):
        def forward(self, inputs: Tensor) -> list[Tensor]:
            seen.append(inputs)
            return []

    backbone = Backbone(name, (16,))
    model: Any = timm.create_model(name)
    known = model.pretrained_cfg
    backbone.features = Listen()
    images = torch.randint(256, (2, 3, 8, 8), dtype=torch.uint8)
    backbone(images)
    mean, std = (torch.tensor(known[which])[:, None, None] for which in ("mean", "std"))
    torch.testing.assert_close(seen[0], (images / 255 - mean) / std)
    assert (known["mean"][0] == 0.485) == (name == "resnet10t")


def test_of_features_of_one_stride_the_last_is_taken() -> None:
    backbone = Backbone("test_vit", (8, 16, 32), img_size=64)
    assert backbone.strides == [16]
    assert sum(name.endswith("attn.qkv.weight") for name, _ in backbone.features.named_parameters()) == 6
    (feature,) = backbone(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    assert feature.shape == (1, backbone.channels[0], 4, 4)


def test_weights_are_read_from_a_file(tmp_path: Path) -> None:
    classifier = timm.create_model(BACKBONE)
    path = tmp_path / "weights.pth"
    torch.save(classifier.state_dict(), path)
    backbone = Backbone(BACKBONE, (8, 16), weights=path, unfreeze_last=1)
    known = classifier.state_dict()
    assert all(value.equal(known[name]) for name, value in backbone.features.state_dict().items())


def test_wrong_arguments_say_what_would_be_right() -> None:
    with pytest.raises(ValueError, match=r"strides=\(64,\): test_resnet has features at \[2, 4, 8"):
        Backbone(BACKBONE, (64,))
    with pytest.raises(ValueError, match="unfreeze_last=-1"):
        Backbone(BACKBONE, (8,), unfreeze_last=-1)
