"""Hardness of images without labels, going by what other detectors say of the detector's boxes."""

from collections.abc import Hashable, Sequence
from typing import Any

from torch import Tensor

from hardest_metrics.detection.box_errors import Definition
from hardest_metrics.detection.committee import packed_beside
from hardest_metrics.detection.estimators import Estimator, Others, Statistic, require_closed_form
from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.committee import check_others
from hardest_metrics.functional.detection.packing import ImageDict
from hardest_metrics.functional.detection.residuals import Residuals
from hardest_metrics.functional.detection.witnesses import (
    Proposals,
    WitnessModel,
    propose,
    require_weighting,
    witness_moments,
)
from hardest_metrics.image_rows import Reading, read_together
from hardest_metrics.metric import ReductionT


class WitnessHardness(Estimator[ReductionT]):
    """Hardness expected from the detector's scores and those of other detectors, its witnesses, in closed form.

    Where :class:`CommitteeHardness` puts other detectors in the place of the truth, here they are heard beside the
    detector: how likely one of its boxes is an object follows from its score and from the score of the one box of each
    witness that is matched to it, or from there being none; so does it for boxes that witnesses alone have. Duplicates
    of a witness's own, and boxes on one that was proposed already, are left out, see
    :func:`hardest_metrics.functional.detection.witnesses.propose`.

    `update` and `forward` take the witnesses' predictions as ``witnesses``, beside the ``preds`` of the detector that
    is judged: a list with one list of dicts a witness, for the same images in the same order, kept down to low scores.
    Members of a :class:`~hardest_metrics.HardnessCollection` of one query and model hear them once, whatever their
    weighting.

    Args:
        definition: what to estimate; its weighting must be one with a name.
        model: how likely boxes are objects, as :func:`hardest_metrics.calibration.fit_witness_model` learns it from
            labelled images; None for the mean log-odds, which needs none.
        statistic: ``"mean"``, ``"std"``, ``"bound"`` (mean + c · standard deviation), or the upper end of
            an ``"interval"``.
        c: of the bound; negative for a lower one.
        reduction: None for the ranking; ``"mean"``, ``"sum"`` or ``"max"`` over the images for a scalar.
        residuals: how far the estimates were off on labelled images, for intervals, see :func:`fit_residuals`.
        coverage: of intervals, the least probability that an image lies inside.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range, or `model` knows nothing of the weighting; in `update` if
            witnesses do not fit the images.

    Example:
        >>> import torch
        >>> from hardest_metrics.detection import TotalFalse, WitnessHardness
        >>> box = {"boxes": torch.tensor([[0.0, 0, 9, 9]]), "scores": torch.tensor([0.8]), "labels": torch.tensor([1])}
        >>> other = {**box, "labels": torch.tensor([2])}
        >>> metric = WitnessHardness(TotalFalse())
        >>> metric.update([{**box, "image_id": 7}, {**box, "image_id": 8}], witnesses=[[box, other]])
        >>> metric.compute()  # the witness agrees on image 7; on image 8 it sees something else
        Ranking(2 images, hardest first: 8 (1), 7 (0.2))
    """

    def __init__(
        self,
        definition: Definition,
        model: WitnessModel | None = None,
        statistic: Statistic = "mean",
        c: float = 1.0,
        reduction: ReductionT = None,  # type: ignore[assignment]
        residuals: Residuals | None = None,
        coverage: float = 0.8,
        **kwargs: Any,
    ) -> None:
        hearing = WitnessModel() if model is None else model
        settings = f"witness(model={hearing.settings}"
        super().__init__(definition, settings, statistic, c, reduction, residuals, coverage, **kwargs)
        require_closed_form(definition)
        require_weighting(hearing, definition.weighting)  # type: ignore[arg-type]
        self.model = model
        self._hearing = hearing
        self.reads = f"{settings}, of={definition.reads})"  # members of all weightings are measured together
        self.by_image = False  # it goes by the witnesses, too

    def update(
        self,
        preds: Sequence[ImageDict],
        target: Sequence[ImageDict] | None = None,
        witnesses: Others = (),
    ) -> None:
        """Add a batch of images.

        Args:
            preds: one dict an image, of the detector that is judged.
            target: None, or one dict an image in the same order, for ids and sizes.
            witnesses: of each witness, one dict an image in the same order.

        Raises:
            TypeError, ValueError: on input that makes no sense; the metric is as it was before.
        """
        self._take(read_together([self], preds, target, witnesses))

    def _read(
        self,
        asked: Sequence[Hashable],
        preds: Sequence[ImageDict],
        target: Sequence[ImageDict] | None = None,
        witnesses: Others = (),
    ) -> Reading:
        return self._estimated(asked, preds, target, witnesses)

    @property
    def _goes_by_more(self) -> bool:
        return True

    def _evidence(self, batch: Batch, others: Others) -> Proposals:
        check_others("witnesses", "witness", others, len(batch))
        witnesses = packed_beside("witnesses", others, batch, self.box_format)
        return propose(batch, witnesses, self.query)

    def _moments(self, evidence: Proposals, weighting: Any) -> Tensor:
        return witness_moments(evidence, self.query, weighting, self._hearing)
