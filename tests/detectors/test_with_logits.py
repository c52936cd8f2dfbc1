from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection import RetinaNet
from torchvision.ops import clip_boxes_to_image

from hardest_metrics.detectors import WithLogits
from tests.detectors.small import FAMILIES, N_CLASSES, detector, pictures

every_family = pytest.mark.parametrize("family", FAMILIES)


def activated(wrapped: WithLogits, logits: Tensor) -> Tensor:
    return logits.softmax(1) if wrapped.activation == "softmax" else logits.sigmoid()


def of_labels(values: Tensor, labels: Tensor) -> Tensor:
    return values.gather(1, labels[:, None])[:, 0]


@every_family
@pytest.mark.parametrize("seed", range(3))
def test_outputs_are_those_of_the_detector_and_logits_reproduce_scores(family: str, seed: int) -> None:
    model = detector(family, seed)
    wrapped = WithLogits(model)
    with torch.inference_mode():
        expected, found = model(pictures(seed)), wrapped(pictures(seed))
    assert sum(len(image["scores"]) for image in expected) > 10
    for before, after in zip(expected, found, strict=True):
        assert after.keys() == before.keys() | {"logits"}
        for key, value in before.items():
            assert type(after[key]) is Tensor
            torch.testing.assert_close(after[key], value, rtol=0, atol=0)
        assert type(after["logits"]) is Tensor
        assert after["logits"].shape == (len(after["scores"]), N_CLASSES)
        assert after["logits"].isfinite().all()
        scores = of_labels(activated(wrapped, after["logits"]), after["labels"])
        torch.testing.assert_close(scores, after["scores"], rtol=0, atol=1e-6)
    everything = torch.cat([image["logits"] for image in found])
    assert everything.std(0).min() > 1e-3, "a test of equal rows would show nothing"


@every_family
def test_activation_names_what_the_detector_uses(family: str) -> None:
    assert WithLogits(detector(family)).activation == ("sigmoid" if family in ("retina", "fcos") else "softmax")


@every_family
def test_images_without_detections_have_logits_of_no_rows(family: str) -> None:
    model: Any = detector(family)
    (model.roi_heads if hasattr(model, "roi_heads") else model).score_thresh = 1.0
    for image in WithLogits(model)(pictures()):
        assert image["logits"].shape == (0, N_CLASSES)


@every_family
def test_in_training_it_gives_the_losses_of_the_detector(family: str) -> None:
    model = detector(family).train()
    target = {"boxes": torch.tensor([[5.0, 5, 30, 40]]), "labels": torch.tensor([2]), "masks": torch.ones(1, 60, 80)}
    losses = []
    for module in (model, WithLogits(model)):
        torch.manual_seed(0)
        losses.append(module(pictures()[:1], [dict(target)]))
    assert losses[0] == losses[1]


@every_family
def test_the_detector_itself_stays_as_it_was(family: str) -> None:
    model = detector(family)
    wrapped = WithLogits(model)
    wrapped(pictures())
    with pytest.raises(ValueError, match="3d tensors"):
        wrapped([torch.rand(3)[None]])
    assert not any(module._forward_hooks for module in model.modules())
    assert all("logits" not in image and type(image["scores"]) is Tensor for image in model(pictures()))


@pytest.mark.parametrize("family", ["retina", "fcos"])  # a softmax has no column of its own to hold constant
def test_rows_of_equal_scores_are_told_apart(family: str) -> None:
    """A constant column ties all scores of its label; the other columns still say which row a box is from."""
    model: Any = detector(family)
    tied, level = 3, dict[str, Tensor]()

    def constant(head: nn.Module, inputs: Any, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        n = outputs["cls_logits"].shape[1]
        logits = torch.full((1, n, N_CLASSES), -30.0)
        logits[..., tied] = 1
        logits[..., 0] = -30 - torch.arange(n) / 8
        others = {key: torch.full_like(value, 0.5) for key, value in outputs.items()}
        return {**others, "cls_logits": logits}

    model.head.register_forward_hook(constant)
    model.anchor_generator.register_forward_hook(lambda *call: level.update(anchors=call[2][0]))
    model.nms_thresh, model.score_thresh, model.detections_per_img = 1.0, 0.3, 1000
    (found,) = WithLogits(model)([torch.rand(3, 64, 64)])
    assert found["labels"].unique().tolist() == [tied]
    assert len(found["scores"].unique()) == 1
    rows = of_rows(found["logits"], family)
    assert sorted(rows.tolist()) == list(range(len(level["anchors"])))
    regression = torch.full_like(level["anchors"], 0.5)
    decode: Callable[..., Tensor] = model.box_coder.decode if family == "fcos" else model.box_coder.decode_single
    boxes = clip_boxes_to_image(decode(regression, level["anchors"]), (64, 64))
    torch.testing.assert_close(found["boxes"], boxes[rows])


def of_rows(logits: Tensor, family: str) -> Tensor:
    column = logits[:, 0]
    if family == "fcos":  # undo the mean with centerness, which is 0.5 everywhere; far from 0, log-odds are log p
        column = 2 * column - F.logsigmoid(torch.tensor(0.5))
    return ((-30 - column) * 8).round().long()


def test_logits_of_sure_fcos_detections_are_finite() -> None:
    model: Any = detector("fcos")
    model.head.register_forward_hook(lambda *call: {key: value + 60 for key, value in call[2].items()})
    wrapped = WithLogits(model)
    for image in wrapped(pictures()):
        assert image["scores"].eq(1).any()
        assert image["logits"].isfinite().all()
        torch.testing.assert_close(of_labels(image["logits"].sigmoid(), image["labels"]), image["scores"])


@every_family
def test_logits_come_in_the_dtype_of_the_scores_and_carry_gradients(family: str) -> None:
    wrapped = WithLogits(detector(family)).double()
    for image in wrapped([image.double() for image in pictures()]):
        assert image["logits"].dtype == image["scores"].dtype == torch.float64
        scores = of_labels(activated(wrapped, image["logits"]), image["labels"])
        torch.testing.assert_close(scores, image["scores"], rtol=0, atol=1e-12)
        assert image["logits"].requires_grad


def test_it_is_a_module_around_the_detector() -> None:
    model = detector("ssd")
    wrapped = WithLogits(model)
    assert not wrapped.training, "the mode is the detector's"
    assert wrapped.train().model.training
    assert wrapped.state_dict().keys() == {f"model.{key}" for key in model.state_dict()}
    assert {*wrapped.parameters()} == {*model.parameters()}


def test_another_model_is_refused() -> None:
    with pytest.raises(TypeError, match=r"`model` must be a torchvision FasterRCNN.* but is Sequential\."):
        WithLogits(nn.Sequential(detector("ssd")))


def test_scores_that_cannot_be_followed_are_refused() -> None:
    class Sharpened(RetinaNet):
        def postprocess_detections(self, *arguments: Any) -> Any:
            detections = super().postprocess_detections(*arguments)
            return [{**image, "scores": image["scores"] ** 0.5} for image in detections]

    model = detector("retina")
    model.__class__ = Sharpened
    with pytest.raises(RuntimeError, match="Sharpened computes scores in a way that cannot be followed"):
        WithLogits(model)(pictures())
