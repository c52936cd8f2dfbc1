"""Features of the objects of an image, in the right place."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_fpn
from torchvision.ops import roi_align

from examples.detector.model import Detector
from hardest_metrics.detectors import WithLogits
from hardest_metrics.functional.transferability import gaussian_projection
from hardest_metrics.transferability import LogME, ObjectFeatures
from tests.detectors.small import FAMILIES, detector, pictures


def labelled(images: Any, seed: int = 0) -> list[dict[str, Tensor]]:
    """Two objects in the first image, none in the second, then one in each."""
    generator = torch.Generator().manual_seed(seed)
    targets = []
    for place, image in enumerate(images):
        height, width = image.shape[-2:]
        number = (2, 0, *[1] * len(images))[place]
        corners = torch.rand(number, 2, generator=generator) * 0.5
        shares = torch.cat((corners, corners + 0.2 + 0.3 * torch.rand(number, 2, generator=generator)), dim=1)
        boxes = shares * torch.tensor([width, height, width, height])
        targets.append({"boxes": boxes, "labels": torch.arange(number) + 10 * place})
    return targets


@pytest.fixture(scope="module")
def faster() -> Any:
    """Faster R-CNN with a pyramid, and with random weights."""
    torch.manual_seed(0)
    return fasterrcnn_mobilenet_v3_large_fpn(
        weights=None, weights_backbone=None, num_classes=5, min_size=64, max_size=128
    ).eval()


def mapped(model: Any, images: list[Tensor], targets: list[dict[str, Tensor]]) -> tuple[Any, Any, Any]:
    """The batch as the model resizes and pads it, its boxes, and the maps of its backbone."""
    with torch.no_grad():
        batch, resized = model.transform(images, [{"boxes": target["boxes"]} for target in targets])
        return batch, [target["boxes"] for target in resized], model.backbone(batch.tensors)


def test_local_features_are_roi_align_on_the_maps(faster: Any) -> None:
    images = pictures()
    targets = labelled(images)
    batch, boxes, maps = mapped(faster, images, targets)
    found = ObjectFeatures(faster, ["backbone.fpn.0", "backbone.fpn.1"])(images, targets)
    for level in ("0", "1"):
        scale = maps[level].shape[-1] / batch.tensors.shape[-1]
        expected = roi_align(maps[level], boxes, 7, scale, 2).mean((2, 3))
        torch.testing.assert_close(found.features[f"backbone.fpn.{level}"], expected, rtol=1e-4, atol=1e-6)
    assert found.target.tolist() == [0, 1, 20]


def test_a_pyramid_is_pooled_as_the_detector_pools_it(faster: Any) -> None:
    images = pictures()
    targets = labelled(images)
    batch, boxes, maps = mapped(faster, images, targets)
    layers = ["roi_heads.box_roi_pool", "roi_heads.box_head", "roi_heads.box_head.fc6", "backbone.fpn", "backbone"]
    found = ObjectFeatures(faster, layers)(images, targets).features
    assert [*found] == layers
    with torch.no_grad():
        pooled = faster.roi_heads.box_roi_pool(maps, boxes, batch.image_sizes)
        penultimate = faster.roi_heads.box_head(pooled)
    torch.testing.assert_close(found["roi_heads.box_roi_pool"], pooled.mean((2, 3)))
    torch.testing.assert_close(found["roi_heads.box_head"], penultimate)
    assert found["roi_heads.box_head.fc6"].shape == (3, 1024)
    torch.testing.assert_close(found["backbone.fpn"], pooled.mean((2, 3)))
    torch.testing.assert_close(found["backbone"], found["backbone.fpn"])


def test_global_features_are_the_average_of_the_image_for_each_of_its_objects(faster: Any) -> None:
    images = [torch.rand(3, 64, 64), torch.rand(3, 64, 64)]
    targets = labelled([*images, images[0]])[::2]
    _, _, maps = mapped(faster, images, targets)
    (found,) = ObjectFeatures(faster, ["backbone.fpn.1"], pooling="global")(images, targets).features.values()
    torch.testing.assert_close(found, maps["1"].mean((2, 3))[[0, 0, 1]])


def test_padding_is_no_part_of_an_image() -> None:
    backbone: Any = detector("faster")
    images = [torch.rand(3, 64, 64), torch.rand(3, 64, 96)]
    targets = labelled([images[0], images[0], images[1]])[::2]
    layer = "backbone.0"  # a convolution whose padding reaches the outermost cells only
    extract = ObjectFeatures(backbone, [layer], pooling="global")
    together = extract(images, targets).features[layer]
    alone = torch.cat(
        [extract([image], [target]).features[layer] for image, target in zip(images, targets, strict=True)]
    )
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_object_is_found_where_the_detector_resized_it_to(family: str) -> None:
    """A bright object on black: what lights up is its own box, at any size and shape of the image."""
    model: Any = detector(family)
    bright = torch.tensor([100.0, 20.0, 160.0, 60.0])
    image = torch.zeros(3, 90, 180)
    image[:, 20:60, 100:160] = 1
    dark = torch.tensor([[10.0, 10.0, 50.0, 50.0], [20.0, 30.0, 45.0, 85.0]])
    target = {"boxes": torch.cat((bright[None], dark)), "labels": torch.tensor([1, 2, 2])}
    other = {"boxes": torch.tensor([[5.0, 5.0, 50.0, 50.0]]), "labels": torch.tensor([2])}
    seen = torch.zeros(3, 60, 60)
    (layer,) = [name for name, module in model.backbone.named_modules() if isinstance(module, nn.Conv2d)][:1]
    layer = f"backbone.{layer}"
    found = ObjectFeatures(model, [layer])([image, seen], [target, other])
    black = ObjectFeatures(model, [layer])([image * 0, seen], [target, other])
    change = (found.features[layer] - black.features[layer]).norm(dim=1)
    assert change[0] > 1
    assert float(change[1:].max()) < 1e-5
    torch.testing.assert_close(found.boxes[0], bright.double() / torch.tensor([180, 90, 180, 90]).double())
    torch.testing.assert_close(found.boxes[3], other["boxes"][0].double() / 60)


def test_the_example_detector_has_features() -> None:
    torch.manual_seed(0)
    model = Detector(10, "test_resnet", strides=(8, 16)).eval()
    images = torch.randint(256, (3, 3, 64, 64), dtype=torch.uint8)
    targets = labelled(images)
    found = ObjectFeatures(model, ["neck", "neck.0", "backbone.1", "neck.outputs.1"])(images, targets)
    with torch.no_grad():
        fine = model.neck(model.backbone(images))[0]
    boxes = [target["boxes"] for target in targets]
    torch.testing.assert_close(found.features["neck.0"], roi_align(fine, boxes, 7, 1 / 8, 2).mean((2, 3)))
    assert {name: len(features) for name, features in found.features.items()} == dict.fromkeys(found.features, 3)


def test_a_plain_backbone_may_end_in_a_vector() -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)).eval()
    images = torch.rand(3, 3, 20, 30)
    found = ObjectFeatures(model, ["2", ""], pooling="global")(images, labelled(images))
    torch.testing.assert_close(found.features[""], model(images).detach()[[0, 0, 2]])
    with pytest.raises(ValueError, match=r"Layer '2' gives .* but local features come from \(B, D, h, w\) maps"):
        ObjectFeatures(model, ["2"])(images, labelled(images))


def test_maps_are_pooled_before_they_are_changed_in_place() -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True)).eval()
    images = torch.rand(1, 3, 16, 16)
    target = [{"boxes": torch.tensor([[0.0, 0, 16, 16]]), "labels": torch.tensor([1])}]
    found = ObjectFeatures(model, ["0", "1"])(images, target).features
    assert (found["0"] < 0).any()
    assert (found["1"] >= 0).all()


def test_features_can_be_projected() -> None:
    model = nn.Sequential(nn.Conv2d(3, 60, 3)).eval()
    images = torch.rand(3, 3, 20, 30)
    whole = ObjectFeatures(model, ["0"])(images, labelled(images)).features["0"]
    found = ObjectFeatures(model, ["0"], projection=8)(images, labelled(images)).features["0"]
    torch.testing.assert_close(found, gaussian_projection(whole, 8))


def test_images_without_objects_have_no_features(faster: Any) -> None:
    nothing = [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}]
    layers = ["backbone.fpn.0", "backbone.fpn", "roi_heads.box_head"]
    found = ObjectFeatures(faster, layers)(pictures()[:1], nothing)
    assert [(*features.shape,) for features in found.features.values()] == [(0, 256), (0, 256), (0, 1024)]
    metric = LogME()
    metric.update(found.features["backbone.fpn"], found.target, found.boxes)
    assert metric.compute().isnan()


def test_no_hook_stays() -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Flatten()).eval()
    images = torch.rand(3, 3, 20, 30)
    ObjectFeatures(model, ["0"])(images, labelled(images))
    with pytest.raises(ValueError, match="Layer '1'"):
        ObjectFeatures(model, ["0", "1"])(images, labelled(images))
    assert not any(module._forward_hooks for module in model.modules())


def test_what_cannot_be_is_refused(faster: Any) -> None:
    backbone = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU()).eval()
    images = torch.rand(2, 3, 20, 30)
    targets = labelled(images)
    for model, layer, message in (
        (backbone, "2.x", "`layers` holds '2.x', but the model has no such module"),
        (backbone, "conv", "`layers` holds 'conv', but the model has no such module"),
        (faster, "rpn.head", "only the backbone of a torchvision detector is run"),
        (faster, "backbon.fpn", "the model has no such module"),
    ):
        with pytest.raises(ValueError, match=message):
            ObjectFeatures(model, [layer])
    with pytest.raises(ValueError, match="which sees boxes, not images"):
        ObjectFeatures(faster, ["roi_heads.box_head"], pooling="global")
    with pytest.raises(ValueError, match="`pooling` must be 'local' or 'global'"):
        ObjectFeatures(backbone, ["0"], pooling="max")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`layers` must be a list"):
        ObjectFeatures(backbone, "0")
    with pytest.raises(ValueError, match="`projection` must be an integer"):
        ObjectFeatures(backbone, ["0"], projection=0)
    with pytest.raises(TypeError, match="holds a torchvision detector"):
        ObjectFeatures(WithLogits(faster), ["model.backbone"])
    with pytest.raises(
        ValueError, match=r"Layer .backbone\.fpn\.7. is not there: its module gives the levels 0, 1, pool"
    ):
        ObjectFeatures(faster, ["backbone.fpn.7"])(pictures(), labelled(pictures()))
    with pytest.raises(ValueError, match="gives a pyramid of levels 0, 1: name one of them"):
        ObjectFeatures(faster, ["backbone"], pooling="global")(pictures(), labelled(pictures()))
    extract = ObjectFeatures(backbone, ["0"])
    with pytest.raises(ValueError, match="There are 2 images and 1 targets"):
        extract(images, targets[:1])
    with pytest.raises(ValueError, match="`images` must be of one size"):
        extract([torch.rand(3, 20, 30), torch.rand(3, 30, 20)], targets)
    wrong = [{**targets[0], "labels": targets[0]["labels"][:1]}, targets[1]]
    with pytest.raises(ValueError, match=r"Target 0 has boxes of shape \(2, 4\) and labels of shape \(1,\)"):
        extract(images, wrong)
    wrong = [targets[1], {**targets[0], "boxes": targets[0]["boxes"][:, [2, 1, 0, 3]]}]
    with pytest.raises(ValueError, match=r"Target 1 has the box .*, which is not x1 < x2"):
        extract(images, wrong)
    shared = nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU())
    with pytest.raises(ValueError, match="Layer '0' is run more than once"):
        ObjectFeatures(nn.Sequential(shared[0], shared[0]).eval(), ["0"])(images, targets)
    unused = nn.ModuleDict({"one": nn.Conv2d(3, 3, 3), "two": nn.ReLU()})
    unused.forward = unused["one"].forward
    with pytest.raises(ValueError, match="Layer 'two' was not run"):
        ObjectFeatures(unused.eval(), ["two"])(images, targets)
    with pytest.raises(ValueError, match="`model` must be in evaluation mode"):
        ObjectFeatures(nn.Sequential(nn.Conv2d(3, 6, 3)), ["0"])(images, targets)


def test_levels_of_several_widths_are_not_joined() -> None:
    class Levels(nn.Module):
        def forward(self, images: Tensor) -> list[Tensor]:
            return [images, images[:, :1, ::2, ::2]]

    images = torch.rand(3, 3, 32, 32)
    extract = ObjectFeatures(Levels().eval(), ["0", "1"])
    assert [features.shape[1] for features in extract(images, labelled(images)).features.values()] == [3, 1]
    with pytest.raises(ValueError, match="has levels of several sizes"):
        ObjectFeatures(Levels().eval(), [""])(images, labelled(images))


def test_settings_are_shown() -> None:
    extract = ObjectFeatures(nn.Sequential(nn.Conv2d(3, 6, 3)), ["0"], projection=4)
    assert repr(extract) == "ObjectFeatures(Sequential, ['0'], pooling='local', projection=4)"
