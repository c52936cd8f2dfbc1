"""Hardness of images without labels: what a definition is expected to give, going by the detector's scores."""

from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor
from torchmetrics import Metric

from hardest_metrics.detection.box_errors import BoxErrors, Definition, ErrorKind
from hardest_metrics.detection.detection_metric import DetectionMetric
from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.estimation import (
    Associate,
    Calibration,
    Sampler,
    ScoreSampler,
    Uncalibrated,
    by_matching,
    check_n_samples,
    expected_moments,
    own_detection,
    sampled_moments,
)
from hardest_metrics.functional.detection.hardness import named_weighting, require_sizes
from hardest_metrics.functional.detection.packing import ImageDict, ids_alone, pack
from hardest_metrics.functional.detection.residuals import (
    Intervals,
    MeanInterval,
    Residual,
    Residuals,
    check_coverage,
    warn_of_coverage,
)
from hardest_metrics.image_rows import Column, Reading, Rows
from hardest_metrics.metric import Columns, ReductionT

Statistic = Literal["mean", "std", "bound", "interval"]

#: What other detectors see: of each, one dict an image.
Others = Sequence[Sequence[ImageDict]]

_KINDS: tuple[ErrorKind, ...] = get_args(ErrorKind)


class Estimator(DetectionMetric[ReductionT]):
    """Base of the estimates of a hardness definition that need no labels.

    As input to ``forward`` and ``update``:

    - ``preds``: as for :class:`BoxErrors`, but kept down to low scores: estimates need them. ``image_id`` and
      ``image_size`` may stand here.
    - ``target``: not needed; where given, of each image only ``image_id`` and ``image_size`` are looked at.

    As output ``compute`` gives a :class:`~hardest_metrics.Ranking`, or a float32 scalar if `reduction` is set. The
    state grows by 32 bytes an image. The estimates of the three kinds of errors share one state.

    The standard deviation is the model's own: what the truth would vary by if it were as the model has it. It orders
    images; it is no interval. Of real images, mean ± 1.28 standard deviations held 51 %, 76 % and 37 % on three test
    beds, and of the mean hardness of a set 2 %, 22 % and none, where 80 % were said: scores are no probabilities, and
    most objects that a detector misses it gives no box at all. What can be relied on are :meth:`intervals` and
    :meth:`mean_interval`, from residuals of labelled images.

    Args:
        definition: what to estimate, with its query, weighting and box format.
        settings: names everything that the estimate depends on besides, as the start of a call: ``"x(seed=0"``.
        statistic: what is the hardness of an image: the ``"mean"`` of the definition's value, its standard
            deviation ``"std"``, a ``"bound"``, mean + c · standard deviation, or the upper end of an ``"interval"``.
        c: of the bound; negative for a lower one.
        residuals: how far the estimates were off on labelled images, for intervals, see :func:`fit_residuals`.
        coverage: of intervals, the least probability that an image lies inside.
        reduction: None for the ranking; ``"mean"``, ``"sum"`` or ``"max"`` over the images for a scalar.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        TypeError: if `definition` is none.
        ValueError: if an argument is out of its range.
    """

    columns: ClassVar[Mapping[str, Column]] = {"moments": Column((len(_KINDS), 2))}
    __jit_ignored_attributes__: ClassVar[list[str]] = [*DetectionMetric.__jit_ignored_attributes__, "definition"]

    needs_labels = False
    definition: Definition
    moments: list[Tensor]

    def __init__(
        self,
        definition: Definition,
        settings: str,
        statistic: Statistic = "mean",
        c: float = 1.0,
        reduction: ReductionT = None,  # type: ignore[assignment]
        residuals: Residuals | None = None,
        coverage: float = 0.8,
        **kwargs: Any,
    ) -> None:
        if not isinstance(definition, BoxErrors):
            raise TypeError(f"`definition` must be one of hardness, such as TotalFalse(), but is {definition!r}.")
        if definition.iou_type != "bbox":
            raise ValueError(
                f"`definition` compares {definition.iou_type}, but estimates are of boxes: leave its `iou_type` out."
            )
        if statistic not in get_args(Statistic):
            raise ValueError(f"`statistic` must be one of {get_args(Statistic)}, but is {statistic!r}.")
        super().__init__(f"{settings}, of={definition.settings})", reduction, **kwargs)
        self.definition = deepcopy(definition)
        self.definition.reset()
        self.statistic = statistic
        self.c = c
        self.residuals = residuals
        self.coverage = coverage
        check_coverage(coverage)
        if residuals is not None:
            self._residual()
            warn_of_coverage(residuals.number, coverage)
        elif statistic == "interval":
            self._residual()
        self.by_image = not callable(definition.weighting)

    @property
    def query(self) -> Any:
        """Which boxes count."""
        return self.definition.query

    @property
    def box_format(self) -> Any:
        """Of all boxes."""
        return self.definition.box_format

    @property
    def needs(self) -> Mapping[str, Hashable]:
        """The moments under the definition's weighting."""
        return {"moments": self.definition.weighting}

    @abstractmethod
    def _moments(self, evidence: Any, weighting: Any) -> Tensor:
        """``(N, 3, 2)`` float64: of the three kinds of errors, mean and standard deviation.

        Args:
            evidence: what :meth:`_evidence` gave.
            weighting: what an error weighs, a name or a function.
        """

    def _evidence(self, batch: Batch, others: Others) -> Any:
        """What estimates go by whatever the weighting, of a batch of detections and what others see beside it."""
        return batch

    def update(self, preds: Sequence[ImageDict], target: Sequence[ImageDict] | None = None) -> None:
        """Add a batch of images.

        Args:
            preds: one dict an image, see :func:`hardest_metrics.functional.pack`.
            target: None, or one dict an image in the same order, for ids and sizes.

        Raises:
            TypeError, ValueError: on input that makes no sense; the metric is as it was before.
        """
        super().update(preds, target)  # type: ignore[arg-type]

    def _read(
        self, asked: Sequence[Hashable], preds: Sequence[ImageDict], target: Sequence[ImageDict] | None = None
    ) -> Reading:
        return self._estimated(asked, preds, target)

    def _estimated(
        self,
        asked: Sequence[Hashable],
        preds: Sequence[ImageDict],
        target: Sequence[ImageDict] | None,
        others: Others = (),
    ) -> Reading:
        """The reading of a batch, where an estimate goes by what other detectors see, too."""
        measure = partial(self._measure, asked, others=others)
        return Reading(*self._in_pieces(measure, preds, ids_alone(len(preds), target)))

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """As :meth:`HardnessMetric.merge_state`; two functions are equal settings only if they compare equal."""
        if isinstance(incoming_state, Estimator):
            self.definition.require_same_function(incoming_state.definition)
        super().merge_state(incoming_state)

    def _measure(
        self, asked: Sequence[Hashable], preds: Sequence[ImageDict], target: Sequence[ImageDict], others: Others = ()
    ) -> tuple[Tensor, Mapping[Hashable, Tensor]]:
        batch = pack(preds, target, self.definition.box_format)
        return batch.image_ids, self._measure_packed(asked, batch, others)

    def _measure_packed(
        self, asked: Sequence[Hashable], batch: Batch, others: Others = ()
    ) -> Mapping[Hashable, Tensor]:
        if "pixel" in asked:
            require_sizes(batch.image_ids, ~batch.image_sizes[:, 0].isnan())
        evidence = self._evidence(batch, others)
        return {weighting: self._moments(evidence, weighting).float() for weighting in asked}

    def _hardness(self, columns: Columns) -> Tensor:
        mean, std = self._of_kind(columns)
        if self.statistic == "interval":
            return self._residual().ends(mean, std, self.coverage)[1]
        return {"mean": mean, "std": std, "bound": mean + self.c * std}[self.statistic]

    def _of_kind(self, columns: Columns) -> tuple[Tensor, Tensor]:
        """``(N,)`` mean and ``(N,)`` standard deviation of the errors that the definition counts."""
        mean, std = columns["moments"][:, _KINDS.index(self.definition.kind)].unbind(1)
        return mean, std

    def _residual(self) -> Residual:
        if self.residuals is None:
            raise ValueError(
                "`residuals` are missing, from which intervals follow: fit them to labelled images, see"
                " `fit_residuals`."
            )
        return self.residuals.of(*self.known_as)

    @property
    def known_as(self) -> tuple[str, str, str]:
        """What the estimator, the query and the definition are called in :class:`Residuals`."""
        definition = f"{self.definition.kind}/{self.definition.weighting}"
        return self.settings.partition("(")[0], str(self.query), definition

    def moments_once(self) -> Rows:
        """Ids, ascending, and the moments of all images so far, gathered from all processes as `compute` does.

        ``moments (N, 3, 2)`` are of false positives, of false negatives and of both; mean and standard deviation.
        """
        with torch.no_grad(), self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=self._to_sync):
            return self._images_once()

    def intervals(self) -> Intervals:
        """Where the hardness of each image so far lies, with a probability of `coverage` at least.

        That is so of images that are drawn as the labelled ones were, to which `residuals` were fitted: on average
        over them, not of easy or hard ones apart.

        Raises:
            ValueError: without `residuals`, and as `compute`.
        """
        rows = self.moments_once()
        lower, upper = self._residual().ends(*self._of_kind(rows.columns), self.coverage)
        return Intervals(rows.image_ids, lower, upper)

    def mean_interval(self) -> MeanInterval:
        """What the mean hardness of the images so far is, and where it lies with a probability of `coverage`.

        The mean of the estimates, plus the mean of hardness less its estimate on the labelled images.

        Raises:
            ModuleNotFoundError: if scipy is not installed.
            ValueError: without `residuals`, if they are of a single image, if there are no images, and as `compute`.
        """
        mean, _ = self._of_kind(self.moments_once().columns)
        if not len(mean):
            raise ValueError("No images were added, so that there is no mean: `update` first.")
        return self._residual().of_set(float(mean.double().mean()), len(mean), self.coverage)


