"""HAPPIER: hierarchical average precision, held together by a loss of classes."""

from torch import Tensor, nn

from hardest_metrics.losses.hierarchical_ap import HierarchicalAPLoss, HRank
from hardest_metrics.losses.proxies import ClusterLoss


class HAPPIERLoss(nn.Module):
    """``weight`` · :class:`HierarchicalAPLoss` + (1 - ``weight``) · :class:`ClusterLoss`.

    Args:
        num_classes: classes of the finest level, labelled 0, 1, ...
        dim: of the embeddings.
        weight: share of the first loss; published are 0.9, and 0.5 for DyML-Animal.
        temperature: of the second.
        alpha: of the first, as are all that follow.
        tau: temperature of the sigmoid.
        rho: slope beyond ``delta``.
        delta: lead up to which the sigmoid is followed.
        start: what is added to the sigmoid as soon as an item is ahead; published is 0 for iNaturalist.
        offset: value at ``delta``; published is 1 for iNaturalist.
        hrank: how the hierarchical rank is made smooth; None for not at all.

    Raises:
        ModuleNotFoundError: when pytorch-metric-learning is not installed.
        ValueError: when ``weight`` is not in [0, 1], or another setting not as it must be.

    `Hierarchical Average Precision Training for Pertinent Image Retrieval <https://arxiv.org/abs/2207.04873>`_, ECCV
    2022.

    Example:
        >>> import torch
        >>> embeddings = torch.nn.functional.normalize(torch.randn(8, 4)).requires_grad_()
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [1, 0], [2, 1], [2, 1], [3, 1], [3, 1]])
        >>> loss = HAPPIERLoss(num_classes=4, dim=4)
        >>> loss(embeddings, labels).backward()
        >>> loss.weight, [name for name, _ in loss.named_parameters()]
        (0.9, ['cluster.softmax.W'])
    """

    def __init__(
        self,
        num_classes: int,
        dim: int,
        weight: float = 0.9,
        temperature: float = 0.05,
        alpha: float = 1.0,
        tau: float = 0.01,
        rho: float = 100.0,
        delta: float = 0.05,
        start: float = 0.5,
        offset: float | None = 1.44,
        hrank: HRank | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= weight <= 1:
            raise ValueError(f"weight={weight}: must be in [0, 1].")
        self.weight = weight
        self.hierarchical_ap = HierarchicalAPLoss(alpha, tau, rho, delta, start, offset, hrank)
        self.cluster = ClusterLoss(num_classes, dim, temperature)

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        references: Tensor | None = None,
        reference_labels: Tensor | None = None,
    ) -> Tensor:
        """The loss of a batch.

        Args:
            embeddings: ``(B, D)``, used as given: normalise them first.
            labels: ``(B, L)`` integers, finest level first; that one counts from 0.
            references: ``(M, D)``, what is ranked; by default the batch itself.
            reference_labels: ``(M, L)``, with ``references``.

        Returns:
            The weighted sum.

        Raises:
            TypeError: when labels are not integers.
            ValueError: when shapes do not go together, a class is unknown, or labels are no tree.
        """
        ranked = self.hierarchical_ap(embeddings, labels, references, reference_labels)
        clustered = self.cluster(embeddings, labels)
        value: Tensor = self.weight * ranked + (1 - self.weight) * clustered
        return value

    def extra_repr(self) -> str:
        """Its own setting."""
        return f"weight={self.weight}"
