"""Queries against a gallery: what is given, checked, and distances block by block, classes side by side."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from hardest_metrics.functional.retrieval.distances import Gallery, Similarity, check_embeddings, check_metric
from hardest_metrics.functional.retrieval.labels import Spans, check_labels, class_order, class_spans
from hardest_metrics.functional.retrieval.scores import QueryScores, Tables, TopKScores, checked_ks

# Distances whose positives are looked at at a time: where all is of one coarsest class, each takes some 50 bytes more.
_BLOCK = {"cpu": 1 << 22, "cuda": 1 << 26}

_Scores = TypeVar("_Scores", QueryScores, TopKScores)


class Sets(NamedTuple):
    """Queries and gallery, checked, on the device of the queries' embeddings.

    Attributes:
        embeddings: ``(Q, D)``, the queries'.
        labels: ``(Q, L)``.
        gallery: ``(M, D)``.
        gallery_labels: ``(M, L)``.
        itself: ``(Q,)`` int64, where each query stands in the gallery, or -1.
    """

    embeddings: Tensor
    labels: Tensor
    gallery: Tensor
    gallery_labels: Tensor
    itself: Tensor


def checked_sets(
    embeddings: Tensor,
    labels: Tensor,
    gallery: Tensor | None,
    gallery_labels: Tensor | None,
    itself: Tensor | None,
) -> Sets:
    """Check what public functions are given, and put what they are not."""
    check_labels(labels, gallery_labels)
    check_embeddings("embeddings", embeddings, labels)
    if (gallery is None) != (gallery_labels is None):
        raise ValueError("`gallery` and `gallery_labels` belong together: give both or neither.")
    if gallery is None or gallery_labels is None:
        gallery, gallery_labels = embeddings, labels
        if itself is None:
            itself = torch.arange(len(labels))
    else:
        check_embeddings("gallery", gallery, gallery_labels)
        if gallery.shape[1] != embeddings.shape[1]:
            raise ValueError(
                f"`embeddings` have {embeddings.shape[1]} dimensions, but `gallery` has {gallery.shape[1]}:"
                " take both from one network."
            )
        if itself is None:
            itself = torch.full((len(labels),), -1)
    if not len(gallery):
        raise ValueError("The gallery is empty: give at least one item to rank.")
    gallery, labels, gallery_labels, itself = (
        part.to(embeddings.device) for part in (gallery, labels, gallery_labels, itself)
    )
    _check_places(itself, labels, gallery_labels)
    return Sets(embeddings, labels, gallery, gallery_labels, itself)


def _check_places(itself: Tensor, labels: Tensor, gallery_labels: Tensor) -> None:
    """Refuse places of queries in the gallery that cannot be theirs."""
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


class Block(NamedTuple):
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


class Search(NamedTuple):
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
    def of(cls, sets: "Sets", metric: Similarity) -> "Search":
        """Bring all in order."""
        check_metric(metric)
        order = class_order(sets.gallery_labels)
        place = _places_of(order)
        spans = class_spans(sets.labels, sets.gallery_labels[order])
        return cls(
            sets.embeddings,
            Gallery(sets.gallery, order, metric),
            len(order),
            spans,
            torch.where(sets.itself < 0, -1, place[sets.itself]),
            spans.begin[:, 0].argsort(stable=True),
        )

    @property
    def ranked(self) -> int:
        """The most items that a query ranks."""
        return self.size - int(bool(len(self.itself)) and bool((self.itself >= 0).all()))

    def tables(self) -> Tables:
        """Tables for all places of the ranking."""
        return Tables.up_to(self.size, self.embeddings.device)

    def blocks(self) -> Iterator[Block]:
        """Queries, some at a time, in their order."""
        rows = max(_BLOCK.get(self.order.device.type, 1 << 22) // self.size, 1)
        for multiplied in self.order.split(self.gallery.rows_at_once):
            distances = self.gallery.distances(self.embeddings[multiplied])
            for chosen, part in zip(multiplied.split(rows), distances.split(rows), strict=True):
                spans = Spans(*(column[chosen] for column in self.spans))
                itself = self.itself[chosen]
                at_least = F.pad(spans.end - spans.begin, (1, 0), value=self.size)
                counted = at_least - F.pad(at_least[:, 1:], (0, 1))
                counts = counted.clone()
                counts[:, -1] -= (itself >= 0).long()
                yield Block(part, spans, itself, counted, counts)

    def in_order(self, blocks: Sequence[_Scores]) -> _Scores:
        """The scores of all blocks, in the order of the queries as given."""
        place = _places_of(self.order)

        def joined(parts: Sequence[Any]) -> Any:
            if isinstance(parts[0], dict):
                return {k: joined([part[k] for part in parts]) for k in parts[0]}
            return torch.cat(list(parts)).index_select(0, place)

        return type(blocks[0])(*map(joined, zip(*blocks, strict=True)))


def ks_within(k: Sequence[int], ranked: int) -> tuple[int, ...]:
    """The k that a public function's caller asks for, with a warning about what goes beyond the ranking."""
    ks = checked_ks(k)
    if ks and ks[-1] > ranked:
        warnings.warn(
            f"`k`: {ks[-1]} is more than the {ranked} items that are ranked: what is told at {ks[-1]} is that at"
            f" {ranked}.",
            stacklevel=3,
        )
    return ks


def _places_of(order: Tensor) -> Tensor:
    """Where each item has gone, of an order."""
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    return place
