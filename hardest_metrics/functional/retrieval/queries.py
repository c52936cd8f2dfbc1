"""Scores of queries from embeddings: block by block, exact, in memory of a fixed number of distances."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from hardest_metrics.functional.retrieval.distances import Gallery, Similarity, block_rows, check_embeddings
from hardest_metrics.functional.retrieval.labels import Spans, check_labels, class_order, class_spans
from hardest_metrics.functional.retrieval.ranks import rank_positives
from hardest_metrics.functional.retrieval.relevance import Relevance, check_relevance, relevances
from hardest_metrics.functional.retrieval.scores import (
    QueryScores,
    Tables,
    TopKScores,
    checked_ks,
    score_first,
    score_positives,
)

_Scores = TypeVar("_Scores", QueryScores, TopKScores)


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
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0], [0.7, 0.3]])
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1], [2, 1]])  # breed, species
        >>> scores = score_queries(embeddings, labels, k=[1])
        >>> scores.hierarchical_ap
        tensor([0.8333, 0.8333, 0.5833, 0.5000, 0.2500], dtype=torch.float64)
        >>> scores.recall_at[1][:, 0]  # of the finest level; none is of the third one's breed
        tensor([1., 1., nan, 0., 0.], dtype=torch.float64)
    """
    search = _Search.of(embeddings, labels, gallery, gallery_labels, itself, metric)
    check_relevance(relevance, alpha, labels.shape[1])
    ks = search.ks(k)
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
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0], [0.7, 0.3]])
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1], [2, 1]])
        >>> topk_scores(embeddings, labels, k=[2]).precision_at[2][:, 1]
        tensor([0.5000, 0.5000, 0.5000, 0.5000, 0.0000], dtype=torch.float64)
    """
    search = _Search.of(embeddings, labels, gallery, gallery_labels, itself, metric)
    ks = search.ks(k)
    tables = search.tables()
    scores = []
    for block in search.blocks():
        positives = rank_positives(block.distances, block.spans, block.itself, depth=max(ks, default=1))
        scores.append(score_first(positives, block.counts, ks, tables))
    return search.in_order(scores)


class _Block(NamedTuple):
    """Some queries.

    Attributes:
        distances: ``(q, M)`` from the gallery in class order.
        spans: where their classes stand in it.
        itself: ``(q,)`` where they stand in it, or -1.
        counted: ``(q, L + 1)`` how many items share exactly t levels with each, itself among them.
        counts: the same without itself.
    """

    distances: Tensor
    spans: Spans
    itself: Tensor
    counted: Tensor
    counts: Tensor


class _Search(NamedTuple):
    """Queries and gallery, checked and in class order.

    Attributes:
        embeddings: ``(Q, D)``, the queries' as given.
        gallery: in class order.
        size: of the gallery.
        spans: of the queries in their order.
        itself: ``(Q,)``, place in the class order of the gallery.
        order: ``(Q,)`` int64, in which queries are worked on: those of a class together, so that blocks are narrow.
    """

    embeddings: Tensor
    gallery: Gallery
    size: int
    spans: Spans
    itself: Tensor
    order: Tensor

    @classmethod
    def of(
        cls,
        embeddings: Tensor,
        labels: Tensor,
        gallery: Tensor | None,
        gallery_labels: Tensor | None,
        itself: Tensor | None,
        metric: Similarity,
    ) -> "_Search":
        if (gallery is None) != (gallery_labels is None):
            raise ValueError("`gallery` and `gallery_labels` belong together: give both or neither.")
        if metric not in ("cosine", "inner_product", "l2"):
            raise ValueError(f"`metric` must be 'cosine', 'inner_product' or 'l2', but is {metric!r}.")
        check_labels(labels, gallery_labels)
        check_embeddings("embeddings", embeddings, labels)
        if gallery is None or gallery_labels is None:
            gallery, gallery_labels = embeddings, labels
            if itself is None:
                itself = torch.arange(len(labels), device=labels.device)
        else:
            check_embeddings("gallery", gallery, gallery_labels)
            if gallery.shape[1] != embeddings.shape[1]:
                raise ValueError(
                    f"`embeddings` have {embeddings.shape[1]} dimensions, but `gallery` has {gallery.shape[1]}:"
                    " take both from one network."
                )
        if not len(gallery):
            raise ValueError("The gallery is empty: give at least one item to rank.")
        device = embeddings.device
        labels, gallery_labels = labels.to(device), gallery_labels.to(device)
        itself = _checked_places(itself, labels, gallery_labels)
        order = class_order(gallery_labels)
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order), device=device)
        spans = class_spans(labels, gallery_labels[order])
        return cls(
            embeddings,
            Gallery(gallery.to(device), order, metric),
            len(order),
            spans,
            torch.where(itself < 0, itself, place[itself]),
            spans.begin[:, 0].argsort(stable=True),
        )

    def ks(self, k: Sequence[int]) -> tuple[int, ...]:
        """The k that scores are asked for, with a warning about those beyond the ranking."""
        ks = checked_ks(k)
        most = self.size - int((self.itself >= 0).all())
        if ks and ks[-1] > most:
            warnings.warn(
                f"`k`={ks[-1]} goes beyond the {most} items that are ranked: scores at {ks[-1]} are those at {most}.",
                stacklevel=3,
            )
        return ks

    def tables(self) -> Tables:
        """Tables for all places of the ranking."""
        return Tables.up_to(self.size, self.embeddings.device)

    def blocks(self) -> Iterator[_Block]:
        """Queries, some at a time, in their order."""
        for chosen in self.order.split(block_rows(self.size, self.embeddings.device)):
            spans = Spans(*(column[chosen] for column in self.spans))
            itself = self.itself[chosen]
            at_least = spans.end - spans.begin
            whole = torch.full_like(at_least[:, :1], self.size)
            counted = torch.cat((whole, at_least), 1) - torch.nn.functional.pad(at_least, (0, 1))
            counts = counted.clone()
            counts[:, -1] -= (itself >= 0).long()
            yield _Block(self.gallery.distances(self.embeddings[chosen]), spans, itself, counted, counts)

    def in_order(self, blocks: Sequence[_Scores]) -> _Scores:
        """The scores of all blocks, in the order of the queries as given."""
        place = torch.empty_like(self.order)
        place[self.order] = torch.arange(len(place), device=place.device)

        def joined(parts: Sequence[Any]) -> Any:
            if isinstance(parts[0], dict):
                return {k: joined([part[k] for part in parts]) for k in parts[0]}
            return torch.cat(list(parts)).index_select(0, place)

        return type(blocks[0])(*map(joined, zip(*blocks, strict=True)))


def _checked_places(itself: Tensor | None, labels: Tensor, gallery_labels: Tensor) -> Tensor:
    """Where queries stand in the gallery."""
    if itself is None:
        return torch.full((len(labels),), -1, device=labels.device)
    itself = itself.to(labels.device)
    if itself.shape != labels.shape[:1] or itself.dtype != torch.int64:
        raise ValueError(
            f"`itself` must be int64 of shape ({len(labels)},), but is {itself.dtype} of {tuple(itself.shape)}."
        )
    if ((itself < -1) | (itself >= len(gallery_labels))).any():
        raise ValueError(f"`itself` must be places in the gallery of {len(gallery_labels)} items, or -1.")
    other = ((itself >= 0) & (gallery_labels[itself] != labels).any(1)).nonzero().flatten()
    if len(other):
        row = int(other[0])
        raise ValueError(
            f"`itself` says that query {row} is item {int(itself[row])} of the gallery, but their labels differ:"
            f" {labels[row].tolist()} and {gallery_labels[itself[row]].tolist()}."
        )
    return itself
