"""Hardness as the detector's uncertainty, which serves any query."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor

from hardest_metrics.detection.detection_metric import DetectionMetric
from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.checking import BoxFormat, check_box_format
from hardest_metrics.functional.detection.estimation import Calibration, Uncalibrated, participants, probabilities
from hardest_metrics.functional.detection.matching import AreaName, Query, ScoreThreshold
from hardest_metrics.functional.detection.packing import ImageDict, ids_alone, pack
from hardest_metrics.functional.detection.uncertainty import OF_LOGITS, OF_SCORES, ImageReduction, image_uncertainty
from hardest_metrics.image_rows import Column, Reading
from hardest_metrics.metric import Columns, ReductionT

Measure = Literal["entropy", "binary_entropy", "evidential", "binary_evidential", "max_uncertainty"]


class Uncertainty(DetectionMetric[ReductionT]):
    """Rank images by how unsure the detector is of its detections, whatever the query.

    - ``"entropy"`` and ``"evidential"`` (unassigned belief) go by the logits over classes of each detection, given in
      ``preds`` as ``logits (n, K)``;
    - ``"binary_entropy"``, ``"binary_evidential"`` and ``"max_uncertainty"`` (1 - score) by its score.

    An image without detections has hardness 0; scores of exactly 0 and 1 have finite uncertainty. The measures are
    those that Ayers, Sadeghi et al. (AAAI 2023) compare with, see
    :mod:`hardest_metrics.functional.detection.uncertainty`.

    Args:
        measure: of one detection.
        image_reduction: what the detections of an image come to: ``"sum"``, ``"mean"`` or ``"max"``; None for the
            field's habit, ``"max"`` for maximum uncertainty and ``"sum"`` for the others.
        score_threshold: detections of a lower score take no part, in [0, 1]; or one for each label that counts.
        labels: the labels that count; None for all.
        box_format: of all boxes: ``"xyxy"``, ``"xywh"`` or ``"cxcywh"``.
        reduction: None for the ranking; ``"mean"``, ``"sum"`` or ``"max"`` over the images for a scalar.
        calibration: of measures that go by scores, turns these into probabilities; None to take scores for
            probabilities. The threshold is compared with scores.
        area_range: detections outside take no part, see :class:`BoxErrors`; None for all.
        max_detections: only this many detections of highest score take part, per image and label.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range; in `update` if an image lacks logits that are needed.

    Example:
        >>> import torch
        >>> from hardest_metrics.detection import Uncertainty
        >>> preds = [
        ...     {"boxes": torch.rand(2, 4).cumsum(1), "scores": torch.tensor([0.9, 0.5]), "labels": torch.ones(2).int()}
        ... ]
        >>> metric = Uncertainty("max_uncertainty")
        >>> metric.update(preds)
        >>> metric.compute()
        Ranking(1 image, hardest first: 0 (0.5))
    """

    columns: ClassVar[Mapping[str, Column]] = {"uncertainty": Column()}
    needs_labels = False

    def __init__(
        self,
        measure: Measure = "binary_entropy",
        image_reduction: ImageReduction | None = None,
        score_threshold: ScoreThreshold = 0.5,
        labels: Collection[int] | None = None,
        box_format: BoxFormat = "xyxy",
        reduction: ReductionT = None,  # type: ignore[assignment]
        calibration: Calibration | None = None,
        area_range: AreaName | tuple[float, float] | None = None,
        max_detections: int = 100,
        **kwargs: Any,
    ) -> None:
        if measure not in get_args(Measure):
            raise ValueError(f"`measure` must be one of {get_args(Measure)}, but is {measure!r}.")
        if image_reduction is not None and image_reduction not in get_args(ImageReduction):
            raise ValueError(
                f"`image_reduction` must be one of {get_args(ImageReduction)} or None, but is {image_reduction!r}."
            )
        if calibration is not None and measure in OF_LOGITS:
            raise ValueError(
                f"`calibration` turns scores into probabilities, but {measure} goes by logits: leave it out, or choose"
                f" one of {tuple(OF_SCORES)}."
            )
        check_box_format(box_format)
        query = Query(score_threshold, labels=labels, area_range=area_range, max_detections=max_detections)
        calibrated = "" if calibration is None else f", calibration={calibration.settings}"
        over_image = image_reduction or ("max" if measure == "max_uncertainty" else "sum")
        settings = f"uncertainty({measure!r}, {over_image!r}, {query}, box_format={box_format!r}{calibrated})"
        super().__init__(settings, reduction, **kwargs)
        self.measure = measure
        self.image_reduction = image_reduction
        self._over_image: ImageReduction = over_image
        self.query = query
        self.calibration = calibration
        self.box_format = box_format

    def update(self, preds: Sequence[ImageDict], target: Sequence[ImageDict] | None = None) -> None:
        """Add a batch of images.

        Args:
            preds: one dict an image, see :func:`hardest_metrics.functional.pack`; ``logits (n, K)`` for measures
                that go by them.
            target: None, or one dict an image in the same order, for ids.

        Raises:
            TypeError, ValueError: on input that makes no sense; the metric is as it was before.
        """
        super().update(preds, target)  # type: ignore[arg-type]

    def _read(
        self, asked: Sequence[Hashable], preds: Sequence[ImageDict], target: Sequence[ImageDict] | None = None
    ) -> Reading:
        return super()._read(asked, preds, ids_alone(len(preds), target))

    def _measure(
        self, asked: Sequence[Hashable], preds: Sequence[ImageDict], target: Sequence[ImageDict]
    ) -> tuple[Tensor, Mapping[Hashable, Tensor]]:
        batch = pack(preds, target, self.box_format)
        if self.measure in OF_SCORES:
            return batch.image_ids, self._measure_packed(asked, batch)
        values = OF_LOGITS[self.measure](_logits(preds, self.measure).to(batch.detections.scores.device))
        return batch.image_ids, self._over_images(values, batch)

    def _measure_packed(self, asked: Sequence[Hashable], batch: Batch) -> Mapping[Hashable, Tensor]:
        if self.measure not in OF_SCORES:
            return super()._measure_packed(asked, batch)
        scores = probabilities(self.calibration or Uncalibrated(), batch.detections.scores)
        return self._over_images(OF_SCORES[self.measure](scores), batch)

    def _over_images(self, values: Tensor, batch: Batch) -> Mapping[Hashable, Tensor]:
        boxes = batch.detections
        kept = participants(boxes, self.query)
        kept = kept[self.query.counts_area(boxes.box_area.index_select(0, kept))]
        image = boxes.image.index_select(0, kept)
        result = image_uncertainty(values.index_select(0, kept), image, len(batch), self._over_image)
        return {"uncertainty": result.float()}

    def _hardness(self, columns: Columns) -> Tensor:
        return columns["uncertainty"]


def _logits(preds: Sequence[ImageDict], measure: Measure) -> Tensor:
    """``(n, K)`` of all detections."""
    parts: list[Tensor] = []
    for index, image in enumerate(preds):
        number = len(image["scores"])
        if not number:
            continue
        logits = image.get("logits")
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else None
        classes = parts[0].shape[1] if parts else shape[1] if shape and len(shape) == 2 else 0
        if not isinstance(logits, Tensor) or shape != (number, classes):
            what = "lacks the key 'logits'" if logits is None else f"has 'logits' of shape {shape}"
            raise ValueError(
                f"`preds[{index}]` {what}, but {measure} needs ({number}, {classes or 'K'}): logits over classes,"
                " one row a detection. Measures named binary_... go by scores alone."
            )
        if logits.isnan().any():
            raise ValueError(f"`preds[{index}]['logits']` holds NaN: {measure} needs numbers.")
        parts.append(logits)
    return torch.cat(parts) if parts else torch.empty(0, 1)
