"""Hardness without labels: what errors the detector's own scores make likely.

The truth is modelled: each detection, whatever its score, is a real object with probability equal to its score,
independently of the others (*score sampling* of Ayers, Sadeghi et al., AAAI 2023). What a definition of hardness
makes of detections against such a pseudo ground truth is then estimated

- by sampling, each sample being matched like real labels (:func:`sampled_moments`);
- by sampling, each pseudo object taken to be found by the detection it came from, which needs no matching
  (``associate=own_detection``);
- exactly under that assumption, without sampling (:func:`expected_moments`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from hardest_metrics.functional.detection.boxes import Batch, Detections, GroundTruth
from hardest_metrics.functional.detection.geometry import shared_areas
from hardest_metrics.functional.detection.hardness import sums_by, weighted_sums
from hardest_metrics.functional.detection.matching import Matches, Outcome, Query, match, rank
from hardest_metrics.functional.detection.weighting import Weighting, WeightingName
from hardest_metrics.functional.eager import eager
from hardest_metrics.functional.order import positions, runs
from hardest_metrics.names import MOST_SAMPLES

#: Boxes that the samples worked on at the same time hold together: about 300 MB of working memory.
_BOXES_AT_ONCE = 1 << 20


class PseudoGroundTruth(NamedTuple):
    """Objects of several samples of the truth of a batch.

    Attributes:
        sample: ``(k,)`` int64, which of the samples asked for an object is in, by its place among them.
        image: ``(k,)`` int64, the position in the batch of the image that it lies in.
        xywh: ``(k, 4)`` float64: left, top, width, height in pixels.
        labels: ``(k,)`` int64.
        source: ``(k,)`` int64, the detection of the batch that it came from, -1 for none.
    """

    sample: Tensor
    image: Tensor
    xywh: Tensor
    labels: Tensor
    source: Tensor


class Sampler(Protocol):
    """A model of the truth, given the detections.

    Attributes:
        settings: names everything that samples depend on, as a call: ``"score_sampler(seed=0)"``.
    """

    settings: str

    def __call__(self, batch: Batch, samples: Tensor) -> PseudoGroundTruth:
        """Draw samples.

        Args:
            batch: detections of any number of images, and the images' ids.
            samples: ``(S,)`` int64, the numbers of the samples. A sample of an image should depend on its number
                and the image's id only, not on what else is in the batch, so that an image gets the same estimate
                whatever the batch size, image order or number of processes.
        """


class Calibration(ABC):
    """Turns scores into probabilities of being right.

    A base class and no protocol, so that a LightningCLI can tell from it what to make of a file.

    Attributes:
        settings: names everything that the result depends on, as a call: ``"platt(slope=1.2, offset=-0.3)"``.
    """

    settings: str

    @abstractmethod
    def __call__(self, scores: Tensor) -> Tensor:
        """``(n,)`` probabilities in [0, 1], for ``(n,)`` scores in [0, 1]."""


class Uncalibrated(Calibration):
    """Takes scores for probabilities."""

    settings = "uncalibrated()"

    def __call__(self, scores: Tensor) -> Tensor:
        """The scores themselves."""
        return scores.double()


_AS_THEY_ARE = Uncalibrated()


class ScoreSampler:
    """Keeps each detection with probability equal to its score.

    Draws are a hash of seed, image id, sample and the box's place in its image; no generator has a state. Images
    without id are told apart by their place in the batch.

    Args:
        seed: another one gives other samples.
        calibration: turns scores into the probabilities to draw with.

    Example:
        >>> from hardest_metrics.functional import no_labels, pack
        >>> preds = [{"boxes": torch.rand(9, 4).cumsum(1), "scores": torch.rand(9), "labels": torch.arange(9)}]
        >>> objects = ScoreSampler(seed=3)(pack(preds, no_labels(1)), torch.arange(1000))
        >>> drawn = objects.source.bincount(minlength=9) / 1000
        >>> bool(((drawn - preds[0]["scores"]).abs() < 0.06).all())
        True
    """

    def __init__(self, seed: int = 0, calibration: Calibration = _AS_THEY_ARE) -> None:
        check_seed(seed)
        self.seed = seed
        self.calibration = calibration
        self.settings = f"score_sampler(seed={seed}, calibration={calibration.settings})"

    def __call__(self, batch: Batch, samples: Tensor) -> PseudoGroundTruth:
        """Draw samples."""
        boxes = batch.detections
        place = torch.arange(len(boxes), device=boxes.image.device) - runs(boxes.image, boxes.image, len(batch))[0]
        of_image = hash_of(self.seed, batch.ids_or_places)
        of_box = hash_of(of_image.index_select(0, boxes.image), place)
        # one draw a box and sample, in 32 bits: below the probability's share of 2^32, the box is kept
        share = (probabilities(self.calibration, boxes.scores) * 2.0**32).long()
        drawn = positions((mix(of_box ^ hash_of(samples)[:, None]) < share).flatten())
        sample = drawn // max(len(boxes), 1)
        source = drawn - sample * len(boxes)
        kept = boxes.take(source)
        return PseudoGroundTruth(sample, kept.image, kept.xywh, kept.labels, source)


#: What became of detections and pseudo objects.
Associate = Callable[[Batch, Tensor, Query], Matches]


def by_matching(batch: Batch, source: Tensor, query: Query) -> Matches:
    """Match detections to pseudo objects like real labels."""
    return match(batch.detections, batch.ground_truth, query)


def own_detection(batch: Batch, source: Tensor, query: Query) -> Matches:
    """Take each pseudo object to be found by the detection it came from, if that one takes part.

    Args:
        batch: detections that take part, and pseudo objects.
        source: ``(m,)`` int64, the detection that each object came from, -1 where it takes no part.
        query: which boxes count.
    """
    detections, objects = batch.detections, batch.ground_truth
    found = positions(source >= 0)
    taken_from = torch.full_like(detections.labels, -1).index_copy_(0, source.index_select(0, found), found)
    of_detection = torch.full_like(detections.labels, Outcome.FALSE_POSITIVE, dtype=torch.uint8)
    of_detection.masked_fill_(taken_from >= 0, Outcome.TRUE_POSITIVE)
    of_detection.masked_fill_(~query.counts_area(detections.box_area), Outcome.IGNORED)
    of_object = torch.full_like(objects.labels, Outcome.FALSE_NEGATIVE, dtype=torch.uint8)
    of_object.masked_fill_(source >= 0, Outcome.TRUE_POSITIVE)
    of_object.masked_fill_(~(query.counts_area(objects.area) & query.counts_label(objects.labels)), Outcome.IGNORED)
    return Matches(of_detection, of_object, taken_from, source)


@eager
@torch.no_grad()
def sampled_moments(
    batch: Batch,
    query: Query,
    weighting: Weighting,
    n_samples: int,
    sampler: Sampler,
    associate: Associate = by_matching,
    weights: Sequence[float] | None = None,
) -> Tensor:
    """Mean and standard deviation over samples of the truth of what each image's errors weigh.

    Args:
        batch: all detections of `N` images, also those of low score; their ground truth is not looked at.
        query: which boxes count.
        weighting: what an error weighs.
        n_samples: how many samples to draw.
        sampler: the model of the truth.
        associate: :func:`by_matching` or :func:`own_detection`.
        weights: of the samples, adding up to 1; None for equal ones.

    Returns:
        ``(N, 3, 2)`` float64: of false positives, of false negatives and of both together; mean and standard
        deviation.

    Raises:
        ValueError: if `n_samples` is below 1.
    """
    check_n_samples(n_samples)
    device = batch.detections.labels.device
    takes_part = participants(batch.detections, query)
    place_taking_part = takes_part.new_full((len(batch.detections) + 1,), -1)  # its last stands for source -1
    place_taking_part[takes_part] = torch.arange(len(takes_part), device=device)
    confident = batch.detections.take(takes_part)

    moments = torch.zeros(2, len(batch), 3, dtype=torch.float64, device=device)
    at_once = max(1, _BOXES_AT_ONCE // max(len(batch.detections), 1))
    shares = torch.tensor(
        [1 / n_samples] * n_samples if weights is None else weights, dtype=torch.float64, device=device
    )
    origin = None
    for samples in torch.arange(n_samples, device=device).split(at_once):
        objects = sampler(batch, samples)
        source = place_taking_part[objects.source]
        source = torch.where(source >= 0, source + objects.sample * len(confident), -1)
        copies = _copies(batch, confident, objects, len(samples))
        sums = weighted_sums(copies, associate(copies, source, query), [weighting])
        sums = sums.squeeze(2).reshape(len(samples), len(batch), 2)
        sums = torch.cat((sums, sums.sum(2, keepdim=True)), dim=2)
        # from the first sample on: where all agree, the deviation is exactly 0
        origin = sums[0] if origin is None else origin
        sums = sums - origin
        share = shares[samples][:, None, None]
        moments += torch.stack(((share * sums).sum(0), (share * sums.square()).sum(0)))
    mean, square = moments
    return torch.stack((mean if origin is None else mean + origin, (square - mean.square()).clamp(min=0).sqrt()), dim=2)


@eager
@torch.no_grad()
def expected_moments(
    batch: Batch, query: Query, weighting: WeightingName, calibration: Calibration = _AS_THEY_ARE
) -> Tensor:
    """Exact mean and standard deviation of what :func:`own_detection` samples.

    With scores ``s``, threshold ``t`` and weights ``w`` that do not depend on the sample, expected false positives
    are the sum over ``s_i >= t`` of ``(1 - s_i) w_i``, false negatives over ``s_i < t`` of ``s_i w_i``. Under
    overlap weighting ``w_i`` is itself random: the sum over the *other* true positives ``j`` of ``o_ij``, their
    intersection over the box's area. Draws of different boxes being independent, its mean is the sum of
    ``s_j o_ij``; hardness is then a quadratic form of independent draws, whose variance has a closed form too.

    Args:
        batch: all detections of `N` images, also those of low score.
        query: which boxes count.
        weighting: ``"none"``, ``"pixel"`` or ``"overlap"``.
        calibration: turns scores into the probabilities ``s``; the threshold is compared with scores.

    Returns:
        ``(N, 3, 2)`` float64: of false positives, of false negatives and of both together; mean and standard
        deviation. NaN for pixel weighting without image sizes.

    Example:
        >>> from hardest_metrics.functional import Query, no_labels, pack
        >>> preds = [
        ...     {
        ...         "boxes": torch.tensor([[0.0, 0, 9, 9]] * 2),
        ...         "scores": torch.tensor([0.7, 0.2]),
        ...         "labels": torch.ones(2).int(),
        ...     }
        ... ]
        >>> expected_moments(pack(preds, no_labels(1)), Query(), "none")[0, :, 0]  # 1 - 0.7, 0.2, and both
        tensor([0.3000, 0.2000, 0.5000], dtype=torch.float64)
    """
    boxes = batch.detections
    above = torch.zeros(len(boxes), dtype=torch.bool, device=boxes.labels.device)
    above[rank(boxes, query)] = True
    return moments_given(batch, query, weighting, probabilities(calibration, boxes.scores), above)


@eager
@torch.no_grad()
def moments_given(batch: Batch, query: Query, weighting: WeightingName, right: Tensor, above: Tensor) -> Tensor:
    """As :func:`expected_moments`, where the probability of each box is known, and which boxes are detections.

    Args:
        batch: boxes of `N` images, whose scores are not looked at.
        query: which labels and areas count.
        weighting: ``"none"``, ``"pixel"`` or ``"overlap"``.
        right: ``(n,)`` float64 in [0, 1], the probability that a box is an object.
        above: ``(n,)`` bool, which boxes take part as detections. If such a one is no object it is a false positive,
            if another one is an object it is a false negative.

    Returns:
        ``(N, 3, 2)`` float64, as of :func:`expected_moments`.

    Example:
        >>> from hardest_metrics.functional import Query, no_labels, pack
        >>> boxes = torch.tensor([[0.0, 0, 9, 9]] * 2)
        >>> batch = pack([{"boxes": boxes, "scores": torch.zeros(2), "labels": torch.ones(2).int()}], no_labels(1))
        >>> right, above = torch.tensor([0.7, 0.2]).double(), torch.tensor([True, False])
        >>> moments_given(batch, Query(), "none", right, above)[0, :, 0]
        tensor([0.3000, 0.2000, 0.5000], dtype=torch.float64)
    """
    boxes = batch.detections
    counts = query.counts_label(boxes.labels) & query.counts_area(boxes.box_area)
    if weighting == "overlap":
        mean, variance = _overlap_moments(batch, right, above & counts, ~above & counts)
    else:
        # each box can be an error of one kind only, independently of all others
        wrong = torch.where(above, 1 - right, right) * counts
        w = boxes.box_area / batch.image_sizes.prod(1).index_select(0, boxes.image) if weighting == "pixel" else 1.0
        kind_of_image = boxes.image * 2 + ~above
        mean, variance = (
            torch.zeros(2 * len(batch), dtype=torch.float64, device=right.device).index_add_(0, kind_of_image, terms)
            for terms in (wrong * w, wrong * (1 - wrong) * w**2)
        )
        mean, variance = (_with_total(sums.reshape(-1, 2)) for sums in (mean, variance))
    return torch.stack((mean, variance.clamp(min=0).sqrt()), dim=2)


def _with_total(sums: Tensor) -> Tensor:
    """``(n, 3)``: what is of false positives, of false negatives, and both together."""
    return torch.cat((sums, sums.sum(1, keepdim=True)), dim=1)


def _overlap_moments(batch: Batch, s: Tensor, above: Tensor, below: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance, ``(N, 3)`` each, of overlap-weighted errors.

    With ``B`` the draws, hardness is the sum over boxes ``i`` that count of ``E_i B_j o_ij`` over the true positives
    ``j`` that they overlap, where ``E_i`` is ``1 - B_i`` (false positives) or ``B_i`` (false negatives). Less their
    means, draws make it a constant plus terms linear in one draw plus products of two; all of these are uncorrelated.
    """
    boxes = batch.detections
    n, v = len(boxes), s * (1 - s)
    wrong = torch.where(above, 1 - s, s)  # mean of E_i
    per_area = torch.where((above | below) & (boxes.box_area > 0), 1 / boxes.box_area, 0.0)
    halved = torch.where(above, 0.5, 1.0)  # a pair above the threshold comes twice, as (i, j) and as (j, i)

    covered, quadratic = torch.zeros(2, n, dtype=torch.float64, device=s.device)
    of_others = torch.zeros(2 * n, dtype=torch.float64, device=s.device)
    for i, j, shared in _overlapping(boxes, above, above | below):
        o_ij = shared * per_area.index_select(0, i)
        o_ji = shared * (per_area * above).index_select(0, j)
        i_above = above.index_select(0, i)
        covered.index_add_(0, i, o_ij * s.index_select(0, j))
        of_others.index_add_(0, j + n * ~i_above, o_ij * wrong.index_select(0, i))
        both_ways = o_ij + o_ji * i_above
        quadratic.index_add_(0, i, both_ways.square() * (v * halved).index_select(0, i) * v.index_select(0, j))

    # of false positives and of false negatives; of both together they add up
    covered_wrong, of_above, of_below = wrong * covered, above.double(), below.double()
    means = [of_above * covered_wrong, of_below * covered_wrong]
    linear = [of_others[:n] - of_above * covered, of_others[n:] + of_below * covered]
    squares = [of_above * quadratic, of_below * quadratic]
    terms = [*means, means[0] + means[1]]
    terms += [v * (linear[kind]).square() + squares[kind] for kind in (0, 1)]
    terms.append(v * (linear[0] + linear[1]).square() + (squares[0] + squares[1]))
    sums = sums_by(boxes.image, len(batch), terms).T
    return sums[:, :3], sums[:, 3:]


