"""Hardness against what is known of images: slice by slice, and as a correlation."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hardest_metrics.functional.agreement import spearman

#: A number that takes no more values than this has a slice for each; else one for each quarter of the images.
_FEW_VALUES = 5

#: Slices of text; rarer values share one.
_MOST_VALUES = 12

_NUMBERS_AT_ONCE = 1 << 22

UNKNOWN, OTHERS = "not known", "others"


class Slice(NamedTuple):
    """Some of the images, and how hard these are.

    Attributes:
        attribute: that tells them from the others.
        value: of it that they have, in words.
        images: how many they are.
        mean: of their hardness.
        low: lower end of the 95 % bootstrap interval of the mean; NaN of a single image.
        high: upper end.
    """

    attribute: str
    value: str
    images: int
    mean: float
    low: float
    high: float


class Sliced(NamedTuple):
    """Hardness by slice.

    Attributes:
        slices: attribute by attribute, those of numbers in ascending order, those of text by mean hardness, the highest
            first.
        correlations: Spearman's with hardness, of each attribute that is a number, over the images of which it is
            known; NaN where it is undefined.
        explained: of each attribute that is text, the share of the variance of hardness that lies between its values
            (eta squared), in [0, 1]; NaN where hardness is constant.
    """

    slices: list[Slice]
    correlations: dict[str, float]
    explained: dict[str, float]


def slice_hardness(
    hardness: Tensor, attributes: Mapping[str, Sequence[float] | Sequence[str]], seed: int = 0
) -> Sliced:
    """Mean hardness by what is known of images, with bootstrap intervals, and how the two go together.

    A number of at most 5 different values has a slice for each of them, another one a slice for each quarter of the
    images of which it is known. Text has a slice for each of its 12 most frequent values, and one for all others.
    Images of which an attribute is not known (NaN, or empty text) have a slice of their own.

    Args:
        hardness: ``(N,)``.
        attributes: by name, a number or a text for each image, in the same order.
        seed: of the bootstrap, which draws 1,000 samples with replacement from each slice.

    Raises:
        ModuleNotFoundError: if scipy is not installed.
        ValueError: if an attribute has another number of values.

    Example:
        >>> sliced = slice_hardness(torch.tensor([0.0, 1, 2, 5]), {"weather": ["sun", "sun", "fog", "fog"]})
        >>> [(one.value, one.images, one.mean) for one in sliced.slices]
        [('fog', 2, 3.5), ('sun', 2, 0.5)]
        >>> round(sliced.explained["weather"], 3)
        0.643
    """
    values = hardness.double().cpu().numpy()
    slices: list[Slice] = []
    correlations: dict[str, float] = {}
    explained: dict[str, float] = {}
    for name, attribute in attributes.items():
        if len(attribute) != len(values):
            raise ValueError(f"`attributes` {name!r} has {len(attribute)} values, but there are {len(values)} images.")
        if all(isinstance(value, str) for value in attribute):
            groups = _of_text(attribute)
            means = {value: values[places].mean() for value, places in groups.items()}
            last = {OTHERS: 1, UNKNOWN: 2}
            groups = {value: groups[value] for value in sorted(groups, key=lambda v: (last.get(v, 0), -means[v]))}
            explained[name] = _eta_squared(values, groups)
        else:
            numbers = np.array(attribute, dtype=np.float64)
            known = np.isfinite(numbers)
            groups = _of_numbers(numbers, known)
            pair = torch.from_numpy(numbers[known]), torch.from_numpy(values[known])
            correlations[name] = float(spearman(*pair)) if known.sum() > 1 else math.nan
        for value, places in groups.items():
            low, high = _interval(values[places], seed)
            slices.append(Slice(name, value, len(places), float(values[places].mean()), low, high))
    return Sliced(slices, correlations, explained)


def _of_text(texts: Sequence[Any]) -> dict[str, NDArray[np.int64]]:
    """The places of each of the most frequent values, of all others, and of those that are empty."""
    frequent = [value for value, _ in Counter(filter(None, texts)).most_common(_MOST_VALUES)]
    groups: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        groups.setdefault(UNKNOWN if not text else text if text in frequent else OTHERS, []).append(place)
    return {value: np.array(places) for value, places in groups.items()}


def _of_numbers(numbers: NDArray[np.float64], known: NDArray[np.bool_]) -> dict[str, NDArray[np.int64]]:
    """The places of each value, or of each quarter."""
    groups = {}
    different = np.unique(numbers[known])
    if len(different) <= _FEW_VALUES:
        groups = {f"{value:.4g}": np.flatnonzero(numbers == value) for value in different}
    else:
        # between quartiles, each of which belongs to the slice below; equal ones leave out a slice
        edges = np.unique(np.quantile(numbers[known], (0.25, 0.5, 0.75), method="inverted_cdf"))
        quarter = np.searchsorted(edges, numbers[known])
        places = np.flatnonzero(known)
        for number in np.unique(quarter):
            inside = places[quarter == number]
            low, high = numbers[inside].min(), numbers[inside].max()
            groups[f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"] = inside
    if not known.all():
        groups[UNKNOWN] = np.flatnonzero(~known)
    return groups


def _interval(values: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """The percentile bootstrap interval of a mean."""
    if len(values) < 2:
        return math.nan, math.nan
    try:
        from scipy.stats import bootstrap  # here: it takes a second to import
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('Slices need scipy: pip install "hardest_metrics[calibration]".') from error
    found = bootstrap(
        (values,), np.mean, n_resamples=1000, batch=max(_NUMBERS_AT_ONCE // len(values), 1), method="percentile",
        random_state=np.random.default_rng(seed),
    )  # fmt: skip
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _eta_squared(values: NDArray[np.float64], groups: Mapping[str, NDArray[np.int64]]) -> float:
    total = float(((values - values.mean()) ** 2).sum())
    between = sum(len(places) * (values[places].mean() - values.mean()) ** 2 for places in groups.values())
    return float(between / total) if total else math.nan
