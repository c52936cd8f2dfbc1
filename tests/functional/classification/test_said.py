"""What was said equals the label where the classifier was right, by the definitions' own rules."""

import pytest
import torch
from torch import Tensor

from hardest_metrics.functional import topk_miss, wrong_labels
from hardest_metrics.functional.classification.said import said_of


def logits(number: int = 200, classes: int = 4) -> Tensor:
    drawn = torch.randn(number, classes, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    return torch.where(torch.rand(number, 1, generator=torch.Generator().manual_seed(1)) < 0.2, 0.0, drawn)  # with ties


def test_of_one_label_said_is_the_label_unless_it_is_missed() -> None:
    target = torch.randint(4, (200,), generator=torch.Generator().manual_seed(2))
    said = said_of(logits(), target)
    assert torch.equal(said.said != target, topk_miss(logits(), target).bool())
    assert torch.equal(said.label, target)
    assert torch.equal(said.of_label, logits().double().softmax(1)[torch.arange(200), target])
    assert (said.of_said >= said.of_label).all()


def test_of_several_labels_said_is_the_label_unless_any_is_wrong() -> None:
    has = torch.rand(200, 4, generator=torch.Generator().manual_seed(3)) < 0.5
    half = torch.rand(200, 1, generator=torch.Generator().manual_seed(4)) < 0.5
    clear = torch.where(half, logits(), has * 4.0 - 2)  # these are right
    said = said_of(clear, has.long())
    labelled = has.any(1)
    assert torch.equal(said.label >= 0, labelled)
    assert torch.equal((said.said != said.label)[labelled], (wrong_labels(clear, has.long()) > 0)[labelled])
    assert has.gather(1, said.label.clamp(min=0)[:, None]).squeeze(1)[labelled].all()


@pytest.mark.parametrize("target", [None, torch.tensor([-100, 4, -1])])
def test_without_a_label_the_most_probable_class_is_said(target: Tensor | None) -> None:
    said = said_of(logits(3), target)
    assert said.label.tolist() == [-1] * 3
    assert torch.equal(said.of_said, logits(3).double().softmax(1).amax(1))
