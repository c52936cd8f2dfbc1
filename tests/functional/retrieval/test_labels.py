import re

import pytest
import torch
from torch import Tensor

from hardest_metrics.functional.retrieval import check_labels, shared_levels
from hardest_metrics.functional.retrieval.labels import class_order, class_spans, torn_rows
from tests.functional.retrieval.trees import random_labels


@pytest.mark.parametrize("seed", range(20))
def test_labels_of_a_tree_are_taken(seed: int) -> None:
    check_labels(random_labels(50, 1 + seed % 4, torch.Generator().manual_seed(seed)))


def test_two_rows_that_are_no_tree_are_named() -> None:
    labels = torch.tensor([[0, 0, 0], [1, 1, 0], [2, 1, 1]])
    with pytest.raises(ValueError, match=r"row 1 .* is \[1, 1, 0\] and row 2 .* is \[2, 1, 1\].* level 1, .* level 2"):
        check_labels(labels)


@pytest.mark.parametrize("seed", range(20))
def test_a_tree_is_told_from_others(seed: int) -> None:
    rows = torch.randint(3, (5, 3), generator=torch.Generator().manual_seed(seed))
    torn = [
        (i, j, level)
        for i in range(5)
        for j in range(5)
        for level in range(2)
        if rows[i, level] == rows[j, level] and rows[i, level + 1] != rows[j, level + 1]
    ]
    found = torn_rows(rows)
    assert found in torn if torn else found is None


def test_queries_and_gallery_are_of_one_tree() -> None:
    labels, gallery_labels = torch.tensor([[0, 0], [1, 1]]), torch.tensor([[0, 0], [1, 0]])
    check_labels(labels)
    check_labels(gallery_labels)
    with pytest.raises(ValueError, match=r"row 1 of `labels` is \[1, 1\] and row 1 of `gallery_labels` is \[1, 0\]"):
        check_labels(labels, gallery_labels)


@pytest.mark.parametrize(
    ("labels", "gallery_labels", "error", "message"),
    [
        (torch.zeros(3, 2), None, TypeError, "`labels` must be integers, but are torch.float32"),
        (torch.zeros(3, dtype=torch.int64), None, ValueError, r"have \(3,\); of one level: `labels[:, None]`"),
        (torch.zeros(3, 0, dtype=torch.int64), None, ValueError, "1 to 255 levels"),
        (
            torch.zeros(3, 2).long(),
            torch.zeros(3, 1).long(),
            ValueError,
            "`labels` have 2 levels, but `gallery_labels` 1",
        ),
    ],
)
def test_labels_of_another_form_are_refused(
    labels: Tensor, gallery_labels: Tensor | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message.replace("[:", r"\[:").replace("None]", r"None\]")):
        check_labels(labels, gallery_labels)


def test_shared_levels_are_counted() -> None:
    labels = torch.tensor([[4, 1, 0], [4, 1, 0], [5, 1, 0], [6, 2, 0], [7, 3, 1]])
    assert shared_levels(labels[:1], labels).tolist() == [3, 3, 2, 1, 0]


@pytest.mark.parametrize("seed", range(50))
def test_every_class_stands_side_by_side(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    labels = random_labels(60, 1 + seed % 4, rng)
    queries, gallery = labels[:20], labels[20:]
    ordered = gallery[class_order(gallery)]
    spans = class_spans(queries, ordered)
    level = shared_levels(queries[:, None], ordered)
    place = torch.arange(len(ordered))
    for t in range(1, labels.shape[1] + 1):
        within = (spans.begin[:, t - 1, None] <= place) & (place < spans.end[:, t - 1, None])
        assert (within == (level >= t)).all()


def test_items_of_a_class_stay_in_order() -> None:
    assert class_order(torch.tensor([[3, 1], [2, 0], [3, 1], [2, 0]])).tolist() == [1, 3, 0, 2]


def test_the_message_says_what_to_do() -> None:
    with pytest.raises(
        ValueError, match=re.escape("Give the finest level first, and a number of its own to each class")
    ):
        check_labels(torch.tensor([[0, 0], [0, 1]]))
