"""Retrieval with labels of a hierarchy, as pure functions: tensors in, tensors out."""

from hardest_metrics.functional.retrieval.labels import check_labels, shared_levels
from hardest_metrics.functional.retrieval.queries import score_queries, topk_scores
from hardest_metrics.functional.retrieval.relevance import Relevance, relevances
from hardest_metrics.functional.retrieval.scores import QueryScores, TopKScores, score_ranked

__all__ = [
    "QueryScores",
    "Relevance",
    "TopKScores",
    "check_labels",
    "relevances",
    "score_queries",
    "score_ranked",
    "shared_levels",
    "topk_scores",
]
