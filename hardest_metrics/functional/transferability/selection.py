"""How well scores choose a model: functions of the scores of candidates and of what each reached once it was trained.

Each takes ``scores (N,)`` and ``performance (N,)``, such as the mAP, of the same candidates in the same order, the
higher the better. Spearman's and Kendall's correlations are those of :mod:`hardest_metrics.functional.agreement`. With
a handful of candidates all of these say little: show :func:`bootstrap_interval` beside.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Measure = Callable[[Tensor, Tensor], Tensor]


def pearson(scores: Tensor, performance: Tensor) -> Tensor:
    """Pearson's correlation: how far performance is a linear function of the scores.

    Args:
        scores: ``(N,)``.
        performance: ``(N,)``.

    Returns:
        A float64 scalar in [-1, 1]; NaN if either is constant or of fewer than two candidates.

    Raises:
        ValueError: if they are not of one length, or hold a number that is not finite.

    Example:
        >>> pearson(torch.tensor([1.0, 2, 4]), torch.tensor([0.1, 0.4, 0.5]))
        tensor(0.8910, dtype=torch.float64)
    """
    scores, performance = _checked(scores, performance)
    if _constant(scores) or _constant(performance):
        return scores.new_full((), torch.nan)
    return torch.corrcoef(torch.stack((scores, performance)))[0, 1]


def weighted_kendall(scores: Tensor, performance: Tensor) -> Tensor:
    """Kendall's correlation in which the best count most: τ_w with hyperbolic weights, as LogME's paper reports.

    A pair of candidates of ranks r and s, from 0, weighs 1 / (r + 1) + 1 / (s + 1); by the ranks of the scores and by
    those of the performance, and the mean of both. After `A Weighted Correlation Index for Rankings with Ties
    <https://arxiv.org/abs/1404.3325>`_ (Vigna, 2015).

    Args:
        scores: ``(N,)``.
        performance: ``(N,)``.

    Returns:
        A float64 scalar in [-1, 1]; NaN if either is constant or of fewer than two candidates.

    Raises:
        ModuleNotFoundError: if scipy is not installed.
        ValueError: as of :func:`pearson`.

    Example:
        >>> weighted_kendall(torch.tensor([1.0, 2, 4]), torch.tensor([0.1, 0.6, 0.5]))
        tensor(0.1818, dtype=torch.float64)
    """
    scores, performance = _checked(scores, performance)
    if _constant(scores) or _constant(performance):
        return scores.new_full((), torch.nan)
    try:
        from scipy.stats import weightedtau  # here: most who score models never ask for it
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'The weighted correlation needs scipy: pip install "hardest_metrics[calibration]".'
        ) from error
    statistic = weightedtau(scores.cpu().numpy(), performance.cpu().numpy()).statistic
    return scores.new_tensor(float(statistic))


def regret(scores: Tensor, performance: Tensor) -> Tensor:
    """The performance that is lost by taking the candidate of the highest score.

    Args:
        scores: ``(N,)``; of several highest ones each is as likely to be taken.
        performance: ``(N,)``.

    Returns:
        A float64 scalar of at least 0, the lower the better, in the unit of `performance`; NaN without candidates.

    Raises:
        ValueError: as of :func:`pearson`.

    Example:
        >>> regret(torch.tensor([1.0, 2, 4]), torch.tensor([0.1, 0.6, 0.5]))
        tensor(0.1000, dtype=torch.float64)
    """
    scores, performance = _checked(scores, performance)
    if not len(scores):
        return scores.new_full((), torch.nan)
    # a mean of equal numbers may be off by a rounding
    return (performance.max() - performance[scores == scores.max()].mean()).clamp(min=0)


def bootstrap_interval(
    measure: Measure,
    scores: Tensor,
    performance: Tensor,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Between which values a measure lies when candidates are drawn anew: the percentile bootstrap.

    scipy's has no place for draws of which the measure is undefined, which are many among few candidates. Few are
    drawn alike again and again, in some order, which makes no difference: each such draw is measured once.

    Args:
        measure: of scores and performance, such as :func:`pearson`.
        scores: ``(N,)``.
        performance: ``(N,)``.
        level: the share of the draws that lie between.
        resamples: how many draws, each of N candidates with replacement.
        seed: of the draws.

    Returns:
        The lower and the upper end. Draws of which the measure is undefined, such as a correlation of one candidate
        drawn N times, do not count; both ends are NaN where more than half are of that kind.

    Raises:
        ValueError: as of :func:`pearson`, or if `level` or `resamples` make no sense.

    Example:
        >>> bootstrap_interval(regret, torch.tensor([1.0, 2, 4]), torch.tensor([0.1, 0.4, 0.5]))
        (0.0, 0.0)
    """
    scores, performance = _checked(scores, performance)
    _check_draws(level, resamples)
    if not len(scores):
        return torch.nan, torch.nan
    drawn = torch.randint(len(scores), (resamples, len(scores)), generator=torch.Generator().manual_seed(seed))
    drawn, place = drawn.sort(dim=1).values.unique(dim=0, return_inverse=True)
    values = torch.stack([measure(scores[rows], performance[rows]) for rows in drawn.to(scores.device)])
    return _between(values[place.to(values.device)], level)


