from typing import Any

import pytest
import torch

from hardest_metrics.functional.retrieval import nearest_neighbours, score_queries, topk_scores

EMBEDDINGS = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1], [2, 1], [3, 1]])


@pytest.mark.parametrize("function", [score_queries, topk_scores, nearest_neighbours])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gallery": EMBEDDINGS}, "`gallery` and `gallery_labels` belong together"),
        ({"gallery_labels": LABELS}, "`gallery` and `gallery_labels` belong together"),
        ({"gallery": EMBEDDINGS[:, :2], "gallery_labels": LABELS}, "have 3 dimensions, but `gallery` has 2"),
        ({"gallery": EMBEDDINGS[:0], "gallery_labels": LABELS[:0]}, "The gallery is empty"),
        ({"gallery": EMBEDDINGS * torch.nan, "gallery_labels": LABELS}, "`gallery`: row 0 holds NaN"),
        ({"embeddings": EMBEDDINGS / 0}, "`embeddings`: row 0 holds NaN or infinity"),
        ({"labels": LABELS.flip(1)}, r"row 1 of `labels` is \[0, 0\] and row 2 of `labels` is \[0, 1\]"),
        ({"metric": "euclid"}, "`metric` must be one of 'cosine', 'inner_product', 'l2', but is 'euclid'"),
        ({"itself": torch.zeros(2).long()}, r"`itself` must be int64 of shape \(6,\), but is torch.int64 of \(2,\)"),
        ({"itself": torch.arange(6) - 3}, "`itself` must be places in the gallery of 6 items, or -1"),
        ({"itself": torch.tensor([0, 1, 5, 3, 4, 2])}, "query 2 is item 5 of the gallery, but their labels differ"),
    ],
)
def test_what_does_not_go_together_is_refused(function: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(**{"embeddings": EMBEDDINGS, "labels": LABELS} | arguments)
