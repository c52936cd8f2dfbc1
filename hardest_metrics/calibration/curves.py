"""Never-falling functions from scores to probabilities."""

import math
from collections.abc import Sequence
from hashlib import sha256

import torch
from torch import Tensor

from hardest_metrics.functional.detection.estimation import Calibration

#: Scores nearer to 0 and 1 are taken for this far away: their logit is finite. float32 has no number nearer to 1.
_NEAREST = 2.0**-24


def logit(scores: Tensor) -> Tensor:
    """``(n,)`` float64 log-odds of scores in [0, 1], within ±16.7."""
    return scores.double().logit(eps=_NEAREST)


class Platt(Calibration):
    """A logistic function of the score's logit: ``sigmoid(slope · logit(score) + offset)``.

    After Platt, *Probabilistic outputs for support vector machines*, 1999. Without offset it is temperature scaling
    (Guo et al., *On Calibration of Modern Neural Networks*, ICML 2017) with temperature ``1 / slope``.

    Args:
        slope: at least 0.
        offset: of the log-odds.

    Raises:
        ValueError: if an argument is not finite, or `slope` is below 0.

    Example:
        >>> calibration = Platt(slope=0.5, offset=-1.0)
        >>> calibration(torch.tensor([0.0, 0.5, 1.0]))
        tensor([8.9806e-05, 2.6894e-01, 9.9934e-01], dtype=torch.float64)
    """

    def __init__(self, slope: float, offset: float = 0.0) -> None:
        if not (math.isfinite(slope) and slope >= 0):
            raise ValueError(f"`slope` must be finite and at least 0, but is {slope!r}.")
        if not math.isfinite(offset):
            raise ValueError(f"`offset` must be finite, but is {offset!r}.")
        self.slope = float(slope)
        self.offset = float(offset)
        self.settings = f"platt(slope={self.slope!r}, offset={self.offset!r})"

    def __call__(self, scores: Tensor) -> Tensor:
        """``(n,)`` float64 probabilities, for ``(n,)`` scores in [0, 1]."""
        return (self.slope * logit(scores) + self.offset).sigmoid()

    def __repr__(self) -> str:
        return f"Platt(slope={self.slope:.4g}, offset={self.offset:.4g})"


class Isotonic(Calibration):
    """Straight lines between knots, level outside.

    After Zadrozny and Elkan, *Transforming classifier scores into accurate multiclass probability estimates*, 2002.

    Args:
        scores: of the knots, rising.
        probabilities: at the knots, in [0, 1], never falling.

    Raises:
        ValueError: if there are no knots, lengths differ, or values are not as said.

    Example:
        >>> calibration = Isotonic([0.25, 0.75], [0.0, 0.5])
        >>> calibration(torch.tensor([0.0, 0.5, 1.0]))
        tensor([0.0000, 0.2500, 0.5000], dtype=torch.float64)
    """

    def __init__(self, scores: Sequence[float], probabilities: Sequence[float]) -> None:
        self.scores = tuple(map(float, scores))
        self.probabilities = tuple(map(float, probabilities))
        if not self.scores or len(self.scores) != len(self.probabilities):
            raise ValueError(
                f"`scores` and `probabilities` must hold one number a knot, but hold {len(self.scores)} and"
                f" {len(self.probabilities)}."
            )
        if not all(map(math.isfinite, self.scores)) or sorted(set(self.scores)) != list(self.scores):
            raise ValueError("`scores` must be finite and rise from knot to knot.")
        if not all(0 <= p <= 1 for p in self.probabilities) or sorted(self.probabilities) != list(self.probabilities):
            raise ValueError("`probabilities` must be in [0, 1] and never fall from knot to knot.")
        digest = sha256(repr((self.scores, self.probabilities)).encode()).hexdigest()[:16]
        self.settings = f"isotonic(knots={len(self.scores)}, sha256={digest!r})"

    def __call__(self, scores: Tensor) -> Tensor:
        """``(n,)`` float64 probabilities, for ``(n,)`` scores in [0, 1]."""
        scores = scores.double().contiguous()  # searchsorted warns that it has to copy others
        x, y = torch.tensor([self.scores, self.probabilities], dtype=scores.dtype, device=scores.device)
        right = torch.searchsorted(x, scores).clamp(max=len(x) - 1)
        left = (right - 1).clamp(min=0)
        share = ((scores - x[left]) / (x[right] - x[left])).nan_to_num(nan=0.0).clamp(0, 1)
        return torch.lerp(y[left], y[right], share).clamp(y[left], y[right])

    def __repr__(self) -> str:
        return f"Isotonic({len(self.scores)} knots)"
