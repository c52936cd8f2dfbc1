"""How unsure a detector is of its detections, whatever the query: the field's measures for comparison.

Each gives one number a detection; :func:`image_uncertainty` adds up, averages or takes the largest of each image.
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from hardest_metrics.functional.reduction import scatter_extreme_

#: How the numbers of an image's detections become one.
ImageReduction = Literal["sum", "mean", "max"]


def entropy(logits: Tensor) -> Tensor:
    """Entropy of the distribution over classes, softmax of the logits.

    Args:
        logits: ``(n, K)`` floating point.

    Returns:
        ``(n,)`` float64 in nats, from 0 to log K.

    Example:
        >>> entropy(torch.tensor([[0.0, 0.0], [9.0, -9.0]]))
        tensor([6.9315e-01, 2.8937e-07], dtype=torch.float64)
    """
    log_p = logits.double().log_softmax(-1)
    return -(log_p.exp() * log_p).nan_to_num(nan=0.0).sum(-1)


def binary_entropy(scores: Tensor) -> Tensor:
    """Entropy of a detection being right with probability equal to its score.

    Args:
        scores: ``(n,)`` in [0, 1].

    Returns:
        ``(n,)`` float64 in nats, from 0 to log 2.
    """
    p = scores.double()
    uncertainty: Tensor = torch.special.entr(p) + torch.special.entr(1 - p)
    return uncertainty


def evidential(logits: Tensor) -> Tensor:
    """Unassigned belief over classes in the Dempster-Shafer framework, ``K / (K + sum of exp(logits))``.

    After Sensoy, Kaplan and Kandemir, *Evidential Deep Learning to Quantify Classification Uncertainty*,
    NeurIPS 2018.

    Args:
        logits: ``(n, K)`` floating point.

    Returns:
        ``(n,)`` float64 in [0, 1].
    """
    logits = logits.double()
    return torch.sigmoid(math.log(max(logits.shape[-1], 1)) - logits.logsumexp(-1))


def binary_evidential(scores: Tensor) -> Tensor:
    """Unassigned belief between the detected class and all others.

    With odds ``p / (1 - p)`` and their inverse as evidence, ``2 / (2 + p / (1 - p) + (1 - p) / p)``, which is
    ``2 p (1 - p)``.

    Args:
        scores: ``(n,)`` in [0, 1].

    Returns:
        ``(n,)`` float64 in [0, 0.5].
    """
    p = scores.double()
    return 2 * p * (1 - p)


def one_minus_score(scores: Tensor) -> Tensor:
    """How far a detection is from certain; the largest of an image is *maximum uncertainty*.

    After Roy, Namboodiri and Biswas, *Active learning with version spaces for object detection*, 2018.

    Args:
        scores: ``(n,)`` in [0, 1].

    Returns:
        ``(n,)`` float64 in [0, 1].
    """
    return 1 - scores.double()


#: Measures of scores, and of logits.
OF_SCORES: dict[str, Callable[[Tensor], Tensor]] = {
    "binary_entropy": binary_entropy,
    "binary_evidential": binary_evidential,
    "max_uncertainty": one_minus_score,
}
OF_LOGITS: dict[str, Callable[[Tensor], Tensor]] = {"entropy": entropy, "evidential": evidential}


def image_uncertainty(values: Tensor, image: Tensor, number: int, reduction: ImageReduction) -> Tensor:
    """What the detections of each image come to.

    Args:
        values: ``(n,)`` float64, at least 0.
        image: ``(n,)`` int64, the position of each detection's image.
        number: of images.
        reduction: ``"sum"``, ``"mean"`` or ``"max"``.

    Returns:
        ``(number,)`` float64; 0 for an image without detections.

    Example:
        >>> image_uncertainty(torch.tensor([1.0, 3.0]).double(), torch.tensor([1, 1]), 2, "mean")
        tensor([0., 2.], dtype=torch.float64)
    """
    result = torch.zeros(number, dtype=values.dtype, device=values.device)
    if reduction == "max":
        return scatter_extreme_(result, image, values, "amax")
    result.index_add_(0, image, values)
    return result if reduction == "sum" else result / image.bincount(minlength=number).clamp(min=1)
