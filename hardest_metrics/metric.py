"""The base of everything that gives images a hardness and ranks them by it."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, cast, get_args

import numpy as np
import torch
from torch import Tensor

from hardest_metrics._memory import BatchMemory
from hardest_metrics._pieces import in_pieces
from hardest_metrics._waiting import MOST_BOXES, MOST_IMAGES, Reading, Waiting, measured
from hardest_metrics.functional.boxes import Batch
from hardest_metrics.functional.eager import without_autocast
from hardest_metrics.functional.packing import ImageDict
from hardest_metrics.image_rows import ImageRows
from hardest_metrics.ranking import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Reduction = Literal["mean", "sum", "max"]


class Summary(NamedTuple):
    """A ranking and what it says of the set as a whole.

    Attributes:
        ranking: of all images.
        mean: of their hardness; NaN of no images.
        p95: the 95th percentile of their hardness, interpolated; NaN of no images.
        share_in_error: of images with any error that the query counts, whatever its weight (with a function as
            weighting, and of estimates: of images of hardness above 0); NaN of no images.
    """

    ranking: Ranking
    mean: float
    p95: float
    share_in_error: float


_last_batches = BatchMemory()


class HardnessMetric(ImageRows):
    """Gives every image a hardness and ranks the images by it.

    A subclass says in :meth:`_measure` what it needs to know of each image, a row of numbers, and in
    :meth:`_hardness` what hardness follows from it. Everything else is here: the rows of all images are kept,
    gathered from all processes, held once an image, ranked, and reduced if asked.

    The rules for the rows (sharing, ids, several processes, refused batches) are those of
    :class:`~hardest_metrics.image_rows.ImageRows`. A batch that another metric of equal settings has just measured is
    not measured again if its tensors are the same and, as far as torch counts, unchanged: between two metrics' updates
    fill no tensor behind torch's back (through ``.data``, a numpy array or a CUDA graph).

    Args:
        settings: names everything that :meth:`_measure` depends on, as a call: ``"box_errors(labels=None)"``.
            After a ``#`` it may hold a tag that keeps metrics from sharing although they look alike.
        row_shape: shape of what :meth:`_measure` gives for one image.
        group: metrics of equal `settings` share rows with those of equal `group` only: one that refuses what
            others take must see every batch for itself.
        reduction: None for the ranking; ``"mean"``, ``"sum"`` or ``"max"`` over the images for a scalar,
            which is what ``self.log`` takes. Of no images the sum is 0, mean and maximum are NaN.
        kwargs: see :class:`torchmetrics.Metric`.
    """

    higher_is_better = False

    #: the entries of the dicts of `preds` and `target` that :meth:`_measure` looks at; None for any of them
    reads: ClassVar[frozenset[str] | None] = None

    #: whether images are measured against labels; if not, `target` holds ids and sizes at most, or is left out
    needs_labels: ClassVar[bool] = True

    #: batches of images that are to be measured together; replaced, never changed in place
    waiting: list[Reading]

    #: whether :meth:`_measure` is a function of `settings` and of each image by itself, and keeps nothing on the
    #: metric; then metrics of equal settings measure a batch once, and a large one in pieces on several threads
    by_image: bool = False

    _unsaved = ("waiting",)

    #: how many images of a large batch a thread measures at a time, at most, so that memory stays within bounds
    _images_at_once: ClassVar[int] = 1280

    #: how many threads share a large batch, at most
    _threads: ClassVar[int] = 4

    def __init__(
        self,
        settings: str,
        row_shape: tuple[int, ...],
        reduction: Reduction | None = None,
        group: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(settings, row_shape, group, **kwargs)
        if reduction is not None and reduction not in get_args(Reduction):
            raise ValueError(f"`reduction` must be one of {get_args(Reduction)} or None, but is {reduction!r}.")
        self.reduction = reduction
        self.add_state("waiting", [], dist_reduce_fx=None)
        _last_batches.introduce(self, self.settings)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Of a copy, or of a metric that was pickled."""
        super().__setstate__(state)
        _last_batches.introduce(self, self.settings)

    def leave_measuring(self) -> None:
        """Know that a metric of equal settings measures for this one, too, from now on."""
        _last_batches.excuse(self, self.settings)

    @abstractmethod
    def _measure(self, preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> tuple[Tensor, Tensor]:
        """What there is to know of each image of a batch.

        Returns:
            ``(N,)`` int64 image ids, with :data:`~hardest_metrics.functional.boxes.NO_ID` for images without,
            and ``(N, *row_shape)`` float32 rows. No NaN: it would keep equal metrics from sharing.
        """

    @abstractmethod
    def _hardness(self, rows: Tensor) -> Tensor:
        """``(N,)`` float32 hardness that follows from ``(N, *row_shape)`` rows."""

    def _hardness_of_each(self, members: "Sequence[HardnessMetric]", rows: Tensor) -> Tensor:
        """``(M, N)``: what :meth:`_hardness` gives for each of several metrics of these settings.

        A class may override it to spare what it would do several times; members may be of other classes.
        """
        return torch.stack([member._hardness(rows) for member in members])

    @property
    def _extent(self) -> frozenset[str]:
        """What of all that `settings` allow :meth:`_measure` measures just now; what is missing is measured anew."""
        return frozenset()

    def _in_error(self, rows: Tensor) -> Tensor:
        """``(N,)`` bool: whether an image has any error, also one that weighs nothing."""
        return self._hardness(rows) > 0

    def update(self, preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> None:
        """Add a batch of images.

        Args:
            preds: one dict an image, see :func:`hardest_metrics.functional.pack`.
            target: one dict an image, in the same order.

        Raises:
            TypeError, ValueError: on input that makes no sense; the metric is as it was before.
        """
        with torch.no_grad(), without_autocast():
            if self.by_image:
                extent = self._extent  # once: who asks for it may be gone at any time
                read = partial(self._read, extent=extent)
                reading = _last_batches.get(self.settings, preds, target, read, self, self.reads, extent)
            else:
                reading = Reading(*self._measure(preds, target))
            self._take(reading)

    def _read(self, preds: Sequence[ImageDict], target: Sequence[ImageDict], extent: frozenset[str]) -> Reading:
        """A batch as metrics of equal settings see it, to this extent."""
        return Reading(*in_pieces(self._measure, preds, target, self._images_at_once, self._threads))

    def _rows_of(self, batch: Batch, extent: frozenset[str]) -> Tensor:
        """The rows of a batch's images, to this extent, where :meth:`_read` leaves batches to be measured later."""
        raise NotImplementedError

    def _take(self, reading: Reading) -> None:
        """Add the images of a batch; let them wait, if they are yet to be measured and that can wait."""
        # The first batch is measured at once: by its rows a MetricCollection sees who shares them. And where the state
        # moves to the CPU after each update nothing else than tensors may be in it.
        if self.compute_on_cpu:
            self._settle()
        if reading.batch is not None:
            self._check_batch(reading.batch)
        elif reading.rows is not None:
            self._check(reading.image_ids, reading.rows)
        waits = reading.batch is not None and bool(self.rows) and not self.compute_on_cpu
        if not waits and not self.waiting:
            self._add(*measured([reading], self._rows_of))
            return
        before, waiting = self.waiting, Waiting(self.waiting, reading)
        vars(self)["waiting"] = waiting
        if waiting.images >= MOST_IMAGES or waiting.boxes >= MOST_BOXES:
            try:
                self._settle()
            except BaseException:
                vars(self)["waiting"] = before
                raise

    def _check_batch(self, batch: Batch) -> None:
        """Refuse a batch that is yet to be measured if this metric could make nothing of its rows."""

    def _settle(self) -> None:
        """Measure what waits."""
        waiting = self.waiting
        if waiting:
            with torch.no_grad(), without_autocast():
                self._add(*measured(waiting, self._rows_of))
            vars(self)["waiting"] = []  # not before all went well

    def compute(self) -> Ranking | Tensor:
        """The ranking of all images so far, or its reduction.

        Raises:
            ValueError: if an id came twice with different results, if only some images have ids, or if none
                have while several processes run.
        """
        return self._value(*self._checked_images())

    def _value(self, image_ids: Tensor, rows: Tensor) -> Ranking | Tensor:
        return self._reduced(self._ranking(image_ids, rows))

    def _values(self, members: Sequence[ImageRows], image_ids: Tensor, rows: Tensor) -> list[Any]:
        each = cast(Sequence[HardnessMetric], members)
        rankings = Ranking.each_by_hardness(image_ids, self._hardness_of_each(each, rows))
        return [member._reduced(ranking) for member, ranking in zip(each, rankings, strict=True)]

    def _reduced(self, ranking: Ranking) -> Ranking | Tensor:
        if self.reduction is None:
            return ranking
        hardness = ranking.hardness.double()
        if self.reduction == "sum":
            return hardness.sum().float()
        if not len(hardness):
            return hardness.new_tensor(torch.nan).float()
        return (hardness.mean() if self.reduction == "mean" else hardness.max()).float()

    def plot(
        self, val: Ranking | Tensor | Sequence[Tensor] | None = None, ax: "Axes | None" = None
    ) -> "tuple[Figure, Axes]":
        """Draw how hardness is distributed over the images.

        Args:
            val: the ranking to draw; None for that of all images so far, also where `reduction` is set. One or
                several scalars are drawn as torchmetrics draws them.
            ax: what to draw on; None for a new figure.

        Raises:
            ModuleNotFoundError: if matplotlib is not installed.

        Example:
            >>> import torch
            >>> from hardest_metrics import TotalFalse
            >>> boxes = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1])}
            >>> metric = TotalFalse()
            >>> metric.update([{**boxes, "scores": torch.tensor([0.9])}], [boxes])
            >>> figure, axes = metric.plot()
        """
        from hardest_metrics.plot import plot_distribution

        if val is None:
            val = self.summary().ranking
        if not isinstance(val, Ranking):
            return cast("tuple[Figure, Axes]", self._plot(val, ax))
        return plot_distribution(val, ax=ax, name=type(self).__name__)

    def summary(self) -> Summary:
        """The ranking of all images so far and what it says of the set, whatever `reduction` is.

        Gathers from all processes once, as `compute` does, and raises what it raises.

        Example:
            >>> import torch
            >>> from hardest_metrics import FalseNegatives
            >>> box = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1])}
            >>> none = {"boxes": torch.empty(0, 4), "labels": torch.empty(0).long(), "scores": torch.empty(0)}
            >>> metric = FalseNegatives()
            >>> metric.update([none, none], [box, {**box, "boxes": torch.empty(0, 4), "labels": none["labels"]}])
            >>> metric.summary()
            Summary(ranking=Ranking(2 images, hardest first: 0 (1), 1 (0)), mean=0.5, p95=0.95, share_in_error=0.5)
        """
        with torch.no_grad(), self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=self._to_sync):
            image_ids, rows = self._checked_images()
            ranking = self._ranking(image_ids, rows)
            in_error = self._in_error(rows).double()
        hardness = ranking.hardness.double()
        if not len(hardness):
            return Summary(ranking, math.nan, math.nan, math.nan)
        # numpy's, as torch's takes 16 million values at most
        p95 = float(np.quantile(hardness.cpu().numpy(), 0.95))
        return Summary(ranking, float(hardness.mean()), p95, float(in_error.mean()))

    def newest(self, number: int) -> tuple[Tensor, Tensor]:
        """Ids and hardness of the images that the last update added, in the order given.

        Args:
            number: how many images it added.

        Returns:
            ``(number,)`` int64, :data:`~hardest_metrics.functional.boxes.NO_ID` for images without id, and
            ``(number,)`` float32.
        """
        self._settle()
        # chunks grow at their end: the last one holds the last update whole
        start = len(self.rows[-1]) - number
        return self.image_ids[-1][start:].clone(), self._hardness(self.rows[-1][start:]).clone()

    def _ranking(self, image_ids: Tensor, rows: Tensor) -> Ranking:
        (ranking,) = Ranking.each_by_hardness(image_ids, self._hardness(rows)[None])
        return ranking
