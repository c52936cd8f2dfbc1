"""What a classifier said of images beside their labels, as pictures and tables show it."""

from typing import NamedTuple

import torch
from torch import Tensor


class Said(NamedTuple):
    """Of N images a label, and what was said; equal where the classifier was right.

    Attributes:
        label: ``(N,)`` int64; -1 of images without.
        said: ``(N,)`` int64.
        of_label: ``(N,)`` float64, the probability of the label; that of `said` without a label.
        of_said: ``(N,)`` float64.
    """

    label: Tensor
    said: Tensor
    of_label: Tensor
    of_said: Tensor


def said_of(logits: Tensor, target: Tensor | None = None) -> Said:
    """What was said of images.

    With one label an image that is the most probable class; the label, where no class is more probable. With several
    the label is the least probable one that the image has, and said is the most probable that it has not, as long as
    any of its labels is wrong at probability one half; an image right in all is said to have its label.

    Args:
        logits: ``(N, K)``.
        target: ``(N,)`` integers, those outside [0, K) for no label, or ``(N, K)`` integers 0 and 1; None without.

    Example:
        >>> said_of(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([1, 1])).said
        tensor([0, 1])
    """
    logits = logits.detach().double()
    if target is not None and target.ndim == 2:
        return _of_several(logits, target.to(logits.device).bool())
    probabilities = logits.softmax(1)
    of_said, said = probabilities.max(1)
    if target is None:
        return Said(torch.full_like(said, -1), said, of_said, of_said)
    target = target.to(logits.device, torch.int64)
    known = (target >= 0) & (target < logits.shape[1])
    place = torch.where(known, target, said)[:, None]
    right = logits.gather(1, place).squeeze(1) == logits.amax(1)
    said = torch.where(right, place.squeeze(1), said)
    label = torch.where(known, target, -1)
    return Said(label, said, probabilities.gather(1, place).squeeze(1), of_said)


def _of_several(logits: Tensor, has: Tensor) -> Said:
    probabilities = logits.sigmoid()
    least = probabilities.masked_fill(~has, torch.inf).argmin(1)
    # of an image that has all labels, any other one
    taken = torch.where(has.all(1, keepdim=True), torch.zeros_like(has).scatter_(1, least[:, None], True), has)
    other = probabilities.masked_fill(taken, -torch.inf).argmax(1)
    right = ((logits > 0) == has).all(1)
    said = torch.where(right, least, other)
    label = torch.where(has.any(1), least, -1)
    of_label, of_said = (probabilities.gather(1, place[:, None]).squeeze(1) for place in (least, said))
    return Said(label, said, of_label, of_said)
