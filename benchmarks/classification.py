"""Hardness of classified images, against the programs that give an accuracy or a part of the columns."""

import contextlib
import io
import sys
from collections.abc import Callable, Mapping
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from benchmarks.timing import Line, Section, Task, compared, race
from hardest_metrics import (
    EL2N,
    Confidence,
    CrossEntropy,
    Entropy,
    HardnessCollection,
    LeastConfidence,
    LogitMargin,
    Margin,
    TopKMiss,
    TwoBestGap,
)

#: At most this share of what another program's accuracy alone takes.
_LIMIT = 0.1

_BATCH = 250

Values = Mapping[str, Any]


def columns(quick: bool) -> Section:
    """All columns of 5,000 images and 1,000 classes, measured as validation does: batch by batch, and ranked."""
    images, classes = (500, 100) if quick else (5000, 1000)
    rng = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(images, classes, generator=rng)
    target = torch.where(
        torch.rand(images, generator=rng) < 0.7, logits.argmax(1), torch.randint(classes, (images,), generator=rng)
    )
    found = ours(logits, target)
    lines: list[Line] = []
    notes: list[str] = []
    for name, make in {"sotabencheval's accuracy": _sotabencheval, "cleanlab": _cleanlab}.items():
        try:
            theirs = make(logits, target)
        except ModuleNotFoundError as error:
            notes.append(f"{name} is left out: {error.name} is not installed here.")
            continue
        for key, expected in theirs().items():
            if not np.allclose(found[key], expected, rtol=0, atol=1e-5):
                sys.exit(f"{key} differs from that of {name}. Nothing wrong is timed.")
        tasks = {"ours": Task(lambda _: ours(logits, target)), "theirs": Task(lambda _, run=theirs: run())}  # type: ignore[misc]
        timed = race(tasks, rounds=5)
        limit = _LIMIT if make is _sotabencheval and not quick else None
        what = f"All columns, {images:,} × {classes:,} logits"
        lines.append(compared(timed, what, "ours", "theirs", name, limit=limit))
    return Section("Hardness of classified images", lines, notes)


def ours(logits: Tensor, target: Tensor) -> Values:
    """Every definition's values in the order of the images, by name, and both accuracies."""
    metrics = HardnessCollection({
        "cross_entropy": CrossEntropy(),
        "margin": Margin(),
        "logit_margin": LogitMargin(),
        "confidence": Confidence(),
        "el2n": EL2N(),
        "top1": TopKMiss(1),
        "top5": TopKMiss(5),
        "entropy": Entropy(),
        "least_confidence": LeastConfidence(),
        "two_best_gap": TwoBestGap(),
    })  # fmt: skip
    for ids in torch.arange(len(logits)).split(_BATCH):
        batch = slice(int(ids[0]), int(ids[-1]) + 1)
        metrics.update(logits[batch], target[batch], ids)
    rankings = metrics.compute()
    values = {name: hardness[ids.argsort()].numpy() for name, (ids, hardness) in rankings.items()}
    accuracies = {f"Top {k} Accuracy": 1 - values[f"top{k}"].mean() for k in (1, 5)}
    return values | accuracies


def _sotabencheval(logits: Tensor, target: Tensor) -> Callable[[], Values]:
    """Both accuracies of its ImageNet evaluator, which is given labels in place of those that it would download."""
    import sotabencheval.image_classification.imagenet as theirs

    preds, names = logits.numpy(), [str(number) for number in range(len(target))]

    class Evaluator(theirs.ImageNetEvaluator):  # type: ignore[misc]
        def load_targets(self) -> None:
            self.targets = dict(zip(names, target[:, None].numpy(), strict=True))

    def run() -> Values:
        # without its progress bar, and the memory of a GPU, which it cannot do without one
        no_memory = patch.object(theirs, "get_max_memory_allocated", lambda: 0)
        with contextlib.redirect_stderr(io.StringIO()), no_memory:
            evaluator = Evaluator()
            for start in range(0, len(names), _BATCH):
                batch = slice(start, start + _BATCH)
                evaluator.add(dict(zip(names[batch], preds[batch], strict=True)))
            results: Values = evaluator.get_results()
            return results

    return run


def _cleanlab(logits: Tensor, target: Tensor) -> Callable[[], Values]:
    """Self-confidence and normalised margin: two of the columns; probabilities are made beforehand."""
    from cleanlab.rank import get_label_quality_scores

    probabilities, labels = logits.double().softmax(1).numpy(), target.numpy()
    names = {"confidence": "self_confidence", "margin": "normalized_margin"}
    return lambda: {
        ours_: 1 - get_label_quality_scores(labels, probabilities, method=theirs) for ours_, theirs in names.items()
    }
