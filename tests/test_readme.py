"""What the README shows beside its doctest works as shown."""

import re
from pathlib import Path

import torch
from torchvision.ops import box_convert

from hardest_metrics import HardestImages, TotalFalse
from hardest_metrics.callbacks import Inputs
from hardest_metrics.functional import total_false

README = Path(__file__).parents[1] / "README.md"


def test_the_function_shown_for_a_detr_style_model_finds_its_boxes() -> None:
    (code,) = re.findall(r"```python\n(def to_inputs.*?)```", README.read_text(), re.DOTALL)
    names = {
        "torch": torch,
        "box_convert": box_convert,
        "Inputs": Inputs,
        "HardestImages": HardestImages,
        "TotalFalse": TotalFalse,
    }
    exec(code, names)
    boxes = torch.tensor([[[0.5, 0.5, 0.2, 0.4], [0.1, 0.1, 0.1, 0.1]]])
    logits = torch.full((1, 2, 4), -9.0)
    logits[0, 0, 2] = logits[0, 1, 3] = 9  # an object of class 2, and none: the last column
    batch = {
        "pixel_values": torch.zeros(1, 3, 50, 80),
        "labels": [{"boxes": boxes[0, :1], "class_labels": torch.tensor([2]), "image_id": torch.tensor([7])}],
    }
    inputs = names["to_inputs"]({"logits": logits, "pred_boxes": boxes}, batch)  # type: ignore[operator]
    torch.testing.assert_close(inputs.preds[0]["boxes"][0], torch.tensor([32.0, 15, 48, 35]))
    assert total_false(inputs.preds, inputs.target).tolist() == [0]
    assert len(inputs.images) == 1
