"""torchvision's Mask R-CNN and Keypoint R-CNN are ranked and drawn as they are."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule
from PIL import Image
from torch import Tensor
from torchvision.models.detection import KeypointRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign

from hardest_metrics import HardestImages, TotalFalse
from hardest_metrics.callbacks.adapters import from_rfdetr
from hardest_metrics.functional import total_false
from tests.callbacks.runs import SIZE, files, ranked, trainer
from tests.detectors.small import Backbone

# Lightning warns of few workers and of its own and torch's deprecations.
pytestmark = pytest.mark.filterwarnings("default")

_Mask: Any = MaskRCNN  # torchvision leaves both untyped
_Keypoint: Any = KeypointRCNN
_Anchors: Any = AnchorGenerator

_SMALL: dict[str, Any] = {
    "num_classes": 2, "min_size": SIZE[0], "max_size": SIZE[1], "box_score_thresh": 0.0, "box_detections_per_img": 4,
    "rpn_post_nms_top_n_test": 20, "rpn_anchor_generator": _Anchors(((16,),), ((1.0,),)),
    "box_roi_pool": MultiScaleRoIAlign(["0"], 7, 2),
}  # fmt: skip

MODELS: dict[str, Any] = {
    "segm": lambda: _Mask(Backbone(), mask_roi_pool=MultiScaleRoIAlign(["0"], 14, 2), **_SMALL),
    "keypoints": lambda: _Keypoint(Backbone(), keypoint_roi_pool=MultiScaleRoIAlign(["0"], 14, 2), **_SMALL),
}


def sample(index: int) -> tuple[Tensor, dict[str, Any]]:
    """An image with two objects, with masks as bytes and keypoints as torchvision's references give them."""
    generator = torch.Generator().manual_seed(index)
    corners = torch.randint(0, 20, (2, 2), generator=generator).float()
    boxes = torch.cat((corners, corners + 20), dim=1)
    masks = torch.zeros(2, *SIZE, dtype=torch.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist(), strict=True):
        mask[top:bottom, left:right] = 1
    points = corners[:, None] + 20 * torch.rand(2, 17, 2, generator=generator)
    keypoints = torch.cat((points, torch.full((2, 17, 1), 2.0)), dim=2)
    target = {"boxes": boxes, "labels": torch.ones(2).long(), "area": torch.full((2,), 400.0), "masks": masks}
    return torch.rand(3, *SIZE, generator=generator), {**target, "keypoints": keypoints, "image_id": index}


class Detector(LightningModule):
    """As torchvision's tutorial writes it."""

    def __init__(self, iou_type: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.model = MODELS[iou_type]()
        self.seen: list[tuple[Any, Any]] = []

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        images, targets = batch
        preds = self.model(images)
        self.seen += list(zip(preds, targets, strict=True))
        return preds


@pytest.mark.parametrize("iou_type", MODELS)
def test_torchvision_s_detectors_are_ranked_and_drawn(tmp_path: Path, iou_type: Any) -> None:
    samples: Any = [sample(index) for index in range(4)]
    loader: Any = torch.utils.data.DataLoader(samples, 2, collate_fn=lambda batch: tuple(zip(*batch, strict=True)))
    settings: dict[str, Any] = {"iou_type": iou_type, "score_threshold": 0.0}
    module = Detector(iou_type)
    metric = HardestImages({"hardness": TotalFalse("pixel", **settings)}, top_k=3, kinds=True)
    trainer(tmp_path, metric).validate(module, loader, verbose=False)
    preds, target = zip(*module.seen, strict=True)
    assert sum(len(pred["scores"]) for pred in preds) > 0
    expected = total_false(preds, [{**image, "image_size": SIZE} for image in target], "pixel", **settings)
    ((file,), (picture,)) = files(tmp_path), files(tmp_path, "png")
    found = dict(ranked(tmp_path / f"hardest_images/{file}.csv"))
    assert [found[image["image_id"]] for image in target] == pytest.approx(expected.tolist())
    with Image.open(tmp_path / f"hardest_images/{picture}.png") as file_:
        colors = np.asarray(file_.convert("RGB"))
    assert (np.abs(colors.astype(int) - (40, 110, 255)).sum(2) < 30).any()  # of missed objects


def test_masks_of_rfdetr_go_back_to_the_picture_as_it_was() -> None:
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[:, :4, 4:] = True
    of_picture = torch.zeros(1, 1, 16, 24, dtype=torch.bool)
    of_picture[..., :8, 12:] = True
    label = {"labels": torch.tensor([1])}
    found = {"boxes": torch.tensor([[12.0, 0, 24, 8]]), "scores": torch.tensor([0.9]), "masks": of_picture, **label}
    target = {
        "boxes": torch.tensor([[0.75, 0.25, 0.5, 0.5]]),
        "masks": mask,
        "orig_size": torch.tensor([16, 24]),
        **label,
    }
    samples = SimpleNamespace(tensors=torch.rand(1, 3, 8, 8), mask=None)
    inputs = from_rfdetr()([found], (samples, [target]))
    assert inputs.target is not None
    assert total_false(inputs.preds, inputs.target, iou_type="segm").tolist() == [0]
