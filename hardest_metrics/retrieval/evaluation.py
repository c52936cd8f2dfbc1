"""What several metrics ask for of all queries, computed once for all of them, on one process or shared out."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from hardest_metrics.functional.retrieval import (
    QueryScores,
    Relevance,
    Similarity,
    TopKScores,
    score_queries,
    topk_scores,
)


class Score(NamedTuple):
    """What a metric needs to be computed.

    Attributes:
        metric: how embeddings are compared.
        ks: of the scores at k.
        first_only: whether the scores at k are all it needs, which take a fraction of the time.
        relevance: for H-AP; None where that is not needed.
        alpha: likewise.
        levels: how many levels labels must have at least.
    """

    metric: Similarity
    ks: tuple[int, ...] = ()
    first_only: bool = False
    relevance: Relevance | None = None
    alpha: float = 1.0
    levels: int = 1


class Asking(Protocol):
    """A metric that asks for scores."""

    @property
    def asked(self) -> Score:
        """What it needs to be computed."""

    def score(self, scores: QueryScores) -> Tensor:
        """``(Q,)`` of these."""


class Sharing(NamedTuple):
    """How the work is shared out among processes that all hold the same.

    Attributes:
        gather: gives a tensor of each process; all of them must call it.
        rank: of this process.
        size: how many there are.
    """

    gather: Callable[[Tensor], list[Tensor]]
    rank: int
    size: int


class Scored(NamedTuple):
    """The queries that a score says something of.

    Attributes:
        rows: ``(k,)`` int64, where they stand among all rows, ascending.
        scores: ``(k,)`` float64, theirs.
        without_positives: how many queries are left out, as nothing in the gallery is to be found by them.
    """

    rows: Tensor
    scores: Tensor
    without_positives: int


def evaluate(members: Sequence[Asking], columns: Mapping[str, Tensor], sharing: Sharing | None = None) -> list[Scored]:
    """Score the queries among some rows by several metrics.

    Args:
        members: the metrics.
        columns: ``embeddings`` ``(N, D)``, ``labels`` ``(N, L)`` and ``role`` ``(N, 2)``: whether each row is a query,
            and whether it is in the gallery.
        sharing: the queries are shared out, so that each process scores its part of them, and the scores gathered;
            None to score all of them here.

    Returns:
        What each metric says.

    Raises:
        ValueError: where labels have too few levels, or no relevance follows from them.
    """
    is_query, in_gallery = columns["role"].bool().unbind(1)
    queries, gallery = (chosen.nonzero().squeeze(1) for chosen in (is_query, in_gallery))
    for member in members:
        if len(queries):
            check_levels(member, columns["labels"])
    here = queries if sharing is None else queries.tensor_split(sharing.size)[sharing.rank]
    if len(queries) and len(gallery):
        scores = _scores(members, columns, here, gallery, in_gallery)
    else:
        scores = torch.full((len(here), len(members)), torch.nan, dtype=torch.float64, device=here.device)
    if sharing is not None:
        scores = torch.cat(sharing.gather(scores))
    found = []
    for column in scores.unbind(1):
        tells = ~column.isnan()
        found.append(Scored(queries[tells], column[tells], int((~tells).sum())))
    return found


def check_levels(member: Asking, labels: Tensor) -> None:
    """Refuse labels ``(N, L)`` of fewer levels than a metric needs."""
    if member.asked.levels > labels.shape[1]:
        raise ValueError(
            f"{member!r} needs labels of at least {member.asked.levels} levels, but they have {labels.shape[1]}."
        )


def itself_in(gallery: Tensor, in_gallery: Tensor, rows: Tensor) -> Tensor:
    """Where rows stand in the gallery, -1 where they do not.

    Args:
        gallery: ``(M,)`` int64, which rows are in it, ascending.
        in_gallery: ``(N,)`` bool, the same.
        rows: ``(Q,)`` int64.
    """
    return torch.where(in_gallery[rows], torch.searchsorted(gallery, rows), -1)


def chosen_rows(values: Tensor, rows: Tensor) -> Tensor:
    """Some rows, given in ascending order; not copied where they are all."""
    return values if len(rows) == len(values) else values.index_select(0, rows)


def _scores(
    members: Sequence[Asking], columns: Mapping[str, Tensor], queries: Tensor, gallery: Tensor, in_gallery: Tensor
) -> Tensor:
    """``(Q, members)`` float64; members that are content with the same are served by one search."""
    scores = torch.empty(len(queries), len(members), dtype=torch.float64, device=queries.device)
    for asked, places in _together([member.asked for member in members]):
        found = _search(asked, columns, queries, gallery, in_gallery)
        for place in places:
            scores[:, place] = members[place].score(found)  # type: ignore[arg-type]
    return scores


def _search(
    asked: Score, columns: Mapping[str, Tensor], queries: Tensor, gallery: Tensor, in_gallery: Tensor
) -> QueryScores | TopKScores:
    embeddings, labels = (chosen_rows(columns[name], queries) for name in ("embeddings", "labels"))
    items, classes = (chosen_rows(columns[name], gallery) for name in ("embeddings", "labels"))
    itself = itself_in(gallery, in_gallery, queries)
    if asked.first_only:
        return topk_scores(
            embeddings, labels, gallery=items, gallery_labels=classes, itself=itself, k=asked.ks, metric=asked.metric
        )
    return score_queries(
        embeddings, labels, gallery=items, gallery_labels=classes, itself=itself, k=asked.ks, metric=asked.metric,
        relevance="pop" if asked.relevance is None else asked.relevance, alpha=asked.alpha,
    )  # fmt: skip


def _together(asked: Sequence[Score]) -> list[tuple[Score, list[int]]]:
    """As few searches as give all that is asked for, and which places each serves.

    One for each way to compare embeddings; where several relevances are asked for, one for each of these.
    """
    searches = []
    for metric in dict.fromkeys(one.metric for one in asked):
        alike = [(place, one) for place, one in enumerate(asked) if one.metric == metric]
        ks = tuple(sorted({k for _, one in alike for k in one.ks}))
        first_only = all(one.first_only for _, one in alike)
        relevances = dict.fromkeys((one.relevance, one.alpha) for _, one in alike if one.relevance is not None)
        for number, relevance in enumerate([*relevances] or [(None, 1.0)]):
            served = [
                place
                for place, one in alike
                if (one.relevance, one.alpha) == relevance or (one.relevance is None and not number)
            ]
            searches.append((Score(metric, ks, first_only, *relevance), served))
    return searches
