"""Images that became wrong or right from one run to another, and whether that could be chance."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardest_metrics.numbering import Identifier


class Flips(NamedTuple):
    """What became of the images.

    Attributes:
        became_wrong: keys of images in error now that were not before.
        became_right: the other way round.
        p: McNemar's exact p, two-sided: how probable flips as uneven as these are if neither run is better.
    """

    became_wrong: list[Identifier]
    became_right: list[Identifier]
    p: float


def flips(keys: Sequence[Identifier], wrong_before: NDArray[np.bool_], wrong_now: NDArray[np.bool_]) -> Flips:
    """Compare which images are in error.

    Args:
        keys: of the images.
        wrong_before: ``(N,)``.
        wrong_now: ``(N,)``.

    Example:
        >>> flips(["a", "b", "c"], np.array([False, False, True]), np.array([True, True, False]))
        Flips(became_wrong=['a', 'b'], became_right=['c'], p=1.0)
    """
    became_wrong, became_right = (
        [keys[place] for place in np.flatnonzero(changed).tolist()]
        for changed in (wrong_now & ~wrong_before, wrong_before & ~wrong_now)
    )
    return Flips(became_wrong, became_right, mcnemar(len(became_wrong), len(became_right)))


def mcnemar(one_way: int, other_way: int) -> float:
    """The exact p of McNemar's test, two-sided: a binomial test of the discordant pairs (McNemar, Psychometrika 1947).

    Args:
        one_way: pairs that differ in one way.
        other_way: pairs that differ in the other.

    Example:
        >>> mcnemar(19, 13)
        0.377086
    """
    pairs = one_way + other_way
    binomial, total = 1, 0  # whole numbers, and so exact
    for k in range(min(one_way, other_way) + 1):
        total += binomial
        binomial = binomial * (pairs - k) // (k + 1)
    return min(2 * total / (1 << pairs), 1.0)