class ScoreSampling(Estimator[ReductionT]):
    """Hardness against samples of a pseudo ground truth, each matched like real labels.

    In each sample every detection, whatever its score, is a real object with probability equal to its score; the
    definition is evaluated with detections of at least its score threshold against them. After Ayers, Sadeghi et al.,
    *Query-based Hard-Image Retrieval for Object Detection at Test Time*, AAAI 2023.

    A given seed gives an image the same estimate whatever the batch size, image order or number of processes, as long
    as images have ids.

    Args:
        definition: what to estimate.
        n_samples: how many samples to draw.
        seed: another one gives other samples.
        calibration: turns scores into probabilities; None to take scores for probabilities.
        sampler: a model of the truth of your own in place of score sampling, which then brings its own seed and
            calibration; see :class:`hardest_metrics.functional.Sampler`.
        statistic: ``"mean"``, ``"std"``, ``"bound"`` (mean + c · standard deviation) over the samples, or the upper end
            of an ``"interval"``.
        c: of the bound; negative for a lower one.
        reduction: None for the ranking; ``"mean"``, ``"sum"`` or ``"max"`` over the images for a scalar.
        residuals: how far the estimates were off on labelled images, for intervals, see :func:`fit_residuals`.
        coverage: of intervals, the least probability that an image lies inside.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> import torch
        >>> from hardest_metrics.detection import ScoreSampling, TotalFalse
        >>> sure = {"boxes": torch.tensor([[0.0, 0, 9, 9]]), "scores": torch.tensor([1.0]), "labels": torch.tensor([1])}
        >>> unsure = {**sure, "scores": torch.tensor([0.5])}
        >>> metric = ScoreSampling(TotalFalse(), n_samples=1000)
        >>> metric.update([{**sure, "image_id": 1}, {**unsure, "image_id": 2}])
        >>> metric.compute()
        Ranking(2 images, hardest first: 2 (0.5), 1 (0))
    """

    _associate: Associate = staticmethod(by_matching)
    _name = "score_sampling"

    def __init__(
        self,
        definition: Definition,
        n_samples: int = 10,
        seed: int = 0,
        calibration: Calibration | None = None,
        sampler: Sampler | None = None,
        statistic: Statistic = "mean",
        c: float = 1.0,
        reduction: ReductionT = None,  # type: ignore[assignment]
        residuals: Residuals | None = None,
        coverage: float = 0.8,
        **kwargs: Any,
    ) -> None:
        check_n_samples(n_samples)
        drawing = sampler or ScoreSampler(seed, calibration or Uncalibrated())
        settings = f"{self._name}(n_samples={n_samples}, sampler={drawing.settings}"
        super().__init__(definition, settings, statistic, c, reduction, residuals, coverage, **kwargs)
        self.by_image = self.by_image and sampler is None  # who knows what else a sampler of the user's goes by
        self.n_samples = n_samples
        self.seed = seed
        self.calibration = calibration
        self.sampler = sampler
        self._drawing = drawing

    def _moments(self, evidence: Batch, weighting: Any) -> Tensor:
        return sampled_moments(
            evidence, self.query, named_weighting(weighting), self.n_samples, self._drawing, type(self)._associate
        )


