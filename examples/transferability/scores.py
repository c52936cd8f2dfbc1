"""What a source's features and its head say of the objects of another set."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from examples.detector.data import Samples
from examples.detector.model import Detector
from examples.detector.module import SMALL_RESNET
from hardest_metrics.functional.transferability import energy_score, leep, nce
from hardest_metrics.transfer import BASELINE, Scoring
from hardest_metrics.transferability import ObjectFeatures
from hardest_metrics.transferability.pooling import Pooling

LAYERS: dict[Pooling, list[str]] = {
    "local": ["backbone.0", "backbone.1", "neck.0", "neck.1", "neck"],
    "global": ["backbone.0", "backbone.1", "neck.0", "neck.1"],
}
"""The fine and the coarse map of backbone and neck and, of objects, the level of the neck that suits each."""

_BATCH = 50  # images at a time


class Source(nn.Module):
    """A detector as a source: float images to the levels of its neck, and to what its head says of classes there.

    Args:
        detector: any of its number of classes.
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.backbone = detector.backbone
        self.neck = detector.neck
        self.classes = Classes(detector.heads)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images ``(B, 3, H, W)`` in [0, 1] to maps ``(B, K, h, w)`` of logits, finest first."""
        logits: list[Tensor] = self.classes(self.neck(self.backbone(images * 255)))
        return logits


class Classes(nn.Module):
    """The part of all levels' heads that tells classes."""

    def __init__(self, heads: nn.ModuleList) -> None:
        super().__init__()
        parts: list[Any] = list(heads)  # `LevelHead`s, which a ModuleList does not say
        self.heads = nn.ModuleList(nn.Sequential(head.class_tower, head.classes) for head in parts)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Levels to maps of logits."""
        return [head(level) for head, level in zip(self.heads, levels, strict=True)]


def load(path: str) -> Source:
    """A source from its file of weights, as `hardest-metrics transfer --model examples.transferability.scores:load`."""
    weights = torch.load(path, weights_only=True)
    number = len(weights["heads.0.classes.bias"])
    detector = Detector(number, "resnet10t", SMALL_RESNET)
    detector.load_state_dict(weights)
    return Source(detector).eval()


def scores_of(weights: Path, samples: Samples) -> list[dict[str, Any]]:
    """All scores of a source for a set, a row each: ``pooling``, ``layer``, ``score`` and ``value``."""
    model = load(str(weights))
    scoring, head = Scoring(model, LAYERS), ObjectFeatures(model, ["classes"])
    logits, labels = list[Tensor](), list[Tensor]()
    for start in range(0, len(samples), _BATCH):
        images, targets = zip(*(samples[at] for at in range(start, min(start + _BATCH, len(samples)))), strict=True)
        batch, objects = torch.stack(images).float() / 255, [single_objects(target) for target in targets]
        scoring.update(batch, objects)
        of_head = head(batch, objects)
        logits.append(of_head.features["classes"])
        labels.append(of_head.target)
    rows = [
        {"pooling": one.place.pooling, "layer": one.place.layer, "score": score, "value": value}
        for one in scoring.compute()
        for score, value in one.values.items()
    ]
    of_classes, target = torch.cat(logits), torch.cat(labels)
    of_head_alone = {
        "leep": leep(source_probabilities=of_classes.softmax(1), target=target),
        "nce": nce(source=of_classes.argmax(1), target=target),
        "energy_score": energy_score(of_classes),
    }
    return rows + [
        {"pooling": BASELINE, "layer": "head", "score": score, "value": float(value)}
        for score, value in of_head_alone.items()
    ]


def single_objects(target: dict[str, Any]) -> dict[str, Tensor]:
    """Boxes and labels but those of crowds, and of boxes without area."""
    boxes = target["boxes"]
    kept = (boxes[:, 2:] > boxes[:, :2]).all(1)
    if "iscrowd" in target:
        kept &= target["iscrowd"] == 0
    return {"boxes": boxes[kept], "labels": target["labels"][kept]}
