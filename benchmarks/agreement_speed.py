"""Measures of agreement between two rankings, against scipy's and scikit-learn's."""

import sys
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.timing import Section, Task, compared, race
from hardest_metrics.functional import agreement

_SHARE = 0.1

Measure = Callable[[Tensor, Tensor], object]


def measures(quick: bool) -> Section:
    """Two rankings of 50,000 images, many of them equally hard."""
    try:
        peers = _peers()
    except ModuleNotFoundError as error:
        return Section("Agreement of rankings", notes=[f"{error.name} is not installed here; nothing is compared."])
    images = 5000 if quick else 50_000
    rng = torch.Generator().manual_seed(0)
    true = torch.poisson(torch.empty(images).exponential_(1 / 8, generator=rng), generator=rng)
    estimated = true + 4 * torch.randn(images, generator=rng)
    lines = []
    for name, (ours, theirs_name, theirs) in peers.items():
        found, expected = float(ours(estimated, true)), float(theirs(estimated, true))  # type: ignore[arg-type]
        if abs(found - expected) > 1e-6:
            sys.exit(f"{name}: {found} here, {expected} by {theirs_name}. Nothing wrong is timed.")
        timed = race(
            {kind: Task(lambda _, run=run: run(estimated, true)) for kind, run in (("ours", ours), ("theirs", theirs))},  # type: ignore[misc]
            rounds=15,
            budget=5,
        )
        lines.append(compared(timed, f"{name}, {images:,} images", "ours", "theirs", theirs_name, faster=True))
    return Section("Agreement of rankings", lines)


def _peers() -> dict[str, tuple[Measure, str, Measure]]:
    """By name ours, and another program's of the same value."""
    import scipy.stats
    import sklearn.metrics

    def hardest(true: Tensor) -> Tensor:
        return agreement.hardest(true, _SHARE)

    return {
        "`spearman`": (
            agreement.spearman,
            "scipy's `spearmanr`",
            lambda e, t: scipy.stats.spearmanr(e, t).statistic,
        ),
        "`kendall`": (
            agreement.kendall,
            "scipy's `kendalltau`",
            lambda e, t: scipy.stats.kendalltau(e, t).statistic,
        ),
        "`ndcg`": (
            agreement.ndcg,
            "scikit-learn's `ndcg_score`",
            lambda e, t: sklearn.metrics.ndcg_score(t[None], e[None]),
        ),
        "`hardest_auroc`": (
            lambda e, t: agreement.hardest_auroc(e, t, _SHARE),
            "scikit-learn's `roc_auc_score`",
            lambda e, t: sklearn.metrics.roc_auc_score(hardest(t), e),
        ),
        "`hardest_average_precision`": (
            lambda e, t: agreement.hardest_average_precision(e, t, _SHARE),
            "scikit-learn's `average_precision_score`",
            lambda e, t: sklearn.metrics.average_precision_score(hardest(t), e),
        ),
    }
