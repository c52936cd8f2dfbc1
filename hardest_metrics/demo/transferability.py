"""Transferability: which pretrained backbone to start from."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from hardest_metrics.demo.chapter import Chapter
from hardest_metrics.demo.digits import enlarge, glyphs
from hardest_metrics.demo.made_up_detector import write_coco

#: What backbones are trained to tell of a digit.
TASKS: dict[str, Callable[[Tensor], Tensor]] = {
    "digit": lambda digits: digits,
    "at_least_five": lambda digits: (digits >= 5).long(),
    "odd_or_even": lambda digits: digits % 2,
}

EPOCHS = 10
SIDE = 24  # pixels of a digit that backbones are trained with


def chapter(folder: Path) -> Chapter:
    """Train small backbones on several tasks, and write their weights and the scenes of detection to ``folder``."""
    files = write_coco(folder)
    weights = folder / "weights"
    weights.mkdir(exist_ok=True)
    for name in (*TASKS, "nothing"):
        torch.manual_seed(0)
        model = nn.Sequential(Backbone(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
        if name in TASKS:
            _train(model, TASKS[name])
        torch.save(model[0].state_dict(), weights / f"{name}.pth")
    out = folder / "start"
    return Chapter(
        "Which weights should a detector of digits start from?",
        "the scenes again, and backbones that learnt to tell the digit, less than that, or nothing",
        [
            (
                "transfer", "--model", f"{__name__}:load", "--weights", *sorted(weights.glob("*.pth")),
                "--images", files.images, "--annotations", files.annotations, "--layers", "stages", "--out", out,
            ),
        ],
        {out / "scores.csv": "all scores of the features of each digit's box"},
    )  # fmt: skip


class Backbone(nn.Module):
    """Three convolutions: images ``(B, 3, H, W)`` in [0, 1] to features ``(B, 64, H / 4, W / 4)``."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """The features."""
        features: Tensor = self.stages(images)
        return features


def load(path: str) -> Backbone:
    """A backbone from its file of weights, as ``hardest-metrics transfer --model`` calls it."""
    backbone = Backbone()
    backbone.load_state_dict(torch.load(path, weights_only=True))
    return backbone


def _train(model: nn.Module, task: Callable[[Tensor], Tensor]) -> None:
    """Teach it to tell something of digits on plain grounds, light or dark."""
    opacity, digits = glyphs("train")
    cut = [enlarge(glyph, SIDE)[None, None] for glyph in opacity]
    large = torch.cat([nn.functional.interpolate(glyph, (SIDE, SIDE)) for glyph in cut])
    told = task(digits)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(digits)).split(64):
            ground, ink = torch.rand(2, len(batch), 3, 1, 1)
            images = ground + (ink - ground) * large[batch]
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(images), told[batch]).backward()
            optimiser.step()
