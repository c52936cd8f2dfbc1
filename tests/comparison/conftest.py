from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from hardest_metrics.data import Annotations
from tests.scenes import Image, Scenery

#: Makes a set of so many images, and detections on it by each detector; the same for the same numbers.
Make = Callable[..., tuple[Annotations, dict[str, list[Image]]]]


@pytest.fixture
def make() -> Make:
    def make_(number: int = 40, detectors: int = 2) -> tuple[Annotations, dict[str, list[Image]]]:
        scenery = replace(Scenery(), box_format="xywh")
        found, target = scenery.draw(number, seed=0)
        generator = torch.Generator().manual_seed(0)
        detections: dict[str, list[Image]] = {}
        for index in range(detectors):
            detections[f"detector {index}"] = [
                {**image, "scores": torch.rand(len(image["scores"]), generator=generator)} for image in found
            ]
        ids = [image["image_id"] for image in target]
        annotations = Annotations(
            ids, [f"{image_id}.jpg" for image_id in ids], [image["image_size"] for image in target],
            {1: "cat", 2: "dog", 3: "cow"}, target,
        )  # fmt: skip
        return annotations, detections

    return make_
