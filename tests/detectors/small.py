"""Small torchvision detectors of every family, and pictures for them."""

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.models.detection import (
    FCOS,
    FasterRCNN,
    KeypointRCNN,
    MaskRCNN,
    RetinaNet,
    faster_rcnn,
    keypoint_rcnn,
    mask_rcnn,
)
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD
from torchvision.ops import MultiScaleRoIAlign

N_CLASSES = 5
MODEL = "ssdlite320_mobilenet_v3_large"

_Anchors: Any = AnchorGenerator  # torchvision leaves both untyped
_Retina: Any = RetinaNet
_Boxed: Any = faster_rcnn
_Masked: Any = mask_rcnn
_Posed: Any = keypoint_rcnn


class Backbone(nn.Sequential):
    """One map of 32 channels, a sixteenth of the image's size."""

    out_channels = 32

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 32, 7, 8, 3), nn.ReLU(), nn.Conv2d(32, 32, 3, 2, 1))


class Levels(nn.Module):
    """Two maps, named as SSD and RetinaNet expect them."""

    out_channels = 32

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Backbone(), nn.Conv2d(32, 32, 3, 2, 1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        fine: Tensor = self.first(images)
        return {"0": fine, "1": self.second(fine)}


def _anchors(levels: int) -> Any:
    return _Anchors(((16,), (40,))[:levels], ((0.5, 1.0),) * levels)


def _two_stage(family: type[FasterRCNN]) -> FasterRCNN:
    pools = {} if family is FasterRCNN else {"mask_roi_pool": MultiScaleRoIAlign(["0"], 14, 2)}
    return family(
        Backbone(), N_CLASSES, min_size=64, max_size=96, rpn_anchor_generator=_anchors(1), box_score_thresh=0.1,
        box_roi_pool=MultiScaleRoIAlign(["0"], 7, 2), box_detections_per_img=30 if family is FasterRCNN else 6, **pools,
    )  # fmt: skip


def small_mask_rcnn() -> nn.Module:
    """With a head for masks of few channels."""
    torch.manual_seed(0)
    model: Any = _with_shapes(
        MaskRCNN, mask_roi_pool=_pool(), mask_head=_Masked.MaskRCNNHeads(32, (8,), 1),
        mask_predictor=_Masked.MaskRCNNPredictor(8, 8, N_CLASSES),
    )  # fmt: skip
    with torch.no_grad():
        model.roi_heads.mask_predictor.mask_fcn_logits.weight.mul_(100)  # else no pixel, or all, is inside
    return cast(nn.Module, model)


def small_keypoint_rcnn() -> nn.Module:
    """With a head for keypoints of few channels."""
    torch.manual_seed(0)
    return _with_shapes(
        KeypointRCNN, keypoint_roi_pool=_pool(), keypoint_head=_Posed.KeypointRCNNHeads(32, (8,)),
        keypoint_predictor=_Posed.KeypointRCNNPredictor(8, 17),
    )  # fmt: skip


def _pool() -> Any:
    return MultiScaleRoIAlign(["0"], 14, 2)


def _with_shapes(family: Any, **heads: Any) -> nn.Module:
    model: nn.Module = family(
        Backbone(), None, min_size=64, max_size=96, rpn_anchor_generator=_anchors(1), box_detections_per_img=6,
        box_roi_pool=MultiScaleRoIAlign(["0"], 7, 2), box_head=_Boxed.TwoMLPHead(32 * 7 * 7, 16),
        box_predictor=_Boxed.FastRCNNPredictor(16, N_CLASSES), **heads,
    )  # fmt: skip
    return model.eval()


def _ssd() -> SSD:
    levels: Any = Levels()
    levels.out_channels = [32, 32]
    return SSD(
        levels,
        DefaultBoxGenerator([[2], [2]]),
        (64, 64),
        N_CLASSES,
        head=None,
        score_thresh=0.15,
        detections_per_img=40,
    )


FAMILIES: dict[str, Callable[[], nn.Module]] = {
    "faster": lambda: _two_stage(FasterRCNN),
    "mask": lambda: _two_stage(MaskRCNN),
    "retina": lambda: _Retina(
        Levels(), N_CLASSES, 64, 96, anchor_generator=_anchors(2), score_thresh=0.01, detections_per_img=40
    ),
    "fcos": lambda: FCOS(
        Levels(), N_CLASSES, 64, 96, score_thresh=0.05,
        anchor_generator=_Anchors(((16,), (40,)), ((1.0,),) * 2),
    ),
    "ssd": _ssd,
}  # fmt: skip


def detector(family: str, seed: int = 0) -> nn.Module:
    """A detector in evaluation mode whose scores differ between boxes and classes."""
    torch.manual_seed(seed)
    model = FAMILIES[family]()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "cls_logits" in name or "cls_score" in name or "classification_head.module_list" in name:
                parameter.add_(torch.randn_like(parameter), alpha=0.3)
            elif family == "retina" and "classification_head.conv" in name:
                parameter.mul_(6)  # they begin so small that all boxes are alike
    return model.eval()


def pictures(seed: int = 0) -> list[Tensor]:
    """Images of different sizes."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(3, *size, generator=generator) for size in ((60, 80), (96, 50), (64, 64))]


def save_pictures(folder: Path, number: int) -> Path:
    """A folder of pictures, all different and of various sizes."""
    folder.mkdir()
    for index in range(number):
        generator = torch.Generator().manual_seed(index)
        size = 40 + index % 3 * 10, 60 - index % 2 * 15
        pixels = torch.randint(256, (*size, 3), dtype=torch.uint8, generator=generator)
        Image.fromarray(pixels.numpy()).save(folder / f"{index:02}.png")
    return folder


def save_weights(path: Path, seed: int = 0) -> Path:
    """Weights of :data:`MODEL`, torchvision's smallest detector, whose scores differ between boxes and classes."""
    path.write_bytes(_weights(seed))
    return path


@cache
def _weights(seed: int) -> bytes:
    torch.manual_seed(seed)
    model: Any = get_model(MODEL, weights=None, weights_backbone=None, num_classes=N_CLASSES)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # one batch is enough to bring all maps to scale
    with torch.no_grad():
        model.head(list(model.backbone(torch.randn(4, 3, 320, 320)).values()))
        for name, parameter in model.head.classification_head.named_parameters():
            if name.endswith("1.weight"):
                parameter.mul_(5)
    content = io.BytesIO()
    torch.save(model.state_dict(), content)
    return content.getvalue()
