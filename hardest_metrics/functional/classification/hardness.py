"""How hard classified images are: one number an image, larger for harder ones.

`preds` are logits ``(N, K)`` of any floating dtype; probabilities p are their softmax. All are computed in float64.
"""

from torch import Tensor

from hardest_metrics.functional.classification.inputs import checked_logits, checked_target, checked_temperature
from hardest_metrics.functional.classification.measures import Asked, measure


def cross_entropy(preds: Tensor, target: Tensor, temperature: float = 1.0) -> Tensor:
    """The loss of each image: ``-ln p`` of its label; of several labels an image the mean binary cross-entropy.

    Args:
        preds: ``(N, K)`` logits, K at least 2.
        target: ``(N,)`` integer labels, or ``(N, K)`` integers 0 and 1 where an image may have several.
        temperature: that logits are divided by (Guo et al., ICML 2017).

    Returns:
        ``(N,)`` float64 in nats, at least 0.

    Raises:
        TypeError: if `preds` are not floating point, or `target` is not of integers.
        ValueError: if logits are NaN or infinite, labels out of range, K below 2, or lengths differ.

    Example:
        >>> import torch
        >>> cross_entropy(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1]))
        tensor([0.1269, 0.6931], dtype=torch.float64)
    """
    return _by_labels("cross_entropy", preds, target, temperature)


def margin(preds: Tensor, target: Tensor, temperature: float = 1.0) -> Tensor:
    """How far the best other class is above the label: ``(1 + max p of the others - p of the label) / 2``.

    One minus the normalized margin by which confident learning ranks labels (Northcutt et al., JAIR 2021).

    Arguments and errors are those of :func:`cross_entropy`, `target` ``(N,)``.

    Returns:
        ``(N,)`` float64 in [0, 1], above one half where another class is more probable.

    Example:
        >>> import torch
        >>> margin(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1]))
        tensor([0.1192, 0.5000], dtype=torch.float64)
    """
    return _by_labels("margin", preds, target, temperature)


def logit_margin(preds: Tensor, target: Tensor) -> Tensor:
    """How far the highest logit of the other classes is above the label's; below 0 where the label wins.

    Its mean over epochs, negated, is the area under the margin (Pleiss et al., NeurIPS 2020).

    Args:
        preds: ``(N, K)`` logits, K at least 2.
        target: ``(N,)`` integer labels.

    Returns:
        ``(N,)`` float64.

    Raises:
        TypeError, ValueError: as :func:`cross_entropy`.

    Example:
        >>> import torch
        >>> logit_margin(torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.5, 0.0]]), torch.tensor([0, 2]))
        tensor([-2.0000,  0.5000], dtype=torch.float64)
    """
    return _by_labels("logit_margin", preds, target)


def confidence(preds: Tensor, target: Tensor, temperature: float = 1.0) -> Tensor:
    """The probability that is not the label's: ``1 - p``, one minus what is known as self-confidence.

    Arguments and errors are those of :func:`cross_entropy`, `target` ``(N,)``.

    Returns:
        ``(N,)`` float64 in [0, 1].

    Example:
        >>> import torch
        >>> confidence(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1]))
        tensor([0.1192, 0.5000], dtype=torch.float64)
    """
    return _by_labels("confidence", preds, target, temperature)


def el2n(preds: Tensor, target: Tensor, temperature: float = 1.0) -> Tensor:
    """The norm of the error: ``||p - onehot(label)||`` in L2 (Paul et al., NeurIPS 2021).

    Arguments and errors are those of :func:`cross_entropy`, `target` ``(N,)``.

    Returns:
        ``(N,)`` float64 in [0, sqrt 2].

    Example:
        >>> import torch
        >>> el2n(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1]))
        tensor([0.1686, 0.7071], dtype=torch.float64)
    """
    return _by_labels("el2n", preds, target, temperature)


def label_rank(preds: Tensor, target: Tensor) -> Tensor:
    """How many classes have a strictly larger logit than the label: 0 where it is right.

    Args:
        preds: ``(N, K)`` logits, K at least 2.
        target: ``(N,)`` integer labels.

    Returns:
        ``(N,)`` int64 in [0, K).

    Raises:
        TypeError, ValueError: as :func:`cross_entropy`.

    Example:
        >>> import torch
        >>> label_rank(torch.tensor([[2.0, 0.0, 1.0], [0.0, 0.0, 0.0]]), torch.tensor([1, 1]))
        tensor([2, 0])
    """
    return _by_labels("label_rank", preds, target)


