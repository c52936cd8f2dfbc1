"""The base of the measures of agreement: pairs of hardness, an image each."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from hardest_metrics.functional.agreement import join
from hardest_metrics.image_rows import ImageRows
from hardest_metrics.ranking import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Agreement(ImageRows):
    """How well estimated hardness agrees with the truth: a scalar, the higher the better.

    Keeps estimated and true hardness of each image, by the rules of its base class for rows of images: each image
    counts once, also across processes; what is refused leaves the metric as it was. All measures of agreement keep the
    same, and share it in a :class:`~torchmetrics.MetricCollection`; those that add up true hardness, and so refuse what
    is negative, among themselves. A subclass is one formula, :meth:`_formula`.

    Args:
        kwargs: see :class:`torchmetrics.Metric`.
    """

    higher_is_better = True
    plot_upper_bound = 1.0

    #: Whether true hardness must not be negative.
    _adds_up = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("agreement(float32)", (2,), group="true >= 0" if self._adds_up else "", **kwargs)

    @abstractmethod
    def _formula(self, estimated: Tensor, true: Tensor) -> Tensor:
        """The measure, a scalar, of ``(N,)`` estimated and ``(N,)`` true hardness."""

    def update(self, estimated: Ranking, true: Ranking) -> None:
        """Add two rankings of the same images: all of them at once, or some at a time.

        Args:
            estimated: what is to be judged, in any order.
            true: what it is judged by, in any order.

        Raises:
            TypeError, ValueError: if the two don't hold the same images, see
                :func:`~hardest_metrics.functional.agreement.join`, hardness is beyond float32, or the measure adds up
                true hardness and some is negative; the metric is as it was before.
        """
        with torch.no_grad():
            rows = torch.stack(join(estimated, true), dim=1).float()
            image_ids = estimated.image_ids.long().sort().values
            self._check(image_ids, rows)
            self._add(image_ids, rows)

    def compute(self) -> Tensor:
        """The measure over all images so far, float32; NaN where it is undefined.

        Raises:
            ValueError: if an image came twice with different hardness.
        """
        return self._value(*self._checked_images())

    def plot(self, val: Tensor | Sequence[Tensor] | None = None, ax: "Axes | None" = None) -> "tuple[Figure, Axes]":
        """Draw one or several values.

        Args:
            val: what `compute` or `forward` gave, once or several times; None for what `compute` gives now.
            ax: what to draw on; None for a new figure.

        Raises:
            ModuleNotFoundError: if matplotlib is not installed.
        """
        return cast("tuple[Figure, Axes]", self._plot(val, ax))

    def _check_arguments(self) -> None:
        """Refuse arguments that make no sense when they are given, not after an epoch."""
        example = torch.arange(2.0, device="cpu")  # the default device may hold no numbers, such as "meta"
        self._formula(example, example)

    def _check(self, image_ids: Tensor, rows: Tensor) -> None:
        for name, hardness in zip(("estimated", "true"), rows.unbind(1), strict=True):
            wrong = ~hardness.isfinite()
            if wrong.any():
                raise ValueError(
                    f"`{name}` has hardness beyond float32 for image {int(image_ids[wrong][0])}: divide the hardness of"
                    " all images by the same number."
                )
        negative = rows[:, 1] < 0
        if self._adds_up and negative.any():
            raise ValueError(
                f"`true` has hardness {float(rows[negative][0, 1]):g} for image {int(image_ids[negative][0])}, but"
                f" {type(self).__name__} adds it up, so it must not be negative: give hardness of at least 0."
            )

    def _rankings(self) -> tuple[Ranking, Ranking]:
        """Estimated and true, of the images of all processes."""
        with torch.no_grad(), self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=self._to_sync):
            image_ids, rows = self._checked_images()
        return Ranking.of(image_ids, rows[:, 0]), Ranking.of(image_ids, rows[:, 1])

    def _value(self, image_ids: Tensor, rows: Tensor) -> Tensor:
        return self._formula(rows[:, 0], rows[:, 1]).float()
