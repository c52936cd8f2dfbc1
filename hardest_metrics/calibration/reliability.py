"""How far stated probabilities are from how often detections are right."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor
from torchmetrics import Metric

from hardest_metrics.calibration.fit import Judged, right_or_wrong
from hardest_metrics.functional.detection.checking import BoxFormat, check_box_format
from hardest_metrics.functional.detection.estimation import Calibration, Uncalibrated
from hardest_metrics.functional.detection.matching import Query
from hardest_metrics.functional.detection.packing import ImageDict
from hardest_metrics.promises import DependableMetric
from hardest_metrics.ranking import unsqueezed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class _Reliability(NamedTuple):
    edges: Tensor
    number: Tensor
    probability: Tensor
    precision: Tensor
    error: float


class Reliability(_Reliability):
    """Detections in bins of their probability.

    Attributes:
        edges: ``(B + 1,)`` float64, from 0 to 1. A bin holds its lower edge, the last one its upper edge too.
        number: ``(B,)`` int64, of detections.
        probability: ``(B,)`` float64, their mean probability; NaN of none.
        precision: ``(B,)`` float64, the share of them that is right; NaN of none.
        error: expected calibration error, the mean over detections of the difference between these two; NaN of none.
    """

    __slots__ = ()

    def __new__(
        cls, edges: Tensor, number: Tensor, probability: Tensor, precision: Tensor, error: float
    ) -> "Reliability":
        """Restore vectors of one bin, and take whatever a function that maps over tensors made of them."""
        return super().__new__(cls, edges, unsqueezed(number), unsqueezed(probability), unsqueezed(precision), error)


def reliability(
    preds: Sequence[ImageDict],
    target: Sequence[ImageDict],
    calibration: Calibration | None = None,
    query: Query | None = None,
    box_format: BoxFormat = "xyxy",
    bins: int = 10,
) -> Reliability:
    """Compare probabilities with how often detections are right.

    Args:
        preds: one dict an image, see :func:`hardest_metrics.functional.pack`, kept down to low scores.
        target: their labels, in the same order.
        calibration: turns scores into probabilities; None to take scores for probabilities.
        query: which boxes count and when they match, see :func:`right_or_wrong`; None for the defaults.
        box_format: of all boxes.
        bins: how many bins of equal width.

    Raises:
        TypeError, ValueError: on input that makes no sense, if `bins` is below 1, and if `calibration` gives numbers
            outside [0, 1].

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60]])
        >>> preds = [{"boxes": boxes, "scores": torch.tensor([0.75, 0.25]), "labels": torch.tensor([1, 1])}]
        >>> result = reliability(preds, [{"boxes": boxes[:1], "labels": torch.tensor([1])}], bins=2)
        >>> result.probability, result.precision, result.error
        (tensor([0.2500, 0.7500], dtype=torch.float64), tensor([0., 1.], dtype=torch.float64), 0.25)
    """
    _check_bins(bins)
    return _compared(_sums(right_or_wrong(preds, target, query, box_format), calibration, bins))


class DetectionCalibration(DependableMetric):
    """Compare probabilities with how often detections are right, batch by batch: :func:`reliability` as a metric.

    What it keeps is three numbers a bin, in float64 whatever the dtype of the model. Images that several processes see,
    as a sampler that pads shows them, count as often. ``compute().error`` is what to log.

    Args:
        calibration: turns scores into probabilities; None to take scores for probabilities.
        query: which boxes count and when they match, see :func:`right_or_wrong`; None for the defaults.
        box_format: of all boxes.
        bins: how many bins of equal width.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> import torch
        >>> from hardest_metrics.calibration import DetectionCalibration
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60]])
        >>> preds = [{"boxes": boxes, "scores": torch.tensor([0.75, 0.25]), "labels": torch.tensor([1, 1])}]
        >>> metric = DetectionCalibration()
        >>> metric.update(preds, [{"boxes": boxes[:1], "labels": torch.tensor([1])}])
        >>> metric.compute().error
        0.25
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    def __init__(
        self,
        calibration: Calibration | None = None,
        query: Query | None = None,
        box_format: BoxFormat = "xyxy",
        bins: int = 10,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_bins(bins)
        check_box_format(box_format)
        self.calibration = calibration
        self.query = query
        self.box_format = box_format
        self.bins = bins
        # Named after all that it depends on: others of that name may share it, and no others can be merged or loaded
        asked = f"{(calibration or Uncalibrated()).settings}, {query or Query()}"
        self._state_name = f"sums({asked}, box_format={box_format!r}, bins={bins})"
        self.add_state(self._state_name, torch.zeros(3, bins, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> None:
        """Add a batch of images.

        Args:
            preds: one dict an image, see :func:`hardest_metrics.functional.pack`, kept down to low scores.
            target: their labels, in the same order.

        Raises:
            TypeError, ValueError: on input that makes no sense; the metric is as it was before.
        """
        judged = right_or_wrong(preds, target, self.query, self.box_format)
        sums = _sums(judged, self.calibration, self.bins).to(self.device)
        setattr(self, self._state_name, getattr(self, self._state_name) + sums)

    @torch.jit.unused
    def forward(self, preds: Sequence[ImageDict], target: Sequence[ImageDict]) -> Reliability:
        """Add a batch of images and give the comparison over that batch alone.

        Args:
            preds: as of :meth:`update`.
            target: as of :meth:`update`.

        Raises:
            TypeError, ValueError: on input that makes no sense; the metric is as it was before.
        """
        # The base class resets, measures the batch and adds what it had before, or, to synchronise on each step, does
        # that with a second update; what it sets aside it forgets on an error
        before = dict(vars(self))
        try:
            return cast("Reliability", super().forward(preds, target))
        except BaseException:
            vars(self).update(before)
            raise

    def compute(self) -> Reliability:
        """The comparison over all detections so far, on the CPU."""
        return _compared(getattr(self, self._state_name))

    def merge_state(self, incoming_state: "dict[str, Any] | Metric") -> None:
        """Add the detections of another metric.

        Args:
            incoming_state: a metric of the same settings, or its ``metric_state``.

        Raises:
            ValueError: if it has other settings.
        """
        state: Any = incoming_state.metric_state if isinstance(incoming_state, Metric) else incoming_state
        if not isinstance(state, dict) or set(state) != {self._state_name}:
            raise ValueError(
                f"`incoming_state` must have the state {self._state_name!r}: only metrics of equal settings can be"
                " merged."
            )
        setattr(self, self._state_name, getattr(self, self._state_name) + state[self._state_name].to(self.device))
        self._update_count += 1
        self._computed = None

    def plot(
        self,
        val: Reliability | Sequence[Reliability] | None = None,
        ax: "Axes | None" = None,
        label: str | None = None,
    ) -> "tuple[Figure, Axes]":
        """Draw the reliability diagram, see :func:`hardest_metrics.plot.plot_reliability`.

        Args:
            val: what `compute` or `forward` gave; a list of these for a line each; None for what `compute` gives now.
            ax: what to draw on; None for a new figure.
            label: what the legend calls it; of a list, numbered from 0, by default as steps.

        Raises:
            ModuleNotFoundError: if matplotlib is not installed.
            ValueError: if the list is empty.
        """
        from hardest_metrics.plot import plot_reliability

        if val is None or isinstance(val, Reliability):
            return plot_reliability(self.compute() if val is None else val, ax, label)
        if not val:
            raise ValueError("`val` is an empty list: give what `compute` or `forward` gave, or None.")
        for step, result in enumerate(val):
            figure, ax = plot_reliability(result, ax, f"{label or 'step'} {step}")
        return figure, cast("Axes", ax)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        loaded = prefix + self._state_name in state_dict
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        if loaded:
            setattr(self, self._state_name, getattr(self, self._state_name).to(self.device))
            self._computed = None
            self._update_count = max(self._update_count, 1)


def _check_bins(bins: int) -> None:
    if type(bins) is not int or bins < 1:
        raise ValueError(f"`bins` must be an integer of at least 1, but is {bins!r}.")


def _sums(judged: Judged, calibration: Calibration | None, bins: int) -> Tensor:
    """``(3, bins)`` float64 of detections: their number, their probabilities added up, the number that is right."""
    calibration = Uncalibrated() if calibration is None else calibration
    stated = calibration(judged.scores).double()
    wrong = stated[~((stated >= 0) & (stated <= 1))]
    if len(wrong):
        raise ValueError(
            f"`calibration` must give probabilities in [0, 1], but {calibration.settings} gives {float(wrong[0]):g}:"
            " fit it with `fit_calibration`, or clamp what it gives."
        )
    edges = _edges(bins).to(stated.device)
    index = torch.searchsorted(edges, stated, right=True).sub(1).clamp(max=bins - 1)
    summands = torch.stack((torch.ones_like(stated), stated, judged.right.to(stated.dtype)))
    return summands.new_zeros(3, bins).index_add_(1, index, summands)


def _compared(sums: Tensor) -> Reliability:
    number, stated, right = sums.cpu()
    error = float((stated - right).abs().sum() / number.sum())
    return Reliability(_edges(len(number)), number.long(), stated / number, right / number, error)


def _edges(bins: int) -> Tensor:
    return torch.linspace(0, 1, bins + 1, dtype=torch.float64)
