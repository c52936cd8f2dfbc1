"""Hardness of images without labels, going by other detectors."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from hardest_metrics.detection.box_errors import Definition
from hardest_metrics.detection.estimators import Estimator, Others, Statistic
from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.checking import BoxFormat
from hardest_metrics.functional.detection.committee import ConfidentMembers, SampledMembers, check_members
from hardest_metrics.functional.detection.estimation import (
    Calibration,
    Sampler,
    check_n_samples,
    check_seed,
    sampled_moments,
)
from hardest_metrics.functional.detection.hardness import named_weighting
from hardest_metrics.functional.detection.packing import ImageDict, no_labels, pack
from hardest_metrics.functional.detection.residuals import Residuals
from hardest_metrics.functional.ids import NO_ID
from hardest_metrics.image_rows import Reading, read_together
from hardest_metrics.metric import ReductionT


class CommitteeHardness(Estimator[ReductionT]):
    """Hardness against what the members of a committee of detectors see, averaged over them.

    Without sampling, each member's detections of at least the definition's score threshold are labels in turn, and
    hardness is the exact (weighted) average. With `n_samples`, for each sample and image a member is drawn, and each
    of its detections, whatever its score, kept with probability equal to its score. After Ayers, Sadeghi et al.,
    *Query-based Hard-Image Retrieval for Object Detection at Test Time*, AAAI 2023.

    `update` and `forward` take the members' predictions as ``members``, beside the ``preds`` of the detector that is
    judged: a list with one list of dicts a member, for the same images in the same order.

    Args:
        definition: what to estimate.
        weights: how much each member counts, in the order of `members`; None for all alike.
        n_samples: how many samples to draw; None for the exact average over confident detections.
        seed: another one gives other samples.
        calibration: turns the members' scores into probabilities to draw with: one for all, or a sequence with one
            (or None) a member, in the order of `members`; None to take scores for probabilities. Needs `n_samples`.
        statistic: ``"mean"``, ``"std"``, ``"bound"`` (mean + c · standard deviation) over members or samples, or the
            upper end of an ``"interval"``.
        c: of the bound; negative for a lower one.
        reduction: None for the ranking; ``"mean"``, ``"sum"`` or ``"max"`` over the images for a scalar.
        residuals: how far the estimates were off on labelled images, for intervals, see :func:`fit_residuals`.
        coverage: of intervals, the least probability that an image lies inside.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range; in `update` if members do not fit the images or each other.

    Example:
        >>> import torch
        >>> from hardest_metrics.detection import CommitteeHardness, TotalFalse
        >>> box = {"boxes": torch.tensor([[0.0, 0, 9, 9]]), "scores": torch.tensor([0.9]), "labels": torch.tensor([1])}
        >>> other = {**box, "labels": torch.tensor([2])}
        >>> metric = CommitteeHardness(TotalFalse())
        >>> metric.update([{**box, "image_id": 7}], members=[[box], [other]])  # one agrees, one does not
        >>> metric.compute()
        Ranking(1 image, hardest first: 7 (1))
    """

    def __init__(
        self,
        definition: Definition,
        weights: Sequence[float] | None = None,
        n_samples: int | None = None,
        seed: int = 0,
        calibration: Calibration | Sequence[Calibration | None] | None = None,
        statistic: Statistic = "mean",
        c: float = 1.0,
        reduction: ReductionT = None,  # type: ignore[assignment]
        residuals: Residuals | None = None,
        coverage: float = 0.8,
        **kwargs: Any,
    ) -> None:
        if n_samples is not None:
            check_n_samples(n_samples)
        check_seed(seed)
        if weights is not None and not (all(0 <= w < math.inf for w in weights) and sum(weights) > 0):
            raise ValueError(f"`weights` must be finite, at least 0 and not all 0, but are {weights}.")
        if calibration is not None and n_samples is None:
            raise ValueError(
                "`calibration` gives probabilities to draw samples with: give `n_samples`, or leave it out."
            )
        if isinstance(calibration, Sequence) and weights is not None and len(calibration) != len(weights):
            raise ValueError(
                f"`calibration` holds {len(calibration)} calibrations, but `weights` {len(weights)} numbers: pass one"
                " of each a member."
            )
        settings = f"committee(weights={weights}, n_samples={n_samples}, seed={seed}{_in_settings(calibration)}"
        super().__init__(definition, settings, statistic, c, reduction, residuals, coverage, **kwargs)
        self.weights = weights
        self.n_samples = n_samples
        self.seed = seed
        self.calibration = calibration
        self.by_image = False  # it goes by the members, too

    def update(
        self,
        preds: Sequence[ImageDict],
        target: Sequence[ImageDict] | None = None,
        members: Others = (),
    ) -> None:
        """Add a batch of images.

        Args:
            preds: one dict an image, of the detector that is judged.
            target: None, or one dict an image in the same order, for ids and sizes.
            members: of each member, one dict an image in the same order.

        Raises:
            TypeError, ValueError: on input that makes no sense; the metric is as it was before.
        """
        self._take(read_together([self], preds, target, members))

    def _read(
        self,
        asked: Sequence[Hashable],
        preds: Sequence[ImageDict],
        target: Sequence[ImageDict] | None = None,
        members: Others = (),
    ) -> Reading:
        return self._estimated(asked, preds, target, members)

    @property
    def _goes_by_more(self) -> bool:
        return True

    def _evidence(self, batch: Batch, others: Others) -> tuple[Batch, list[float], list[Batch]]:
        """The detections judged, what each member counts, and what the members see."""
        weights = check_members(others, len(batch), self.weights)
        return batch, weights, packed_beside("members", others, batch, self.box_format)

    def _moments(self, evidence: tuple[Batch, list[float], list[Batch]], weighting: Any) -> Tensor:
        batch, weights, members = evidence
        query = self.query
        sampler: Sampler
        if self.n_samples is None:
            sampler, number, shares = ConfidentMembers(members, query), len(members), weights
        else:
            sampler, number, shares = (
                SampledMembers(members, weights, self.seed, self.calibration),
                self.n_samples,
                None,
            )
        return sampled_moments(batch, query, named_weighting(weighting), number, sampler, weights=shares)


def _in_settings(calibration: Calibration | Sequence[Calibration | None] | None) -> str:
    if calibration is None:
        return ""
    if isinstance(calibration, Sequence):
        return f", calibration=[{', '.join('None' if one is None else one.settings for one in calibration)}]"
    return f", calibration={calibration.settings}"


def packed_beside(name: str, others: Others, batch: Batch, box_format: BoxFormat) -> list[Batch]:
    """Detections of other detectors, under the ids of the images judged.

    Args:
        name: of the argument that they were given as, for messages.
        others: of each, one dict an image.
        batch: of the detector that is judged.
        box_format: of all boxes.

    Raises:
        TypeError, ValueError: if they make no sense, or are of other images.
    """
    return [_packed(f"{name}[{index}]", other, batch, box_format) for index, other in enumerate(others)]


def _packed(name: str, other: Sequence[ImageDict], batch: Batch, box_format: BoxFormat) -> Batch:
    try:
        packed = pack(other, no_labels(len(other)), box_format)
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("`preds[", f"`{name}[")) from error
    known = packed.image_ids != NO_ID
    wrong = (known & (packed.image_ids != batch.image_ids)).nonzero()
    if len(wrong):
        place = int(wrong[0])
        raise ValueError(
            f"`{name}[{place}]` is of image {int(packed.image_ids[place])}, but `preds[{place}]` of image"
            f" {int(batch.image_ids[place])}: pass the predictions of all detectors in the same order."
        )
    return replace(packed, image_ids=batch.image_ids)
