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
    same, and share it in a :class:`~torchmetrics.MetricCollection`. A subclass is one formula, :meth:`_formula`.

    Args:
        kwargs: see :class:`torchmetrics.Metric`.
    """

    higher_is_better = True
    plot_upper_bound = 1.0

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("agreement()", (2,), **kwargs)

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
                :func:`~hardest_metrics.functional.agreement.join`; the metric is as it was before.
        """
        with torch.no_grad():
            rows = torch.stack(join(estimated, true), dim=1).float()
            self._add(estimated.image_ids.long().sort().values, rows)

    def compute(self) -> Tensor:
        """The measure over all images so far, float32; NaN where it is undefined.

        Raises:
            ValueError: if an image came twice with different hardness.
        """
        return self._value()

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

    def _rankings(self) -> tuple[Ranking, Ranking]:
        """Estimated and true, of the images of all processes."""
        with torch.no_grad(), self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=self._to_sync):
            image_ids, rows = self._checked_images()
        return Ranking.of(image_ids, rows[:, 0]), Ranking.of(image_ids, rows[:, 1])

    def _value(self) -> Tensor:
        rows = self._checked_images()[1]
        return self._formula(rows[:, 0], rows[:, 1]).float()