def _overlapping(boxes: Detections, above: Tensor, counts: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Pairs of a box that counts and another one above the threshold that overlap, and the area that they share."""
    true_positives = positions(above)
    image = boxes.image.index_select(0, true_positives)
    first, count = runs(image, boxes.image)
    for i, place, shared in shared_areas(boxes.xywh, boxes.xywh.index_select(0, true_positives), first, count * counts):
        j = true_positives.index_select(0, place)
        pair = positions((shared > 0) & (i != j))
        yield i.index_select(0, pair), j.index_select(0, pair), shared.index_select(0, pair)


def probabilities(calibration: Calibration, scores: Tensor) -> Tensor:
    """What a calibration makes of ``(n,)`` scores: ``(n,)`` float64.

    Raises:
        ValueError: if it gives another shape, or values outside [0, 1].
    """
    result = calibration(scores)
    if isinstance(calibration, Uncalibrated):
        return result.double()  # checked with the scores
    if result.shape != scores.shape or not bool(((result >= 0) & (result <= 1)).all()):
        raise ValueError(
            f"`calibration` {calibration!r} must give each score a probability in [0, 1], shape {tuple(scores.shape)},"
            f" but gave shape {tuple(result.shape)}, with values such as {result.flatten()[:3].tolist()}."
        )
    return result.double()


def participants(detections: Detections, query: Query) -> Tensor:
    """``(k,)`` int64, ascending: the detections that take part in matching."""
    return rank(detections, query).sort().values


def check_n_samples(n_samples: int) -> None:
    """Refuse to draw less than one sample, or more than memory and patience allow."""
    if type(n_samples) is not int or n_samples < 1:
        raise ValueError(f"`n_samples` must be an integer of at least 1, but is {n_samples!r}.")
    if n_samples > MOST_SAMPLES:
        raise ValueError(f"`n_samples` must be at most {MOST_SAMPLES}, but is {n_samples}.")


def check_seed(seed: int) -> None:
    """Refuse a seed that is no integer, or too large for the sums that are made with it."""
    if type(seed) is not int or abs(seed) >= 2**62:
        raise ValueError(f"`seed` must be an integer between -2^62 and 2^62, but is {seed!r}.")


def hash_of(*parts: Tensor | int) -> Tensor:
    """Mix integers into hashes of 32 bits that behave like independent uniform draws, broadcasting.

    Args:
        parts: int64 tensors, or ints; all 64 bits of each count.

    Returns:
        int64 in [0, 2^32).
    """
    device = next((part.device for part in parts if isinstance(part, Tensor)), None)
    mixed = torch.zeros((), dtype=torch.int64, device=device)
    for part in parts:
        for half in (part & _LOW, (part >> 32) & _LOW):
            mixed = mix(mixed ^ half)
    return mixed


_LOW = 0xFFFFFFFF


def mix(x: Tensor) -> Tensor:
    """A bijection of 32-bit integers, held in int64, in which every input bit changes about half of the output bits."""
    x = (x + 0x9E3779B9).bitwise_and_(_LOW)
    x.bitwise_xor_(x >> 16).mul_(0x7FEB352D).bitwise_and_(_LOW)
    x.bitwise_xor_(x >> 15).mul_(0x846CA68B).bitwise_and_(_LOW)
    return x.bitwise_xor_(x >> 16)


def _copies(batch: Batch, detections: Detections, objects: PseudoGroundTruth, number: int) -> Batch:
    """A batch of `number` copies of the images, each with the objects of one sample as its ground truth."""
    device = detections.labels.device
    shift = torch.arange(number, device=device).repeat_interleave(len(detections))
    image = detections.image.repeat(number) + shift * len(batch)
    source = objects.source
    if bool((source >= 0).all()) and torch.equal(batch.detections.labels.index_select(0, source), objects.labels):
        # an object of a detection's label has its group; those of a sample lie `size` groups after the sample before
        size = int(batch.detections.group.amax()) + 1 if len(batch.detections) else 1
        d_group = shift * size + detections.group.repeat(number)
        g_group = objects.sample * size + batch.detections.group.index_select(0, source)
    else:  # labels need not be those of the detections
        _, index = torch.cat((detections.labels, objects.labels)).unique(return_inverse=True)
        size = int(index.amax()) + 1 if len(index) else 1
        d_index, g_index = index.split((len(detections), len(objects.labels)))
        d_group = image * size + d_index.repeat(number)
        g_group = (objects.image + objects.sample * len(batch)) * size + g_index
    g_image = objects.image + objects.sample * len(batch)
    area = objects.xywh[:, 2] * objects.xywh[:, 3]
    return Batch(
        Detections(
            detections.xywh.repeat(number, 1),
            detections.labels.repeat(number),
            image,
            detections.scores.repeat(number),
            d_group,
            None if detections.given_as is None else detections.given_as.repeat(number),
        ),
        GroundTruth(
            objects.xywh,
            objects.labels,
            g_image,
            torch.zeros_like(g_image, dtype=torch.bool),
            area,
            g_group,
        ),
        batch.image_ids.repeat(number),
        batch.image_sizes.repeat(number, 1),
        batch.label_range,
        batch.sized,
    )
