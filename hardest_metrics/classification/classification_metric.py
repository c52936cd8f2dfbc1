"""The base of metrics of classifiers: how they take logits, labels and ids."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from hardest_metrics.functional.classification.inputs import checked_target, require_finite, shaped_logits
from hardest_metrics.functional.classification.measures import Asked, measure, needs_target
from hardest_metrics.functional.classification.temperature import Temperature
from hardest_metrics.ids import ImageIds, checked_ids
from hardest_metrics.image_rows import Column, Reading, read_together
from hardest_metrics.metric import Columns, HardnessMetric, ReductionT

if TYPE_CHECKING:
    from hardest_metrics.classification.adapter import ClassificationAdapter


class ClassificationMetric(HardnessMetric[ReductionT]):
    """Hardness of images that follows from a classifier's logits, and the labels where the definition needs any.

    All metrics of classifiers read batches alike: in a :class:`~hardest_metrics.HardnessCollection` each batch is
    checked and measured once for all of them, and of the measures what some member needs. Those without labels ignore
    `target`.

    As input to ``forward`` and ``update``:

    - ``preds``: ``(N, K)`` logits of any floating dtype, K at least 2;
    - ``target``: ``(N,)`` integer labels;
    - ``image_ids``: ``(N,)`` integers, or N numbers or texts; None to number images by position, in one process only.

    As output ``compute`` gives a :class:`~hardest_metrics.Ranking`, or a float32 scalar if `reduction` is set.

    A subclass says in :attr:`measure` what is measured.

    Args:
        calibration: turns logits into probabilities; None for their softmax as they are.
        reduction: None for the ranking; ``"mean"``, ``"sum"`` or ``"max"`` over the images for a scalar.
        kwargs: see :class:`torchmetrics.Metric`.
    """

    #: a name of :mod:`hardest_metrics.functional.classification.measures`
    measure: ClassVar[str]

    columns: ClassVar[Mapping[str, Column]] = {"value": Column()}

    def __init__(
        self,
        calibration: Temperature | None = None,
        reduction: ReductionT = None,  # type: ignore[assignment]
        **kwargs: Any,
    ) -> None:
        if not isinstance(calibration, Temperature | None):
            raise TypeError(
                f"`calibration` of logits must be a Temperature, but is {calibration!r}: fit one with"
                " `fit_temperature`."
            )
        calibrated = "" if calibration is None else f"calibration={calibration.settings}"
        super().__init__(f"{self.measure}({calibrated})", reduction, reads="classification()", **kwargs)
        self.calibration = calibration
        self._asked = Asked(self.measure, 1.0 if calibration is None else calibration.temperature)

    @property
    def adapter(self) -> "ClassificationAdapter":
        """How a callback understands, keeps and draws images."""
        # here: it needs Pillow, which a metric does not
        from hardest_metrics.classification.adapter import ClassificationAdapter

        return ClassificationAdapter()

    @property
    def needs(self) -> Mapping[str, Hashable]:
        """What to ask :meth:`_read` for, by the column that keeps it."""
        mistakes = {"mistakes": Asked("mistakes")} if "mistakes" in self.columns else {}
        return {"value": self._asked} | mistakes

    def update(self, preds: Tensor, target: Tensor | None = None, image_ids: ImageIds = None) -> None:
        """Add a batch of images.

        Args:
            preds: ``(N, K)`` logits of any floating dtype, K at least 2.
            target: ``(N,)`` integer labels, or what else the class says; None where it needs none.
            image_ids: ``(N,)`` integers, or N numbers or texts; None to number images by position.

        Raises:
            TypeError, ValueError: on input that makes no sense: NaN or infinite logits, labels out of range or not of
                integers, K below 2, lengths that differ. The metric is as it was before.
        """
        self._take(read_together([self], preds, target, image_ids))

    def _read(
        self,
        asked: Sequence[Any],
        preds: Tensor,
        target: Tensor | None = None,
        image_ids: ImageIds = None,
    ) -> Reading:
        logits = shaped_logits(preds)
        ids = checked_ids(image_ids, len(logits))
        require_finite(logits, ids)
        by_labels = needs_target([one.name for one in asked])
        if by_labels and target is None:
            raise ValueError(
                f"`target` is missing, but {by_labels[0]} goes by labels. Give them, or rank without: entropy,"
                " least_confidence and two_best_gap need none."
            )
        labels = checked_target(target, logits, ids) if by_labels and target is not None else None
        return Reading(ids.to(logits.device), measure(asked, logits, labels))

    def _hardness(self, columns: Columns) -> Tensor:
        return columns["value"]


class LabelledMetric(ClassificationMetric[ReductionT]):
    """One that goes by labels: an image is in error if another class has a strictly larger logit than its label."""

    columns: ClassVar[Mapping[str, Column]] = {"value": Column(), "mistakes": Column((), torch.int32)}

    def _in_error(self, columns: Columns, hardness: Tensor) -> Tensor:
        return columns["mistakes"] > 0


class UnlabelledMetric(ClassificationMetric[ReductionT]):
    """One that needs no labels, and ignores them."""

    needs_labels = False
