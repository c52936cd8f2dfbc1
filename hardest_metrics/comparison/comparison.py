"""The values that a comparison consists of."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hardest_metrics.data.annotations import Annotations
from hardest_metrics.functional.detection.matching import Query
from hardest_metrics.functional.detection.packing import ImageDict
from hardest_metrics.functional.detection.shape_format import ShapeFormat
from hardest_metrics.ranking import Ranking

if TYPE_CHECKING:
    import pandas as pd

#: The estimator of rankings that go by labels: the truth that estimates are judged by.
LABELS = "labels"


@dataclass(frozen=True, eq=False)
class RankedBy:
    """A ranking, and what it was made with.

    Args:
        detector: the name of its detections.
        definition: of hardness, ``"kind/weighting"``, such as ``"total_false/pixel"``.
        estimator: :data:`LABELS` for the truth, else what hardness without labels was estimated with, as
            :func:`hardest_metrics.comparison.estimates.estimate_named` knows it.
        ranking: all images of the set.
    """

    detector: str
    definition: str
    estimator: str
    ranking: Ranking


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Rankings of the images of one set by several detectors, definitions and estimators, and how they agree.

    Args:
        annotations: the set. Without labels, the target boxes of its images are absent or None.
        detections: by detector, one dict an image in the order of the annotations, boxes as (x, y, width, height).
        query: which boxes count.
        rankings: by detector, then by estimator (:data:`LABELS` first), then by definition.
        agreement: one row a detector, estimator and definition (columns ``detector``, ``definition``, ``estimator``,
            then one of each of :data:`hardest_metrics.functional.agreement.MEASURES`), in the order of `rankings`
            without those by labels; empty without labels.
        notes: what a reader should know: which estimates are missing and why, and what makes little sense.
        shapes: what was compared, and how boxes are given.
    """

    annotations: Annotations
    detections: dict[str, list[ImageDict]]
    query: Query
    rankings: list[RankedBy]
    agreement: "pd.DataFrame"
    notes: tuple[str, ...] = ()
    shapes: ShapeFormat = field(default_factory=lambda: ShapeFormat("xywh"))

    def __repr__(self) -> str:
        n_images, detectors = len(self.annotations.image_ids), ", ".join(self.detections)
        return f"Comparison({n_images} images, {len(self.rankings)} rankings, detectors: {detectors})"
