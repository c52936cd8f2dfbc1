"""How well an estimate of hardness agrees with the truth: functions of two aligned tensors.

Each takes ``estimated (N,)`` and ``true (N,)``, the hardness of the same images in the same order, and gives a scalar,
the higher the better. Two rankings are brought into that form by :func:`hardest_metrics.alignment.join`.

- Nothing depends on the order of the images. Images of equal estimate are met in any order, each order as likely as
  another: what a measure counts at their places is the mean of their truth.
- A measure that is undefined is NaN, never a number that seems to say something: correlation with a constant; what
  share of no hardness was met; telling the hardest of images of which none is harder than another.
- Numbers that are not finite are refused.
"""

import math
from collections.abc import Callable
from functools import partial
from numbers import Integral

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

#: The shares of the images that the paper takes for the hardest.
SHARES = (0.05, 0.1, 0.25, 0.5)


def spearman(estimated: Tensor, true: Tensor) -> Tensor:
    """Spearman's rank correlation, equal values having their mean rank.

    Args:
        estimated: ``(N,)`` hardness.
        true: ``(N,)`` hardness.

    Returns:
        A float64 scalar in [-1, 1]; NaN if either is constant or of fewer than two images.

    Example:
        >>> spearman(torch.tensor([0.1, 0.4, 0.3]), torch.tensor([0.0, 2.0, 3.0]))
        tensor(0.5000, dtype=torch.float64)
    """
    # torchmetrics' is 0 of a constant, 2e-6 off with three images, and adds up ranks in int32
    estimated, true = _checked(estimated, true)
    if len(true) < 2:
        return _undefined(true)
    return torch.corrcoef(torch.stack((_mean_ranks(estimated), _mean_ranks(true))))[0, 1]


def kendall(estimated: Tensor, true: Tensor) -> Tensor:
    """Kendall's rank correlation τ-b, which allows for ties.

    Args:
        estimated: ``(N,)`` hardness.
        true: ``(N,)`` hardness.

    Returns:
        A float64 scalar in [-1, 1]; NaN if either is constant or of fewer than two images.

    Example:
        >>> kendall(torch.tensor([0.1, 0.4, 0.3]), torch.tensor([0.0, 2.0, 3.0]))
        tensor(0.3333, dtype=torch.float64)
    """
    # torchmetrics' compares every two images, in a loop over images: 2 s for 5,000 of them
    estimated, true = _checked(estimated, true)
    x, y = estimated.unique(return_inverse=True)[1], true.unique(return_inverse=True)[1]
    both = x * len(y) + y
    # in the order of `estimated`, and where that is equal of `true`: equal ones are no inversions
    discordant = _inversions(y[both.argsort()])
    pairs = math.comb(len(true), 2)
    equal_x, equal_y, equal_both = map(_equal_pairs, (x, y, both))
    scale = math.sqrt((pairs - equal_x) * (pairs - equal_y))
    if not scale:
        return _undefined(true)
    return true.new_tensor((pairs - equal_x - equal_y + equal_both - 2 * discordant) / scale)


def ndcg(estimated: Tensor, true: Tensor, k: int | None = None) -> Tensor:
    """Normalised discounted cumulative gain, true hardness being the gain.

    Args:
        estimated: ``(N,)`` hardness.
        true: ``(N,)`` hardness, not negative.
        k: how many images to look at, from the hardest; None for all.

    Returns:
        A float64 scalar in [0, 1]; NaN of no hardness at all.

    Example:
        >>> ndcg(torch.tensor([0.1, 0.4, 0.3]), torch.tensor([0.0, 2.0, 3.0]))
        tensor(0.9134, dtype=torch.float64)
    """
    # torchmetrics' takes discounts for differences of float32 sums: 1e-5 off with 5,000 images
    if k is not None and (not _is_integer(k) or k < 1):
        raise ValueError(f"`k` must be a number of images of at least 1, or None, but is {k!r}.")
    gain = cumulative_hardness(estimated, true).diff(prepend=true.new_zeros(1, dtype=torch.float64))[:k]
    best = true.double().sort(descending=True).values[:k]
    discount = torch.arange(2, len(gain) + 2, dtype=gain.dtype, device=gain.device).log2().reciprocal()
    return (gain @ discount) / (best @ discount)


