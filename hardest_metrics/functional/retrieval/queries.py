"""Scores of queries from embeddings: block by block, exact, in memory of a fixed number of distances."""

from collections.abc import Sequence

from torch import Tensor

from hardest_metrics.functional.retrieval.distances import Similarity
from hardest_metrics.functional.retrieval.ranks import rank_positives
from hardest_metrics.functional.retrieval.relevance import Relevance, check_relevance, relevances
from hardest_metrics.functional.retrieval.scores import QueryScores, TopKScores, score_first, score_positives
from hardest_metrics.functional.retrieval.search import Search, checked_sets, ks_within


def score_queries(
    embeddings: Tensor,
    labels: Tensor,
    *,
    gallery: Tensor | None = None,
    gallery_labels: Tensor | None = None,
    itself: Tensor | None = None,
    k: Sequence[int] = (1, 10),
    relevance: Relevance = "pop",
    alpha: float = 1.0,
    metric: Similarity = "cosine",
) -> QueryScores:
    """Score how well each query retrieves its relatives from the gallery, at all levels of a hierarchy.

    Each query ranks the whole gallery but itself, told by its place, not by its distance: a duplicate of it is ranked.
    Ties are pessimistic: of items equally near that of the lower level comes first. The protocol is that of Ramzi et
    al., *Hierarchical Average Precision Training for Pertinent Image Retrieval*, ECCV 2022; :class:`QueryScores` says
    what each score is.

    Exact: nothing is sampled or cut off. All is computed in float32 products, whatever comes in, and float64 sums.
    Memory beyond the embeddings: a copy of the gallery's, and a block of some million distances.

    Args:
        embeddings: ``(Q, D)`` floating point, the queries'.
        labels: ``(Q, L)`` int64, finest level first; a tree: rows that are equal at a level are equal at all coarser
            ones.
        gallery: ``(M, D)`` floating point; None where the queries are the gallery, too.
        gallery_labels: ``(M, L)`` int64.
        itself: ``(Q,)`` int64: where each query stands in the gallery, -1 where it does not. None for nowhere; without
            a gallery, for where it does.
        k: of precision, recall and nDCG at k. Beyond the number of items it is clipped, with a warning.
        relevance: how relevant an item is for H-AP, see :func:`relevances`.
        alpha: likewise.
        metric: ``"cosine"``, for which embeddings are brought to unit length; ``"inner_product"``, which takes them as
            they are; ``"l2"``, Euclidean distance. These differ unless embeddings are of unit length.

    Returns:
        The scores of each query, NaN where it has no positive, on the device of `embeddings`.

    Raises:
        TypeError: if embeddings are no floating-point or labels no integer tensors.
        ValueError: if labels are no tree (two rows are named), embeddings not finite (the row is named), shapes do not
            go together, or another argument makes no sense.

    Example:
        >>> import torch
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0], [0.7, 0.3]])
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1], [2, 1]])  # breed, species
        >>> scores = score_queries(embeddings, labels, k=[1])
        >>> scores.hierarchical_ap
        tensor([0.8333, 0.8333, 0.5833, 0.5000, 0.2500], dtype=torch.float64)
        >>> scores.recall_at[1][:, 0]  # of the finest level; none is of the third one's breed
        tensor([1., 1., nan, 0., 0.], dtype=torch.float64)
    """
    search = Search.of(checked_sets(embeddings, labels, gallery, gallery_labels, itself), metric)
    check_relevance(relevance, alpha, labels.shape[1])
    ks = ks_within(k, search.ranked)
    tables = search.tables()
    scores = []
    for block in search.blocks():
        positives = rank_positives(block.distances, block.spans, block.itself)
        relevance_of = relevances(block.counted, relevance, alpha)
        scores.append(score_positives(positives, block.counts, relevance_of, ks, tables))
    return search.in_order(scores)


def topk_scores(
    embeddings: Tensor,
    labels: Tensor,
    *,
    gallery: Tensor | None = None,
    gallery_labels: Tensor | None = None,
    itself: Tensor | None = None,
    k: Sequence[int] = (1, 10),
    metric: Similarity = "cosine",
) -> TopKScores:
    """The scores at k alone, for less: what is beyond the first k is not sorted.

    Arguments and errors are those of :func:`score_queries`, and so are the scores, bit by bit.

    Example:
        >>> import torch
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0], [0.7, 0.3]])
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1], [2, 1]])
        >>> topk_scores(embeddings, labels, k=[2]).precision_at[2][:, 1]
        tensor([0.5000, 0.5000, 0.5000, 0.5000, 0.0000], dtype=torch.float64)
    """
    search = Search.of(checked_sets(embeddings, labels, gallery, gallery_labels, itself), metric)
    ks = ks_within(k, search.ranked)
    tables = search.tables()
    scores = []
    for block in search.blocks():
        positives = rank_positives(block.distances, block.spans, block.itself, depth=max(ks, default=1))
        scores.append(score_first(positives, block.counts, ks, tables))
    return search.in_order(scores)
