"""Modules around torchvision's detectors work unchanged, from their first random outputs on."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn, retinanet_resnet50_fpn

from hardest_metrics import HardestImages, TotalFalse
from hardest_metrics.detection import ExpectedHardness
from tests.callbacks.runs import SIZE, Scenes, files, ranked, trainer

# Lightning warns of few workers and of its own and torch's deprecations.
pytestmark = pytest.mark.filterwarnings("default")

SMALL: dict[str, Any] = {"weights": None, "weights_backbone": None, "num_classes": 4, "min_size": 64, "max_size": 64}

DETECTORS = {
    "faster_rcnn": lambda: fasterrcnn_mobilenet_v3_large_320_fpn(
        **SMALL, box_score_thresh=0.0, box_detections_per_img=5, rpn_pre_nms_top_n_test=20, rpn_post_nms_top_n_test=20
    ),
    "retinanet": lambda: retinanet_resnet50_fpn(**SMALL, score_thresh=0.0, detections_per_img=5, topk_candidates=20),
}


class Detector(LightningModule):
    """As torchvision's tutorial writes it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.model = DETECTORS[name]()
        self.seen: dict[int, tuple[Any, Any]] = {}

    def forward(self, images: Any) -> Any:
        return self.model(images)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        images, targets = batch
        losses: dict[str, Tensor] = self.model(images, targets)
        return torch.stack(list(losses.values())).sum()

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        images, targets = batch
        preds = self.model(images)
        for pred, target in zip(preds, targets, strict=True):
            self.seen[int(target["image_id"])] = (pred, {**target, "image_size": SIZE})
        return preds

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=1e-4)


def with_objects(number: int) -> list[Any]:
    """Scenes that hold an object, as torchvision's references give them: the id a tensor."""
    samples = [Scenes(100)[index] for index in range(100)]
    kept = [(image, target) for image, target in samples if len(target["labels"])][:number]
    return [(image, {**target, "image_id": torch.tensor([target["image_id"]])}) for image, target in kept]


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_is_ranked_before_and_after_training(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    samples: Any = with_objects(4)
    loader: Any = torch.utils.data.DataLoader(samples, 2, collate_fn=lambda batch: tuple(zip(*batch, strict=True)))
    module = Detector(name)
    metric = {"hardness": TotalFalse(weighting="pixel", score_threshold=0.0)}
    run = trainer(tmp_path, HardestImages(metric, top_k=2), gradient_clip_val=1.0)
    run.validate(module, loader, verbose=False)
    before = dict(module.seen)
    run.fit(module, loader, loader)
    assert run.global_step == 2
    assert files(tmp_path) == files(tmp_path, "png")
    for file, seen in zip(files(tmp_path), (before, module.seen), strict=True):
        preds, target = zip(*seen.values(), strict=True)
        assert sum(len(pred["boxes"]) for pred in preds) > 0
        expected = TotalFalse(weighting="pixel", score_threshold=0.0)
        expected.update(preds, target)
        ids, hardness = expected.compute()
        assert ranked(tmp_path / f"hardest_images/{file}.csv") == list(
            zip(ids.tolist(), hardness.tolist(), strict=True)
        )
    assert module.seen[int(with_objects(1)[0][1]["image_id"])][0]["scores"].shape == (5,)


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_predicts_on_nothing_but_images(tmp_path: Path, name: str) -> None:
    """With Lightning's own `predict_step`: images in, the detector's output out."""
    torch.manual_seed(0)
    images: Any = [image for image, _ in map(Scenes(5).__getitem__, range(5))]
    definition = TotalFalse("pixel", score_threshold=0.0)
    run = trainer(tmp_path, HardestImages(ExpectedHardness(definition), top_k=2))
    batches: Any = run.predict(Detector(name), torch.utils.data.DataLoader(images, 2, collate_fn=list))
    preds = [{**pred, "image_size": SIZE} for batch in batches for pred in batch]
    assert sum(len(pred["boxes"]) for pred in preds) > 0
    expected = ExpectedHardness(definition)
    expected.update(preds)
    (file,) = files(tmp_path, "png")
    ids, hardness = expected.summary().ranking
    assert ranked(tmp_path / f"hardest_images/{file}.csv") == list(zip(ids.tolist(), hardness.tolist(), strict=True))
