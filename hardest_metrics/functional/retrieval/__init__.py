"""Retrieval with labels of a hierarchy, as pure functions: tensors in, tensors out."""

from hardest_metrics.functional.retrieval.distances import Similarity
from hardest_metrics.functional.retrieval.labels import check_labels, shared_levels
from hardest_metrics.functional.retrieval.neighbours import Neighbours, nearest_neighbours
from hardest_metrics.functional.retrieval.overall import overall_accuracy
from hardest_metrics.functional.retrieval.queries import score_queries, topk_scores
from hardest_metrics.functional.retrieval.ranked import score_ranked
from hardest_metrics.functional.retrieval.relevance import Relevance, relevances
from hardest_metrics.functional.retrieval.scores import QueryScores, TopKScores

__all__ = [
    "Neighbours",
    "QueryScores",
    "Relevance",
    "Similarity",
    "TopKScores",
    "check_labels",
    "nearest_neighbours",
    "overall_accuracy",
    "relevances",
    "score_queries",
    "score_ranked",
    "shared_levels",
    "topk_scores",
]
