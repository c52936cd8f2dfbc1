"""H-AP as a loss, on one thread, against the authors' own; and the memory that it takes.

    python -m benchmarks.losses 384

takes a step of so many images in the process that it is, and prints MB beyond what it was given.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.memory import in_a_process, peak, reset_peak
from benchmarks.retrieval import one_thread
from benchmarks.timing import Line, Section, Spread, Task, compared, race
from hardest_metrics.functional.retrieval import relevances, shared_levels
from hardest_metrics.losses import HierarchicalAPLoss

_DIMENSIONS = 512
_MOST_MB = 100

#: How many times faster, by images in a batch.
_LIMITS = {256: 6.0, 384: 10.0}

#: From a batch to its loss, and the gradient by the embeddings.
Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def losses(quick: bool, happier: Path | None = None) -> Section:
    """A training step's loss and gradient: how long, beside the authors' code, and what memory."""
    lines, notes = [], []
    with one_thread():
        try:
            theirs = _happier(happier)
        except ModuleNotFoundError as error:
            notes.append(f"HAPPIER is left out: {error}.")
        else:
            lines += [_compared(batch, limit, theirs, quick) for batch, limit in _LIMITS.items()]
    for batch in _LIMITS:
        megabytes = float(in_a_process("losses", str(batch)))
        what = f"`HierarchicalAPLoss`, batch of {batch}"
        lines.append(Line(what, "", "memory beyond the inputs", Spread.of([megabytes]), "{:.0f} MB", at_most=_MOST_MB))
    return Section("H-AP as a loss, value and gradient", lines, notes)


def training_batch(images: int) -> tuple[Tensor, Tensor]:
    """A batch as SOP is trained on: four images of each class, of two kinds; embeddings of unit length."""
    rng = torch.Generator().manual_seed(0)
    fine = torch.arange(images) // 4
    labels = torch.stack((fine, fine % 2), dim=1)
    embeddings = torch.randn(images, _DIMENSIONS, generator=rng)
    for column in labels.T:
        embeddings += 0.5 * torch.randn(int(column.max()) + 1, _DIMENSIONS, generator=rng)[column]
    return torch.nn.functional.normalize(embeddings), labels


def _ours(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    embeddings = embeddings.clone().requires_grad_()
    loss = HierarchicalAPLoss()(embeddings, labels)
    return loss.detach(), torch.autograd.grad(loss, embeddings)[0]


def _happier(path: Path | None) -> Step:
    """Its loss, given relevances."""
    if path is None:
        raise ModuleNotFoundError("no checkout was given with `--happier PATH`")
    sys.path.insert(0, str(path))
    try:
        from happier.losses import hap_loss
    finally:
        sys.path.remove(str(path))

    def step(values: Tensor, val: float = 1.0, **_: Any) -> Tensor:
        # torch has had no gradient of this function since; it is 0
        return torch.heaviside(values.detach(), values.new_tensor(val))

    hap_loss.heaviside = step
    loss: Any = hap_loss.HAPLoss(tau=0.01, rho=100.0, offset=1.44, delta=0.05, start=0.5)

    def happier_step(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        embeddings = embeddings.clone().requires_grad_()
        level = shared_levels(labels[:, None], labels)
        counts = torch.stack([(level == t).sum(1) for t in range(labels.shape[1] + 1)], dim=1)
        relevance = relevances(counts).float().gather(1, level)
        value = loss(embeddings, labels, lambda _: relevance)
        return value.detach(), torch.autograd.grad(value, embeddings)[0]

    return happier_step


def _compared(batch: int, limit: float, theirs: Step, quick: bool) -> Line:
    embeddings, labels = training_batch(batch)
    (found, gradient), (expected, expected_gradient) = (step(embeddings, labels) for step in (_ours, theirs))
    error = float((gradient - expected_gradient).norm() / expected_gradient.norm())
    if abs(float(found / expected) - 1) > 1e-5 or error > 1e-4:
        sys.exit(
            f"H-AP loss of {batch}: {found} here, {expected} there, gradients {error} apart. Nothing wrong is timed."
        )
    tasks = {"ours": Task(lambda _: _ours(embeddings, labels)), "theirs": Task(lambda _: theirs(embeddings, labels))}
    timed = race(tasks, rounds=3 if quick else 7, budget=60, warm_up=False)
    what = f"`HierarchicalAPLoss`, batch of {batch}, one thread"
    return compared(timed, what, "ours", "theirs", "HAPPIER", faster=True, limit=limit, number=".1f")


def _measure(batch: int) -> float:
    """MB that the peak lies above what was in use before."""
    with one_thread():
        embeddings, labels = training_batch(batch)
        _ours(embeddings[:16], labels[:16])  # what is imported and allocated once
        before = reset_peak()
        _ours(embeddings, labels)
        return peak() - before


if __name__ == "__main__":
    print(_measure(int(sys.argv[1])))
