"""The nearest neighbours of some queries, to look at."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hardest_metrics.functional.retrieval.distances import Gallery, Similarity, check_metric
from hardest_metrics.functional.retrieval.labels import shared_levels
from hardest_metrics.functional.retrieval.ranks import ranking_keys
from hardest_metrics.functional.retrieval.search import checked_sets, ks_within

# Queries ranked at a time: a key and a place for each item of the gallery.
_QUERIES = 64


class Neighbours(NamedTuple):
    """The first k items of the rankings of Q queries.

    Attributes:
        items: ``(Q, k)`` int64, their places in the gallery.
        level: ``(Q, k)`` int64, how many levels the item shares with the query: 0 to L.
        similarity: ``(Q, k)`` float32: cosine, inner product, or minus the Euclidean distance.
    """

    items: Tensor
    level: Tensor
    similarity: Tensor


def nearest_neighbours(
    embeddings: Tensor,
    labels: Tensor,
    *,
    gallery: Tensor | None = None,
    gallery_labels: Tensor | None = None,
    itself: Tensor | None = None,
    k: int = 10,
    metric: Similarity = "cosine",
) -> Neighbours:
    """Find what some queries retrieve first, in the order in which they are scored.

    Arguments and errors are those of :func:`score_queries`, but for one `k`, which is clipped to the number of items
    that are ranked, with a warning. Of items equally near that of the lower level comes first, then that of the lower
    index. Each query's ranking is sorted as a whole: meant for the few that are to be looked at.

    Example:
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0], [0.7, 0.3]])
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1], [2, 1]])
        >>> hard = torch.tensor([4])
        >>> found = nearest_neighbours(
        ...     embeddings[hard], labels[hard], gallery=embeddings, gallery_labels=labels, itself=hard, k=3
        ... )
        >>> found.items
        tensor([[2, 1, 0]])
        >>> found.level
        tensor([[0, 0, 0]])
    """
    sets = checked_sets(embeddings, labels, gallery, gallery_labels, itself)
    check_metric(metric)
    compared = Gallery(sets.gallery, torch.arange(len(sets.gallery), device=sets.gallery.device), metric)
    ranked = len(sets.gallery) - int((sets.itself >= 0).any())
    ks_within([k], ranked)
    first = []
    for rows in torch.arange(len(sets.labels), device=sets.labels.device).split(_QUERIES):
        level = shared_levels(sets.labels[rows, None], sets.gallery_labels)
        keys = ranking_keys(compared.distances(sets.embeddings[rows]), level)
        itself = sets.itself[rows, None]
        keys = torch.where(
            torch.arange(len(sets.gallery), device=keys.device) == itself, torch.iinfo(keys.dtype).max, keys
        )
        first.append(keys.argsort(dim=1, stable=True)[:, : min(k, ranked)])
    items = torch.cat(first)
    level = shared_levels(sets.labels[:, None], sets.gallery_labels[items])
    return Neighbours(items, level, _similarity(sets.embeddings[:, None].float(), sets.gallery[items].float(), metric))


def _similarity(queries: Tensor, items: Tensor, metric: Similarity) -> Tensor:
    if metric == "cosine":
        return F.cosine_similarity(queries, items, dim=-1)
    if metric == "l2":
        distance: Tensor = torch.linalg.vector_norm(queries - items, dim=-1)
        return -distance
    return (queries * items).sum(-1)
