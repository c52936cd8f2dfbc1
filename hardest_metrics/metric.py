"""The base of everything that gives images a hardness and ranks them by it."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, cast, get_args, overload

import torch
from torch import Tensor
from typing_extensions import TypeVar

from hardest_metrics.adapter import Adapter
from hardest_metrics.arithmetic import only_with_reduction
from hardest_metrics.image_rows import ImageRows, Rows
from hardest_metrics.ranked_together import computed_together, ranked_together
from hardest_metrics.ranking import Ranking
from hardest_metrics.summary import Details
from hardest_metrics.summary import Summary as Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Reduction = Literal["mean", "sum", "max"]

#: What a metric was given as `reduction`; None of metrics that were given none.
ReductionT = TypeVar("ReductionT", bound=Reduction | None, covariant=True, default=None)

#: What :meth:`HardnessMetric._hardness` is given: the columns, by name.
Columns = Mapping[str, Tensor]


@only_with_reduction
class HardnessMetric(ImageRows, Generic[ReductionT]):
    """Gives every image a hardness and ranks the images by it.

    A subclass is a few lines: the columns it keeps, an `update` with the signature of its domain, what a batch tells
    of its images, and what hardness follows from that. Everything else is here: the columns of all images are
    kept, gathered from all processes, held once an image, ranked, and reduced if asked. The rules for ids, several
    processes and refused batches are those of :class:`~hardest_metrics.image_rows.ImageRows`.

    Args:
        settings: names everything that the state depends on, as a call: ``"box_errors(weighting='pixel')"``.
            After a ``#`` it may hold a tag that keeps metrics from sharing although they look alike.
        reduction: None for the ranking; ``"mean"``, ``"sum"`` or ``"max"`` over the images for a scalar,
            which is what ``self.log`` takes. Of no images the sum is 0, mean and maximum are NaN.
        reads: names everything that :meth:`_read` depends on, if that is less than `settings`: metrics that read alike
            are measured together in a :class:`~hardest_metrics.HardnessCollection`.
        kwargs: see :class:`torchmetrics.Metric`.

    Example:
        >>> import torch
        >>> from hardest_metrics.image_rows import Column, Reading
        >>> class Loss(HardnessMetric):
        ...     columns = {"loss": Column()}
        ...
        ...     def __init__(self, **kwargs):
        ...         super().__init__("loss()", **kwargs)
        ...
        ...     def update(self, logits, target, image_ids):
        ...         self._take(self._read(["loss"], logits, target, image_ids))
        ...
        ...     def _read(self, asked, logits, target, image_ids):
        ...         loss = torch.nn.functional.cross_entropy(logits, target, reduction="none")
        ...         return Reading(image_ids, {"loss": loss})
        ...
        ...     def _hardness(self, columns):
        ...         return columns["loss"]
        >>> metric = Loss()
        >>> metric.update(torch.tensor([[9.0, 0], [9, 0]]), torch.tensor([0, 1]), torch.tensor([3, 4]))
        >>> metric.compute().image_ids
        tensor([4, 3])
    """

    higher_is_better = False

    #: whether images are measured against labels
    needs_labels: ClassVar[bool] = True

    @property
    def adapter(self) -> Adapter | None:
        """How a callback understands, keeps and draws images; None where no callback collects them."""
        return None

    @property
    def kinds(self) -> "Mapping[str, HardnessMetric[Any]]":
        """What tells its errors apart: for each kind a metric that counts them; none where they are all of one."""
        return {}

    def __init__(
        self,
        settings: str,
        reduction: ReductionT = None,  # type: ignore[assignment]
        reads: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(settings, reads, **kwargs)
        if reduction is not None and reduction not in get_args(Reduction):
            raise ValueError(f"`reduction` must be one of {get_args(Reduction)} or None, but is {reduction!r}.")
        self.reduction = reduction

    @abstractmethod
    def _hardness(self, columns: Columns) -> "Tensor | tuple[Tensor, Tensor]":
        """What hardness follows from the columns of all images.

        Returns:
            ``(N,)`` floating point, finite; or, where some images take no part, ``(k,)`` int64, which do, and their
            ``(k,)`` hardness.
        """

    def _in_error(self, columns: Columns, hardness: Tensor) -> Tensor:
        """Bool, shaped as `hardness`: whether an image has any error."""
        return hardness > 0

    @overload
    def compute(self: "HardnessMetric[None]") -> Ranking: ...
    @overload
    def compute(self: "HardnessMetric[Reduction]") -> Tensor: ...
    @overload
    def compute(self) -> Ranking | Tensor: ...
    def compute(self) -> Ranking | Tensor:
        """The ranking of all images so far, or its reduction.

        Raises:
            ValueError: if an id came twice with different results, if only some images have ids, or if none
                have while several processes run.
        """
        return self._value(self._images_once())

    def _value(self, rows: Rows) -> Ranking | Tensor:
        image_ids, hardness = self._ranked(rows)
        (ranking,) = Ranking.of_ascending(image_ids, hardness[None])
        return self._reduced(ranking)

    def _values(self, members: Sequence[ImageRows], rows: Rows) -> list[Any]:
        each = cast("Sequence[HardnessMetric[Any]]", members)
        return ranked_together(each, [member._own(rows) for member in each])

    def _compute_together(self, members: Sequence[ImageRows]) -> list[Any] | None:
        return computed_together(cast("Sequence[HardnessMetric[Any]]", members))

    def _ranked(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Ids, ascending, and float32 hardness of the images that take part."""
        hardness = self._hardness(rows.columns)
        if isinstance(hardness, Tensor):
            return rows.image_ids, hardness.float()
        taking_part, hardness = hardness
        return rows.image_ids.index_select(0, taking_part), hardness.float()

    def _reduced(self, ranking: Ranking) -> Ranking | Tensor:
        if self.reduction is None:
            return ranking
        hardness = ranking.hardness.double()
        if self.reduction == "sum":
            return hardness.sum().float()
        if not len(hardness):
            return hardness.new_tensor(torch.nan).float()
        return (hardness.mean() if self.reduction == "mean" else hardness.max()).float()

    def newest(self, number: int) -> tuple[Tensor, Tensor]:
        """Ids and hardness of the images that the last update added, in the order given; where each has its own.

        Args:
            number: how many images it added.

        Returns:
            ``(number,)`` int64, :data:`~hardest_metrics.functional.ids.NO_ID` for images without id, and
            ``(number,)`` float32.
        """
        # chunks grow at their end: the last one holds the last update whole
        start = len(self.image_ids[-1]) - number
        columns = {name: getattr(self, name)[-1][start:] for name in self.columns}
        _, hardness = self._ranked(Rows(self.image_ids[-1][start:], columns))
        return self.image_ids[-1][start:].clone(), hardness.clone()

    def plot(
        self, val: Ranking | Tensor | Sequence[Ranking] | Sequence[Tensor] | None = None, ax: "Axes | None" = None
    ) -> "tuple[Figure, Axes]":
        """Draw how hardness is distributed over the images.

        Args:
            val: the ranking to draw, or a list of them, such as of each epoch; None for that of all images so far, also
                where `reduction` is set. One or several scalars are drawn as torchmetrics draws them.
            ax: what to draw on; None for a new figure.

        Raises:
            ModuleNotFoundError: if matplotlib is not installed.

        Example:
            >>> import torch
            >>> from hardest_metrics import CrossEntropy
            >>> metric = CrossEntropy()
            >>> metric.update(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0]))
            >>> figure, axes = metric.plot()
        """
        from hardest_metrics.plot import plot_distribution

        if val is None:
            val = self.summary().ranking
        if isinstance(val, Ranking) or (isinstance(val, Sequence) and all(isinstance(one, Ranking) for one in val)):
            return plot_distribution(cast("Ranking | Sequence[Ranking]", val), ax=ax, name=type(self).__name__)
        return cast("tuple[Figure, Axes]", self._plot(cast("Tensor | Sequence[Tensor]", val), ax))

    def summary(self) -> Summary:
        """The ranking of all images so far and what it says of the set, whatever `reduction` is.

        Gathers from all processes once, as `compute` does, and raises what it raises.

        Example:
            >>> import torch
            >>> from hardest_metrics import TopKMiss
            >>> metric = TopKMiss(k=1)
            >>> metric.update(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0]))
            >>> metric.summary()
            Summary(ranking=Ranking(2 images, hardest first: 1 (1), 0 (0)), mean=0.5, p95=0.95, share_in_error=0.5)
        """
        return self.details().summary

    def details(self) -> Details:
        """As :meth:`summary`, with what is known of every image."""
        with torch.no_grad(), self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=self._to_sync):
            rows = self._images_once()
            image_ids, values = self._ranked(rows)
            (ranking,) = Ranking.of_ascending(image_ids, values[None])
            in_error = self._in_error(rows.columns, values)
        return Details(Summary.of(ranking, in_error), image_ids, values, in_error)

    def confidence(self, hardness: Tensor) -> Tensor | None:
        """The probability that the model gave to an image's label, where it follows from hardness; else None.

        Args:
            hardness: ``(N,)``, of images.
        """
        return None


# Of any reduction. Command lines build metrics from the class that an annotation names, and know no type parameters
if TYPE_CHECKING:
    AnyHardnessMetric = HardnessMetric[Any]
else:
    AnyHardnessMetric = HardnessMetric
