import pytest
import torch

from hardest_metrics.functional.retrieval import overall_accuracy


def test_each_level_weighs_alike_however_many_queries_have_positives() -> None:
    scores = torch.tensor([[1.0, 0.0], [torch.nan, 0.5], [torch.nan, 1.0]])
    assert float(overall_accuracy(scores)) == 0.75


def test_each_set_weighs_alike_however_many_queries_it_has() -> None:
    assert float(overall_accuracy(torch.tensor(values) for values in ([1.0], [0.0, 0.0, 0.0], [0.5]))) == 0.5


def test_a_level_without_any_score_is_refused() -> None:
    with pytest.raises(ValueError, match="no query has a positive in part 1 of 2"):
        overall_accuracy(torch.tensor([[1.0, torch.nan], [0.5, torch.nan]]))
    with pytest.raises(ValueError, match="of no level or set"):
        overall_accuracy([])
