"""Several detectors as a model of the truth: what one of them sees, another may have missed."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hardest_metrics.functional.detection.boxes import Batch
from hardest_metrics.functional.detection.estimation import (
    Calibration,
    PseudoGroundTruth,
    ScoreSampler,
    Uncalibrated,
    hash_of,
)
from hardest_metrics.functional.detection.matching import Query
from hardest_metrics.functional.detection.packing import ImageDict
from hardest_metrics.functional.order import ascending_order, positions


class ConfidentMembers:
    """Sample `m` of the truth is what member `m` detects with at least the query's score.

    Args:
        members: detections of each member, for the same images.
        query: which boxes count.
    """

    settings = "confident_members()"

    def __init__(self, members: Sequence[Batch], query: Query) -> None:
        self._members, self._query = members, query

    def __call__(self, batch: Batch, samples: Tensor) -> PseudoGroundTruth:
        """The members of these numbers."""
        parts = []
        for place, number in enumerate(samples.tolist()):
            boxes = self._members[number].detections
            boxes = boxes.take(self._query.scored(boxes))
            parts.append(_objects(torch.full_like(boxes.image, place), boxes.image, boxes.xywh, boxes.labels))
        return _joined(parts)


class SampledMembers:
    """For each image and sample a member is drawn, and each of its detections kept with probability equal to its score.

    Args:
        members: detections of each member, for the same images.
        weights: how likely each member is, adding up to 1.
        seed: another one gives other samples.
        calibration: turns scores into the probabilities to draw with: one for all members, or a sequence with one
            a member; None to take scores for probabilities.

    Raises:
        ValueError: if there is not one calibration a member.
    """

    def __init__(
        self,
        members: Sequence[Batch],
        weights: Sequence[float],
        seed: int = 0,
        calibration: Calibration | Sequence[Calibration | None] | None = None,
    ) -> None:
        given = calibration if isinstance(calibration, Sequence) else [calibration] * len(members)
        if len(given) != len(members):
            raise ValueError(
                f"`calibration` holds {len(given)} calibrations, but there are {len(members)} members: pass one each,"
                " or one for all."
            )
        calibrations = [Uncalibrated() if one is None else one for one in given]
        self._members, self._seed = members, seed
        self._bounds = torch.tensor(weights, dtype=torch.float64).cumsum(0)[:-1] * 2.0**32
        self._samplers = [ScoreSampler(seed + 1 + number, one) for number, one in enumerate(calibrations)]
        self.settings = f"sampled_members(seed={seed}, calibration=[{', '.join(one.settings for one in calibrations)}])"

    def __call__(self, batch: Batch, samples: Tensor) -> PseudoGroundTruth:
        """Draw samples."""
        draws = hash_of(self._seed, batch.ids_or_places, samples[:, None])
        drawn = torch.searchsorted(self._bounds.to(draws.device), draws.double(), right=True)
        parts = []
        for number, (member, sampler) in enumerate(zip(self._members, self._samplers, strict=True)):
            objects = sampler(member, samples)
            kept = positions(drawn[objects.sample, objects.image] == number)
            sample, image, xywh, labels, _ = (field.index_select(0, kept) for field in objects)
            parts.append(_objects(sample, image, xywh, labels))
        return _joined(parts)


def check_others(name: str, each: str, others: Sequence[Sequence[ImageDict]], number: int) -> None:
    """Refuse predictions of other detectors that do not fit the images.

    Args:
        name: of the argument that they were given as.
        each: what one of them is called.
        others: of each, one dict an image.
        number: how many images there are.

    Raises:
        ValueError: if there are none, or one has other than one dict an image.
    """
    if not others:
        raise ValueError(f"`{name}` must be a list with the predictions of each {each}, one or more.")
    for index, other in enumerate(others):
        if len(other) != number:
            raise ValueError(
                f"`{name}[{index}]` holds {len(other)} images, but `preds` {number}:"
                f" pass the predictions of every {each} for the same images in the same order."
            )


def check_members(members: Sequence[Sequence[ImageDict]], number: int, weights: Sequence[float] | None) -> list[float]:
    """The members' weights, adding up to 1; members that do not fit the images are refused."""
    check_others("members", "member", members, number)
    if weights is None:
        return [1 / len(members)] * len(members)
    if len(weights) != len(members):
        raise ValueError(
            f"`weights` holds {len(weights)} numbers, but there are {len(members)} members: pass one each."
        )
    return [float(weight) / sum(weights) for weight in weights]


def _objects(sample: Tensor, image: Tensor, xywh: Tensor, labels: Tensor) -> PseudoGroundTruth:
    return PseudoGroundTruth(sample, image, xywh, labels, torch.full_like(sample, -1))


def _joined(parts: Sequence[PseudoGroundTruth]) -> PseudoGroundTruth:
    """All objects, image by image in each sample."""
    joined = PseudoGroundTruth(*(torch.cat(fields) for fields in zip(*parts, strict=True)))
    images = 1 + int(joined.image.amax() if len(joined.image) else 0)
    order = ascending_order(joined.sample * images + joined.image)
    return PseudoGroundTruth(*(field.index_select(0, order) for field in joined))
