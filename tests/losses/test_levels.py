"""What losses refuse, and by what name."""

from typing import Any

import pytest
import torch
from torch import Tensor

from hardest_metrics.losses import HierarchicalAPLoss
from hardest_metrics.losses.levels import levels_of_pairs
from tests.losses.conftest import tree

E, L = torch.ones(4, 3), torch.zeros(4, 2, dtype=torch.int64)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ([E, L.float()], TypeError, "labels must be integers, but are torch.float32"),
        ([E, L.bool()], TypeError, "labels must be integers"),
        ([E.long(), L], TypeError, "embeddings must be .* in floating point"),
        ([E[0], L], ValueError, r"embeddings must be \(B, D\)"),
        ([E, L[:, 0]], ValueError, r"labels must be \(4, L\)"),
        ([E, L[:3]], ValueError, r"labels must be \(4, L\), .* but is \(3, 2\)"),
        ([E, L[:, :0]], ValueError, "labels must be"),
        ([E, L, E], ValueError, "reference_labels is missing"),
        ([E, L, None, L], ValueError, "references is missing"),
        ([E, L, E[:, :2], L], ValueError, "references has 2 columns, but embeddings has 3"),
        ([E, L, E, L[:, :1]], ValueError, "reference_labels has 1 columns, but labels has 2"),
        ([E, L, E, L[:1]], ValueError, r"reference_labels must be \(4, L\)"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: list[Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        HierarchicalAPLoss()(*arguments)


def test_labels_that_are_no_tree_are_refused_naming_two_rows() -> None:
    labels = torch.tensor([[0, 0, 0], [1, 0, 0], [2, 1, 1], [0, 2, 1]])
    with pytest.raises(ValueError, match=r"row 0 is \[0, 0, 0\] and row 3, .* \[0, 2, 1\]: equal at level 0, but not"):
        levels_of_pairs(labels, labels)
    with pytest.raises(ValueError, match="no tree"):
        HierarchicalAPLoss()(torch.ones(4, 2), labels)


@pytest.mark.parametrize("fan", [(3,), (2, 2, 2, 2), (1, 5)])
def test_of_a_tree_a_level_is_shared_where_enough_levels_are(fan: tuple[int, ...]) -> None:
    labels = tree(20, fan, seed=3)
    levels: Tensor = levels_of_pairs(labels, labels[:7])
    for level in range(len(fan)):
        same = labels[:, None, level] == labels[:7, level]
        assert same.equal(levels >= len(fan) - level)
