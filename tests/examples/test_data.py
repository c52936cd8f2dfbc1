"""Loaders: what they give to training and to validation."""

from typing import Any

import torch
from torch import Tensor

from examples.detector.data import DigitData, ForTraining, Kept


class Counted:
    """Samples that count how often they are made."""

    def __init__(self) -> None:
        self.made = 0

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        self.made += 1
        return torch.zeros(3, 8, 8, dtype=torch.uint8), {
            "boxes": torch.tensor([[0.0, 0, 4, 4], [2.0, 2, 8, 8]]),
            "labels": torch.tensor([1, 2]),
            "iscrowd": torch.tensor([1, 0]),
            "image_id": 7,
        }


def test_samples_are_made_once() -> None:
    samples = Counted()
    kept = Kept(samples)
    assert kept[0][1]["image_id"] == kept[0][1]["image_id"] == 7
    assert samples.made == 1


def test_crowds_are_not_learnt_from() -> None:
    _, target = ForTraining(Counted(), None)[0]
    assert sorted(target) == ["boxes", "labels"]
    assert target["labels"].tolist() == [2]
    assert target["boxes"].tolist() == [[2, 2, 8, 8]]


def test_digit_data_gives_batches_with_ids_in_validation() -> None:
    data = DigitData(n_train=7, n_val=5, image_size=(64, 96), digit_height=(10, 30), batch_size=3)
    assert data.n_classes == 10
    assert [len(targets) for _, targets in data.train_dataloader()] == [3, 3]
    ids = []
    for images, targets in data.val_dataloader():
        assert images.dtype == torch.uint8
        assert images.shape == (len(targets), 3, 64, 96)
        ids += [target["image_id"] for target in targets]
        assert all(target["image_size"] == (64, 96) for target in targets)
    assert ids == [0, 1, 2, 3, 4]
