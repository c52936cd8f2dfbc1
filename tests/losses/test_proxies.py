"""Losses with proxies: equal to the authors' code, and to their definition written out."""

import importlib
import sys

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hardest_metrics.losses import ClusterLoss, CSLLoss
from tests.losses.conftest import Goldens, tree


def classes(labels: Tensor) -> Tensor:
    rows: Tensor = labels.unique(dim=0)
    return rows


def test_the_cluster_loss_equals_the_authors_code(goldens: Goldens) -> None:
    for case in goldens.document["proxy_losses"]:
        labels, x = goldens.inputs(case)
        labels[:, 0] = labels[:, 0].unique(return_inverse=True)[1]
        loss = ClusterLoss(case["classes"], x.shape[1], case["temperature"])
        random = np.random.default_rng(case["inputs"]["seed"] + 7)
        loss.softmax.W.data.copy_(torch.from_numpy(random.normal(size=(case["classes"], x.shape[1]))).T)
        check(loss(F.normalize(x), labels), x, loss.softmax.W, case["cluster"])


def test_csl_equals_the_authors_code_whatever_the_labels_numbers(goldens: Goldens) -> None:
    for case in goldens.document["proxy_losses"]:
        labels, x = goldens.inputs(case)
        rows = classes(labels)
        random = np.random.default_rng(case["inputs"]["seed"] + 7)
        proxies = torch.from_numpy(random.normal(size=(case["classes"], x.shape[1])))
        shuffled = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
        loss = CSLLoss(rows[shuffled], x.shape[1], case["margins (finest first)"], case["scale"])
        loss.proxies.data.copy_(proxies[shuffled])
        check(loss(F.normalize(x), labels), x, loss.proxies, case["csl"])


def check(value: Tensor, x: Tensor, proxies: Tensor, expected: dict[str, float]) -> None:
    value.backward()
    assert x.grad is not None
    assert proxies.grad is not None
    assert value.item() == pytest.approx(expected["loss"], rel=1e-5)
    assert x.grad.norm().item() == pytest.approx(expected["gradient_norm"], rel=1e-4)
    assert proxies.grad.norm().item() == pytest.approx(expected["proxy_gradient_norm"], rel=1e-4)
    x.grad = None


@pytest.mark.parametrize("seed", range(5))
def test_csl_is_its_definition(seed: int) -> None:
    labels = tree(12, (2, 2, 3), seed)
    rows = classes(labels)
    embeddings = F.normalize(torch.randn(12, 5, generator=torch.Generator().manual_seed(seed)))
    loss = CSLLoss(rows, 5, margins := (0.1, 0.2, 0.3), scale=8.0)
    expected = 0.0
    for level, margin in enumerate(margins):
        for e, label in zip(embeddings, labels, strict=True):
            scores = {
                tuple(row.tolist()): 8 * float(e @ F.normalize(p, dim=0))
                for row, p in zip(rows, loss.proxies.detach(), strict=True)
            }
            others = [np.exp(score) for row, score in scores.items() if row[level] != label[level]]
            own = scores[tuple(label.tolist())]
            expected += np.log1p(np.sum(others) * np.exp(8 * margin - own)) / len(labels)
    assert loss(embeddings, labels).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    "rows", [torch.tensor([[0, 0]]), torch.tensor([[0, 0], [1, 0]]), torch.tensor([[0, 0], [1, 1]])], ids=str
)
def test_where_no_class_differs_gradients_are_finite(rows: Tensor, dtype: torch.dtype) -> None:
    for loss in (CSLLoss(rows, 3, (0.25, 0.45)), ClusterLoss(len(rows), 3)):
        embeddings = F.normalize(torch.randn(4, 3)).to(dtype).requires_grad_()
        loss(embeddings, rows[[0, 0, -1, -1]]).backward()
        (proxies,) = loss.parameters()
        for gradient in (embeddings.grad, proxies.grad):
            assert gradient is not None
            assert gradient.isfinite().all()


@pytest.mark.parametrize("kind", ["cluster", "csl"])
def test_the_gradient_is_the_slope(kind: str) -> None:
    labels = tree(8, (2, 3), seed=0)
    labels[:, 0] = labels[:, 0].unique(return_inverse=True)[1]
    rows = classes(labels)
    loss = ClusterLoss(len(rows), 4) if kind == "cluster" else CSLLoss(rows, 4, (0.25, 0.45))
    embeddings = F.normalize(torch.randn(8, 4, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda e: loss.double()(e, labels), [embeddings])


@pytest.mark.parametrize("kind", ["cluster", "csl"])
def test_mixed_precision_leaves_proxies_as_they_are(kind: str) -> None:
    rows = torch.tensor([[0, 0], [1, 0], [2, 1]])
    loss = ClusterLoss(3, 4) if kind == "cluster" else CSLLoss(rows, 4, (0.25, 0.45))
    embeddings = F.normalize(torch.randn(3, 4)).half()
    expected = loss(embeddings.float(), rows)
    with torch.autocast("cpu", torch.bfloat16):
        assert loss(embeddings, rows) == expected
    (proxies,) = loss.parameters()
    assert proxies.dtype == torch.float32


def test_embeddings_are_used_as_given() -> None:
    rows = torch.tensor([[0, 0], [1, 0], [2, 1]])
    embeddings = F.normalize(torch.randn(3, 4))
    for loss in (ClusterLoss(3, 4), CSLLoss(rows, 4, (0.25, 0.45))):
        assert not torch.isclose(loss(2 * embeddings, rows), loss(embeddings, rows))


def test_a_class_that_has_no_proxy_is_refused() -> None:
    rows = torch.tensor([[0, 0], [4, 0], [2, 1]])
    embeddings = torch.ones(2, 4)
    csl = CSLLoss(rows, 4, (0.25, 0.45))
    for wrong in ([3, 0], [5, 0], [4, 1], [-1, 0]):
        with pytest.raises(ValueError, match=r"labels: row 1 is .* no row of class_labels"):
            csl(embeddings, torch.tensor([[4, 0], wrong]))
    with pytest.raises(ValueError, match="1 levels, but class_labels has 2"):
        csl(embeddings, torch.tensor([[4], [0]]))
    for label in (-1, 3):
        with pytest.raises(ValueError, match=rf"row 1 is of class {label} .* 0 to 2"):
            ClusterLoss(3, 4)(embeddings, torch.tensor([[0, 0], [label, 0]]))


def test_wrong_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="rows 0 and 2 are both of class 5"):
        CSLLoss(torch.tensor([[5, 0], [1, 0], [5, 1]]), 4, (0.25, 0.45))
    with pytest.raises(ValueError, match="margins: 3 for 2 levels"):
        CSLLoss(torch.tensor([[5, 0]]), 4, (0.25, 0.35, 0.45))
    with pytest.raises(TypeError, match="integers"):
        CSLLoss(torch.tensor([[5.0, 0.0]]), 4, (0.25, 0.45))


def test_without_pytorch_metric_learning_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("pytorch_metric_learning")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pytorch_metric_learning", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "hardest_metrics\[retrieval\]"'):
        ClusterLoss(3, 4)
    importlib.import_module("hardest_metrics.losses")
