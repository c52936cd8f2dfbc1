"""What makes a classified image hard, as Metric classes."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from hardest_metrics.classification.classification_metric import (
    ClassificationMetric,
    LabelledMetric,
    UnlabelledMetric,
)
from hardest_metrics.functional.classification.hardness import checked_k
from hardest_metrics.image_rows import Column
from hardest_metrics.metric import Columns, ReductionT


class CrossEntropy(LabelledMetric[ReductionT]):
    """Rank images by their loss, ``-ln p`` of the label; with several labels an image by the mean binary cross-entropy.

    `target` is ``(N,)`` integers, or ``(N, K)`` integers 0 and 1 where an image may have several labels; then an image
    is in error if any of its labels is wrong at probability one half.

    Example:
        >>> import torch
        >>> metric = CrossEntropy()
        >>> logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
        >>> metric.update(logits, torch.tensor([0, 2]), image_ids=torch.tensor([7, 9]))
        >>> metric.compute()
        Ranking(2 images, hardest first: 9 (3.095), 7 (0.2395))
        >>> metric.summary().share_in_error
        0.5
    """

    measure = "cross_entropy"

    def confidence(self, hardness: Tensor) -> Tensor:
        """The probability of the label; where an image has several, the geometric mean of each one's."""
        return hardness.neg().exp()


class Margin(LabelledMetric[ReductionT]):
    """Rank images by how far the best other class is above the label: ``(1 + max p of the others - p) / 2``.

    In [0, 1], above one half where another class is more probable. One minus the normalized margin of confident
    learning (Northcutt et al., JAIR 2021).

    Example:
        >>> import torch
        >>> metric = Margin()
        >>> metric.update(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1]))
        >>> metric.compute()
        Ranking(2 images, hardest first: 1 (0.5), 0 (0.1192))
    """

    measure = "margin"


class LogitMargin(LabelledMetric[ReductionT]):
    """Rank images by how far the highest logit of the other classes is above the label's.

    Below 0 where the label wins. Its mean over epochs, negated, is the area under the margin (Pleiss et al., NeurIPS
    2020), see :class:`~hardest_metrics.Dynamics`.

    Args:
        reduction: None for the ranking; ``"mean"``, ``"sum"`` or ``"max"`` over the images for a scalar.
        kwargs: see :class:`torchmetrics.Metric`.

    Example:
        >>> import torch
        >>> metric = LogitMargin()
        >>> metric.update(torch.tensor([[2.0, 0.0], [0.5, 0.0]]), torch.tensor([0, 1]))
        >>> metric.compute()
        Ranking(2 images, hardest first: 1 (0.5), 0 (-2))
    """

    measure = "logit_margin"
    plot_lower_bound = None

    def __init__(self, reduction: ReductionT = None, **kwargs: Any) -> None:  # type: ignore[assignment]
        super().__init__(None, reduction, **kwargs)


class Confidence(LabelledMetric[ReductionT]):
    """Rank images by the probability that is not the label's, ``1 - p``: one minus self-confidence.

    Example:
        >>> import torch
        >>> metric = Confidence()
        >>> metric.update(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1]))
        >>> metric.compute()
        Ranking(2 images, hardest first: 1 (0.5), 0 (0.1192))
    """

    measure = "confidence"

    def confidence(self, hardness: Tensor) -> Tensor:
        """The probability of the label."""
        return 1 - hardness


class EL2N(LabelledMetric[ReductionT]):
    """Rank images by the L2 norm of the error ``p - onehot(label)`` (Paul et al., NeurIPS 2021), in [0, sqrt 2].

    Example:
        >>> import torch
        >>> metric = EL2N()
        >>> metric.update(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1]))
        >>> metric.compute()
        Ranking(2 images, hardest first: 1 (0.7071), 0 (0.1686))
    """

    measure = "el2n"


class TopKMiss(ClassificationMetric[ReductionT]):
    """1 for images of which at least `k` classes have a strictly larger logit than the label, else 0.

    One minus the mean is the top-k accuracy. An image is in error if it is missed.

    Args:
        k: how many guesses count, at least 1.
        reduction: None for the ranking; ``"mean"``, ``"sum"`` or ``"max"`` over the images for a scalar.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        ValueError: if `k` is below 1.

    Example:
        >>> import torch
        >>> metric = TopKMiss(k=2, reduction="mean")
        >>> metric(torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0]]), torch.tensor([1, 2]))
        tensor(0.5000)
    """

    measure = "label_rank"
    columns: ClassVar[Mapping[str, Column]] = {"value": Column((), torch.int32)}

    def __init__(self, k: int = 1, reduction: ReductionT = None, **kwargs: Any) -> None:  # type: ignore[assignment]
        self.k = checked_k(k)
        super().__init__(None, reduction, **kwargs)

    def _hardness(self, columns: Columns) -> Tensor:
        return (columns["value"] >= self.k).float()


class WrongLabels(ClassificationMetric[ReductionT]):
    """Rank images that may have several labels by how many are wrong where a probability above one half says yes.

    `target` is ``(N, K)`` integers 0 and 1.

    Args:
        reduction: None for the ranking; ``"mean"``, ``"sum"`` or ``"max"`` over the images for a scalar.
        kwargs: see :class:`torchmetrics.Metric`.

    Example:
        >>> import torch
        >>> metric = WrongLabels()
        >>> metric.update(torch.tensor([[2.0, -1.0, 1.0]]), torch.tensor([[1, 1, 0]]))
        >>> metric.compute()
        Ranking(1 image, hardest first: 0 (2))
    """

    measure = "wrong_labels"
    columns: ClassVar[Mapping[str, Column]] = {"value": Column((), torch.int32)}

    def __init__(self, reduction: ReductionT = None, **kwargs: Any) -> None:  # type: ignore[assignment]
        super().__init__(None, reduction, **kwargs)

    def _hardness(self, columns: Columns) -> Tensor:
        return columns["value"].float()


class Entropy(UnlabelledMetric[ReductionT]):
    """Rank images by the entropy of the prediction over classes, in nats; labels are not needed, and ignored.

    Example:
        >>> import torch
        >>> metric = Entropy()
        >>> metric.update(torch.tensor([[9.0, 0.0], [0.0, 0.0]]))
        >>> metric.compute()
        Ranking(2 images, hardest first: 1 (0.6931), 0 (0.001234))
    """

    measure = "entropy"


class LeastConfidence(UnlabelledMetric[ReductionT]):
    """Rank images by ``1 - max p``; labels are not needed, and ignored.

    Example:
        >>> import torch
        >>> metric = LeastConfidence()
        >>> metric.update(torch.tensor([[2.0, 0.0], [0.0, 0.0]]))
        >>> metric.compute()
        Ranking(2 images, hardest first: 1 (0.5), 0 (0.1192))
    """

    measure = "least_confidence"


class TwoBestGap(UnlabelledMetric[ReductionT]):
    """Rank images by how near the two most probable classes are, one minus their gap; labels are ignored.

    Example:
        >>> import torch
        >>> metric = TwoBestGap()
        >>> metric.update(torch.tensor([[2.0, 0.0], [0.0, 0.0]]))
        >>> metric.compute()
        Ranking(2 images, hardest first: 1 (1), 0 (0.2384))
    """

    measure = "two_best_gap"
