"""Scores of what a source model's own head says about target objects."""

from typing import Any

from torch import Tensor

from hardest_metrics.functional.transferability.inputs import checked_features, checked_labels
from hardest_metrics.functional.transferability.source_model import (
    EnergySum,
    LabelledProbabilities,
    PairCounts,
    checked_probabilities,
    energy_score_of,
    leep_of,
    nce_of,
)
from hardest_metrics.transferability.base import TransferabilityMetric


class EnergyScore(TransferabilityMetric[EnergySum]):
    """Minus the mean energy of the objects, see :func:`~hardest_metrics.functional.transferability.energy_score`.

    Args:
        kwargs: see :class:`torchmetrics.Metric`.

    Example:
        >>> import torch
        >>> from hardest_metrics.transferability import EnergyScore
        >>> metric = EnergyScore()
        >>> metric.update(torch.tensor([[0.0, 0.0], [2.0, 2.0]]))
        >>> metric.compute()
        tensor(1.6931, dtype=torch.float64)
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(EnergySum, **kwargs)

    def update(self, logits: Tensor) -> None:
        """Add a batch of objects.

        Args:
            logits: ``(N, S)`` of the source model's S classes.

        Raises:
            TypeError, ValueError: on input that makes no sense; the metric is as it was before.
        """
        self._add(EnergySum.of(checked_features(logits, "logits").to(self.device)))

    def _score(self, statistics: EnergySum) -> Tensor:
        return energy_score_of(statistics)


class NCE(TransferabilityMetric[PairCounts]):
    """Negative conditional entropy, see :func:`~hardest_metrics.functional.transferability.nce`.

    Its state takes a count for each pair of source class and label that occurs.

    Args:
        kwargs: see :class:`torchmetrics.Metric`.

    Example:
        >>> import torch
        >>> from hardest_metrics.transferability import NCE
        >>> metric = NCE()
        >>> metric.update(source=torch.tensor([5, 5, 7, 7]), target=torch.tensor([0, 0, 0, 1]))
        >>> metric.compute()
        tensor(-0.3466, dtype=torch.float64)
    """

    plot_upper_bound = 0.0

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(PairCounts, **kwargs)

    def update(self, source: Tensor, target: Tensor) -> None:
        """Add a batch of objects.

        Args:
            source: ``(N,)`` integers, the source model's likeliest class of each object.
            target: ``(N,)`` integer labels.

        Raises:
            TypeError, ValueError: on input that makes no sense; the metric is as it was before.
        """
        target = checked_labels(target, len(target))
        source = checked_labels(source, len(target), "source")
        self._add(PairCounts.of(source.to(self.device), target.to(self.device)))

    def _score(self, statistics: PairCounts) -> Tensor:
        return nce_of(statistics)


class LEEP(TransferabilityMetric[LabelledProbabilities]):
    """LEEP, see :func:`~hardest_metrics.functional.transferability.leep`.

    Unlike the other scores it keeps all objects, S numbers each.

    Args:
        kwargs: see :class:`torchmetrics.Metric`.

    Example:
        >>> import torch
        >>> from hardest_metrics.transferability import LEEP
        >>> metric = LEEP()
        >>> probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.2, 0.8]])
        >>> metric.update(source_probabilities=probabilities, target=torch.tensor([0, 0, 1, 1]))
        >>> metric.compute()
        tensor(-0.3840, dtype=torch.float64)
    """

    plot_upper_bound = 0.0

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(LabelledProbabilities, **kwargs)

    def update(self, source_probabilities: Tensor, target: Tensor) -> None:
        """Add a batch of objects.

        Args:
            source_probabilities: ``(N, S)`` of the source model's S classes, each row a distribution.
            target: ``(N,)`` integer labels.

        Raises:
            TypeError, ValueError: on input that makes no sense; the metric is as it was before.
        """
        probabilities = checked_probabilities(source_probabilities)
        target = checked_labels(target, len(probabilities))
        self._add(LabelledProbabilities.of(probabilities.to(self.device), target.to(self.device)))

    def _score(self, statistics: LabelledProbabilities) -> Tensor:
        return leep_of(statistics)
