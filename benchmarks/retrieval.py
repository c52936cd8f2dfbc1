"""Scores of hierarchical retrieval, on one thread, against the evaluations that people use.

    python -m benchmarks.retrieval 60502

scores so many images in the process that it is, and prints seconds, processor seconds and MB beyond the embeddings.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.memory import in_a_process, peak, reset_peak
from benchmarks.timing import Line, Section, Spread, Task, compared, in_words, race, seconds
from hardest_metrics.functional.retrieval import QueryScores, relevances, score_queries, shared_levels, topk_scores

_DIMENSIONS, _LEVELS = 512, 3
#: Queries that peers get, of all; their time is scaled up.
_PART = 512

#: Mean scores by name, and what gives them.
Means = Mapping[str, float]
Evaluation = Callable[[], Means]
Maker = Callable[[Tensor, Tensor, slice], Evaluation]

#: How many times faster than each.
_LIMITS = {"pytorch-metric-learning, three levels": 15.0, "HAPPIER": 9.0}


def scores(quick: bool, happier: Path | None = None) -> Section:
    """All scores of three levels; how long the largest of the usual sets takes, and what memory."""
    with one_thread():
        lines, notes = [], set[str]()
        for images in (2000,) if quick else (6000, 20_000):
            embeddings, labels = retrieval_set(images)
            part = slice(min(_PART, images))
            makers: tuple[Maker, ...] = (_pytorch_metric_learning, partial(_happier, happier))
            tried = {name: _tried(make, embeddings, labels, part) for name, make in zip(_LIMITS, makers, strict=True)}
            notes |= {f"{name} is left out: {why}" for name, why in tried.items() if isinstance(why, str)}
            peers = {name: evaluate for name, evaluate in tried.items() if not isinstance(evaluate, str)}
            lines += _compared(embeddings, labels, part, peers)
        lines += _largest(2000 if quick else 60_502)
    return Section("Retrieval, all scores of every query", lines, sorted(notes))


def _tried(make: Maker, *arguments: Any) -> Evaluation | str:
    """A peer's evaluation, or why there is none."""
    try:
        return make(*arguments)
    except ModuleNotFoundError as error:
        return f"{error}."