def cumulative_hardness(estimated: Tensor, true: Tensor) -> Tensor:
    """True hardness met by inspecting the images from the estimated hardest down.

    Args:
        estimated: ``(N,)`` hardness.
        true: ``(N,)`` hardness, not negative.

    Returns:
        ``(N,)`` float64: met with 1, 2, ..., N images; the last is the total. Across images of equal estimate it rises
        in a straight line.

    Example:
        >>> cumulative_hardness(torch.tensor([0.1, 0.4, 0.4, 0.9]), torch.tensor([0.0, 2.0, 4.0, 3.0]))
        tensor([3., 6., 9., 9.], dtype=torch.float64)
    """
    estimated, true = _checked(estimated, true)
    if (true < 0).any():
        raise ValueError(
            f"`true` holds {float(true.min()):g}, but what is added up must not be negative:"
            " give hardness of at least 0."
        )
    estimated, order = estimated.sort(descending=True, stable=True)
    met = F.pad(true[order].cumsum(0), (1, 0))
    number = estimated.unique_consecutive(return_counts=True)[1]
    end = number.cumsum(0)
    start = (end - number).repeat_interleave(number)
    place = torch.arange(1, len(true) + 1, device=true.device)
    share = (place - start) / number.double().repeat_interleave(number)
    return torch.lerp(met[start], met[end.repeat_interleave(number)], share)


def median_query_count(estimated: Tensor, true: Tensor) -> Tensor:
    """Share of the images that need not be inspected to have met half of the total true hardness.

    Inspected are the images from the estimated hardest down, the last one being that with which half is met. After
    Ayers, Sadeghi et al., *Query-based Hard-Image Retrieval for Object Detection at Test Time*, AAAI 2023, whose
    program leaves that image out unless half is met exactly, and gives 1/N more then.

    Args:
        estimated: ``(N,)`` hardness.
        true: ``(N,)`` hardness, not negative.

    Returns:
        A float64 scalar in [0, 1), about 0.5 for a constant estimate; NaN of no hardness at all.

    Example:
        >>> median_query_count(torch.tensor([0.1, 0.4, 0.3, 0.2]), torch.tensor([0.0, 2.0, 3.0, 1.0]))
        tensor(0.5000, dtype=torch.float64)
    """
    met = cumulative_hardness(estimated, true)
    if not len(met) or not met[-1]:
        return _undefined(met)
    # the sum of a half may be rounded down where the half of the sum is not
    short_of_half = met < met[-1] / 2 * (1 - 1e-12)
    return 1 - (short_of_half.sum() + 1).to(met.dtype) / len(met)


def hardest(true: Tensor, share: float) -> Tensor:
    """Which images are among the hardest: those harder than the percentile that the share names, as in the paper.

    That is ``ceil(share · (N - 1))`` images, at least one; fewer where images at the border are equally hard, as none
    of these is taken, unless none is harder: then all of them are.

    Args:
        true: ``(N,)`` hardness.
        share: of the images, above 0 and below 1.

    Returns:
        ``(N,)`` bool.

    Example:
        >>> hardest(torch.tensor([0.0, 2.0, 3.0, 1.0, 1.0]), 0.5)
        tensor([False,  True,  True, False, False])
        >>> hardest(torch.tensor([0.0, 2.0, 2.0, 1.0, 2.0]), 0.5)
        tensor([False,  True,  True, False,  True])
    """
    if not 0 < share < 1:
        raise ValueError(f"`share` must be above 0 and below 1, but is {share!r}.")
    # rounded before it is rounded up: 0.07 · 100 is a little more than 7
    return _hardest(_finite(true, "true"), math.ceil(round(share * (len(true) - 1), 9)))


def hardest_auroc(estimated: Tensor, true: Tensor, share: float | None = None) -> Tensor:
    """Area under the ROC curve of telling the truly hardest images from the others.

    Args:
        estimated: ``(N,)`` hardness.
        true: ``(N,)`` hardness.
        share: how many images are the hardest, see :func:`hardest`; None for the mean over :data:`SHARES`, as in the
            paper.

    Returns:
        A float64 scalar in [0, 1], 0.5 for a constant estimate; NaN if `true` is constant. torchmetrics computes it in
        float32: it is exact to about 1e-7.

    Example:
        >>> hardest_auroc(torch.tensor([0.1, 0.4, 0.3, 0.2]), torch.tensor([0.0, 2.0, 3.0, 1.0]), share=0.25)
        tensor(0.6667, dtype=torch.float64)
    """
    return _of_hardest(binary_auroc, estimated, true, share)


