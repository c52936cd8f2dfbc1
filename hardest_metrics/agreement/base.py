"""The base of the measures of agreement: pairs of hardness, an image each."""

from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import Tensor

from hardest_metrics.alignment import join
from hardest_metrics.image_rows import Column, ImageRows, Reading, Rows
from hardest_metrics.ranking import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


#: What a measure that adds true hardness up asks for: hardness that can be.
_ADDED_UP = "true, added up by "


class Agreement(ImageRows):
    """How well estimated hardness agrees with the truth: a scalar, the higher the better.

    Keeps estimated and true hardness of each image, by the rules of its base class for rows of images: each image
    counts once, also across processes; what is refused leaves the metric as it was. All measures of agreement keep the
    same, and share it in a :class:`~torchmetrics.MetricCollection`; those that add up true hardness, and so refuse what
    is negative, among themselves. A subclass is one formula, :meth:`_formula`.

    Args:
        kwargs: see :class:`torchmetrics.Metric`.
    """

    columns: ClassVar[Mapping[str, Column]] = {"estimated": Column(), "true": Column()}

    higher_is_better = True
    plot_upper_bound = 1.0

    #: Whether true hardness must not be negative.
    _adds_up = False

    def __init__(self, **kwargs: Any) -> None:
        kept = "agreement(true >= 0)" if self._adds_up else "agreement()"
        super().__init__(kept, reads="agreement()", **kwargs)

    @property
    def needs(self) -> Mapping[str, Hashable]:
        """Both hardnesses; of the true one also that it is not negative where a measure adds it up."""
        return {"estimated": "estimated", "true": _ADDED_UP + type(self).__name__ if self._adds_up else "true"}

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
                :func:`~hardest_metrics.alignment.join`, hardness is beyond float32, or the measure adds up
                true hardness and some is negative; the metric is as it was before.
        """
        self._take(self._read(list(self.needs.values()), estimated, true))

    def _read(self, asked: Sequence[Hashable], estimated: Ranking, true: Ranking) -> Reading:
        with torch.no_grad():
            pair = [hardness.float() for hardness in join(estimated, true)]
            image_ids = estimated.image_ids.long().sort().values
        for name, hardness in zip(("estimated", "true"), pair, strict=True):
            wrong = ~hardness.isfinite()
            if wrong.any():
                raise ValueError(
                    f"`{name}` has hardness beyond float32 for image {int(image_ids[wrong][0])}: divide the hardness of"
                    " all images by the same number."
                )
        negative = pair[1] < 0
        adding = [str(name).removeprefix(_ADDED_UP) for name in asked if str(name).startswith(_ADDED_UP)]
        if adding and negative.any():
            raise ValueError(
                f"`true` has hardness {float(pair[1][negative][0]):g} for image {int(image_ids[negative][0])}, but"
                f" {adding[0]} adds it up, so it must not be negative: give hardness of at least 0."
            )
        return Reading(image_ids, {name: pair[str(name).startswith("true")] for name in asked})

    def compute(self) -> Tensor:
        """The measure over all images so far, float32; NaN where it is undefined.

        Raises:
            ValueError: if an image came twice with different hardness.
        """
        return self._value(self._images_once())

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
            image_ids, columns = self._images_once()
        return Ranking.of(image_ids, columns["estimated"]), Ranking.of(image_ids, columns["true"])

    def _value(self, rows: Rows) -> Tensor:
        return self._formula(rows.columns["estimated"], rows.columns["true"]).float()
