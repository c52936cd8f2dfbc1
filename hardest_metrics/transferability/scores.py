"""Scores of a pretrained model's features for a target set."""

from typing import Any

from torch import Tensor

from hardest_metrics.functional.transferability.class_scatters import ClassScatters
from hardest_metrics.functional.transferability.gaussian_overlap import gaussian_overlap_of
from hardest_metrics.functional.transferability.h_score import h_score_of, regularized_h_score_of
from hardest_metrics.functional.transferability.logme import (
    box_logme_of,
    logme_of,
    regression_score_of,
    total_logme_of,
)
from hardest_metrics.functional.transferability.projection import check_size, gaussian_projection
from hardest_metrics.functional.transferability.statistics import FeatureStatistics
from hardest_metrics.functional.transferability.transrate import check_eps, transrate_of
from hardest_metrics.transferability.base import FeatureMetric, TransferabilityMetric, checked_objects


class LogME(FeatureMetric):
    """LogME of the labels, see :func:`~hardest_metrics.functional.transferability.logme`.

    Its state takes (D + 2 K) D numbers for D features and K classes. `compute` keeps D² more until the next `update`:
    LogME of boxes, in the same collection, needs the same decomposition.

    Args:
        kwargs: see :class:`torchmetrics.Metric`.

    Warns:
        UserWarning: from `compute`, where there are no more objects than features.

    Example:
        >>> import torch
        >>> from hardest_metrics.transferability import LogME
        >>> metric = LogME()
        >>> metric.update(torch.tensor([[0.0, 1], [1, 0]]), torch.tensor([0, 0]))
        >>> metric.update(torch.tensor([[4.0, 5], [5, 6]]), torch.tensor([1, 1]))
        >>> metric.compute()
        tensor(-0.5176, dtype=torch.float64)
    """

    def _score(self, statistics: FeatureStatistics) -> Tensor:
        return logme_of(statistics)


class BoxLogME(FeatureMetric):
    """LogME of the boxes, see :func:`~hardest_metrics.functional.transferability.box_logme`.

    Args:
        kwargs: see :class:`torchmetrics.Metric`.

    Warns:
        UserWarning: from `compute`, where there are no more objects than features.

    Example:
        >>> import torch
        >>> from hardest_metrics.transferability import BoxLogME
        >>> metric = BoxLogME()
        >>> features = torch.tensor([[0.0, 1], [1, 0], [4, 5], [5, 6]])
        >>> boxes = torch.tensor(
        ...     [[0.1, 0.1, 0.2, 0.2], [0.2, 0.1, 0.3, 0.2], [0.5, 0.5, 0.7, 0.8], [0.6, 0.6, 0.9, 0.9]]
        ... )
        >>> metric.update(features, torch.tensor([0, 0, 1, 1]), boxes)
        >>> metric.compute()
        tensor(0.3742, dtype=torch.float64)
    """

    _needs_boxes = True

    def _score(self, statistics: FeatureStatistics) -> Tensor:
        return box_logme_of(statistics)


class TotalLogME(FeatureMetric):
    """The mean of LogME of labels and of boxes, see :func:`~hardest_metrics.functional.transferability.total_logme`.

    Args:
        kwargs: see :class:`torchmetrics.Metric`.

    Warns:
        UserWarning: from `compute`, where there are no more objects than features.

    Example:
        >>> import torch
        >>> from hardest_metrics.transferability import TotalLogME
        >>> metric = TotalLogME()
        >>> features = torch.tensor([[0.0, 1], [1, 0], [4, 5], [5, 6]])
        >>> boxes = torch.tensor(
        ...     [[0.1, 0.1, 0.2, 0.2], [0.2, 0.1, 0.3, 0.2], [0.5, 0.5, 0.7, 0.8], [0.6, 0.6, 0.9, 0.9]]
        ... )
        >>> metric.update(features, torch.tensor([0, 0, 1, 1]), boxes)
        >>> metric.compute()
        tensor(-0.0717, dtype=torch.float64)
    """

    _needs_boxes = True

    def _score(self, statistics: FeatureStatistics) -> Tensor:
        return total_logme_of(statistics)


