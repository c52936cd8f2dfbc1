"""Losses that know every class by a proxy, a vector that is trained beside the network."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardest_metrics.losses.levels import as_scored


class ClusterLoss(nn.Module):
    """Cross-entropy over classes of the finest level, by cosine similarity to their proxies.

    ``mean_b CE(e_b · ŵ / temperature, label_b)``, with proxies ``ŵ`` of unit length: pytorch-metric-learning's
    ``NormalizedSoftmaxLoss``, which this holds.

    Args:
        num_classes: classes of the finest level.
        dim: of the embeddings.
        temperature: what similarities are divided by.

    Raises:
        ModuleNotFoundError: when pytorch-metric-learning is not installed.

    `Classification is a Strong Baseline for Deep Metric Learning <https://arxiv.org/abs/1811.12649>`_, BMVC 2019.

    Example:
        >>> loss = ClusterLoss(num_classes=2, dim=2)
        >>> _ = loss.softmax.W.data.copy_(torch.eye(2))  # a proxy a column
        >>> loss(torch.tensor([[1.0, 0.0], [0.6, 0.8]]), torch.tensor([[0, 0], [1, 0]]))
        tensor(0.0091, grad_fn=<...>)
    """

    def __init__(self, num_classes: int, dim: int, temperature: float = 0.05) -> None:
        super().__init__()
        try:
            from pytorch_metric_learning.distances import DotProductSimilarity
            from pytorch_metric_learning.losses import NormalizedSoftmaxLoss
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                'ClusterLoss needs pytorch-metric-learning: pip install "hardest_metrics[retrieval]".'
            ) from error
        # Embeddings are used as given, as in every loss here.
        distance = DotProductSimilarity(normalize_embeddings=False)
        self.softmax = NormalizedSoftmaxLoss(num_classes, dim, temperature, distance=distance)
        self.num_classes = num_classes

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
            references: nothing is compared with them here; taken so that losses can be exchanged.
            reference_labels: likewise.

        Returns:
            The mean over the batch.

        Raises:
            TypeError: when labels are not integers.
            ValueError: when shapes do not go together, or a label is not below ``num_classes``; the message names the
                row.
        """
        batch = as_scored(embeddings, labels)
        finest = batch.labels[:, 0]
        unknown = (finest < 0) | (finest >= self.num_classes)
        if unknown.any():
            row = int(unknown.nonzero()[0])
            raise ValueError(
                f"labels: row {row} is of class {int(finest[row])} at the finest level, but must be of one of 0 to "
                f"{self.num_classes - 1}, as num_classes={self.num_classes} says. Number the classes from 0."
            )
        with torch.autocast(embeddings.device.type, enabled=False):
            # The embeddings follow the proxies: pytorch-metric-learning would have it the other way round, for good.
            value: Tensor = self.softmax(batch.embeddings.to(self.softmax.W.dtype), finest.long())
        return value


class CSLLoss(nn.Module):
    """Composite similarity loss: an embedding is closer to its own proxy than to those of other classes, by a margin.

    ``Σ_l mean_b softplus(log Σ_c exp(scale s_bc) - scale s_b + scale m_l)``: ``s_bc`` are similarities to the proxies,
    of unit length, of those classes that differ at level ``l``, ``s_b`` that to the embedding's own class of the finest
    level, ``m_l`` margins that grow with the level. Where no class differs, nothing is added.

    Args:
        class_labels: ``(C, L)`` integers, a row for each class of the finest level, with its labels at all levels.
            These may be any numbers; proxy ``c`` is that of row ``c``.
        dim: of the embeddings.
        margins: one a level, finest first; published are 0.25, 0.35, 0.45 for three levels, 0.25, 0.45 for two, and
            0.15, 0.25, ..., 0.75 for seven.
        scale: of the similarities.

    Raises:
        TypeError: when labels are not integers.
        ValueError: when a class has two rows, or there are not as many margins as levels.

    `Dynamic Metric Learning: Towards a Scalable Metric Space to Accommodate Multiple Semantic Scales
    <https://arxiv.org/abs/2103.11781>`_, CVPR 2021.

    Example:
        >>> loss = CSLLoss(torch.tensor([[0, 0], [1, 0], [2, 1]]), dim=2, margins=(0.25, 0.45))
        >>> _ = loss.proxies.data.copy_(torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]))
        >>> loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[0, 0]]))
        tensor(1.7839, grad_fn=<...>)
    """

    class_labels: Tensor

    def __init__(self, class_labels: Tensor, dim: int, margins: Sequence[float], scale: float = 32.0) -> None:
        super().__init__()
        class_labels = as_scored(torch.empty(len(class_labels), 1), class_labels).labels
        finest, place = class_labels[:, 0].sort(stable=True)
        twice = (finest[1:] == finest[:-1]).nonzero()
        if len(twice):
            rows = place[twice[0] : twice[0] + 2].tolist()
            raise ValueError(
                f"class_labels: rows {rows[0]} and {rows[1]} are both of class {int(finest[twice[0]])} of the finest "
                "level. Give one row a class."
            )
        if len(margins) != class_labels.shape[1]:
            raise ValueError(f"margins: {len(margins)} for {class_labels.shape[1]} levels. Give one a level.")
        self.register_buffer("class_labels", class_labels)
        self.margins = tuple(margins)
        self.scale = scale
        self.proxies = nn.Parameter(torch.empty(len(class_labels), dim).uniform_(-1, 1) / math.sqrt(dim))

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
            labels: ``(B, L)`` integers, each row one of ``class_labels``.
            references: nothing is compared with them here; taken so that losses can be exchanged.
            reference_labels: likewise.

        Returns:
            The sum over levels of means over the batch.

        Raises:
            TypeError: when labels are not integers.
            ValueError: when shapes do not go together, or a row is none of ``class_labels``; the message names it.
        """
        batch = as_scored(embeddings, labels)
        own = self._class_of(batch.labels)
        with torch.autocast(embeddings.device.type, enabled=False):
            scores = self.scale * (batch.embeddings @ F.normalize(self.proxies).to(batch.embeddings.dtype).T)  # (B, C)
            own_score = scores.gather(1, own[:, None])[:, 0]
            losses = []
            for level, margin in enumerate(self.margins):
                same = batch.labels[:, level, None] == self.class_labels[:, level]
                alone = same.all(1)
                # -inf throughout would give NaN for a gradient
                others = scores.masked_fill(same & ~alone[:, None], -torch.inf).logsumexp(1)
                hinge = F.softplus(others - own_score + self.scale * margin)
                losses.append(torch.where(alone, 0, hinge).mean())
        return torch.stack(losses).sum()

    def _class_of(self, labels: Tensor) -> Tensor:
        """The row of ``class_labels`` ``(B,)`` of each row of labels."""
        if labels.shape[1] != len(self.margins):
            raise ValueError(
                f"labels: {labels.shape[1]} levels, but class_labels has {len(self.margins)}. Give as many."
            )
        finest, place = self.class_labels[:, 0].sort()
        rows = place[torch.searchsorted(finest, labels[:, 0].to(finest.dtype).contiguous()).clamp(max=len(finest) - 1)]
        known = (self.class_labels[rows] == labels).all(1)
        if not known.all():
            row = int((~known).nonzero()[0])
            raise ValueError(
                f"labels: row {row} is {labels[row].tolist()}, which is no row of class_labels. Give the loss the "
                "labels of all classes of the training set, at all levels."
            )
        return rows

    def extra_repr(self) -> str:
        """Its settings."""
        classes, dim = self.proxies.shape
        return f"classes={classes}, dim={dim}, margins={self.margins}, scale={self.scale}"
