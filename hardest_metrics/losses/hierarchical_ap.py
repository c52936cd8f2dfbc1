"""H-AP as a loss: its ranks made smooth, its gradient written down, and neither ever held for a whole batch.

The loss compares every item with every positive of every query, B³ pairs in a batch of B. They are gone through a few
queries at a time, and each part's share of the gradient is taken while its pairs are at hand: what is kept is the
gradient by the B² scores. Both follow from the same two derivatives, so no graph of the pairs is built.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from hardest_metrics.functional.retrieval import relevances
from hardest_metrics.losses.levels import as_scored, levels_of_pairs

#: Pairs that are gone through at once: a few MB, which a processor's cache holds; a GPU wants more to do at a time.
_PAIRS_ON_CPU, _PAIRS_ON_GPU = 1 << 17, 1 << 22


@dataclass(frozen=True)
class HRank:
    """How the hierarchical rank of :class:`HierarchicalAPLoss` is made smooth: what it says of items that are closer.

    An item ``j`` of a higher level than ``i`` counts ``leak * d`` while it is ranked behind it, ``d = s_j - s_i`` being
    negative, and ``min(beta * d + gamma, 1)`` once it is ahead.

    Args:
        beta: slope ahead.
        gamma: value as soon as it is ahead; above 1 it counts 1, without a gradient.
        leak: slope behind.
    """

    beta: float = 25.0
    gamma: float = 0.5
    leak: float = 10.0


class HierarchicalAPLoss(nn.Module):
    r"""One minus hierarchical average precision (H-AP), with ranks that have a gradient.

    Of a query, with ``t`` the number of levels that it shares with an item, ``d = s_j - s_i`` a difference of scores
    (inner products) and ``rel`` the items' relevances,

    .. math:: 1 - \frac{1}{\sum_i rel_i} \sum_{i: t_i > 0} \frac{hrank_i}{rank_i}

    - ``rank_i = 1 + Σ_j f(d)``. An item of a lower level, which should not be ahead, counts ``σ(d / tau)`` where it is
      not, ``start + σ(d / tau)`` where it is by up to ``delta``, and ``rho * (d - delta) + offset`` beyond: it is
      pushed back however far ahead it is. Any other counts 1 where it is not behind.
    - ``hrank_i = rel_i + Σ_j min(rel_i, rel_j)`` over what is not behind; with ``hrank``, items of a higher level are
      counted smoothly.
    - ``rel = (t / L)^alpha``, divided by how many items share just ``t`` levels with the query.

    The loss is the mean over queries. Memory grows with the square of the batch, not with its cube.

    Args:
        alpha: how much more closer items are worth.
        tau: temperature of the sigmoid.
        rho: slope beyond ``delta``.
        delta: lead up to which the sigmoid is followed.
        start: what is added to the sigmoid as soon as an item is ahead.
        offset: value at ``delta``, from which the slope goes on; None for that of the sigmoid there, with ``start``.
        hrank: how the hierarchical rank is made smooth; None for not at all.

    Raises:
        ValueError: when ``tau`` is not positive, or ``delta`` is negative.

    `Hierarchical Average Precision Training for Pertinent Image Retrieval <https://arxiv.org/abs/2207.04873>`_, ECCV
    2022.

    Example:
        >>> from torch.nn.functional import normalize
        >>> embeddings = normalize(torch.tensor([[1.0, 0.0], [1.0, 0.5], [0.0, 1.0], [0.5, 1.0]]))
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [1, 0]])  # finest level first
        >>> HierarchicalAPLoss()(embeddings, labels)
        tensor(0.0000)
        >>> HierarchicalAPLoss()(embeddings, labels[[0, 2, 1, 3]])
        tensor(0.2766)
    """

    def __init__(
        self,
        alpha: float = 1.0,
        tau: float = 0.01,
        rho: float = 100.0,
        delta: float = 0.05,
        start: float = 0.5,
        offset: float | None = 1.44,
        hrank: HRank | None = None,
    ) -> None:
        super().__init__()
        if not tau > 0:
            raise ValueError(f"tau={tau}: must be above 0.")
        if not delta >= 0:
            raise ValueError(f"delta={delta}: must be at least 0.")
        self.alpha = alpha
        self.rank = _Rank(tau, rho, delta, start, offset)
        self.hrank = hrank

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        references: Tensor | None = None,
        reference_labels: Tensor | None = None,
    ) -> Tensor:
        """The loss of a batch.

        Args:
            embeddings: ``(B, D)`` of the queries, used as given: normalise them first for cosine similarity, which the
                defaults of ``tau`` and ``delta`` are made for. Half precision is scored in float32.
            labels: ``(B, L)`` integers, finest level first.
            references: ``(M, D)``, what is ranked; by default the batch itself, each query included.
            reference_labels: ``(M, L)``, with ``references``.

        Returns:
            The mean over queries that share a level with any reference, which in a batch by itself all do; 0 where
            none does.

        Raises:
            TypeError: when labels are not integers.
            ValueError: when shapes do not go together, or labels are no tree; the message names two rows.
        """
        batch = as_scored(embeddings, labels, references, reference_labels)
        levels = levels_of_pairs(batch.labels, batch.reference_labels)
        counts = levels.new_zeros(len(levels), labels.shape[1] + 1).scatter_add_(1, levels, torch.ones_like(levels))
        relevance = relevances(counts, alpha=self.alpha).gather(1, levels)
        with torch.autocast(embeddings.device.type, enabled=False):
            scores = batch.embeddings @ batch.references.T
            arguments = levels, relevance.to(scores.dtype), self.rank, self.hrank
            quality: Tensor = _SmoothHierarchicalAP.apply(scores, *arguments)
            any_positive = (levels > 0).any(1)
            return (any_positive.to(quality.dtype) - quality).sum() / any_positive.sum().clamp(min=1)

    def extra_repr(self) -> str:
        """Its settings."""
        settings = {"alpha": self.alpha, **self.rank._asdict(), "hrank": self.hrank}
        return ", ".join(f"{name}={value}" for name, value in settings.items())


class _Rank(NamedTuple):
    """What an item of a lower level adds to the rank of another, by its lead ``d``."""

    tau: float
    rho: float
    delta: float
    start: float
    offset: float | None

    def __call__(self, d: Tensor) -> tuple[Tensor, Tensor]:
        """Value and derivative."""
        sigmoid = torch.sigmoid(d / self.tau)
        far = d > self.delta
        offset = self.offset
        if offset is None:
            offset = float(torch.sigmoid(torch.tensor(self.delta / self.tau, dtype=torch.float64))) + self.start
        near = sigmoid + self.start * (d > 0)
        value = torch.where(far, self.rho * (d - self.delta) + offset, near)
        return value, torch.where(far, self.rho, sigmoid * (1 - sigmoid) / self.tau)


def _ahead(d: Tensor, hrank: HRank) -> tuple[Tensor, Tensor]:
    """What an item of a higher level adds to the hierarchical rank of another: value and derivative."""
    ahead = d > 0
    rising = hrank.beta * d + hrank.gamma
    value = torch.where(ahead, rising.clamp(max=1), hrank.leak * d)
    slope = torch.where(ahead, hrank.beta * (rising <= 1), hrank.leak)
    return (torch.where(ahead, 1.0, value), slope * ~ahead) if hrank.gamma > 1 else (value, slope)


class _SmoothHierarchicalAP(torch.autograd.Function):
    """Smooth H-AP ``(B,)`` of queries, from scores, shared levels and relevances ``(B, M)`` each."""

    @staticmethod
    def forward(
        ctx: Any, scores: Tensor, levels: Tensor, relevance: Tensor, rank: _Rank, hrank: HRank | None
    ) -> Tensor:
        quality, gradient = torch.zeros_like(scores[:, 0]), torch.zeros_like(scores)
        closest_first = levels.argsort(dim=1, descending=True)
        n_positives = (levels > 0).sum(1).tolist()
        widest = max(n_positives, default=0)
        at_once = _PAIRS_ON_CPU if scores.device.type == "cpu" else _PAIRS_ON_GPU
        step = max(1, at_once // max(1, widest * scores.shape[1]))
        for begin in range(0, len(scores) if widest else 0, step):
            part = slice(begin, begin + step)
            positives = closest_first[part, : max(n_positives[part])]
            quality[part], gradient[part] = _of_queries(
                scores[part], levels[part], relevance[part], positives, rank, hrank
            )
        ctx.save_for_backward(gradient)
        return quality

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_quality: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * by_quality[:, None], None, None, None, None


def _of_queries(
    scores: Tensor, levels: Tensor, relevance: Tensor, positives: Tensor, rank: _Rank, hrank: HRank | None
) -> tuple[Tensor, Tensor]:
    """Smooth H-AP ``(b,)``, and its gradient ``(b, M)`` by the scores.

    ``positives`` ``(b, P)`` are columns. Where a query has fewer, they are filled up with columns that it shares no
    level with; these have no relevance, and so no part in anything.
    """
    i_level = levels.gather(1, positives)[:, :, None]
    i_relevance = relevance.gather(1, positives)
    d = scores[:, None, :] - scores.gather(1, positives)[:, :, None]  # (b, P, M)
    level, shared = levels[:, None, :], torch.minimum(relevance[:, None, :], i_relevance[:, :, None])

    step = (d >= 0).to(d.dtype)
    lower = level < i_level
    behind, d_behind = rank(d)
    in_rank = torch.where(lower, behind, step)
    in_hrank = step
    if hrank is not None:
        ahead, d_ahead = _ahead(d, hrank)
        in_hrank = torch.where(level > i_level, ahead, step)
    # An item is not compared with itself: d is 0 there, of equal level, and step counts it once in either rank. That
    # once is the 1 and the rel_i that both begin with.
    ranks = in_rank.sum(-1)
    hranks = (in_hrank * shared).sum(-1)

    total = relevance.sum(1, keepdim=True)
    total = total + (total == 0)  # without a positive all is 0
    share = hranks / ranks / total
    by_rank = -share / ranks  # (b, P)
    by_d = by_rank[:, :, None] * d_behind * lower
    if hrank is not None:
        by_d += (1 / ranks / total)[:, :, None] * d_ahead * shared * (level > i_level)
    gradient = by_d.sum(1).scatter_add_(1, positives, -by_d.sum(2))
    return share.sum(1), gradient
