"""Examples know their index, in loaders, workers and files."""

import pickle
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset

from hardest_metrics.data import Indexed

IMAGES, LABELS = torch.rand(10, 3, 4, 4), torch.arange(10) % 3


class Dicts:
    """A data set of dicts that gives several at once."""

    calls = 0

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": IMAGES[index], "label": int(LABELS[index])}

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        self.calls += 1
        return [self[index] for index in indices]


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_batch_ids_beside_examples(workers: int) -> None:
    settings: dict[str, Any] = {"batch_size": 4, "shuffle": True, "num_workers": workers}
    seen = []
    for images, labels, ids in DataLoader(Indexed(TensorDataset(IMAGES, LABELS)), **settings):
        assert torch.equal(images, IMAGES[ids])
        assert torch.equal(labels, LABELS[ids])
        seen += ids.tolist()
    assert sorted(seen) == list(range(10))
    for batch in DataLoader(Indexed(Dicts()), **settings):
        assert batch["image_id"].dtype == torch.int64
        assert torch.equal(batch["image"], IMAGES[batch["image_id"]])


def test_several_at_once_are_asked_for_in_one_call() -> None:
    dataset = Dicts()
    assert len(list(DataLoader(Indexed(dataset), batch_size=5))) == 2
    assert dataset.calls == 2


def test_places_from_the_end_are_the_same_examples() -> None:
    (alone, several) = Indexed(TensorDataset(IMAGES, LABELS))[-1], Indexed(Dicts()).__getitems__([-1, 0])
    assert alone[-1] == 9
    assert [example["image_id"] for example in several] == [9, 0]


def test_in_detection_the_target_gains_the_id() -> None:
    example = Indexed([(IMAGES[0], {"boxes": []}), (IMAGES[1], {"boxes": []})])[1]
    assert example[1] == {"boxes": [], "image_id": 1}
    assert len(example) == 2


def test_parts_of_the_wrapped_set_keep_its_indices() -> None:
    part = Subset(Indexed(TensorDataset(IMAGES, LABELS)), [7, 2])
    assert [part[0][2], part[1][2]] == [7, 2]


def test_it_is_pickled_and_looked_through_like_a_list() -> None:
    dataset = pickle.loads(pickle.dumps(Indexed([("a", 1), ("b", 2)])))
    assert list(dataset) == [("a", 1, 0), ("b", 2, 1)]
    assert dataset[-1] == ("b", 2, 1)


class Stream(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(3))


@pytest.mark.parametrize(
    ("dataset", "error", "message"),
    [
        (Stream(), TypeError, "Stream has no __len__"),
        ([3], TypeError, "for index 0 a int"),
        ([{"image_id": 7}], ValueError, "a 'image_id' of its own"),
        ([("x", {"image_id": 7})], ValueError, "a 'image_id' of its own"),
    ],
)
def test_what_cannot_have_an_id_is_refused(dataset: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        Indexed(dataset)[0]