def hardest_average_precision(estimated: Tensor, true: Tensor, share: float | None = None) -> Tensor:
    """Average precision of telling the truly hardest images from the others.

    Args:
        estimated: ``(N,)`` hardness.
        true: ``(N,)`` hardness.
        share: how many images are the hardest, see :func:`hardest`; None for the mean over :data:`SHARES`.

    Returns:
        A float64 scalar in [0, 1], the share of hardest images for a constant estimate; NaN if `true` is constant.
        torchmetrics computes it in float32: it is exact to about 1e-7.

    Example:
        >>> hardest_average_precision(torch.tensor([0.1, 0.4, 0.3, 0.2]), torch.tensor([0.0, 2.0, 3.0, 1.0]), 0.25)
        tensor(0.5000, dtype=torch.float64)
    """
    return _of_hardest(binary_average_precision, estimated, true, share)


def budget_precision(estimated: Tensor, true: Tensor, budget: float | int = 0.1, share: float | None = None) -> Tensor:
    """Of the images that a labelling budget pays for, the share that is truly among the hardest.

    This is precision at k of information retrieval. Of images of equal estimate at the border, each is as likely to be
    paid for.

    Args:
        estimated: ``(N,)`` hardness.
        true: ``(N,)`` hardness.
        budget: how many images can be labelled, from the estimated hardest down: an integer for their number, a
            floating-point number above 0 for their share, rounded down; at least one image, at most all.
        share: how many images are the hardest, see :func:`hardest`; None for as many as the budget pays for.

    Returns:
        A float64 scalar in [0, 1]; NaN if `true` is constant.

    Example:
        >>> budget_precision(torch.tensor([0.1, 0.4, 0.3, 0.2]), torch.tensor([0.0, 2.0, 3.0, 1.0]), budget=3)
        tensor(1., dtype=torch.float64)
    """
    found, paid, _ = _at_budget(estimated, true, budget, share)
    return found / paid


def budget_recall(estimated: Tensor, true: Tensor, budget: float | int = 0.1, share: float | None = None) -> Tensor:
    """Of the truly hardest images, the share that a labelling budget pays for.

    This is recall at k of information retrieval. It equals :func:`budget_precision` where as many images are the
    hardest as the budget pays for.

    Args:
        estimated: ``(N,)`` hardness.
        true: ``(N,)`` hardness.
        budget: see :func:`budget_precision`.
        share: how many images are the hardest, see :func:`hardest`; None for as many as the budget pays for.

    Returns:
        A float64 scalar in [0, 1]; NaN if `true` is constant.

    Example:
        >>> budget_recall(torch.tensor([0.1, 0.4, 0.3, 0.2]), torch.tensor([0.0, 2.0, 3.0, 1.0]), 1, share=0.5)
        tensor(0.5000, dtype=torch.float64)
    """
    found, _, total = _at_budget(estimated, true, budget, share)
    return found / total


def _by_share(name: str, measure: Callable[..., Tensor]) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    return {name: measure} | {f"{name}@{share:.0%}": partial(measure, share=share) for share in SHARES}


#: What a comparison of rankings tabulates, by the name of its column. Without a number, AUROC and average precision
#: are means over :data:`SHARES`. Precision is at a budget of 10 %, recall at one of 25 %, both of the hardest 10 %.
MEASURES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "spearman": spearman,
    "kendall": kendall,
    "ndcg": ndcg,
    "ndcg@10": partial(ndcg, k=10),
    **_by_share("auroc", hardest_auroc),
    **_by_share("average_precision", hardest_average_precision),
    "precision@10%": partial(budget_precision, budget=0.1, share=0.1),
    "recall@25%": partial(budget_recall, budget=0.25, share=0.1),
    "median_query_count": median_query_count,
}


