"""A ranking and what it says of the set as a whole."""

import math
from typing import NamedTuple

import numpy as np
from torch import Tensor

from hardest_metrics.ranking import Ranking


class Summary(NamedTuple):
    """A ranking and what it says of the set as a whole.

    Attributes:
        ranking: of all images.
        mean: of their hardness; NaN of no images.
        p95: the 95th percentile of their hardness, interpolated; NaN of no images.
        share_in_error: of images that the definition counts as in error: in detection those with any error that
            the query counts, whatever its weight; by default those of hardness above 0. NaN of no images.
    """

    ranking: Ranking
    mean: float
    p95: float
    share_in_error: float

    @classmethod
    def of(cls, ranking: Ranking, in_error: Tensor) -> "Summary":
        """What a ranking says of the set.

        Args:
            ranking: of all images.
            in_error: ``(N,)`` bool, in any order: which images are counted as in error.
        """
        hardness = ranking.hardness.double()
        if not len(hardness):
            return cls(ranking, math.nan, math.nan, math.nan)
        # numpy's, as torch's takes 16 million values at most
        p95 = float(np.quantile(hardness.cpu().numpy(), 0.95))
        return cls(ranking, float(hardness.mean()), p95, float(in_error.double().mean()))


class Details(NamedTuple):
    """A summary, and what is known of every image, by ascending id.

    Attributes:
        summary: of all images.
        image_ids: ``(N,)`` int64, ascending.
        hardness: ``(N,)`` float32.
        in_error: ``(N,)`` bool.
    """

    summary: Summary
    image_ids: Tensor
    hardness: Tensor
    in_error: Tensor
