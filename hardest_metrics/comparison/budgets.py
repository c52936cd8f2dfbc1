"""What estimates are worth to whoever labels, and which gains are more than noise, in words."""

import torch
from torch import Tensor

from hardest_metrics.alignment import join
from hardest_metrics.comparison.comparison import LABELS, Comparison
from hardest_metrics.comparison.estimates import estimate_named
from hardest_metrics.functional.agreement import cumulative_hardness

#: The shares of the images that labelling is paid for.
BUDGETS = (0.1, 0.2, 0.3)

#: A gain of fewer standard errors is taken for noise.
_SURE = 2.0


def found_with(estimated: Tensor, true: Tensor, share: float) -> float:
    """The share of all true hardness that lies in so many images, from the estimated hardest down.

    Args:
        estimated: ``(N,)`` hardness.
        true: ``(N,)`` hardness, not negative.
        share: of the images, rounded down, at least one.

    Returns:
        In [0, 1]; NaN of no hardness at all.

    Example:
        >>> found_with(torch.tensor([0.1, 0.4, 0.3, 0.2]), torch.tensor([0.0, 2.0, 3.0, 1.0]), 0.5)
        0.8333333333333334
    """
    met = cumulative_hardness(estimated, true)
    if not len(met):
        return torch.nan
    return float(met[max(int(share * len(met) + 1e-9), 1) - 1] / met[-1])


def spearman_parts(estimated: Tensor, true: Tensor) -> Tensor:
    """What each image contributes to Spearman's correlation: the influence of its ranks, of mean 0.

    The standard error of the correlation is the deviation of these over the root of their number; that of the
    difference of two estimates' correlations with the same truth is that of their parts' difference.

    Args:
        estimated: ``(N,)`` hardness.
        true: ``(N,)`` hardness.

    Returns:
        ``(N,)`` float64; NaN if either is constant.
    """
    ranks = torch.stack([_mean_ranks(column.double()) for column in (estimated, true)])
    ranks = ranks - ranks.mean(1, keepdim=True)
    x, y = ranks / ranks.square().mean(1, keepdim=True).sqrt()
    parts: Tensor = x * y - (x * y).mean() * (x.square() + y.square()) / 2
    return parts


def in_words(comparison: Comparison, detector: str) -> list[str]:
    """Of the estimate that agrees best with the labels of a detector: what it finds, and what it gains on others.

    Args:
        comparison: with labels.
        detector: of it.
    """
    by_name: dict[str, dict[str, tuple[Tensor, Tensor]]] = {}
    truth = {r.definition: r.ranking for r in comparison.rankings if (r.detector, r.estimator) == (detector, LABELS)}
    for ranked in comparison.rankings:
        if ranked.detector == detector and ranked.estimator != LABELS and ranked.definition in truth:
            aligned = join(ranked.ranking, truth[ranked.definition])
            by_name.setdefault(ranked.estimator, {})[ranked.definition] = aligned[0], aligned[1]
    agreement = comparison.agreement[comparison.agreement["detector"] == detector]
    means = agreement.groupby("estimator", sort=False)["spearman"].mean().dropna()
    if means.empty:
        return []
    best = str(means.idxmax())
    return [*_found(detector, best, by_name[best]), *_gains(detector, best, means.to_dict(), by_name)]


def _found(detector: str, best: str, pairs: dict[str, tuple[Tensor, Tensor]]) -> list[str]:
    counted = next((pairs[name] for name in ("total_false/none", *pairs) if name in pairs), None)
    if counted is None or not float(counted[1].sum()):
        return []
    name = "total_false/none" if "total_false/none" in pairs else next(iter(pairs))
    estimated, true = counted

    def shares(by: Tensor) -> str:
        return ", ".join(f"{100 * found_with(by, true, budget):.0f}" for budget in BUDGETS)

    budgets = ", ".join(f"{100 * budget:.0f}" for budget in BUDGETS)
    return [
        f"{detector}: the hardest {budgets} % of the images by {best} hold {shares(estimated)} % of all hardness by"
        f" {name}; at random {budgets} %, by the labels themselves {shares(true)} %."
    ]


def _gains(
    detector: str, best: str, means: dict[str, float], by_name: dict[str, dict[str, tuple[Tensor, Tensor]]]
) -> list[str]:
    """On the best of each other family."""
    parts = {name: torch.stack([spearman_parts(*pair) for pair in by_name[name].values()]) for name in means}
    said, families = [], {estimate_named(best).family}
    for name in sorted(means, key=lambda one: -means[one]):
        family = estimate_named(name).family
        if family in families or parts[name].shape != parts[best].shape:
            continue
        families.add(family)
        difference = (parts[best] - parts[name]).nanmean(0)
        error = float(difference.std(correction=0)) / len(difference) ** 0.5
        gain = means[best] - means[name]
        noise = "" if gain > _SURE * error else ", which is within noise"
        said.append(f"{gain:.3f} ± {error:.3f} on {name}{noise}")
    own = float(parts[best].nanmean(0).std(correction=0)) / parts[best].shape[1] ** 0.5
    gains = f" It gains {'; '.join(said)}." if said else ""
    return [f"{detector}: Spearman of {best} {means[best]:.3f} ± {own:.3f} (standard error over images).{gains}"]


def _mean_ranks(values: Tensor) -> Tensor:
    """``(N,)``, equal values having their mean rank."""
    _, place, number = values.unique(return_inverse=True, return_counts=True)
    ranks: Tensor = number.cumsum(0) - (number - 1) / 2
    return ranks[place].double()