def _checked(estimated: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Both in float64."""
    if estimated.ndim != 1 or estimated.shape != true.shape:
        raise ValueError(
            "`estimated` and `true` must hold the hardness of the same images, both of shape (N,), but have shapes"
            f" {tuple(estimated.shape)} and {tuple(true.shape)}."
        )
    return _finite(estimated, "estimated"), _finite(true, "true")


def _finite(values: Tensor, name: str) -> Tensor:
    """``(N,)`` float64."""
    wrong = (~values.isfinite()).nonzero()
    if len(wrong):
        index = int(wrong[0])
        raise ValueError(
            f"`{name}[{index}]` is {float(values[index])}, but hardness must be finite: leave out what could not be"
            " measured."
        )
    return values.double()


def _is_integer(number: object) -> bool:
    """Also of NumPy, but no truth value."""
    return isinstance(number, Integral) and not isinstance(number, bool)


def _undefined(like: Tensor) -> Tensor:
    return like.new_tensor(math.nan, dtype=torch.float64)


def _mean_ranks(values: Tensor) -> Tensor:
    """``(N,)`` float64 from 1, equal values having the mean of their ranks."""
    _, group, number = values.unique(return_inverse=True, return_counts=True)
    last = number.cumsum(0).double()
    ranks: Tensor = last - (number - 1).double() / 2
    return ranks[group]


def _equal_pairs(values: Tensor) -> int:
    number = values.unique(return_counts=True)[1]
    return int((number * (number - 1) // 2).sum())


def _inversions(values: Tensor) -> int:
    """Pairs of which the first is the larger, among ``(N,)`` int64 of at least 0.

    Two different numbers first differ in one bit. So for each bit, from the highest, numbers are put together that are
    equal in all higher bits, in their order, and in each such group every 0 has the 1s before it counted.
    """
    total = 0
    for bit in reversed(range(int(values.max()).bit_length() if len(values) else 0)):
        one = values >> bit & 1
        ones = F.pad(one.cumsum(0), (1, 0))
        number = (values >> (bit + 1)).unique_consecutive(return_counts=True)[1]
        start = (number.cumsum(0) - number).repeat_interleave(number)
        total += int(((ones[1:] - ones[start]) * (1 - one)).sum())
        values = values[(values >> bit).argsort(stable=True)]
    return total


def _hardest(true: Tensor, number: int) -> Tensor:
    """The `number` hardest images without those that tie at the border, unless these are all there are."""
    if len(true) <= number:
        return torch.ones_like(true, dtype=torch.bool)
    harder = true > true.sort(descending=True).values[number]
    return harder if harder.any() else true == true.max()


def _of_hardest(
    measure: Callable[[Tensor, Tensor], Tensor], estimated: Tensor, true: Tensor, share: float | None
) -> Tensor:
    """A measure of two classes, of one share or the mean over all :data:`SHARES`."""
    estimated, true = _checked(estimated, true)
    if _constant(true):
        return _undefined(true)
    # torchmetrics takes numbers outside [0, 1] for logits, whose sigmoid makes large ones equal: give it ranks instead
    rank = estimated.unique(return_inverse=True)[1].to(estimated.dtype)
    score = rank / rank.max().clamp(min=1)
    values = [measure(score, hardest(true, one).long()) for one in (SHARES if share is None else (share,))]
    return torch.stack(values).double().mean()


def _constant(values: Tensor) -> bool:
    return not len(values) or bool((values == values[0]).all())


def _at_budget(estimated: Tensor, true: Tensor, budget: float | int, share: float | None) -> tuple[Tensor, int, Tensor]:
    """How many of the hardest images the budget pays for, how many images it pays for, how many are the hardest."""
    estimated, true = _checked(estimated, true)
    if isinstance(budget, bool) or not (budget >= 1 if _is_integer(budget) else 0 < budget <= 1):
        raise ValueError(
            "`budget` must be a number of images, an integer of at least 1, or their share, a floating-point number"
            f" above 0 and at most 1, but is {budget!r}."
        )
    if _constant(true):
        return _undefined(true), 1, true.new_tensor(1.0)
    # rounded before it is rounded down: 0.29 · 100 is a little less than 29
    number = int(budget) if _is_integer(budget) else math.floor(round(budget * len(true), 9))
    number = min(max(number, 1), len(true))
    is_hardest = _hardest(true, number) if share is None else hardest(true, share)
    border = estimated.sort(descending=True).values[number - 1]
    before, at_border = estimated > border, estimated == border
    found = is_hardest[before].sum() + is_hardest[at_border].double().mean() * (number - before.sum())
    return found, number, is_hardest.sum()
