"""Classification: the images that a classifier gets wrong, what training did to each, and what a newer one broke."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hardest_metrics.demo.chapter import Chapter
from hardest_metrics.demo.digits import glyphs
from hardest_metrics.demo.pictures import write_labels, write_pictures
from hardest_metrics.dynamics import Dynamics
from hardest_metrics.evaluators import ImageNetEvaluator
from hardest_metrics.plot import plot_data_map

EPOCHS = 12


def chapter(folder: Path) -> Chapter:
    """Train two classifiers of digits, and write what they say of the validation split to ``folder``."""
    images = folder / "images"
    store = folder / "runs.db"
    store.unlink(missing_ok=True)
    opacity, labels = glyphs("val")
    names = write_pictures(images, opacity)
    write_labels(folder / "labels.csv", names, label=labels.tolist())

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
            _draw(dynamics, folder / "data_map.png")
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


def _draw(dynamics: Dynamics, path: Path) -> None:
    from matplotlib.figure import Figure  # pyplot would keep every figure

    told, axes = dynamics.compute(), Figure(figsize=(6.4, 5.2), layout="constrained").subplots()
    figure, _ = plot_data_map(told.confidence, told.variability, told.correctness, told.epochs, axes)
    figure.savefig(path, dpi=110)
