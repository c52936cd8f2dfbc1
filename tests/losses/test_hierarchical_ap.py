"""H-AP as a loss: equal to the authors' code, and to its definition written out pair by pair."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hardest_metrics.losses import HierarchicalAPLoss, HRank
from hardest_metrics.losses import hierarchical_ap as source
from tests.losses.conftest import Goldens, tree


def batch(n: int = 24, fan: tuple[int, ...] = (2, 3, 3), dim: int = 6, seed: int = 0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(n, dim, generator=random, dtype=torch.float64)
    return F.normalize(x).requires_grad_(), tree(n, fan, seed)


def plain(
    embeddings: Tensor, labels: Tensor, references: Tensor, reference_labels: Tensor, loss: HierarchicalAPLoss
) -> Tensor:
    """The definition, one pair after the other, its gradient left to autograd."""
    losses = []
    tau, rho, delta, start, offset = loss.rank
    if offset is None:
        offset = 1 / (1 + math.exp(-delta / tau)) + start
    n_levels = labels.shape[1]
    for q in range(len(embeddings)):
        scores = references @ embeddings[q]
        t = (reference_labels == labels[q]).sum(1).tolist()
        relevance = [(level / n_levels) ** loss.alpha / t.count(level) if level else 0.0 for level in t]
        if not any(t):
            continue
        quality = scores.new_zeros(())
        for i, t_i in enumerate(t):
            if not t_i:
                continue
            rank, hrank = scores.new_ones(()), scores.new_tensor(relevance[i])
            for j, t_j in enumerate(t):
                if j == i:
                    continue
                d = scores[j] - scores[i]
                step = float(d >= 0)
                if t_j >= t_i:
                    rank = rank + step
                elif d <= 0:
                    rank = rank + torch.sigmoid(d / tau)
                elif d <= delta:
                    rank = rank + start + torch.sigmoid(d / tau)
                else:
                    rank = rank + rho * (d - delta) + offset
                counted: Any = step
                if loss.hrank is not None and t_j > t_i:
                    if d <= 0:
                        counted = loss.hrank.leak * d
                    elif loss.hrank.gamma <= 1:
                        counted = (loss.hrank.beta * d + loss.hrank.gamma).clamp(max=1)
                hrank = hrank + counted * min(relevance[i], relevance[j])
            quality = quality + hrank / rank
        losses.append(1 - quality / sum(relevance))
    return torch.stack(losses).mean() if losses else (embeddings * 0).sum()


SETTINGS: list[dict[str, Any]] = [
    {},
    {"hrank": HRank()},
    {"hrank": HRank(beta=3.0, gamma=0.1, leak=2.0), "alpha": 2.0},
    {"hrank": HRank(gamma=1.5)},
    {"start": 0.0, "offset": 1.0, "alpha": 0.5},
    {"offset": None, "tau": 0.1, "delta": 0.2, "rho": 10.0},
    {"delta": 0.0, "alpha": 0.0},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("referring", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_value_and_gradient_are_those_of_the_definition(settings: dict[str, Any], referring: bool, seed: int) -> None:
    loss = HierarchicalAPLoss(**settings)
    embeddings, labels = batch(10, seed=seed)
    references, reference_labels = batch(13, seed=seed + 100) if referring else (embeddings, labels)
    leaves = [embeddings, references] if referring else [embeddings]
    expected = plain(embeddings, labels, references, reference_labels, loss)
    found = loss(embeddings, labels, *([references, reference_labels] if referring else []))
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(value, leaves, allow_unused=True) for value in (found, expected)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("number", range(5))
def test_equals_the_authors_code(goldens: Goldens, number: int) -> None:
    case = goldens.document["hap_loss"][number]
    labels, x = goldens.inputs(case)
    hrank = HRank() if case["with_hrank"] else None
    loss = HierarchicalAPLoss(case["alpha"], start=case["start"], offset=case["offset"], hrank=hrank)
    embeddings, n = F.normalize(x), case["queries"]
    value = loss(embeddings[:n], labels[:n], embeddings, labels)
    value.backward()
    assert x.grad is not None
    assert value.item() == pytest.approx(case["loss"], rel=1e-5)
    assert x.grad.norm().item() == pytest.approx(case["gradient_norm"], rel=1e-4)
    assert x.grad.abs().sum().item() == pytest.approx(case["gradient_abs_sum"], rel=1e-4)
    assert x.grad[0].tolist() == pytest.approx(case["gradient_first_row"], rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("pairs", [1, 500])
def test_how_many_pairs_are_gone_through_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch, pairs: int) -> None:
    embeddings, labels = batch()
    expected = HierarchicalAPLoss(hrank=HRank())(embeddings, labels)
    (gradient,) = torch.autograd.grad(expected, embeddings)
    monkeypatch.setattr(source, "_PAIRS_ON_CPU", pairs)
    found = HierarchicalAPLoss(hrank=HRank())(embeddings, labels)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found, embeddings)[0], gradient)


@pytest.mark.parametrize("settings", SETTINGS[:4], ids=str)
def test_the_gradient_is_the_slope_where_the_loss_is_smooth(settings: dict[str, Any]) -> None:
    embeddings, labels = batch(12, seed=5)
    references, reference_labels = batch(15, seed=6)
    loss = HierarchicalAPLoss(**settings)
    assert torch.autograd.gradcheck(lambda e: loss(e, labels), [embeddings])
    assert torch.autograd.gradcheck(lambda e, r: loss(e, labels, r, reference_labels), [embeddings, references])


def test_a_perfect_ranking_costs_nothing_and_the_reverse_nearly_all() -> None:
    labels = tree(40, (2, 3), seed=1)
    corners = torch.eye(8)
    embeddings = F.normalize(corners[labels[:, 0]] + 2 * corners[6 + labels[:, 1]])
    assert HierarchicalAPLoss()(embeddings, labels).item() == pytest.approx(0, abs=1e-4)
    assert HierarchicalAPLoss()(embeddings, labels, -embeddings, labels).item() > 0.8


def test_a_step_down_the_gradient_ranks_better() -> None:
    embeddings, labels = batch(32)
    loss = HierarchicalAPLoss()
    before = loss(embeddings, labels)
    (gradient,) = torch.autograd.grad(before, embeddings)
    assert loss(F.normalize(embeddings - 0.05 * gradient / gradient.norm()), labels) < before


ODD: dict[str, Tensor] = {
    "no two of a class at any level": torch.arange(12).reshape(6, 2),
    "one class": torch.zeros(6, 2, dtype=torch.int64),
    "one image": torch.zeros(1, 2, dtype=torch.int64),
    "one level": torch.arange(6)[:, None] // 2,
    "labels of few bits": torch.tensor([[0, 0], [1, 0], [2, 1]] * 2, dtype=torch.uint8),
}


@pytest.mark.parametrize("labels", ODD.values(), ids=ODD)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("hrank", [None, HRank()])
def test_odd_batches_have_finite_gradients(labels: Tensor, dtype: torch.dtype, hrank: HRank | None) -> None:
    x = torch.randn(len(labels), 4, generator=torch.Generator().manual_seed(0))
    embeddings = F.normalize(x).to(dtype).requires_grad_()
    value = HierarchicalAPLoss(hrank=hrank)(embeddings, labels)
    value.backward()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert embeddings.grad is not None
    assert embeddings.grad.dtype == dtype
    assert embeddings.grad.isfinite().all()


def test_queries_without_a_positive_are_left_out_of_the_mean() -> None:
    embeddings, labels = batch(6)
    references, reference_labels = batch(9, seed=1)
    stranger = torch.full((2, 3), 1000)
    more = torch.cat([embeddings, embeddings[:2]])
    loss = HierarchicalAPLoss()
    expected = loss(embeddings, labels, references, reference_labels)
    torch.testing.assert_close(loss(more, torch.cat([labels, stranger]), references, reference_labels), expected)
    none = loss(embeddings[:2], stranger, references, reference_labels)
    none.backward()
    assert none == 0
    assert embeddings.grad is not None
    assert not embeddings.grad.any()


def test_scores_are_single_precision_under_autocast() -> None:
    embeddings, labels = (value[:20] for value in batch(32, dim=64))
    single = embeddings.detach().float().requires_grad_()
    expected = HierarchicalAPLoss()(single, labels)
    with torch.autocast("cpu", torch.bfloat16):
        found = HierarchicalAPLoss()(single, labels)
    assert found == expected
    found.backward()
    assert single.grad is not None


def test_what_follows_from_the_batch_alone_does_not_grow_with_its_cube() -> None:
    embeddings, labels = batch(64, dim=8)
    kept: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        HierarchicalAPLoss(hrank=HRank())(embeddings, labels)
    assert max(kept) <= 64 * 64


@pytest.mark.gpu
@pytest.mark.parametrize("hrank", [None, HRank()])
def test_a_gpu_gives_what_the_cpu_does(hrank: HRank | None) -> None:
    embeddings, labels = batch(64)
    loss = HierarchicalAPLoss(hrank=hrank)
    there = embeddings.detach().cuda().requires_grad_()
    values = loss(embeddings, labels), loss(there, labels.cuda())
    gradients = torch.autograd.grad(values[0], embeddings) + torch.autograd.grad(values[1], there)
    torch.testing.assert_close(values[0], values[1].cpu())
    torch.testing.assert_close(gradients[0], gradients[1].cpu())


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="tau=0"):
        HierarchicalAPLoss(tau=0)
    with pytest.raises(ValueError, match="delta=-1"):
        HierarchicalAPLoss(delta=-1)


def test_it_shows_its_settings() -> None:
    shown = repr(HierarchicalAPLoss(hrank=HRank(gamma=0.25)))
    assert "tau=0.01" in shown
    assert "gamma=0.25" in shown
