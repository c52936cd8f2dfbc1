"""What the README shows beside its doctest works as shown."""

import re
from pathlib import Path
from typing import Any

import torch

from hardest_metrics import HardestImages, TotalFalse

README = Path(__file__).parents[1] / "README.md"


class _Processor:
    """Has what the adapter asks of a processor of transformers."""

    def post_process_object_detection(self, outputs: Any, threshold: float = 0.5, target_sizes: Any = None) -> Any:
        return [{"boxes": torch.empty(0, 4), "scores": torch.empty(0), "labels": torch.empty(0).long()}]


def test_the_adapters_shown_are_there_and_fit_the_callback() -> None:
    (code,) = re.findall(
        r"```python\n(from hardest_metrics.callbacks.adapters import.*?)```", README.read_text(), re.DOTALL
    )
    assert code.count("HardestImages(") == 3
    exec(code, {"HardestImages": HardestImages, "TotalFalse": TotalFalse, "processor": _Processor()})
