"""Weights for the default backbone without a download: it learns to name single digits."""

from pathlib import Path
from typing import Any

import timm
import torch
from lightning.pytorch import seed_everything
from torch.nn import functional as F

from examples.detector.module import SMALL_RESNET
from hardest_metrics.data import atomic_write
from hardest_metrics.demo.digits import DigitScenes


def pretrain(path: Path, n_scenes: int = 2000, steps: int = 150, seed: int = 0) -> None:
    """Train the backbone as a classifier of scenes with one digit, and write what it has learnt.

    The digits are of the training glyphs, 14 to 16 pixels high, in scenes of 32×32 pixels.

    Args:
        path: file to be written, as ``weights`` of the detector reads it.
        n_scenes: scenes to learn from.
        steps: batches of 64.
        seed: of first weights, scenes and batches.
    """
    seed_everything(seed, verbose=False)
    scenes = DigitScenes("train", n_scenes, (32, 32), (1, 1), (14, 16), seed=seed)
    images, targets = zip(*(scenes[i] for i in range(len(scenes))), strict=True)
    labels = torch.cat([target["labels"] for target in targets])
    model: Any = timm.create_model("resnet10t", num_classes=len(scenes.class_names), **SMALL_RESNET)
    mean, std = (torch.tensor(model.pretrained_cfg[which]).view(-1, 1, 1) for which in ("mean", "std"))
    inputs = (torch.stack(images) / 255 - mean) / std
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(steps):
        batch = torch.randint(len(inputs), (64,))
        optimizer.zero_grad()
        F.cross_entropy(model(inputs[batch]), labels[batch]).backward()
        optimizer.step()
    with atomic_write(path) as file:
        torch.save(model.state_dict(), file)
