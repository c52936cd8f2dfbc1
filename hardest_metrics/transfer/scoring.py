"""All scores of one model for a target set, in one pass over its objects and in constant space."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, nn

from hardest_metrics.functional.transferability.class_scatters import ClassScatters
from hardest_metrics.functional.transferability.gaussian_overlap import gaussian_overlap_of
from hardest_metrics.functional.transferability.h_score import h_score_of, regularized_h_score_of
from hardest_metrics.functional.transferability.logme import box_logme_of, logme_of, regression_score_of
from hardest_metrics.functional.transferability.statistics import FeatureStatistics
from hardest_metrics.functional.transferability.transrate import transrate_of
from hardest_metrics.transferability.base import checked_objects
from hardest_metrics.transferability.object_features import ObjectFeatures
from hardest_metrics.transferability.pooling import Pooling

#: What features are scored by.
SCORES = (
    "logme", "box_logme", "total_logme", "h_score", "regularized_h_score", "transrate", "gaussian_overlap",
    "regression_score",
)  # fmt: skip


class Place(NamedTuple):
    """Where features are from.

    Attributes:
        pooling: how they were pooled.
        layer: of the model.
    """

    pooling: Pooling
    layer: str


class Scores(NamedTuple):
    """Of the features of one layer, by the names of :data:`SCORES`, the higher the better.

    Attributes:
        place: the layer, and how it was pooled.
        width: D, the number of features.
        values: what the features score; NaN where there is nothing to tell apart.
        shuffled: what they score for the labels and boxes of other objects, below which a score means nothing; none
            without these.
    """

    place: Place
    width: int
    values: dict[str, float]
    shuffled: dict[str, float]


@dataclass(frozen=True)
class _Moments:
    """What all scores need to know of any number of objects."""

    features: FeatureStatistics
    classes: ClassScatters

    @classmethod
    def of(cls, features: Tensor, target: Tensor, boxes: Tensor) -> "_Moments":
        features, target, checked = checked_objects(features.device, features, target, boxes)
        return cls(FeatureStatistics.of(features, target, checked), ClassScatters.of(features, target))

    def merge(self, other: "_Moments") -> "_Moments":
        return _Moments(self.features.merge(other.features), self.classes.merge(other.classes))

    def scores(self) -> dict[str, float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of few objects: `Scores.width` tells
            labels, boxes = float(logme_of(self.features)), float(box_logme_of(self.features))
            return {
                "logme": labels,
                "box_logme": boxes,
                "total_logme": (labels + boxes) / 2,
                "h_score": float(h_score_of(self.features)),
                "regularized_h_score": float(regularized_h_score_of(self.features)),
                "transrate": float(transrate_of(self.classes, eps=1e-4)),
                "gaussian_overlap": float(gaussian_overlap_of(self.features)),
                "regression_score": float(regression_score_of(self.features)),
            }


class Scoring:
    """Scores a model, batch by batch; what is known so far can be written down and taken up again.

    Args:
        model: in evaluation mode, see :class:`~hardest_metrics.transferability.ObjectFeatures`.
        layers: names of layers by the pooling of their features.
        reference: labels ``(N,)`` and boxes ``(N, 4)`` of all objects of the target set in another order, each for the
            features of the object in its place: what these score is what a score means nothing below. None for no such
            reference.
        projection: how many features to project those of each layer to; None to leave them.

    Raises:
        ValueError: if the model has no such layer.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()).eval()
        >>> boxes = torch.tensor([[2.0, 2, 8, 8], [4, 4, 20, 28], [8, 0, 32, 16]])
        >>> scoring = Scoring(model, {"local": ["1"]})
        >>> for label in (0, 1, 0, 1):
        ...     image = torch.full((3, 32, 32), label / 2) + torch.rand(3, 32, 32)
        ...     scoring.update([image], [{"boxes": boxes, "labels": torch.full((3,), label)}])
        >>> scoring.number
        12
        >>> (scores,) = scoring.compute()
        >>> scores.place, scores.width, sorted(scores.values) == sorted(SCORES)
        (Place(pooling='local', layer='1'), 8, True)
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Mapping[Pooling, Sequence[str]],
        reference: tuple[Tensor, Tensor] | None = None,
        projection: int | None = None,
    ) -> None:
        self.number = 0
        self._extract = [ObjectFeatures(model, names, pooling, projection) for pooling, names in layers.items()]
        self._reference = reference
        self._moments: dict[tuple[Place, bool], _Moments] = {}

    def update(self, images: Tensor | Sequence[Tensor], targets: Sequence[Mapping[str, Tensor]]) -> None:
        """Add the objects of some images; see :class:`~hardest_metrics.transferability.ObjectFeatures` for both."""
        found: dict[tuple[Place, bool], _Moments] = {}
        number = sum(len(target["labels"]) for target in targets)
        if not number:
            return
        shuffled = slice(self.number, self.number + number)
        for extract in self._extract:
            objects = extract(images, targets)
            for layer, features in objects.features.items():
                place = Place(extract.pooling, layer)
                found[place, False] = _Moments.of(features, objects.target, objects.boxes)
                if self._reference is not None:
                    labels, boxes = (values[shuffled].to(features.device) for values in self._reference)
                    found[place, True] = _Moments.of(features, labels, boxes)
        # all at once, so that what is written down is of the same objects everywhere
        self._moments = {key: self._moments[key].merge(new) if self._moments else new for key, new in found.items()}
        self.number += number

    def compute(self) -> list[Scores]:
        """The scores of all objects so far, by pooling and layer."""
        scores = {key: moments.scores() for key, moments in self._moments.items()}
        return [
            Scores(place, len(moments.features.scatter), scores[place, False], scores.get((place, True), {}))
            for (place, shuffled), moments in self._moments.items()
            if not shuffled
        ]

    def state(self) -> dict[str, Any]:
        """What is known so far, in types that ``torch.load(..., weights_only=True)`` knows."""
        moments = [
            (*place, shuffled, _fields(known.features), _fields(known.classes))
            for (place, shuffled), known in self._moments.items()
        ]
        return {"number": self.number, "moments": moments}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up what :meth:`state` gave."""
        self.number = state["number"]
        self._moments = {
            (Place(pooling, layer), shuffled): _Moments(FeatureStatistics(**features), ClassScatters(**classes))
            for pooling, layer, shuffled, features, classes in state["moments"]
        }


def _fields(statistics: FeatureStatistics | ClassScatters) -> dict[str, Any]:
    return {name: getattr(statistics, name) for name in statistics.__dataclass_fields__}