def bootstrap_mean_interval(
    values: Tensor, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Between which values the mean of a measure lies when what it was measured for is drawn anew.

    For a measure, such as :func:`pearson`, that was taken of each of several targets: of four candidates each it says
    little of any of them, but its mean over the targets may.

    Args:
        values: ``(G,)``, of each target; NaN where it is undefined, which does not count.
        level: the share of the draws that lie between.
        resamples: how many draws, each of all targets with replacement.
        seed: of the draws.

    Returns:
        The lower and the upper end; NaN without a defined value.

    Raises:
        ValueError: if `level` or `resamples` make no sense.

    Example:
        >>> bootstrap_mean_interval(torch.tensor([0.5, 0.5, torch.nan]))
        (0.5, 0.5)
    """
    _check_draws(level, resamples)
    values = values.double()[~values.isnan()]
    if not len(values):
        return torch.nan, torch.nan
    drawn = torch.randint(len(values), (resamples, len(values)), generator=torch.Generator().manual_seed(seed))
    return _between(values[drawn.to(values.device)].mean(1), level)


def _check_draws(level: float, resamples: int) -> None:
    if not 0 < level < 1:
        raise ValueError(f"`level` must be a share between 0 and 1, but is {level!r}.")
    if resamples < 1:
        raise ValueError(f"`resamples` must be at least 1, but is {resamples!r}.")


def _between(values: Tensor, level: float) -> tuple[float, float]:
    """The ends of that share of the values; NaN where more than half are undefined."""
    defined = values[~values.isnan()]
    if len(defined) * 2 < len(values):
        return torch.nan, torch.nan
    outside = (1 - level) / 2
    low, high = defined.quantile(defined.new_tensor([outside, 1 - outside])).tolist()
    return low, high


def _checked(scores: Tensor, performance: Tensor) -> tuple[Tensor, Tensor]:
    if scores.ndim != 1 or scores.shape != performance.shape:
        raise ValueError(
            f"`scores` and `performance` must be of one shape (N,), but are {(*scores.shape,)} and"
            f" {(*performance.shape,)}: give both of the same candidates in the same order."
        )
    for name, values in (("scores", scores), ("performance", performance)):
        if not values.isfinite().all():
            place = int((~values.isfinite()).nonzero()[0])
            raise ValueError(
                f"`{name}` must be finite, but candidate {place} has {float(values[place])}: leave it out of both."
            )
    return scores.detach().double(), performance.detach().double().to(scores.device)


def _constant(values: Tensor) -> bool:
    return len(values) < 2 or bool((values == values[0]).all())
