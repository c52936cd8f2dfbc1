"""Predictions, labels and images are found where Lightning users put them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.ops import box_convert
from torchvision.tv_tensors import BoundingBoxes

from hardest_metrics import HardestImages, TotalFalse
from hardest_metrics.callbacks import Inputs, inputs_of
from tests.callbacks.runs import SIZE, Module, Scenes, detections, ranked, scenes, trainer

# Lightning warns of few workers and of its own and torch's deprecations.
pytestmark = pytest.mark.filterwarnings("default")

IMAGES = torch.zeros(2, 3, 8, 8)
PREDS = [{"boxes": torch.empty(0, 4), "scores": torch.empty(0), "labels": torch.empty(0)} for _ in range(2)]
TARGET = [{"boxes": torch.empty(0, 4), "labels": torch.empty(0), "image_id": index} for index in range(2)]


@pytest.mark.parametrize(
    ("outputs", "batch"),
    [
        (PREDS, (IMAGES, TARGET)),
        (PREDS, [IMAGES, TARGET]),
        (tuple(PREDS), (IMAGES, tuple(TARGET))),
        (PREDS, (list(IMAGES), TARGET)),
        (PREDS, (IMAGES, TARGET, "what else there is")),
        ({"preds": PREDS}, (IMAGES, TARGET)),
        ({"preds": PREDS, "loss": torch.tensor(1.0)}, (IMAGES, TARGET)),
        ({"predictions": PREDS, "targets": TARGET, "images": IMAGES}, None),
        ({"preds": PREDS, "target": TARGET}, (IMAGES, "not labels")),
        ({"detections": PREDS, "target": TARGET}, {"pixel_values": IMAGES}),
        (PREDS, {"image": IMAGES, "annotations": TARGET}),
        (PREDS, {"images": list(IMAGES), "labels": TARGET}),
        ({"preds": PREDS, "labels": torch.zeros(2)}, {"images": IMAGES, "labels": TARGET}),  # of classes, not boxes
    ],
)
def test_the_usual_shapes_are_understood(outputs: Any, batch: Any) -> None:
    inputs = inputs_of(outputs, batch)
    assert list(inputs.preds) == PREDS
    assert inputs.target is not None
    assert list(inputs.target) == TARGET
    assert inputs.images is not None
    assert torch.equal(torch.stack(list(inputs.images)), IMAGES)


def test_what_the_step_returns_goes_before_the_batch() -> None:
    rescaled = [{**target, "rescaled": True} for target in TARGET]
    inputs = inputs_of({"preds": PREDS, "target": rescaled, "images": IMAGES + 1}, (IMAGES, TARGET))
    assert inputs.target == rescaled
    assert inputs.images is not None
    assert inputs.images[0].min() == 1


def test_images_may_be_absent() -> None:
    assert inputs_of({"preds": PREDS, "target": TARGET}, "anything").images is None


def test_a_batch_without_images_is_a_batch() -> None:
    inputs = inputs_of([], (torch.empty(0, 3, 8, 8), []))
    assert inputs.target is not None
    assert (len(inputs.preds), len(inputs.target)) == (0, 0)


@pytest.mark.parametrize(
    ("outputs", "batch", "said"),
    [
        (None, (IMAGES, TARGET), ["finds no predictions", "returned nothing", r"tuple of 2 \(Tensor, list\)"]),
        (torch.tensor(1.0), (IMAGES, TARGET), ["finds no predictions", r"a tensor of shape \(\)"]),
        ({"loss": 1}, {"images": IMAGES}, ["finds no predictions", r"a dict with \['loss'\]", r"\['images'\]"]),
    ],
)
def test_where_nothing_fits_the_message_says_what_came_and_what_to_return(
    outputs: Any, batch: Any, said: list[str]
) -> None:
    for words in [*said, r"Return \{'preds': \[...\], 'target': \[...\]\}", "`to_inputs=` a function"]:
        with pytest.raises(ValueError, match=words):
            inputs_of(outputs, batch)


def expected() -> list[tuple[int, float]]:
    metric = TotalFalse(weighting="pixel")
    target = [{**target, "image_size": SIZE} for _, target in map(Scenes(12).__getitem__, range(12))]
    metric.update([detections(image) for image in target], target)
    ids, hardness = metric.compute()
    return list(zip(ids.tolist(), hardness.tolist(), strict=True))


def detr_inputs(outputs: dict[str, Tensor], batch: dict[str, Any]) -> Inputs:
    """Boxes as DETR gives them, normalised centres and sizes, brought to pixels."""

    def pixels(boxes: Tensor) -> Tensor:
        height, width = batch["pixel_values"].shape[-2:]
        return box_convert(boxes, "cxcywh", "xyxy") * torch.tensor([width, height, width, height])

    scores, labels = outputs["logits"].softmax(-1)[..., :-1].max(-1)
    preds = [
        dict(zip(("boxes", "scores", "labels"), image, strict=True))
        for image in zip(pixels(outputs["pred_boxes"]), scores, labels, strict=True)
    ]
    target = [
        {"boxes": pixels(t["boxes"]), "labels": t["class_labels"], "image_id": t["image_id"]} for t in batch["labels"]
    ]
    return Inputs(preds, target, batch["pixel_values"])


def test_normalised_boxes_of_a_detr_come_in_by_a_function(tmp_path: Path) -> None:
    scale = torch.tensor([SIZE[1], SIZE[0]] * 2)
    queries = 8

    class Detr(Module):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            logits = torch.full((len(batch["labels"]), queries, 5), -9.0)
            logits[..., -1] = 9.0  # no object
            boxes = torch.full((len(batch["labels"]), queries, 4), 0.5)
            for index, labels in enumerate(batch["labels"]):
                found = detections(labels["original"])
                number = len(found["labels"])
                boxes[index, :number] = box_convert(found["boxes"], "xyxy", "cxcywh") / scale
                other = ((1 - found["scores"]) / 4)[:, None]
                probabilities = other.expand(-1, 5).clone()
                probabilities[torch.arange(number), found["labels"]] = found["scores"]
                logits[index, :number] = probabilities.log()
            return {"logits": logits, "pred_boxes": boxes}

    def collate(samples: Any) -> dict[str, Any]:
        labels = [
            {
                "boxes": box_convert(target["boxes"], "xyxy", "cxcywh") / scale,
                "class_labels": target["labels"],
                "image_id": torch.tensor([target["image_id"]]),
                "original": target,
            }
            for _, target in samples
        ]
        return {"pixel_values": torch.stack([image for image, _ in samples]), "labels": labels}

    loader = torch.utils.data.DataLoader(Scenes(12), 4, collate_fn=collate)
    callback = HardestImages(TotalFalse(weighting="pixel"), top_k=3, to_inputs=detr_inputs)
    trainer(tmp_path, callback).validate(Detr(), loader, verbose=False)
    found = ranked(tmp_path / "hardest_images/val-TotalFalse-epoch=000-step=000000.csv")
    assert dict(found) == pytest.approx(dict(expected()), rel=1e-4)
    assert (tmp_path / "hardest_images/val-TotalFalse-epoch=000-step=000000.png").is_file()


def test_batches_may_be_dicts(tmp_path: Path) -> None:
    class FromDict(Module):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            return {"preds": [detections(target) for target in batch["targets"]]}

    def collate(samples: Any) -> dict[str, Any]:
        return {"image": [image for image, _ in samples], "targets": [target for _, target in samples]}

    loader = torch.utils.data.DataLoader(Scenes(12), 4, collate_fn=collate)
    run = trainer(tmp_path, HardestImages(TotalFalse(weighting="pixel"), top_k=2))
    run.validate(FromDict(), loader, verbose=False)
    assert ranked(tmp_path / "hardest_images/val-TotalFalse-epoch=000-step=000000.csv") == expected()


def test_boxes_may_be_torchvisions(tmp_path: Path) -> None:
    class WithBoundingBoxes(Module):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            target = [
                {**target, "boxes": BoundingBoxes(target["boxes"], format="XYXY", canvas_size=SIZE)}
                for target in batch[1]
            ]
            return {"preds": [detections(image) for image in batch[1]], "target": target}

    run = trainer(tmp_path, HardestImages(TotalFalse(weighting="pixel"), top_k=2))
    run.validate(WithBoundingBoxes(), scenes(), verbose=False)
    assert ranked(tmp_path / "hardest_images/val-TotalFalse-epoch=000-step=000000.csv") == expected()


def test_a_size_that_is_given_goes_before_that_of_the_image(tmp_path: Path) -> None:
    class Padded(Module):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            images = torch.nn.functional.pad(batch[0], (0, 64, 0, 48))
            target = [{**target, "image_size": SIZE} for target in batch[1]]
            return {"preds": [detections(image) for image in batch[1]], "target": target, "images": images}

    run = trainer(tmp_path, HardestImages(TotalFalse(weighting="pixel"), top_k=2))
    run.validate(Padded(), scenes(), verbose=False)
    assert ranked(tmp_path / "hardest_images/val-TotalFalse-epoch=000-step=000000.csv") == expected()
