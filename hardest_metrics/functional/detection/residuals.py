"""How far estimates of hardness were off on labelled images, and what that says of images without labels.

Intervals around an estimate are split-conformal (Vovk et al., *Algorithmic Learning in a Random World*, 2005; Lei et
al., *Distribution-Free Predictive Inference for Regression*, JASA 2018): an image lies as far from its estimate, in
units of the model's own deviation, as labelled images do. Above and below apart, as hardness is skewed.
"""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from hardest_metrics.input_warning import InputWarning

#: Least share of the mean squared residual that every image's variance is taken to have.
_LEAST_SHARE = 0.01


class Intervals(NamedTuple):
    """Where the hardness of each image is expected to lie.

    Attributes:
        image_ids: ``(N,)`` int64, ascending.
        lower: ``(N,)`` float32, lower ends, at least 0.
        upper: ``(N,)`` float32, upper ends.
    """

    image_ids: Tensor
    lower: Tensor
    upper: Tensor


class MeanInterval(NamedTuple):
    """What the mean hardness of a set of images is estimated to be, and where it is expected to lie.

    Attributes:
        mean: the estimate, less what it was off on labelled images.
        lower: the lower end, at least 0.
        upper: the upper end.
    """

    mean: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Residual:
    """How far the estimates of one definition were off on labelled images.

    Args:
        scaled: of each image, hardness less its estimate, over the root of the squared deviation that the model
            states plus the squared `floor`; ascending.
        floor: what no image's deviation is taken to be below; above 0.
        mean: of hardness less its estimate, over the images.
        deviation: of the same.

    Raises:
        ValueError: if there are no images, `scaled` does not ascend, or a number makes no sense.
    """

    scaled: tuple[float, ...]
    floor: float
    mean: float
    deviation: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "scaled", tuple(map(float, self.scaled)))
        if not self.scaled:
            raise ValueError("`scaled` holds no images: fit residuals to labelled ones.")
        if not all(map(math.isfinite, self.scaled)) or sorted(self.scaled) != list(self.scaled):
            raise ValueError("`scaled` must be finite and ascend.")
        if not (0 < self.floor < math.inf and math.isfinite(self.mean) and 0 <= self.deviation < math.inf):
            raise ValueError(
                "`floor` must be above 0, `deviation` at least 0, and both and `mean` finite, but they are"
                f" {self.floor}, {self.deviation} and {self.mean}."
            )

    @classmethod
    def of(cls, hardness: Tensor, mean: Tensor, deviation: Tensor) -> "Residual":
        """What follows from labelled images.

        The floor is what the model's variance lacks of the mean squared residual, at least a hundredth of that.

        Args:
            hardness: ``(N,)`` by the labels, N at least 1.
            mean: ``(N,)``, its estimates, by models that were not fitted to the same image.
            deviation: ``(N,)``, the deviations that the model states.

        Example:
            >>> off = Residual.of(torch.tensor([0.0, 3.0]), torch.tensor([2.0, 1.0]), torch.tensor([1.0, 1.0]))
            >>> off.scaled, off.floor, off.mean  # off by 2 on both, where 1 was said
            ((-1.0, 1.0), 1.7320508075688772, 0.0)
        """
        off, variance = (hardness - mean).double(), deviation.double().square()
        square = off.square().mean()
        lacking = torch.maximum(square - variance.mean(), _LEAST_SHARE * square)
        floor = lacking.sqrt().clamp(min=1e-9)  # where all estimates are right, every interval is a point
        scaled = (off / (variance + floor.square()).sqrt()).sort().values
        spread = off.std(correction=min(1, len(off) - 1))
        return cls(tuple(scaled.tolist()), float(floor), float(off.mean()), float(spread))

    def ends(self, mean: Tensor, deviation: Tensor, coverage: float) -> tuple[Tensor, Tensor]:
        """Between which an image's hardness lies, with at least so much probability.

        Args:
            mean: ``(N,)`` estimates.
            deviation: ``(N,)``, as the model states them.
            coverage: in (0, 1). Beyond what as many labelled images can tell, the outermost residuals are taken.

        Returns:
            ``(N,)`` lower ends, at least 0, and ``(N,)`` upper ends.
        """
        number, tail = len(self.scaled), (1 - coverage) / 2
        outside = math.floor((number + 1) * tail + 1e-9)  # residuals beyond each end, and the one at it
        place = min(max(outside, 1), (number + 1) // 2)
        unit = (deviation.square() + self.floor**2).sqrt()
        lower, upper = mean + self.scaled[place - 1] * unit, mean + self.scaled[number - place] * unit
        return lower.clamp(min=0), upper.clamp(min=0)

    def of_set(self, mean: float, number: int, coverage: float) -> MeanInterval:
        """What the mean of a set of images is, and between what it lies.

        The difference of two means, of residuals of labelled images and of those to come, by Student's t.

        Args:
            mean: of the estimates.
            number: of images that they are of.
            coverage: in (0, 1).

        Raises:
            ModuleNotFoundError: if scipy is not installed.
            ValueError: if residuals are of a single image.
        """
        labelled = len(self.scaled)
        if labelled < 2:
            raise ValueError("`residuals` are of a single image, which says nothing of means: fit them to more.")
        try:
            from scipy.special import stdtrit
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                'Intervals of means need scipy: pip install "hardest_metrics[calibration]".'
            ) from error
        quantile = float(stdtrit(labelled - 1, (1 + coverage) / 2))
        half = quantile * self.deviation * math.sqrt(1 / labelled + 1 / max(number, 1))
        middle = mean + self.mean
        return MeanInterval(max(middle, 0.0), max(middle - half, 0.0), max(middle + half, 0.0))