def topk_miss(preds: Tensor, target: Tensor, k: int = 1) -> Tensor:
    """1 where at least `k` classes have a strictly larger logit than the label, else 0.

    Args:
        preds: ``(N, K)`` logits, K at least 2.
        target: ``(N,)`` integer labels.
        k: how many guesses count, at least 1.

    Returns:
        ``(N,)`` float64; 1 minus their mean is the top-k accuracy.

    Raises:
        TypeError, ValueError: as :func:`cross_entropy`, and if `k` is below 1.

    Example:
        >>> import torch
        >>> topk_miss(torch.tensor([[2.0, 0.0, 1.0], [0.0, 0.0, 0.0]]), torch.tensor([1, 1]), k=2)
        tensor([1., 0.], dtype=torch.float64)
    """
    return (label_rank(preds, target) >= checked_k(k)).double()


def wrong_labels(preds: Tensor, target: Tensor) -> Tensor:
    """Of several labels an image, how many are wrong where a probability above one half says yes.

    Args:
        preds: ``(N, K)`` logits, K at least 2; a probability is the sigmoid of one.
        target: ``(N, K)`` integers 0 and 1.

    Returns:
        ``(N,)`` int64 in [0, K].

    Raises:
        TypeError, ValueError: as :func:`cross_entropy`.

    Example:
        >>> import torch
        >>> wrong_labels(torch.tensor([[2.0, -1.0, 1.0]]), torch.tensor([[1, 1, 0]]))
        tensor([2])
    """
    return _by_labels("wrong_labels", preds, target)


def entropy(preds: Tensor, temperature: float = 1.0) -> Tensor:
    """How spread the prediction is over classes: ``-sum of p ln p``; labels are not needed.

    Args:
        preds: ``(N, K)`` logits, K at least 2.
        temperature: that logits are divided by.

    Returns:
        ``(N,)`` float64 in nats, in [0, ln K].

    Raises:
        TypeError, ValueError: as :func:`cross_entropy`.

    Example:
        >>> import torch
        >>> entropy(torch.tensor([[9.0, 0.0], [0.0, 0.0]]))
        tensor([0.0012, 0.6931], dtype=torch.float64)
    """
    return _without_labels("entropy", preds, temperature)


def least_confidence(preds: Tensor, temperature: float = 1.0) -> Tensor:
    """The probability that is not the most probable class's: ``1 - max p``; labels are not needed.

    Arguments and errors are those of :func:`entropy`.

    Returns:
        ``(N,)`` float64 in [0, 1 - 1 / K].

    Example:
        >>> import torch
        >>> least_confidence(torch.tensor([[9.0, 0.0], [0.0, 0.0]]))
        tensor([1.2339e-04, 5.0000e-01], dtype=torch.float64)
    """
    return _without_labels("least_confidence", preds, temperature)


def two_best_gap(preds: Tensor, temperature: float = 1.0) -> Tensor:
    """How near the two most probable classes are: ``1 - (first p - second p)``; labels are not needed.

    Arguments and errors are those of :func:`entropy`.

    Returns:
        ``(N,)`` float64 in [0, 1].

    Example:
        >>> import torch
        >>> two_best_gap(torch.tensor([[2.0, 0.0], [0.0, 0.0]]))
        tensor([0.2384, 1.0000], dtype=torch.float64)
    """
    return _without_labels("two_best_gap", preds, temperature)


def checked_k(k: object) -> int:
    """How many guesses count, if it is a number of them."""
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ValueError(f"`k` is a number of classes, at least 1, but is {k!r}.")
    return k


def _by_labels(name: str, preds: Tensor, target: Tensor, temperature: float = 1.0) -> Tensor:
    asked = Asked(name, checked_temperature(temperature))
    preds = checked_logits(preds)
    return measure([asked], preds, checked_target(target, preds))[asked]


def _without_labels(name: str, preds: Tensor, temperature: float) -> Tensor:
    asked = Asked(name, checked_temperature(temperature))
    return measure([asked], checked_logits(preds), None)[asked]
