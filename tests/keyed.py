"""Classifiers and detectors by key: what sotabencheval, scipy and pycocotools say of them, and small ones to try."""

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardest_metrics.evaluators import ImageNetEvaluator
from hardest_metrics.results import DataSet, Hardness, Result, Run, RunStore


class Golden:
    """ImageNet-like logits before and after a change, and what is known of them."""

    def __init__(self, shared_data: Path) -> None:
        folder = shared_data / "goldens"
        self.known: dict[str, Any] = json.loads((folder / "evaluators.json").read_text())
        self.make = runpy.run_path(str(folder / "evaluators_inputs.py"))
        given, make = self.known["imagenet"]["inputs"], self.make
        first, second = (make["logits"](given["seed"] + n, given["n"], given["classes"]) for n in (0, 2))
        before, after, between = (make["mixed"](first, second, share) for share in (0.6, 0.4, 0.5))
        labels = make["labels"](given["seed"] + 1, between, 0.75)
        assert make["digest"](before) == given["logits_digest"]
        assert make["digest"](after) == given["after_digest"]
        assert make["digest"](labels) == given["labels_digest"]
        self.keys = [make["image_id"](number) for number in range(given["n"])]
        self.labels = dict(zip(self.keys, labels, strict=True))
        self.before = dict(zip(self.keys, before, strict=True))
        self.after = dict(zip(self.keys, after, strict=True))

    def save_both(self, store: Path) -> None:
        """Keep the run before and the one after."""
        for logits in (self.before, self.after):
            evaluator = ImageNetEvaluator(self.labels, model_name="golden", store=store)
            evaluator.add(logits)
            evaluator.save()


def logits_of(number: int, classes: int = 10, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """A model's logits of so many images, by key."""
    rows = 3 * np.random.default_rng(seed).standard_normal((number, classes)).astype(np.float32)
    return {f"image-{place:04d}": row for place, row in enumerate(rows)}


def labels_of(number: int, classes: int = 10, seed: int = 1) -> dict[str, int]:
    """Labels of as many."""
    labels = np.random.default_rng(seed).integers(classes, size=number).tolist()
    return {f"image-{place:04d}": label for place, label in enumerate(labels)}


def small_run(losses: list[float], **known: Any) -> tuple[Run, DataSet, dict[str, Hardness]]:
    """A run over images a, b, c, ..., wrong where the loss is at least 1."""
    values = np.array(losses, np.float32)
    data = DataSet({chr(ord("a") + place): "0" for place in range(len(losses))})
    accuracy = Result(float((values < 1).mean()), True)
    run = Run("mine", {"accuracy": accuracy}, len(losses), **known)
    return run, data, {"loss": Hardness(values, values >= 1)}


def saved(store: RunStore, losses: list[float], **known: Any) -> Run:
    """Such a run, kept."""
    return store.save(*small_run(losses, **known))
