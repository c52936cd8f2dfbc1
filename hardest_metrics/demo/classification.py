"""Classification: the images that a classifier gets wrong, what training did to each, and what a newer one broke."""

import csv
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from hardest_metrics.demo.chapter import Chapter
from hardest_metrics.demo.digits import glyphs
from hardest_metrics.dynamics import Dynamics
from hardest_metrics.evaluators import ImageNetEvaluator
from hardest_metrics.plot import plot_data_map

EPOCHS = 12


def chapter(folder: Path) -> Chapter:
    """Train two classifiers of digits, and write what they say of the validation split to ``folder``."""
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    store = folder / "runs.db"
    store.unlink(missing_ok=True)
    opacity, labels = glyphs("val")
    names = [f"digit{number:03}.png" for number in range(len(labels))]
    for name, glyph in zip(names, opacity, strict=True):
        picture_of(glyph).save(images / name)
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", "label"), *zip(names, labels.tolist(), strict=True)])

    known, of_known = glyphs("train")
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    deep = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    for model, called in ((linear, "linear"), (deep, "one hidden layer")):
        dynamics = train(model, known, of_known)
        with torch.no_grad():
            logits = model(opacity)
        if model is linear:
            np.save(folder / "logits.npy", logits.numpy())
            told = dynamics.compute()
            figure, _ = plot_data_map(told.confidence, told.variability, told.correctness, told.epochs)
            figure.savefig(folder / "data_map.png", dpi=110)
        evaluator = ImageNetEvaluator(dict(zip(names, labels.tolist(), strict=True)), model_name=called, store=store)
        evaluator.add(dict(zip(names, logits, strict=True)))
        evaluator.save()

    hardest, flipped = folder / "hardest.png", folder / "flipped.png"
    return Chapter(
        "Which digits does a classifier get wrong, and what did a better one break?",
        f"{len(labels)} digits, a linear classifier, and one with a hidden layer",
        [
            (
                "rank", "--logits", folder / "logits.npy", "--labels", folder / "labels.csv",
                "--top-k", 12, "--images", images, "--grid", hardest,
            ),
            ("regress", "--store", store, "--max-worse", 0, "--top-k", 6, "--images", images, "--grid", flipped),
        ],
        {
            hardest: "the hardest digits of the linear classifier, and what it said",
            flipped: "digits that became harder with the better one; red: now wrong, of which this gate allows none",
            folder / "data_map.png": "what training did to each digit: learnt, hesitating, or never right",
        },
    )  # fmt: skip


def train(model: nn.Module, opacity: Tensor, labels: Tensor) -> Dynamics:
    """Train a classifier of glyphs, from opacity ``(n, 8, 8)``; what that did to each is told."""
    ids = torch.arange(len(labels))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    dynamics = Dynamics()
    for epoch in range(EPOCHS):
        for batch in torch.randperm(len(ids)).split(128):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(opacity[batch]), labels[batch]).backward()
            optimiser.step()
        with torch.no_grad():
            logits = model(opacity)
        confidence = logits.softmax(1)[ids, labels]
        dynamics.update(epoch, ids, hardness=-confidence.log(), wrong=logits.argmax(1) != labels, confidence=confidence)
    return dynamics


def picture_of(glyph: Tensor) -> Image.Image:
    """A glyph ``(8, 8)`` of opacity in [0, 1] as 96×96 pixels, dark on light."""
    large = nn.functional.interpolate(glyph[None, None], (96, 96), mode="bicubic")[0, 0].clamp(0, 1)
    return Image.fromarray((255 * (1 - large)).round().byte().numpy())