class FastScoreSampling(ScoreSampling[ReductionT]):
    """Score sampling that takes each pseudo object to be found by the detection it came from, without matching.

    What :class:`ExpectedHardness` gives exactly, for weightings that are functions of your own.

    Arguments, input and output are those of :class:`ScoreSampling`.

    Example:
        >>> import torch
        >>> from hardest_metrics.detection import FalsePositives, FastScoreSampling
        >>> metric = FastScoreSampling(FalsePositives(weighting=lambda errors, _: errors.scores), n_samples=100)
        >>> metric.update(
        ...     [{"boxes": torch.rand(2, 4).cumsum(1), "scores": torch.ones(2), "labels": torch.tensor([1, 2])}]
        ... )
        >>> metric.compute()
        Ranking(1 image, hardest first: 0 (0))
    """

    _associate: Associate = staticmethod(own_detection)
    _name = "fast_score_sampling"


class ExpectedHardness(Estimator[ReductionT]):
    """The exact mean of :class:`FastScoreSampling`, and its standard deviation, in closed form.

    With scores ``s`` and threshold ``t``, expected false positives are the sum over ``s_i >= t`` of
    ``(1 - s_i) w_i``, expected false negatives the sum over ``s_i < t`` of ``s_i w_i``; see
    :func:`hardest_metrics.functional.expected_moments` for overlap weighting.

    Args:
        definition: what to estimate; its weighting must be one with a name.
        calibration: turns scores into probabilities; None to take scores for probabilities.
        statistic: ``"mean"``, ``"std"``, ``"bound"`` (mean + c · standard deviation), or the upper end of
            an ``"interval"``.
        c: of the bound; negative for a lower one.
        reduction: None for the ranking; ``"mean"``, ``"sum"`` or ``"max"`` over the images for a scalar.
        residuals: how far the estimates were off on labelled images, for intervals, see :func:`fit_residuals`.
        coverage: of intervals, the least probability that an image lies inside.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> import torch
        >>> from hardest_metrics.detection import ExpectedHardness, TotalFalse
        >>> preds = [
        ...     {
        ...         "boxes": torch.rand(2, 4).cumsum(1),
        ...         "scores": torch.tensor([0.75, 0.25]),
        ...         "labels": torch.ones(2).int(),
        ...     }
        ... ]
        >>> metric = ExpectedHardness(TotalFalse())
        >>> metric.update(preds)
        >>> metric.compute()
        Ranking(1 image, hardest first: 0 (0.5))
    """

    def __init__(
        self,
        definition: Definition,
        calibration: Calibration | None = None,
        statistic: Statistic = "mean",
        c: float = 1.0,
        reduction: ReductionT = None,  # type: ignore[assignment]
        residuals: Residuals | None = None,
        coverage: float = 0.8,
        **kwargs: Any,
    ) -> None:
        settings = f"expected_hardness(calibration={(calibration or Uncalibrated()).settings}"
        super().__init__(definition, settings, statistic, c, reduction, residuals, coverage, **kwargs)
        require_closed_form(definition)
        self.calibration = calibration

    def _moments(self, evidence: Batch, weighting: Any) -> Tensor:
        return expected_moments(evidence, self.query, weighting, self.calibration or Uncalibrated())


def require_closed_form(definition: Definition) -> None:
    """Refuse a definition that weighs with a function.

    Raises:
        ValueError: if it does.
    """
    if callable(definition.weighting):
        raise ValueError(
            "`definition` weighs with a function, which has no closed form: estimate it with FastScoreSampling."
        )
