"""The measures of agreement, each a formula of :mod:`hardest_metrics.functional.agreement`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from hardest_metrics.agreement.base import Agreement
from hardest_metrics.functional.agreement import (
    budget_precision,
    budget_recall,
    hardest_auroc,
    hardest_average_precision,
    kendall,
    median_query_count,
    ndcg,
    spearman,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Spearman(Agreement):
    """Spearman's rank correlation, see :func:`~hardest_metrics.functional.agreement.spearman`.

    Args:
        kwargs: see :class:`torchmetrics.Metric`.

    Example:
        >>> import torch
        >>> from hardest_metrics import Ranking
        >>> from hardest_metrics.agreement import Spearman
        >>> metric = Spearman()
        >>> metric.update(
        ...     estimated=Ranking(torch.tensor([4, 2, 7]), torch.tensor([0.9, 0.5, 0.1])),
        ...     true=Ranking(torch.tensor([2, 4, 7]), torch.tensor([3.0, 2.0, 0.0])),
        ... )
        >>> metric.compute()
        tensor(0.5000)
    """

    plot_lower_bound = -1.0

    def _formula(self, estimated: Tensor, true: Tensor) -> Tensor:
        return spearman(estimated, true)


class Kendall(Agreement):
    """Kendall's rank correlation τ-b, see :func:`~hardest_metrics.functional.agreement.kendall`.

    Args:
        kwargs: see :class:`torchmetrics.Metric`.

    Example:
        >>> import torch
        >>> from hardest_metrics import Ranking
        >>> from hardest_metrics.agreement import Kendall
        >>> metric = Kendall()
        >>> metric.update(
        ...     estimated=Ranking(torch.tensor([4, 2, 7]), torch.tensor([0.9, 0.5, 0.1])),
        ...     true=Ranking(torch.tensor([2, 4, 7]), torch.tensor([3.0, 2.0, 0.0])),
        ... )
        >>> metric.compute()
        tensor(0.3333)
    """

    plot_lower_bound = -1.0

    def _formula(self, estimated: Tensor, true: Tensor) -> Tensor:
        return kendall(estimated, true)


class NDCG(Agreement):
    """Normalised discounted cumulative gain, see :func:`~hardest_metrics.functional.agreement.ndcg`.

    Args:
        k: how many images to look at, from the hardest; None for all.
        kwargs: see :class:`torchmetrics.Metric`.

    Example:
        >>> import torch
        >>> from hardest_metrics import Ranking
        >>> from hardest_metrics.agreement import NDCG
        >>> metric = NDCG(k=1)
        >>> metric.update(
        ...     estimated=Ranking(torch.tensor([4, 2, 7]), torch.tensor([0.9, 0.5, 0.1])),
        ...     true=Ranking(torch.tensor([2, 4, 7]), torch.tensor([3.0, 2.0, 0.0])),
        ... )
        >>> metric.compute()
        tensor(0.6667)
    """

    _adds_up = True

    def __init__(self, k: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.k = k
        self._check_arguments()

    def _formula(self, estimated: Tensor, true: Tensor) -> Tensor:
        return ndcg(estimated, true, self.k)


class _OfHardest(Agreement):
    """A measure of the hardest share of the images."""

    def __init__(self, share: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.share = share
        self._check_arguments()


class HardestAUROC(_OfHardest):
    """Area under the ROC curve of telling the truly hardest images from the others.

    See :func:`~hardest_metrics.functional.agreement.hardest_auroc`.

    Args:
        share: how many images are the hardest, above 0 and below 1; None for the mean over 5, 10, 25 and 50 %.
        kwargs: see :class:`torchmetrics.Metric`.

    Example:
        >>> import torch
        >>> from hardest_metrics import Ranking
        >>> from hardest_metrics.agreement import HardestAUROC
        >>> metric = HardestAUROC(share=0.1)
        >>> metric.update(
        ...     estimated=Ranking(torch.tensor([4, 2, 7]), torch.tensor([0.9, 0.5, 0.1])),
        ...     true=Ranking(torch.tensor([2, 4, 7]), torch.tensor([3.0, 2.0, 0.0])),
        ... )
        >>> metric.compute()
        tensor(0.5000)
    """

    def _formula(self, estimated: Tensor, true: Tensor) -> Tensor:
        return hardest_auroc(estimated, true, self.share)


class HardestAveragePrecision(_OfHardest):
    """Average precision of telling the truly hardest images from the others.

    See :func:`~hardest_metrics.functional.agreement.hardest_average_precision`.

    Args:
        share: how many images are the hardest, above 0 and below 1; None for the mean over 5, 10, 25 and 50 %.
        kwargs: see :class:`torchmetrics.Metric`.

    Example:
        >>> import torch
        >>> from hardest_metrics import Ranking
        >>> from hardest_metrics.agreement import HardestAveragePrecision
        >>> metric = HardestAveragePrecision(share=0.1)
        >>> metric.update(
        ...     estimated=Ranking(torch.tensor([4, 2, 7]), torch.tensor([0.9, 0.5, 0.1])),
        ...     true=Ranking(torch.tensor([2, 4, 7]), torch.tensor([3.0, 2.0, 0.0])),
        ... )
        >>> metric.compute()
        tensor(0.5000)
    """

    def _formula(self, estimated: Tensor, true: Tensor) -> Tensor:
        return hardest_average_precision(estimated, true, self.share)


class _AtBudget(Agreement):
    """A measure of what a labelling budget pays for."""

    def __init__(self, budget: float | int = 0.1, share: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.budget = budget
        self.share = share
        self._check_arguments()


class BudgetPrecision(_AtBudget):
    """Of the images that a labelling budget pays for, the share that is truly among the hardest.

    See :func:`~hardest_metrics.functional.agreement.budget_precision`.

    Args:
        budget: how many images can be labelled: an integer for their number, a floating-point number for their share.
        share: how many images are the hardest, above 0 and below 1; None for as many as the budget pays for.
        kwargs: see :class:`torchmetrics.Metric`.

    Example:
        >>> import torch
        >>> from hardest_metrics import Ranking
        >>> from hardest_metrics.agreement import BudgetPrecision
        >>> metric = BudgetPrecision(budget=2, share=0.1)
        >>> metric.update(
        ...     estimated=Ranking(torch.tensor([4, 2, 7]), torch.tensor([0.9, 0.5, 0.1])),
        ...     true=Ranking(torch.tensor([2, 4, 7]), torch.tensor([3.0, 2.0, 0.0])),
        ... )
        >>> metric.compute()
        tensor(0.5000)
    """

    def _formula(self, estimated: Tensor, true: Tensor) -> Tensor:
        return budget_precision(estimated, true, self.budget, self.share)


class BudgetRecall(_AtBudget):
    """Of the truly hardest images, the share that a labelling budget pays for.

    See :func:`~hardest_metrics.functional.agreement.budget_recall`.

    Args:
        budget: how many images can be labelled: an integer for their number, a floating-point number for their share.
        share: how many images are the hardest, above 0 and below 1; None for as many as the budget pays for.
        kwargs: see :class:`torchmetrics.Metric`.

    Example:
        >>> import torch
        >>> from hardest_metrics import Ranking
        >>> from hardest_metrics.agreement import BudgetRecall
        >>> metric = BudgetRecall(budget=2, share=0.1)
        >>> metric.update(
        ...     estimated=Ranking(torch.tensor([4, 2, 7]), torch.tensor([0.9, 0.5, 0.1])),
        ...     true=Ranking(torch.tensor([2, 4, 7]), torch.tensor([3.0, 2.0, 0.0])),
        ... )
        >>> metric.compute()
        tensor(1.)
    """

    def _formula(self, estimated: Tensor, true: Tensor) -> Tensor:
        return budget_recall(estimated, true, self.budget, self.share)


class MedianQueryCount(Agreement):
    """Share of the images that need not be inspected to have met half of the total true hardness.

    See :func:`~hardest_metrics.functional.agreement.median_query_count`. Its plot shows the hardness met with any
    number of images.

    Args:
        kwargs: see :class:`torchmetrics.Metric`.

    Example:
        >>> import torch
        >>> from hardest_metrics import Ranking
        >>> from hardest_metrics.agreement import MedianQueryCount
        >>> metric = MedianQueryCount()
        >>> metric.update(
        ...     estimated=Ranking(torch.tensor([4, 2, 7]), torch.tensor([0.9, 0.5, 0.1])),
        ...     true=Ranking(torch.tensor([2, 4, 7]), torch.tensor([3.0, 2.0, 0.0])),
        ... )
        >>> metric.compute()
        tensor(0.3333)
    """

    _adds_up = True

    def _formula(self, estimated: Tensor, true: Tensor) -> Tensor:
        return median_query_count(estimated, true)

    def plot(
        self,
        val: Tensor | Sequence[Tensor] | None = None,
        ax: "Axes | None" = None,
    ) -> "tuple[Figure, Axes]":
        """Draw the true hardness met against the images inspected, or one or several values.

        Args:
            val: what `compute` or `forward` gave, once or several times, to be drawn as it is; None for the curve.
            ax: what to draw on; None for a new figure.

        Raises:
            ModuleNotFoundError: if matplotlib is not installed.
            ValueError: if an image came twice with different hardness.
        """
        from hardest_metrics.plot import plot_regret

        if val is not None:
            return super().plot(val, ax)
        estimated, true = self._rankings()
        return plot_regret({"estimated": estimated}, true, ax)