class HScore(FeatureMetric):
    """H-score, see :func:`~hardest_metrics.functional.transferability.h_score`.

    Args:
        shrinkage: whether to shrink the covariance after Ledoit and Wolf, as
            :func:`~hardest_metrics.functional.transferability.regularized_h_score` does: for few objects or many
            features.
        kwargs: see :class:`torchmetrics.Metric`.

    Warns:
        UserWarning: from `compute`, where there are no more objects than features.

    Example:
        >>> import torch
        >>> from hardest_metrics.transferability import HScore
        >>> metric = HScore(shrinkage=True)
        >>> metric.update(torch.tensor([[0.0, 1], [1, 0], [4, 5], [5, 6]]), torch.tensor([0, 0, 1, 1]))
        >>> metric.compute()
        tensor(1.2506, dtype=torch.float64)
    """

    def __init__(self, shrinkage: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shrinkage = shrinkage

    def _score(self, statistics: FeatureStatistics) -> Tensor:
        return regularized_h_score_of(statistics) if self.shrinkage else h_score_of(statistics)


class GaussianOverlap(FeatureMetric):
    """Gaussian Bhattacharyya coefficient, see :func:`~hardest_metrics.functional.transferability.gaussian_overlap`.

    Args:
        kwargs: see :class:`torchmetrics.Metric`.

    Example:
        >>> import torch
        >>> from hardest_metrics.transferability import GaussianOverlap
        >>> metric = GaussianOverlap()
        >>> metric.update(torch.tensor([[0.0, 1], [1, 0], [4, 5], [5, 6]]), torch.tensor([0, 1, 0, 1]))
        >>> metric.compute()
        tensor(-1.8624, dtype=torch.float64)
    """

    plot_upper_bound = 0.0

    def _score(self, statistics: FeatureStatistics) -> Tensor:
        return gaussian_overlap_of(statistics)


class RegressionScore(FeatureMetric):
    """Minus the residual of a least squares fit of the boxes.

    See :func:`~hardest_metrics.functional.transferability.regression_score`.

    Args:
        kwargs: see :class:`torchmetrics.Metric`.

    Warns:
        UserWarning: from `compute`, where there are no more objects than features.

    Example:
        >>> import torch
        >>> from hardest_metrics.transferability import RegressionScore
        >>> metric = RegressionScore()
        >>> features = torch.tensor([[0.0, 1], [1, 0], [4, 5], [5, 6]])
        >>> boxes = torch.tensor(
        ...     [[0.1, 0.1, 0.2, 0.2], [0.2, 0.1, 0.3, 0.2], [0.5, 0.5, 0.7, 0.8], [0.6, 0.6, 0.9, 0.9]]
        ... )
        >>> metric.update(features, torch.tensor([0, 0, 1, 1]), boxes)
        >>> metric.compute()
        tensor(-0.0064, dtype=torch.float64)
    """

    plot_upper_bound = 0.0
    _needs_boxes = True

    def _score(self, statistics: FeatureStatistics) -> Tensor:
        return regression_score_of(statistics)


class TransRate(TransferabilityMetric[ClassScatters]):
    """TransRate, see :func:`~hardest_metrics.functional.transferability.transrate`.

    For every class it keeps D objects, or a scatter of D² numbers and about as many objects: 80 classes with 2,048
    features take gigabytes, which is what `projection` is for.

    Args:
        eps: the squared distortion that is allowed.
        projection: how many features to project to, by
            :func:`~hardest_metrics.functional.transferability.gaussian_projection`; None for all features as they are.
        kwargs: see :class:`torchmetrics.Metric`.

    Raises:
        ValueError: if an argument is out of its range.

    Warns:
        UserWarning: from `compute`, where there are no more objects than features.

    Example:
        >>> import torch
        >>> from hardest_metrics.transferability import TransRate
        >>> metric = TransRate()
        >>> metric.update(torch.tensor([[0.0, 1], [1, 0], [4, 5], [5, 6]]), torch.tensor([0, 0, 1, 1]))
        >>> metric.compute()
        tensor(0.7661, dtype=torch.float64)
    """

    def __init__(self, eps: float = 1e-4, projection: int | None = None, **kwargs: Any) -> None:
        super().__init__(ClassScatters, **kwargs)
        check_eps(eps)
        if projection is not None:
            check_size(projection, "projection")
        self.eps = eps
        self.projection = projection
        # Always empty: metrics whose states have other names are neither merged nor grouped with this one
        self.add_state(f"projection={projection}", [], dist_reduce_fx=None)

    def update(self, features: Tensor, target: Tensor, boxes: Tensor | None = None) -> None:
        """Add a batch of objects.

        Args:
            features: ``(N, D)`` of any floating dtype, an object each.
            target: ``(N,)`` integer labels.
            boxes: ``(N, 4)``, which make no difference here.

        Raises:
            TypeError, ValueError: on input that makes no sense; the metric is as it was before.
        """
        features, target, _ = checked_objects(self.device, features, target, boxes)
        if self.projection is not None:
            features = gaussian_projection(features.double(), self.projection)
        self._add(ClassScatters.of(features, target))

    def _score(self, statistics: ClassScatters) -> Tensor:
        return transrate_of(statistics, self.eps)