def retrieval_set(images: int) -> tuple[Tensor, Tensor]:
    """Embeddings of unit length around the centres of their classes, and labels: 6, 60 and N/12 images a class."""
    rng = torch.Generator().manual_seed(0)
    fine = torch.arange(images) % (images // 6)  # none alone: peers count these as 0, or leave them out
    middle = fine // 10
    labels = torch.stack((fine, middle, middle % 12), dim=1)
    embeddings = torch.randn(images, _DIMENSIONS, generator=rng)
    for column in labels.T:
        embeddings += 0.4 * torch.randn(int(column.max()) + 1, _DIMENSIONS, generator=rng)[column]
    return torch.nn.functional.normalize(embeddings), labels


def _compared(embeddings: Tensor, labels: Tensor, part: slice, peers: Mapping[str, Evaluation]) -> list[Line]:
    images = len(labels)
    found = means(score_queries(embeddings, labels), part)
    for name, evaluate in peers.items():
        for score, expected in evaluate().items():
            if abs(found[score] - expected) > 1e-5:
                sys.exit(f"{score}: {found[score]} here, {expected} by {name}. Nothing wrong is timed.")
    tasks = {"ours": Task(lambda _: score_queries(embeddings, labels))}
    tasks["first"] = Task(lambda _: topk_scores(embeddings, labels))
    tasks |= {name: Task(lambda _, run=evaluate: run()) for name, evaluate in peers.items()}  # type: ignore[misc]
    timed = race(tasks, rounds=3, warm_up=False)
    scale = images / (part.stop or images)
    note = "" if scale == 1 else f", from {part.stop} queries"
    what = f"`score_queries`, {images:,} images, {_LEVELS} levels"
    lines = [
        compared(
            timed, what, "ours", name, name, faster=True, limit=_LIMITS[name], scale=scale, note=note, number=".1f"
        )
        for name in peers
    ]
    first = f"`topk_scores` of k = 1, 10, {images:,} images"
    return [*lines, compared(timed, first, "first", "ours", "`score_queries`", faster=True, number=".1f")]


def means(found: QueryScores, part: slice) -> Means:
    """Mean scores of some queries, under HAPPIER's names."""
    named = {"H-AP_multi": found.hierarchical_ap, "NDCG_multi": found.ndcg, "ASI_multi": found.asi}
    for level in range(found.average_precision.shape[1]):
        named[f"AP_level{level}"] = found.average_precision[:, level]
        named[f"mAP@R_level{level}"] = found.map_at_r[:, level]
        named[f"ASI_level{level}"] = found.asi_by_level[:, level]
        named[f"AP#{level + 1}_exclude"] = found.level_ap[:, level]
        named[f"P@1_level{level}"] = found.precision_at[1][:, level]
        for k, column in found.recall_at.items():
            named[f"R@{k}_level{level}"] = column[:, level]
    return {name: float(scores[part].nanmean()) for name, scores in named.items()}


def _pytorch_metric_learning(embeddings: Tensor, labels: Tensor, part: slice) -> Evaluation:
    import faiss
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    faiss.omp_set_num_threads(1)
    names = {
        "mean_average_precision": "AP",
        "mean_average_precision_at_r": "mAP@R",
        "precision_at_1": "P@1",
    }
    calculator = AccuracyCalculator(include=tuple(names), k=len(labels) - 1, device=torch.device("cpu"))

    def evaluate() -> Means:
        found: dict[str, float] = {}
        for level, column in enumerate(labels.T):
            scores = calculator.get_accuracy(
                embeddings[part], column[part], embeddings, column, ref_includes_query=True
            )
            found |= {f"{ours}_level{level}": scores[theirs] for theirs, ours in names.items()}
        return found

    return evaluate


def _happier(path: Path | None, embeddings: Tensor, labels: Tensor, part: slice) -> Evaluation:
    """Its evaluation of embeddings that are there, given relevances, which its data sets make beforehand."""
    if path is None:
        raise ModuleNotFoundError("no checkout was given with `--happier PATH`")
    sys.path.insert(0, str(path))
    try:
        os.environ["TQDM_DISABLE"] = "1"
        from happier.engine.accuracy_calculator import AccuracyCalculator
        from happier.lib import LOGGER
    finally:
        sys.path.remove(str(path))
    LOGGER.setLevel("WARNING")
    calculator: Any = AccuracyCalculator(
        compute_for_hierarchy_levels=list(range(_LEVELS)),
        recall_rate=[1, 10],
        hard_ap_for_level=list(range(1, _LEVELS + 1)),
        with_binary_asi=True,
    )
    level = shared_levels(labels[part, None], labels)
    counts = torch.stack([(level == t).sum(1) for t in range(_LEVELS + 1)], dim=1)
    relevance = relevances(counts).float()

    def evaluate() -> Means:
        found: Means = calculator.batch_metrics(embeddings[part], labels[part], True, relevance, embeddings, labels)
        return found

    return evaluate


def _largest(images: int) -> list[Line]:
    clock, cpu, memory = map(float, in_a_process("retrieval", str(images)).split())
    what = f"`score_queries`, {images:,} images, {_LEVELS} levels, one thread"
    return [
        Line(what, in_words(clock), "", Spread.of([clock / 60]), "{:.2f} min", at_most=8, by_cpu=cpu / 60),
        Line(what, "", "memory beyond the embeddings", Spread.of([memory]), "{:.0f} MB", at_most=300),
    ]


@contextmanager
def one_thread() -> Iterator[None]:
    """Whatever torch computes meanwhile."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _measure(images: int) -> tuple[float, float, float]:
    """Seconds on the clock and of the processor, and MB that the peak lies above what was in use before."""
    with one_thread():
        embeddings, labels = retrieval_set(images)
        score_queries(embeddings[:1000], labels[:1000])  # what is imported and allocated once
        before = reset_peak()
        took = seconds(Task(lambda _: score_queries(embeddings, labels)))
        return *took, peak() - before


if __name__ == "__main__":
    print(*_measure(int(sys.argv[1])))