@dataclass(frozen=True, repr=False)
class Residuals:
    """How far an estimator was off on labelled images, by definition.

    Args:
        estimator: what it is called, such as ``"expected_hardness"``.
        query: the query of the definitions, as text.
        by_definition: by ``"kind/weighting"``, such as ``"total_false/none"``.
    """

    estimator: str
    query: str
    by_definition: Mapping[str, Residual]

    @property
    def number(self) -> int:
        """Of labelled images."""
        return max((len(residual.scaled) for residual in self.by_definition.values()), default=0)

    def __repr__(self) -> str:
        return f"Residuals({self.estimator}, {len(self.by_definition)} definitions, {self.number} images)"

    def of(self, estimator: str, query: str, definition: str) -> Residual:
        """Those of one definition.

        Raises:
            ValueError: if they are of another estimator or query, or do not know the definition.
        """
        for what, given, wanted in (("estimator", self.estimator, estimator), ("query", self.query, query)):
            if given != wanted:
                raise ValueError(
                    f"`residuals` are of the {what} {given}, but this one is {wanted}: fit them to this one."
                )
        if definition not in self.by_definition:
            raise ValueError(
                f"`residuals` know nothing of {definition}, but of {', '.join(self.by_definition)}: fit them to it too."
            )
        return self.by_definition[definition]


def check_coverage(coverage: float) -> None:
    """Refuse what is no share between none and all."""
    if not 0 < coverage < 1:
        raise ValueError(f"`coverage` must be a number between 0 and 1, but is {coverage!r}.")


def warn_of_coverage(number: int, coverage: float) -> None:
    """Say so where so many labelled images cannot tell what lies so far out."""
    most = (number - 1) / (number + 1)
    if coverage > most + 1e-9:
        needed = math.ceil((1 + coverage) / (1 - coverage) - 1e-9)
        warnings.warn(
            f"`residuals` of {number} labelled images cover {most:.0%} at the most, less than the `coverage` of"
            f" {coverage:.0%}: fit them to {needed} or more.",
            InputWarning,
            stacklevel=4,
        )
