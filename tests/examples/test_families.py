"""What the families of glyphs promise."""

import pytest
import torch

from examples.transferability.families import CHARACTERS, FAMILIES, Family, FamilyScenes, glyphs


@pytest.mark.parametrize("family", FAMILIES)
def test_the_splits_of_a_family_share_no_glyph(family: Family) -> None:
    train, val = (
        {tuple(opacity.flatten().tolist()) for opacity in glyphs(family, split)[0]} for split in ("train", "val")
    )
    assert not train & val
    for split in ("train", "val"):
        opacity, labels = glyphs(family, split)
        assert set(labels.tolist()) == set(range(10))
        assert len(CHARACTERS[family]) == 10
        assert (opacity.flatten(1).max(1).values > 0.5).all(), "each has ink"
        assert (opacity >= 0).all()
        assert (opacity <= 1).all()


def test_classes_of_drawn_families_differ() -> None:
    for family in FAMILIES[1:]:
        opacity, labels = glyphs(family, "train")
        means = torch.stack([opacity[labels == label].mean(0).flatten() for label in range(10)])
        apart = torch.cdist(means, means) + 100 * torch.eye(10)
        assert apart.min() > 1, f"two classes of {family} look alike"


def test_scenes_depend_on_their_arguments_alone_and_hold_what_they_say() -> None:
    first, again, other = (FamilyScenes("shape", "val", 5, seed=seed) for seed in (0, 0, 1))
    for index in range(5):
        image, target = first[index]
        assert image.equal(again[index][0])
        assert image.shape == (3, 96, 96)
        assert 1 <= len(target["labels"]) <= 6
        sides = target["boxes"][:, 2:] - target["boxes"][:, :2]
        assert (sides[:, 1] <= 32).all()
        assert not image.equal(other[index][0])
    assert not first[0][0].equal(FamilyScenes("print", "val", 5)[0][0])
